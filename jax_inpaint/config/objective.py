"""Sections objective and features."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from jax_inpaint.config.values import SpectralGradient, require


@dataclass(frozen=True)
class Term(ABC):
    """A weighted term of the generator's objective; the kinds are in losses/terms.py."""

    term: ClassVar[str]  # its name in files and metrics
    judged: ClassVar[bool] = False  # whether a discriminator is needed
    weight: float = 1.0  # factor of the term in the objective
    output: str = "output"  # coarse, refined, output: raw; composite: pasted into the photograph

    def __post_init__(self) -> None:
        require(0 <= self.weight < math.inf, f"{self.term}.weight", self.weight, ">= 0, finite")

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
            require(0 <= value < math.inf, f"gan.{name}", value, ">= 0, finite")


@dataclass(frozen=True)
class Phase:
    """A stretch of training: what learns, and how fast."""

    until: int  # step at which it ends; 0: the last step of the run
    generator: bool = True  # the generator learns
    discriminator: bool = True  # the discriminator learns; else adversarial terms are left out
    learning_rate_scale: float = 1.0  # factor of both learning rates
    freeze_encoder_norm: bool = False  # batch norm of the encoder stays as it is (partial_unet)

    def __post_init__(self) -> None:
        require(self.until >= 0, "phase.until", self.until, ">= 0")
        require(
            self.generator or self.discriminator, "phase", self, "one in which something learns"
        )
        require(
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
        require(len(set(names)) == len(names), "objective.terms", names, "different terms")
        require(bool(names), "objective.terms", names, "at least one")
        require(self.n_critic >= 1, "objective.n_critic", self.n_critic, ">= 1")
        ends = [phase.until for phase in self.phases]
        require(
            bool(ends) and ends[-1] == 0 and ends[:-1] == sorted({*ends} - {0}),
            "objective.phases",
            ends,
            "phases whose ends rise, the last with until=0",
        )


@dataclass(frozen=True)
class FeatureConfig:
    """Files of the networks that losses and metrics look through; read if one does."""

    vgg16: str = "weights/vgg16-397923af.pth"  # torchvision's state dict, .pth or .safetensors
    vgg19: str = "weights/vgg19-dcbb9e9d.pth"  # torchvision's state dict, .pth or .safetensors
    squeezenet: str = "weights/squeezenet1_1-b8a52dc0.pth"  # torchvision's, .pth or .safetensors
    alexnet: str = "weights/alexnet-owt-7be5be79.pth"  # torchvision's, .pth or .safetensors
    resnet50_dilated: str = "weights/encoder_epoch_20.pth"  # CSAIL's ADE20K encoder
    inception: str = "weights/pt_inception-2015-12-05-6726825d.pth"  # pytorch-fid's, for FID
    lpips_alexnet: str = "weights/alex.pth"  # LPIPS's own weights (v0.1) on features of AlexNet
    lpips_vgg16: str = "weights/vgg.pth"  # on those of VGG16
    lpips_squeezenet: str = "weights/squeeze.pth"  # on those of SqueezeNet
