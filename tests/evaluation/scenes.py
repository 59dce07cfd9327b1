"""Small photographs and holes, in memory and as files."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from jax_inpaint.evaluation.methods import Example

# Heights and widths of what is no larger than one padded size, so that one program scores all.
SIZES = {"a": (48, 64), "b/c": (64, 40), "d": (33, 35), "e.f": (48, 64), "g": (64, 64)}


@cache
def scenery() -> np.ndarray:
    return np.ascontiguousarray(data.astronaut()[::3, ::3])  # 171x171


def photograph(size: tuple[int, int], number: int = 0) -> np.ndarray:
    """Another part of one picture for every number."""
    top, left = np.random.default_rng(number).integers(0, 171 - np.array(size))
    return scenery()[top : top + size[0], left : left + size[1]]


def box_hole(size: tuple[int, int], number: int = 0) -> np.ndarray:
    """A box that touches the border for even numbers."""
    hole = np.zeros(size, bool)
    top = 0 if number % 2 == 0 else 5
    hole[top : size[0] // 2, size[1] // 4 : size[1] // 2 + number % 5] = True
    return hole


def example(size: tuple[int, int], number: int = 0, holes: str = "boxes") -> Example:
    return Example(number, f"p{number}", photograph(size, number), holes, box_hole(size, number))


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if pixels.dtype == bool:
        pixels = pixels * np.uint8(255)
    Image.fromarray(pixels).save(path)


def save_photographs(folder: Path, sizes: Mapping[str, tuple[int, int]] = SIZES) -> Path:
    """A PNG file each, by stem."""
    for number, (stem, size) in enumerate(sizes.items()):
        save(folder / f"{stem}.png", photograph(size, number))
    return folder


def save_masks(folder: Path, sizes: Mapping[str, tuple[int, int]] = SIZES) -> Path:
    """A mask of a box for each photograph, by stem."""
    for number, (stem, size) in enumerate(sizes.items()):
        save(folder / f"{stem}.png", box_hole(size, number))
    return folder
