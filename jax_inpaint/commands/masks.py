"""``jax-inpaint masks``: look at random holes before training with them."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from jaxtyping import Bool
from tqdm import tqdm

from jax_inpaint.config import ConfigError, DrawnKind, MaskConfig, check_seed, load_config
from jax_inpaint.data.mask_files import MaskFiles, training_mask
from jax_inpaint.evaluation.holes import DrawnHoles
from jax_inpaint.evaluation.pictures import Photographs
from jax_inpaint.images import ImageFileError, Picture, check_writable, write_picture

GAP = 2  # pixels between two masks of the sheet
GREY = 128  # of the gaps


@dataclass(frozen=True)
class Masks:
    """Draw random holes, white: as a sheet to look at, or as files; print how much they cover.

    Files are those that evaluate uses with the same seed, kind and data.
    """

    # where to write a sheet of all; its suffix is the format
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    save: Path | None = None  # folder for the masks, a PNG each
    # save a mask for each picture of: photographs | tfds:NAME | folder:PATH, or a folder's path
    data: str | None = None
    pictures: Path | None = None  # folder for those pictures, as PNG, cropped and scaled to --size
    split: str = "validation"  # of tfds data
    directory: str = ""  # where tfds data are; empty: TFDS's own default
    kind: DrawnKind | None = None  # what the holes look like; a config's own kind without it
    count: Annotated[int | None, tyro.conf.arg(aliases=["-n"])] = None  # 64, or all pictures
    # height and width, pixels; a config's, or 256 256, or the pictures' own
    size: tuple[int, int] | None = None
    coverage: tuple[float, float] | None = None  # least and most of the image; any, or a config's
    seed: int = 0  # another one gives other masks
    config: Path | None = None  # a file such as those in configs/, whose masks are drawn
    force: bool = False  # replace what exists

    def run(self) -> None:
        """Draws the masks, writes the sheet or the files, prints the figures."""
        masks, size = self._settings()
        if self.output is None and self.save is None:
            raise ConfigError("say where masks go: --output SHEET.png, --save FOLDER, or both")
        if self.data is None:
            self._write_masks(masks, size)
        elif self.output is not None or self.save is None:
            raise ConfigError("--data goes with --save, and without --output")
        else:
            self._write_masks_of_pictures(masks, self.data, self.save)

    def _write_masks(self, masks: MaskConfig, size: tuple[int, int]) -> None:
        """Masks of one size, numbered."""
        if self.pictures is not None:
            raise ConfigError("--pictures goes with --data")
        count = self.count or 64
        if self.output is not None:
            columns = min(count, max(1, round(np.sqrt(count * size[0] / size[1]))))
            sheet_size = (
                -(-count // columns) * (size[0] + GAP) + GAP,
                columns * (size[1] + GAP) + GAP,
            )
            sheet = Picture(np.full((*sheet_size, 1), GREY, np.uint8), "L")
            check_writable(self.output, sheet, self.force)
        if self.save is not None:
            _check_folder(self.save, self.force)
        holes = self._draw(masks, size, count)
        for number, hole in enumerate(holes):
            if self.output is not None:
                top = GAP + number // columns * (size[0] + GAP)
                left = GAP + number % columns * (size[1] + GAP)
                sheet.pixels[top : top + size[0], left : left + size[1], 0] = 255 * hole
            if self.save is not None:
                _write(self.save / f"{number:06d}.png", hole[..., None] * np.uint8(255))
        if self.output is not None:
            write_picture(self.output, sheet, self.force)
        where = self.output if self.save is None else self.save
        print(f"{where}: {count} masks of {size[1]}x{size[0]}, kind {masks.kind}")
        print(_describe(holes.mean(axis=(1, 2))))

    def _write_masks_of_pictures(self, masks: MaskConfig, data: str, save: Path) -> None:
        """Masks with the pictures' names and sizes, as ``evaluate`` draws them."""
        if masks.kind == "folder":
            raise ConfigError("masks of a folder are files already")
        for folder in (save, self.pictures):
            if folder is not None:
                _check_folder(folder, self.force)
        photographs = Photographs(
            data, split=self.split, directory=self.directory, size=self.size, count=self.count
        )
        draw = DrawnHoles(masks.kind, masks, self.seed)
        shares = []
        for index, stem in enumerate(tqdm(photographs.stems, unit="mask", leave=False)):
            try:
                picture = photographs[index]
            except ImageFileError as error:
                tqdm.write(f"skipped: {error}")
                continue
            hole = draw(photographs.numbers[index], picture.shape[:2])
            shares.append(hole.mean())
            _write(save / f"{stem}.png", hole[..., None] * np.uint8(255))
            if self.pictures is not None:
                _write(self.pictures / f"{stem}.png", picture)
        if not shares:
            raise ConfigError(f"{data}: none of the pictures could be read")
        print(f"{save}: {len(shares)} masks for the pictures of {data}, kind {masks.kind}")
        print(_describe(np.array(shares)))

    def _settings(self) -> tuple[MaskConfig, tuple[int, int]]:
        if self.count is not None and self.count < 1:
            raise ConfigError(f"--count must be >= 1, got {self.count}")
        check_seed("--seed", self.seed)
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

    def _draw(
        self, config: MaskConfig, size: tuple[int, int], count: int
    ) -> Bool[np.ndarray, "n h w"]:
        if config.kind == "folder":
            files, rng = MaskFiles(config.folder), np.random.default_rng(self.seed)
            numbers = rng.permutation(len(files))
            chosen = [files[int(numbers[i % len(files)])] for i in range(count)]
            return np.stack([training_mask(mask, size, rng)[..., 0] > 0 for mask in chosen])
        draw = DrawnHoles(config.kind, config, self.seed)
        return np.stack([draw(number, size) for number in range(count)])


def _check_folder(folder: Path, force: bool) -> None:
    """Raises ImageFileError unless files can be written there without replacing others."""
    if not force and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ImageFileError(f"{folder} exists and isn't an empty folder; --force writes there")


def _write(path: Path, pixels: np.ndarray) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageFileError(f"{path.parent}: can't be made ({error.strerror})") from error
    write_picture(path, Picture(pixels, "L" if pixels.shape[-1] == 1 else "RGB"), force=True)


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
