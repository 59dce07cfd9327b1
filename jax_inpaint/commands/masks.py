"""``jax-inpaint masks``: look at random holes before training with them."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro
from jaxtyping import Bool

from jax_inpaint.config import ConfigError, DrawnKind, MaskConfig, load_config
from jax_inpaint.data.mask_files import MaskFiles, training_mask
from jax_inpaint.images import Picture, check_writable, write_picture
from jax_inpaint.masks import sample_masks

GAP = 2  # pixels between two masks of the sheet
GREY = 128  # of the gaps
TOGETHER = 16  # masks drawn by one call


@dataclass(frozen=True)
class Masks:
    """Draw a sheet of random holes, white, and print how much of the image they cover."""

    # where to write; its suffix is the format
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    kind: DrawnKind | None = None  # what the holes look like; a config's own kind without it
    count: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 64  # number of masks
    size: tuple[int, int] | None = None  # height and width, pixels; a config's, or 256 256
    coverage: tuple[float, float] | None = None  # least and most of the image; any, or a config's
    seed: int = 0  # another one gives other masks
    config: Path | None = None  # a file such as those in configs/, whose masks are drawn
    force: bool = False  # replace the output if it exists

    def run(self) -> None:
        """Draws the masks, writes the sheet, prints the figures."""
        masks, size = self._settings()
        columns = min(self.count, max(1, round(np.sqrt(self.count * size[0] / size[1]))))
        rows = -(-self.count // columns)
        sheet = np.full((rows * (size[0] + GAP) + GAP, columns * (size[1] + GAP) + GAP, 1), GREY)
        picture = Picture(sheet.astype(np.uint8), "L")
        check_writable(self.output, picture, self.force)
        holes = self._draw(masks, size)
        for number, hole in enumerate(holes):
            top = GAP + number // columns * (size[0] + GAP)
            left = GAP + number % columns * (size[1] + GAP)
            picture.pixels[top : top + size[0], left : left + size[1], 0] = 255 * hole
        write_picture(self.output, picture, self.force)
        print(f"{self.output}: {self.count} masks of {size[1]}x{size[0]}, kind {masks.kind}")
        print(_describe(holes.mean(axis=(1, 2))))

    def _settings(self) -> tuple[MaskConfig, tuple[int, int]]:
        if self.count < 1:
            raise ConfigError(f"--count must be >= 1, got {self.count}")
        if self.size is not None and min(self.size) < 8:
            raise ConfigError(f"--size must be 8 pixels or more, got {self.size}")
        masks, size = MaskConfig(), (256, 256)
        try:
            if self.config is not None:
                config = load_config(self.config)
                masks, size = config.masks, config.data.size
            if self.kind is not None:
                masks = dataclasses.replace(masks, kind=self.kind)
            if self.coverage is not None:
                masks = dataclasses.replace(masks, coverage=self.coverage)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        return dataclasses.replace(masks, per_image=True), self.size or size

    def _draw(self, config: MaskConfig, size: tuple[int, int]) -> Bool[np.ndarray, "n h w"]:
        if config.kind == "folder":
            files, rng = MaskFiles(config.folder), np.random.default_rng(self.seed)
            numbers = rng.permutation(len(files))
            chosen = [files[int(numbers[i % len(files)])] for i in range(self.count)]
            return np.stack([training_mask(mask, size, rng)[..., 0] > 0 for mask in chosen])
        draw = jax.jit(sample_masks, static_argnums=(1, 2, 3, 4))
        key = jax.random.key(self.seed)
        parts = [
            np.asarray(draw(key, TOGETHER, *size, config, first))[..., 0] > 0
            for first in range(0, self.count, TOGETHER)
        ]
        return np.concatenate(parts)[: self.count]


def _describe(coverage: np.ndarray) -> str:
    """Figures and a histogram of shares, as text."""
    lines = [
        f"coverage: mean {coverage.mean():.1%}, least {coverage.min():.1%}, "
        f"most {coverage.max():.1%}"
    ]
    bins = np.minimum((10 * coverage).astype(int), 9)
    counts = np.bincount(bins, minlength=10)
    for number in range(bins.max() + 1):
        bar = "#" * round(50 * counts[number] / len(coverage))
        lines.append(f"{10 * number:3d}-{10 * number + 10:3d} % {counts[number]:5d} {bar}".rstrip())
    return "\n".join(lines)
