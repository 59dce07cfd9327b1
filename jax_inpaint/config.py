"""Configuration: nested frozen dataclasses that files, the command line and weights files share.

The comment behind a field is its help text on the command line.
"""

import argparse
import dataclasses
import math
import runpy
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tyro

T = typing.TypeVar("T")


class ConfigError(ValueError):
    """Fields that don't go together, or not with this machine."""


Dtype = Literal["float32", "bfloat16"]
SpectralGradient = Literal["official", "sigma"]


@dataclass(frozen=True)
class GeneratorConfig:
    """The DeepFillv2 generator."""

    width: int = 24  # channels of the first layer after gating; 24 is the paper's, an even number
    sketch: bool = False  # take a sketch (edge) channel that guides what is drawn in the hole
    compute_dtype: Dtype = "float32"  # what convolutions compute in; parameters stay float32

    def __post_init__(self) -> None:
        _require(
            self.width >= 2 and self.width % 2 == 0, "generator.width", self.width, "even, >= 2"
        )


@dataclass(frozen=True)
class DiscriminatorConfig:
    """The SN-PatchGAN discriminator."""

    width: int = 64  # channels of the first layer; 64 is the paper's
    spectral_gradient: SpectralGradient = "official"  # through the power iteration, or sigma only

    def __post_init__(self) -> None:
        _require(self.width >= 1, "discriminator.width", self.width, ">= 1")


@dataclass(frozen=True)
class MaskConfig:
    """Random holes. Sizes in pixels are those of an image with sides of ``reference_size``."""

    kind: Literal["union", "brush", "box"] = "union"  # box and brush together, or one of them
    per_image: bool = True  # a mask for every image; False shares one in the batch, as official
    reference_size: int = 256  # sizes below scale with the image's side / this; 0: never scale
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


@dataclass(frozen=True)
class DataConfig:
    """Where images come from, and how they are cropped."""

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
    color_jitter: float = 0.0  # random hue, saturation, contrast, brightness: 0 none, 1 any hue
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
        _require(0 <= self.color_jitter <= 1, "data.color_jitter", self.color_jitter, "in [0, 1]")
        _require(self.threads >= 1, "data.threads", self.threads, ">= 1")
        _require(self.workers >= 0, "data.workers", self.workers, ">= 0")


@dataclass(frozen=True)
class ObjectiveConfig:
    """Weights of the generator's objective; each L1 is a mean over the whole image."""

    coarse_l1: float = 1.0  # |image - coarse|
    refined_l1: float = 1.0  # |image - refined|
    adversarial: float = 1.0  # hinge loss of the composite, -mean(logits)

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            _require(0 <= value < math.inf, f"objective.{name}", value, ">= 0 and finite")


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
class TrainConfig:
    """The run."""

    steps: int = 1_000_000  # steps in all, those of earlier sessions of this run included
    batch_size: int = 16  # images a step, over all devices
    seed: int = 0  # everything random is a function of (seed, step, purpose)
    initial_gain: float = 1.0  # initial kernels of the generator over Glorot's; 1 is official
    ema_decay: float = 0.999  # of the averaged generator that validates and is released
    parallel: Literal["jit", "shard_map", "pmap"] = "jit"  # how the step spreads over devices
    log_every: int = 50  # steps between lines of metrics.jsonl and TensorBoard points
    image_every: int = 1000  # steps between picture grids
    checkpoint_every: int = 2000  # steps between validations, each followed by a checkpoint
    keep: int = 3  # latest checkpoints kept, besides the best one
    validation_images: int = 64  # held-out images, each with one fixed mask

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "log_every", "image_every", "checkpoint_every", "keep"):
            _require(getattr(self, name) >= 1, f"train.{name}", getattr(self, name), ">= 1")
        _require(
            self.validation_images >= 1, "train.validation_images", self.validation_images, ">= 1"
        )
        _require(0 <= self.ema_decay < 1, "train.ema_decay", self.ema_decay, "in [0, 1)")


@dataclass(frozen=True)
class Config:
    """One experiment."""

    workdir: str = "runs/deepfillv2"  # checkpoints, logs, pictures, weights; resumes if it exists
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    masks: MaskConfig = field(default_factory=MaskConfig)
    data: DataConfig = field(default_factory=DataConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    generator_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    discriminator_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


def to_dict(config: Any) -> dict[str, Any]:
    """A JSON-able dictionary of a configuration."""
    return dataclasses.asdict(config)


def from_dict(cls: type[T], values: Mapping[str, Any]) -> T:
    """The configuration that :func:`to_dict` wrote, JSON's lists turned back into tuples.

    Raises:
        ValueError: for a field that ``cls`` doesn't have.
    """
    types = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(types))
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {', '.join(unknown)}")

    def revive(name: str, value: Any) -> Any:
        if dataclasses.is_dataclass(types[name]):
            return from_dict(types[name], value)
        return tuple(value) if isinstance(value, list) else value

    return cls(**{name: revive(name, value) for name, value in values.items()})


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Lines ``section.field: old -> new`` where two :func:`to_dict` results differ."""
    lines = []
    for name in sorted(set(old) | set(new)):
        before, after = old.get(name), new.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += differences(before, after, f"{prefix}{name}.")
        elif _comparable(before) != _comparable(after):
            lines.append(f"{prefix}{name}: {before} -> {after}")
    return lines


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
            description=f"{description}\n\n--config FILE sets the defaults below; "
            f"here they are those of {chosen.config}.",
        )
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error


def _comparable(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _require(holds: bool, name: str, value: Any, wanted: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {wanted}, got {value}")
