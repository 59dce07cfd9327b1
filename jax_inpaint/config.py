"""Configuration: nested frozen dataclasses that files, the command line and weights files share.

The comment behind a field is its help text on the command line.
"""

import argparse
import dataclasses
import math
import runpy
import typing
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import flax.linen as nn
import tyro
from jax.typing import DTypeLike

T = typing.TypeVar("T")

# Class attributes that tell kinds of networks and terms apart in files.
_LABELS = ("architecture", "term")


class ConfigError(ValueError):
    """Fields that don't go together, or not with this machine."""


def _require(holds: bool, name: str, value: Any, wanted: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {wanted}, got {value}")


Dtype = Literal["float32", "bfloat16"]
SpectralGradient = Literal["official", "sigma"]
Size = tuple[int, int]


@dataclass(frozen=True)
class GeneratorConfig(ABC):
    """Settings of a generator; each file in models/ defines its own kind."""

    architecture: ClassVar[str]  # its name in files and messages
    compute_dtype: Dtype = "float32"  # what convolutions compute in; parameters stay float32

    @abstractmethod
    def build(self, axis_name: str | None = None) -> nn.Module:
        """The network. ``axis_name``: the mapped axis over which batch statistics are shared."""

    @property
    @abstractmethod
    def multiple(self) -> int:
        """Height and width that the network takes are multiples of this."""

    @property
    def takes_sketch(self) -> bool:
        """Whether the network is guided by a sketch channel."""
        return False

    def attention_memory(self, height: int, width: int) -> int:
        """Bytes of what grows with the square of an image's area; none without attention."""
        del height, width
        return 0

    def frozen_parameters(self, path: tuple[str, ...]) -> bool:
        """Whether a parameter stays as it is in a phase with ``freeze_encoder_norm``."""
        del path
        return False


@dataclass(frozen=True)
class DiscriminatorConfig(ABC):
    """Settings of a discriminator; each file in models/ defines its own kind."""

    architecture: ClassVar[str]  # its name in files and messages

    def normalizes(self, path: tuple[str, ...]) -> bool:
        """Whether the kernel at a path is divided by its largest singular value beforehand."""
        del path
        return False

    @abstractmethod
    def build(self, dtype: DTypeLike, axis_name: str | None = None) -> nn.Module:
        """The network, computing in ``dtype``. ``axis_name``: as in :class:`GeneratorConfig`."""


DrawnKind = Literal[
    "union",  # box and brush together: DeepFillv2's
    "brush",
    "box",
    "boxes",  # several
    "thin",  # LaMa's, as its test sets
    "medium",
    "thick",
    "wide",  # LaMa's, as it trains
    "irregular",  # mmagic's
    "walk",  # a random walk: that of a port of partial convolutions
    "scratches",
    "fragments",  # torn off at the border
    "graffiti",
    "text",
    "outpainting",  # bands along the border
]


@dataclass(frozen=True)
class MaskConfig:
    """Random holes. Sizes in pixels are those of an image with sides of ``reference_size``."""

    kind: DrawnKind | Literal["mixture", "folder"] = "union"  # what the holes look like
    mixture: tuple[tuple[DrawnKind, float], ...] = ()  # kinds and weights, for kind mixture
    folder: str = ""  # pictures whose bright parts are holes, for kind folder
    coverage: tuple[float, float] = (0.0, 1.0)  # least and most of the image; not of a folder's
    per_image: bool = True  # a mask for every image; False shares one in the batch, as official
    reference_size: int = 256  # all sizes scale with the image's side / this; 0: never scale
    strokes: tuple[int, int] = (1, 3)  # fewest and most brush strokes
    vertices: tuple[int, int] = (4, 11)  # fewest and most segments of a stroke
    brush_width: tuple[float, float] = (12.0, 40.0)  # thinnest and thickest (exclusive), pixels
    box_size: tuple[int, int] = (128, 128)  # height and width of the box before jitter, pixels
    box_margin: int = 0  # smallest distance of the box from the border, pixels
    box_jitter: int = 32  # a side loses up to this much, pixels

    def __post_init__(self) -> None:
        for name in ("strokes", "vertices", "brush_width"):
            low, high = getattr(self, name)
            _require(0 < low <= high, f"masks.{name}", (low, high), "0 < least <= most")
        _require(min(self.box_size) > 0, "masks.box_size", self.box_size, "positive")
        _require(
            0 <= self.box_jitter < min(self.box_size),
            "masks.box_jitter",
            self.box_jitter,
            "at least 0 and smaller than the box",
        )
        _require(self.box_margin >= 0, "masks.box_margin", self.box_margin, ">= 0")
        _require(self.reference_size >= 0, "masks.reference_size", self.reference_size, ">= 0")
        least, most = self.coverage
        _require(0 <= least < most <= 1, "masks.coverage", self.coverage, "0 <= least < most <= 1")
        _require(
            all(0 < weight < math.inf for _, weight in self.mixture)
            and (self.kind != "mixture" or bool(self.mixture)),
            "masks.mixture",
            self.mixture,
            "kinds with positive weights, such as thick 1 boxes 0.5",
        )
        _require(
            self.kind != "folder" or bool(self.folder), "masks.folder", "nothing", "a folder's path"
        )


@dataclass(frozen=True)
class DataConfig:
    """Where images come from, how they are cropped, and what is changed about them."""

    source: str = "photographs"  # photographs | tfds:NAME | folder:PATH
    validation_source: str = ""  # another source to validate on; empty: split the source itself
    train_split: str = "train"  # split of a tfds source to train on
    validation_split: str = "validation"  # split of a tfds source to validate on
    validation_percent: float = 2.0  # share of a single folder that validates, by hash of the name
    directory: str = ""  # where tfds data sets are; empty: TFDS's own default
    size: tuple[int, int] = (256, 256)  # height and width of training images, multiples of 8
    crop: Literal["random", "resize"] = "random"  # random resized crop, or the whole image squeezed
    min_area: float = 0.25  # smallest share of the photograph that a random crop covers
    flip: bool = True  # mirror half of the images
    rotation: float = 0.0  # random crops are turned by up to this angle to either side, degrees
    stretch: float = 0.0  # proportions change by up to a factor of 1 + this; 0.33 is usual
    color_jitter: float = 0.0  # random hue, saturation, contrast, brightness: 0 none, 1 any hue
    blur: float = 0.0  # share of images that are blurred
    blur_sigma: tuple[float, float] = (0.1, 2.0)  # least and most of their blur, pixels
    smallest_side: int = 32  # images with a shorter side are skipped, pixels
    threads: int = 4  # threads that read and decode, per process (or per worker)
    workers: int = 0  # worker processes; 0: threads of the main process suffice

    def __post_init__(self) -> None:
        for side in self.size:
            _require(side >= 8 and side % 8 == 0, "data.size", self.size, "positive multiples of 8")
        _require(0 < self.min_area <= 1, "data.min_area", self.min_area, "in (0, 1]")
        _require(
            0 < self.validation_percent < 100,
            "data.validation_percent",
            self.validation_percent,
            "in (0, 100)",
        )
        _require(0 <= self.rotation <= 180, "data.rotation", self.rotation, "in [0, 180]")
        _require(0 <= self.stretch < math.inf, "data.stretch", self.stretch, ">= 0, finite")
        _require(
            self.crop == "random" or not (self.rotation or self.stretch),
            "data.crop",
            self.crop,
            "random with data.rotation or data.stretch",
        )
        _require(0 <= self.color_jitter <= 1, "data.color_jitter", self.color_jitter, "in [0, 1]")
        _require(0 <= self.blur <= 1, "data.blur", self.blur, "in [0, 1]")
        least, most = self.blur_sigma
        _require(
            0 < least <= most < math.inf, "data.blur_sigma", self.blur_sigma, "0 < least <= most"
        )
        _require(self.threads >= 1, "data.threads", self.threads, ">= 1")
        _require(self.workers >= 0, "data.workers", self.workers, ">= 0")


@dataclass(frozen=True)
class Term(ABC):
    """A weighted term of the generator's objective; the kinds are in losses/terms.py."""

    term: ClassVar[str]  # its name in files and metrics
    judged: ClassVar[bool] = False  # whether a discriminator is needed
    weight: float = 1.0  # factor of the term in the objective
    output: str = "output"  # coarse, refined, output: raw; composite: pasted into the photograph

    def __post_init__(self) -> None:
        _require(0 <= self.weight < math.inf, f"{self.term}.weight", self.weight, ">= 0, finite")

    @property
    def name(self) -> str:
        """What the metrics call it, such as ``coarse_l1``."""
        return f"{self.output}_{self.term}"

    @abstractmethod
    def __call__(self, scene: Any) -> Any:
        """One value per image of a scene (losses/terms.py), float32, unweighted."""


AdversarialLoss = Literal["hinge", "bce", "bce_saturating", "least_squares", "wasserstein"]
FakeTarget = Literal["everywhere", "hole", "soft_hole"]


@dataclass(frozen=True)
class GanConfig:
    """How the discriminator learns, and by it what an adversarial term means."""

    loss: AdversarialLoss = "hinge"  # of the discriminator; the generator's adversarial term is its
    fake_target: FakeTarget = "everywhere"  # where composites count as fake; soft: blurred hole
    gradient_penalty: float = 0.0  # weight of (|gradient| - 1)^2 between real and fake
    penalty_region: Literal["all", "hole"] = "all"  # pixels whose gradient the penalty counts
    r1: float = 0.0  # weight of |gradient|^2 at real images
    spectral_gradient: SpectralGradient = "official"  # through the power iteration, or sigma only

    def __post_init__(self) -> None:
        for name in ("gradient_penalty", "r1"):
            value = getattr(self, name)
            _require(0 <= value < math.inf, f"gan.{name}", value, ">= 0, finite")


@dataclass(frozen=True)
class Phase:
    """A stretch of training: what learns, and how fast."""

    until: int  # step at which it ends; 0: the last step of the run
    generator: bool = True  # the generator learns
    discriminator: bool = True  # the discriminator learns; else adversarial terms are left out
    learning_rate_scale: float = 1.0  # factor of both learning rates
    freeze_encoder_norm: bool = False  # batch norm of the encoder stays as it is (partial_unet)

    def __post_init__(self) -> None:
        _require(self.until >= 0, "phase.until", self.until, ">= 0")
        _require(
            self.generator or self.discriminator, "phase", self, "one in which something learns"
        )
        _require(
            0 < self.learning_rate_scale < math.inf,
            "phase.learning_rate_scale",
            self.learning_rate_scale,
            "> 0, finite",
        )


@dataclass(frozen=True)
class ObjectiveConfig:
    """What is minimised: weighted terms for the generator, a GAN loss for the discriminator."""

    terms: tuple[Term, ...]  # of the generator; they are added up
    gan: GanConfig = GanConfig()  # ignored without a discriminator
    n_critic: int = 1  # the discriminator learns at every step, the generator at every so many
    phases: tuple[Phase, ...] = (Phase(until=0),)  # one after the other

    def __post_init__(self) -> None:
        names = [term.name for term in self.terms]
        _require(len(set(names)) == len(names), "objective.terms", names, "different terms")
        _require(bool(names), "objective.terms", names, "at least one")
        _require(self.n_critic >= 1, "objective.n_critic", self.n_critic, ">= 1")
        ends = [phase.until for phase in self.phases]
        _require(
            bool(ends) and ends[-1] == 0 and ends[:-1] == sorted({*ends} - {0}),
            "objective.phases",
            ends,
            "phases whose ends rise, the last with until=0",
        )


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam with a learning-rate schedule."""

    learning_rate: float = 1e-4  # peak learning rate
    beta1: float = 0.5  # decay of the first moment
    beta2: float = 0.999  # decay of the second moment
    schedule: Literal["constant", "cosine"] = "constant"  # cosine falls to 0 at the last step
    warmup_steps: int = 0  # steps of linear rise from 0
    clip_norm: float = 0.0  # largest global gradient norm; 0: no clipping

    def __post_init__(self) -> None:
        _require(
            0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "> 0, finite"
        )
        _require(0 <= self.beta1 < 1, "beta1", self.beta1, "in [0, 1)")
        _require(0 <= self.beta2 < 1, "beta2", self.beta2, "in [0, 1)")
        _require(self.warmup_steps >= 0, "warmup_steps", self.warmup_steps, ">= 0")
        _require(self.clip_norm >= 0, "clip_norm", self.clip_norm, ">= 0")


@dataclass(frozen=True)
class Stage:
    """A stretch of progressive training at another size, usually smaller."""

    until: int  # step at which it ends
    size: Size  # height and width of its images
    batch_size: int  # images a step, over all devices

    def __post_init__(self) -> None:
        _require(self.until >= 1, "stage.until", self.until, ">= 1")
        _require(self.batch_size >= 1, "stage.batch_size", self.batch_size, ">= 1")


@dataclass(frozen=True)
class TrainConfig:
    """The run."""

    steps: int = 1_000_000  # steps in all, those of earlier sessions of this run included
    batch_size: int = 16  # images a step, over all devices
    stages: tuple[Stage, ...] = ()  # before data.size and batch_size: other ones, one by one
    seed: int = 0  # everything random is a function of (seed, step, purpose)
    initial_gain: float = 1.0  # initial kernels of the generator over Glorot's; 1 is official
    ema_decay: float = 0.999  # of the averaged generator that validates and is released
    parallel: Literal["jit", "shard_map", "pmap"] = "jit"  # how the step spreads over devices
    log_every: int = 50  # steps between lines of metrics.jsonl and TensorBoard points
    image_every: int = 1000  # steps between picture grids
    checkpoint_every: int = 2000  # steps between validations, each followed by a checkpoint
    keep: int = 3  # latest checkpoints kept, besides the best one
    explain: bool = False  # show gates and attention in TensorBoard beside the picture grids
    validation_images: int = 64  # held-out images, each with one fixed mask

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "log_every", "image_every", "checkpoint_every", "keep"):
            _require(getattr(self, name) >= 1, f"train.{name}", getattr(self, name), ">= 1")
        _require(
            self.validation_images >= 1, "train.validation_images", self.validation_images, ">= 1"
        )
        _require(0 <= self.ema_decay < 1, "train.ema_decay", self.ema_decay, "in [0, 1)")
        ends = [stage.until for stage in self.stages]
        _require(ends == sorted(set(ends)), "train.stages", ends, "stages whose ends rise")


@dataclass(frozen=True)
class FeatureConfig:
    """Files of the networks that perceptual and style terms look through; read if one does."""

    vgg16: str = "weights/vgg16-397923af.pth"  # torchvision's state dict, .pth or .safetensors
    vgg19: str = "weights/vgg19-dcbb9e9d.pth"  # torchvision's state dict, .pth or .safetensors
    squeezenet: str = "weights/squeezenet1_1-b8a52dc0.pth"  # torchvision's, .pth or .safetensors
    alexnet: str = "weights/alexnet-owt-7be5be79.pth"  # torchvision's, .pth or .safetensors
    resnet50_dilated: str = "weights/encoder_epoch_20.pth"  # CSAIL's ADE20K encoder


@dataclass(frozen=True, kw_only=True)
class Config:
    """One experiment."""

    workdir: str = "runs/experiment"  # checkpoints, logs, pictures, weights; resumes if it exists
    generator: GeneratorConfig
    discriminator: DiscriminatorConfig | None
    objective: ObjectiveConfig
    masks: MaskConfig = field(default_factory=MaskConfig)
    data: DataConfig = field(default_factory=DataConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    generator_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    discriminator_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        freezes = any(phase.freeze_encoder_norm for phase in self.objective.phases)
        _require(
            not freezes or hasattr(self.generator, "freeze_encoder_norm"),
            "objective.phases with freeze_encoder_norm",
            self.generator.architecture,
            "for a generator with batch norm in its encoder",
        )
        judged = [term.name for term in self.objective.terms if term.judged]
        _require(
            not judged or self.discriminator is not None,
            "discriminator",
            self.discriminator,
            f"given for the terms {', '.join(judged)}",
        )
        multiple = self.generator.multiple
        for size in (self.data.size, *(stage.size for stage in self.train.stages)):
            _require(
                all(side >= multiple and side % multiple == 0 for side in size),
                "the size of images",
                size,
                f"multiples of {multiple} for {self.generator.architecture}",
            )

    def stage_at(self, step: int) -> tuple[Stage, int]:
        """The stage that a step belongs to, the last one made of data and train, and its start."""
        began = 0
        for stage in self.train.stages:
            if step < stage.until:
                return stage, began
            began = stage.until
        return Stage(self.train.steps, self.data.size, self.train.batch_size), began


def to_dict(config: Any) -> Any:
    """A JSON-able dictionary of a configuration; kinds of networks and terms are named in it."""
    if isinstance(config, tuple):
        return [to_dict(value) for value in config]
    if not dataclasses.is_dataclass(config):
        return config
    values = {f.name: to_dict(getattr(config, f.name)) for f in dataclasses.fields(config)}
    labels = {name: getattr(config, name) for name in _LABELS if hasattr(config, name)}
    return labels | values


def from_dict(
    cls: type[T], values: Mapping[str, Any], kinds: Mapping[str, type] | None = None
) -> T:
    """The configuration that :func:`to_dict` wrote, JSON's lists turned back into tuples.

    Args:
        cls: its class.
        values: from :func:`to_dict`, perhaps through JSON.
        kinds: classes of named networks and terms that occur in it.

    Raises:
        ValueError: for a field that ``cls`` doesn't have, or a name that isn't in ``kinds``.
    """
    types = typing.get_type_hints(cls)
    fields = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - fields)
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {', '.join(unknown)}")

    def revive(kind: Any, value: Any) -> Any:
        if isinstance(value, list):
            inner = typing.get_args(kind)[:1] or (None,)
            return tuple(revive(inner[0], element) for element in value)
        if not isinstance(value, Mapping):
            return value
        rest = dict(value)
        for label in _LABELS:
            if label in rest:
                name = rest.pop(label)
                if name not in (kinds or {}):
                    raise ValueError(f"there is no {label} {name!r}")
                kind = (kinds or {})[name]
        return from_dict(kind, rest, kinds)

    return cls(**{name: revive(types[name], value) for name, value in values.items()})


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Lines ``section.field: old -> new`` where two :func:`to_dict` results differ."""
    lines = []
    for name in sorted(set(old) | set(new)):
        before, after = _by_index(old.get(name)), _by_index(new.get(name))
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += differences(before, after, f"{prefix}{name}.")
        elif before != after:
            lines.append(f"{prefix}{name}: {before} -> {after}")
    return lines


def _by_index(value: Any) -> Any:
    """A list of sections (the terms of an objective, say) as a section with numbered names."""
    if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        return {str(i): part for i, part in enumerate(value)}
    return value


def load_config(path: str | Path) -> Config:
    """The ``config`` that a Python file such as those in configs/ defines.

    Raises:
        ValueError: if there is no such file, or it defines no :class:`Config` of that name.
    """
    if not Path(path).is_file():
        raise ValueError(f"--config {path}: there is no such file")
    config = runpy.run_path(str(path)).get("config")
    if not isinstance(config, Config):
        raise ValueError(f"--config {path}: the file must define `config = Config(...)`")
    return config


def parse_command_line(arguments: Sequence[str], default: str | Path, description: str) -> Config:
    """A configuration from ``[--config FILE] [--section.field value ...]``.

    Prints help or what is wrong, with a suggestion, and exits where the arguments say so.

    Args:
        arguments: the command line without the program's name.
        default: the file that is used without ``--config``.
        description: opens the help text.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config", default=str(default))
    chosen, rest = first.parse_known_args(arguments)
    try:
        base = load_config(chosen.config)
        return tyro.cli(
            Config,
            default=base,
            args=rest,
            # The kinds of networks and terms are those of the file; the command line sets fields.
            config=(tyro.conf.AvoidSubcommands,),
            description=f"{description}\n\n--config FILE sets the defaults below; "
            f"here they are those of {chosen.config}.",
        )
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error
