"""Ways to fill a large picture with a network that has learned on small ones.

All of them work on a :class:`Canvas` and fill its holes in place.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from jax_inpaint.inference.network import Hole, Image, Sketch

Strategy = Literal["auto", "original", "resize", "crop", "refine"]

CONTEXT = 0.5  # what a crop shows around a hole on every side, in sides of the hole
ORIGINAL_UP_TO = 1.5  # times the working size: pictures that auto fills as they are

# Pictures of nearly one size, their holes, sketches, and guesses of what the holes show; gives each
# whole picture anew.
Generate = Callable[[list[Image], list[Hole], list[Sketch] | None, list[Image] | None], list[Image]]
# A picture, another of the whole, and a hole; gives the picture with the hole from the other.
Blend = Callable[[Image, Image, Hole], Image]


@dataclass
class Canvas:
    """A picture in work.

    Attributes:
        image: in [-1, 1]; filled pixels are in it.
        hole: what is still to be filled.
        sketch: lines wanted in the hole.
    """

    image: Image
    hole: Hole
    sketch: Sketch | None = None

    def window(self, rows: slice, columns: slice) -> "Canvas":
        """A part of it, sharing its memory."""
        sketch = None if self.sketch is None else self.sketch[rows, columns]
        return Canvas(self.image[rows, columns], self.hole[rows, columns], sketch)

    def reflected(self, side: int) -> "Canvas":
        """Made a square of this side, by reflection below and to the right."""
        padding = [(0, side - length) for length in self.hole.shape]
        sketch = None if self.sketch is None else np.pad(self.sketch, padding, "reflect")
        return Canvas(
            np.pad(self.image, (*padding, (0, 0)), "reflect"),
            np.pad(self.hole, padding, "reflect"),
            sketch,
        )

    def take_over(self, filled: Image, hole: Hole) -> None:
        """Takes over what has been filled."""
        self.image[hole] = filled[hole]
        self.hole[hole] = False


@dataclass(frozen=True)
class Filling:
    """What strategies need: a network, a way to blend, and the size that the network is good at.

    Attributes:
        generate: the network.
        blend: how its pictures meet what is around a hole.
        working_size: longest side, pixels, of what the network is shown at once where a strategy
            chooses.
        progress: is told the share of a canvas's work that is done.
    """

    generate: Generate
    blend: Blend
    working_size: int
    progress: Callable[[float], None] = lambda share: None

    def choose(self, hole: Hole, strategy: Strategy) -> Strategy:
        """The strategy, or what ``auto`` means for a hole."""
        if strategy != "auto":
            return strategy
        small = max(hole.shape) <= ORIGINAL_UP_TO * self.working_size
        return "original" if small else "crop"

    def fill(self, canvas: Canvas, strategy: Strategy) -> None:
        """Fills all that is hole."""
        strategy = self.choose(canvas.hole, strategy)
        if strategy == "original":
            self.original([canvas])
        elif strategy == "resize":
            self.resize(canvas)
        elif strategy == "refine":
            self.refine(canvas)
        else:
            self.crop(canvas)

    def original(self, canvases: list[Canvas]) -> None:
        """Whole pictures of nearly one size at once, as they are."""
        outputs = self._draw(canvases)
        for canvas, output in zip(canvases, outputs, strict=True):
            self._finish(canvas, output)

    def resize(self, canvas: Canvas) -> None:
        """The whole picture scaled down to the working size; what was filled is scaled up again."""
        small = scaled_down(canvas, fitting(canvas.hole.shape, self.working_size))
        (output,) = self._draw([small])
        self._finish(canvas, scaled_up(output, canvas.hole.shape))

    def preview(self, canvas: Canvas) -> None:
        """Like ``resize``, but the network is shown a square, which is partly a reflection."""
        height, width = fitting(canvas.hole.shape, self.working_size)
        square = scaled_down(canvas, (height, width)).reflected(self.working_size)
        (output,) = self._draw([square])
        self._finish(canvas, scaled_up(output[:height, :width], canvas.hole.shape))

    def refine(self, canvas: Canvas) -> None:
        """The working size first, and then twice and again twice that size, each guided.

        What is filled at one size tells the next what belongs where: a generator of two stages
        refines it in place of its first guess; for another, the coarse half of what it draws is
        replaced.
        """
        sizes = list(pyramid(canvas.hole.shape, self.working_size))
        (output,) = self._draw([scaled_down(canvas, sizes[0])])
        for level, size in enumerate(sizes[1:], start=1):
            self.progress(level / len(sizes))
            guess = scaled_up(output, size)
            (output,) = self._draw([scaled_down(canvas, size)], [guess])
        self._finish(canvas, output)

    def crop(self, canvas: Canvas) -> None:
        """Each hole with what is around it, the largest first.

        Holes that fit into one crop of the working size are filled together; what doesn't is
        refined from there. Later crops see what earlier ones have filled.
        """
        crops = list(plan_crops(canvas.hole, self.working_size))
        for number, (rows, columns, own) in enumerate(crops):
            self.progress(number / len(crops))
            part = canvas.window(rows, columns)
            copy = Canvas(part.image.copy(), part.hole.copy(), part.sketch)
            if max(part.hole.shape) <= self.working_size:
                self.original([copy])
            else:
                replace(self, progress=lambda share: None).refine(copy)
            part.take_over(copy.image, own)

    def _draw(self, canvases: list[Canvas], guesses: list[Image] | None = None) -> list[Image]:
        sketches = [canvas.sketch for canvas in canvases]
        drawn = None
        if any(sketch is not None for sketch in sketches):
            drawn = [
                np.zeros_like(canvas.hole) if sketch is None else sketch
                for canvas, sketch in zip(canvases, sketches, strict=True)
            ]
        images, holes = ([getattr(c, name) for c in canvases] for name in ("image", "hole"))
        return self.generate(images, holes, drawn, guesses)

    def _finish(self, canvas: Canvas, output: Image) -> None:
        hole = canvas.hole.copy()
        canvas.take_over(self.blend(canvas.image, output, hole), hole)


def plan_crops(hole: Hole, working_size: int) -> Iterator[tuple[slice, slice, Hole]]:
    """Rows and columns of each crop, and the part of its hole that it is there to fill.

    Together they fill every hole once, the largest first.
    """
    count, labels, figures, _ = cv2.connectedComponentsWithStats(
        hole.astype(np.uint8), connectivity=8, ltype=cv2.CV_32S
    )
    boxes = figures[1:, [cv2.CC_STAT_TOP, cv2.CC_STAT_LEFT, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_WIDTH]]
    boxes = np.asarray(boxes, np.int64)
    # First and last row and column, the latter excluded.
    boxes = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    order = np.argsort(-figures[1:, cv2.CC_STAT_AREA], kind="stable")
    # Of each group, the box around it; and the group of each component.
    groups = np.zeros((0, 4), np.int64)
    members = np.zeros(count, np.int64)
    for component in order:
        joined = np.concatenate(
            [
                np.minimum(groups[:, :2], boxes[component, :2]),
                np.maximum(groups[:, 2:], boxes[component, 2:]),
            ],
            axis=1,
        )
        fits = (_needed(joined) <= working_size) | (joined == groups).all(axis=1)
        group = int(np.argmax(fits)) if fits.any() else len(groups)
        if group == len(groups):
            groups = np.concatenate([groups, boxes[None, component]])
        else:
            groups[group] = joined[group]
        members[component + 1] = group
    group_of = members[labels]
    for number, box in enumerate(groups):
        rows, columns = _window(box, hole.shape, working_size)
        own = hole[rows, columns] & (group_of[rows, columns] == number)
        yield rows, columns, own


def _needed(boxes: np.ndarray) -> np.ndarray:
    """Side of the crop that shows enough around each box."""
    sides = np.max(boxes[..., 2:] - boxes[..., :2], axis=-1)
    return np.ceil((1 + 2 * CONTEXT) * sides).astype(np.int64)


def _window(box: np.ndarray, size: tuple[int, ...], working_size: int) -> tuple[slice, slice]:
    side = max(working_size, int(_needed(box[None])[0]))

    def around(first: int, last: int, whole: int) -> slice:
        start = min(max(0, (first + last - side) // 2), max(0, whole - side))
        return slice(start, min(whole, start + side))

    top, left, bottom, right = box.tolist()
    return around(top, bottom, size[0]), around(left, right, size[1])


def with_details(guess: Image, output: Image) -> Image:
    """A guess that was scaled up to twice its size, with what is finer from ``output``."""
    half = (max(1, guess.shape[0] // 2), max(1, guess.shape[1] // 2))
    coarse = _resized(_resized(output, half, cv2.INTER_AREA), output.shape[:2], cv2.INTER_CUBIC)
    return np.clip(guess + output - coarse, -1, 1)


def fitting(size: tuple[int, ...], longest: int) -> tuple[int, int]:
    """Height and width scaled down, if need be, until the longer one is ``longest``."""
    scale = min(1, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def pyramid(size: tuple[int, ...], working_size: int) -> Iterator[tuple[int, int]]:
    """Sizes from one whose longer side is at most the working size up to the size itself."""
    levels = max(0, math.ceil(math.log2(max(size) / working_size)))
    for level in range(levels, -1, -1):
        yield max(1, round(size[0] / 2**level)), max(1, round(size[1] / 2**level))


def scaled_down(canvas: Canvas, size: tuple[int, int]) -> Canvas:
    """A canvas in a smaller size: means of known pixels; a pixel is hole if half of it is.

    What was under the hole doesn't shine through.
    """
    if size == canvas.hole.shape:
        return canvas
    known = (~canvas.hole).astype(np.float32)
    share = _resized(known, size, cv2.INTER_AREA)
    colours = np.where(canvas.hole[..., None], np.float32(0), canvas.image)
    colours = _resized(colours, size, cv2.INTER_AREA) / np.maximum(share, 1e-6)[..., None]
    hole = share < 0.5
    # What is thinner than a pixel of the small picture still counts, if there is nothing else.
    if not hole.any():
        hole = share < 1
    elif hole.all():
        hole = share == 0
    sketch = None
    if canvas.sketch is not None:
        sketch = _resized(canvas.sketch.astype(np.float32), size, cv2.INTER_AREA) > 0.25
    return Canvas(np.clip(colours, -1, 1), hole, sketch)


def scaled_up(image: Image, size: tuple[int, ...]) -> Image:
    """A picture in a larger size, cubic."""
    return np.clip(_resized(image, size, cv2.INTER_CUBIC), -1, 1)


def _resized(values: np.ndarray, size: tuple[int, ...], interpolation: int) -> np.ndarray:
    if values.shape[:2] == tuple(size):
        return values
    return cv2.resize(values, (size[1], size[0]), interpolation=interpolation)
