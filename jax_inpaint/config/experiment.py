"""A whole experiment."""

from dataclasses import dataclass, field

from jax_inpaint.config.data import DataConfig
from jax_inpaint.config.masks import MaskConfig
from jax_inpaint.config.networks import DiscriminatorConfig, GeneratorConfig
from jax_inpaint.config.objective import FeatureConfig, ObjectiveConfig
from jax_inpaint.config.sketch import SketchConfig
from jax_inpaint.config.training import MeshConfig, OptimizerConfig, Stage, TrainConfig
from jax_inpaint.config.values import TALLEST, require


@dataclass(frozen=True, kw_only=True)
class Config:
    """One experiment."""

    workdir: str = "runs/experiment"  # checkpoints, logs, pictures, weights; resumes if it exists
    generator: GeneratorConfig
    discriminator: DiscriminatorConfig | None
    objective: ObjectiveConfig
    masks: MaskConfig = field(default_factory=MaskConfig)
    sketch: SketchConfig = field(default_factory=SketchConfig)
    data: DataConfig = field(default_factory=DataConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    generator_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    discriminator_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)

    def __post_init__(self) -> None:
        freezes = any(phase.freeze_encoder_norm for phase in self.objective.phases)
        require(
            not freezes or hasattr(self.generator, "freeze_encoder_norm"),
            "objective.phases with freeze_encoder_norm",
            self.generator.architecture,
            "for a generator with batch norm in its encoder",
        )
        names = [term.name for term in self.objective.terms]
        judged = [term.name for term in self.objective.terms if term.judged]
        require(
            not judged or self.discriminator is not None,
            "discriminator",
            self.discriminator,
            f"given for the terms {', '.join(judged)}",
        )
        if self.discriminator is None:
            learns = all(phase.generator for phase in self.objective.phases)
            require(
                learns and self.objective.n_critic == 1,
                "objective.phases and n_critic without a discriminator",
                (self.objective.phases, self.objective.n_critic),
                "such that the generator learns at every step",
            )
        else:
            require(bool(judged), "objective.terms", names, "with one that a discriminator judges")
        outputs = {term.output for term in self.objective.terms if term.judged}
        require(len(outputs) <= 1, "judged terms", judged, "on one and the same image")
        for phase in self.objective.phases:
            require(
                len(judged) < len(names) or not phase.generator or phase.discriminator,
                "objective.phases",
                phase,
                "such that terms are left where only the generator learns",
            )
        multiple = self.generator.multiple
        for size in (self.data.size, *(stage.size for stage in self.train.stages)):
            require(
                all(multiple <= side <= TALLEST and side % multiple == 0 for side in size),
                "the size of images",
                size,
                f"multiples of {multiple} for {self.generator.architecture}, up to {TALLEST}",
            )

    def stage_at(self, step: int) -> tuple[Stage, int]:
        """The stage that a step belongs to, the last one made of data and train, and its start."""
        began = 0
        for stage in self.train.stages:
            if step < stage.until:
                return stage, began
            began = stage.until
        return Stage(self.train.steps, self.data.size, self.train.batch_size), began
