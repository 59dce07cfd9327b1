"""Sections train and the two optimisers'."""

import math
from dataclasses import dataclass
from typing import Literal

from jax_inpaint.config.values import Size, check_seed, require

LpipsNetwork = Literal["squeezenet", "vgg16", "alexnet"]

# Figures of single pictures; metrics/figures.py defines them.
PictureFigure = Literal[
    "hole_l1",
    "l1",
    "hole_relative_l1",
    "relative_l1",
    "hole_l2",
    "l2",
    "hole_psnr",
    "psnr",
    "hole_ssim",
    "ssim",
    "ms_ssim",
    "total_variation",
    "lpips_alexnet",
    "lpips_vgg16",
    "lpips_squeezenet",
]


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
        require(
            0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "> 0, finite"
        )
        require(0 <= self.beta1 < 1, "beta1", self.beta1, "in [0, 1)")
        require(0 <= self.beta2 < 1, "beta2", self.beta2, "in [0, 1)")
        require(self.warmup_steps >= 0, "warmup_steps", self.warmup_steps, ">= 0")
        require(self.clip_norm >= 0, "clip_norm", self.clip_norm, ">= 0")


@dataclass(frozen=True)
class MeshConfig:
    """How devices share the work; those left over by these two share a batch's images."""

    fsdp: int = 1  # devices that share parameters and optimiser state, for large models
    spatial: int = 1  # devices that share the rows of each image, for large images

    def __post_init__(self) -> None:
        require(self.fsdp >= 1, "mesh.fsdp", self.fsdp, ">= 1")
        require(self.spatial >= 1, "mesh.spatial", self.spatial, ">= 1")


@dataclass(frozen=True)
class Stage:
    """A stretch of progressive training at another size, usually smaller."""

    until: int  # step at which it ends
    size: Size  # height and width of its images
    batch_size: int  # images a step, over all devices

    def __post_init__(self) -> None:
        require(self.until >= 1, "stage.until", self.until, ">= 1")
        require(self.batch_size >= 1, "stage.batch_size", self.batch_size, ">= 1")


@dataclass(frozen=True)
class TrainConfig:
    """The run."""

    steps: int = 1_000_000  # steps in all, those of earlier sessions of this run included
    batch_size: int = 16  # images a step, over all devices
    stages: tuple[Stage, ...] = ()  # before data.size and batch_size: other ones, one by one
    seed: int = 0  # everything random is a function of (seed, step, purpose)
    initial_gain: float = 1.0  # initial kernels of the generator over Glorot's; 1 is official
    ema_decay: float = 0.999  # of the averaged generator that validates and is released
    accumulate: int = 1  # parts of a batch that are computed one after the other, to save memory
    steps_per_call: int = 1  # steps that accelerators do without the host; CPUs do one at a time
    remat: bool = False  # layers compute what gradients need a second time, to save memory
    parallel: Literal["jit", "shard_map", "pmap"] = "jit"  # how the step spreads over devices
    log_every: int = 50  # steps between lines of metrics.jsonl and TensorBoard points
    image_every: int = 1000  # steps between picture grids
    checkpoint_every: int = 2000  # steps between validations, each followed by a checkpoint
    keep: int = 3  # latest checkpoints kept, besides the best one
    explain: bool = False  # show gates and attention in TensorBoard beside the picture grids
    skip_not_finite: int = 0  # steps in a row that are left out, at most, where a loss isn't finite
    validation_images: int = 64  # held-out images, each with one fixed mask
    lpips: tuple[LpipsNetwork, ...] = ()  # also validate with LPIPS on these; see features
    best_by: PictureFigure = "hole_l1"  # decides which checkpoint is the best

    def __post_init__(self) -> None:
        counts = ("steps", "batch_size", "accumulate", "steps_per_call", "log_every", "image_every")
        for name in (*counts, "checkpoint_every", "keep", "validation_images"):
            require(getattr(self, name) >= 1, f"train.{name}", getattr(self, name), ">= 1")
        require(self.skip_not_finite >= 0, "train.skip_not_finite", self.skip_not_finite, ">= 0")
        require(self.steps < 2**31, "train.steps", self.steps, "< 2**31, which a counter holds")
        check_seed("train.seed", self.seed)
        require(
            0 < self.initial_gain < math.inf, "train.initial_gain", self.initial_gain, "> 0, finite"
        )
        require(0 <= self.ema_decay < 1, "train.ema_decay", self.ema_decay, "in [0, 1)")
        missing = self.best_by.startswith("lpips_") and self.best_by[6:] not in self.lpips
        require(
            self.best_by != "total_variation" and not missing,
            "train.best_by",
            self.best_by,
            "a figure that tells good from bad; LPIPS only of a network in train.lpips",
        )
        ends = [stage.until for stage in self.stages]
        require(ends == sorted(set(ends)), "train.stages", ends, "stages whose ends rise")
