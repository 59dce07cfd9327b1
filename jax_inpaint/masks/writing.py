"""What people write on pictures: lines of text, and graffiti."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from jax_inpaint.config import MaskConfig
from jax_inpaint.masks.drawing import (
    Mask,
    between,
    draw_segments,
    draw_strokes,
    pixel_scale,
    uniforms,
    whole_between,
)

# Capital letters as lines between the points of a grid, named row by row:
#   a b c
#   d e f
#   g h i
#   j k l
#   m n o
ALPHABET = {
    "A": "mdbfo gi",
    "B": "amnlhfba",
    "C": "fbdjnl",
    "D": "amnlfba",
    "E": "camo gh",
    "F": "cam gh",
    "G": "fbdjnlih",
    "H": "am gi co",
    "I": "bn",
    "J": "clnj",
    "K": "am cgo",
    "L": "amo",
    "M": "maeco",
    "N": "maoc",
    "O": "bdjnlfb",
    "P": "mabfhg",
    "Q": "bdjnlfb ko",
    "R": "mabfhg ho",
    "S": "fbdhlnj",
    "T": "ac bn",
    "U": "ajnlc",
    "V": "anc",
    "W": "amkoc",
    "X": "ao cm",
    "Y": "ahc hn",
    "Z": "acmo",
}
LETTER_STROKES = 7  # most lines of a letter
LETTER_HEIGHT = (12.0, 40.0)  # smallest and largest, pixels
LETTER_PEN = (0.1, 0.22)  # thinnest and thickest line, shares of the letter's height
LETTER_SHAKE = 0.18  # most that a point is off, in units of the grid
LETTER_ADVANCE = 3.1  # from letter to letter, in units of the grid
LINE_ADVANCE = 6.5  # from line to line, in units of the grid
TEXT_TURN = 0.3  # steepest line, radians
TEXT_BLOCKS = (1, 2)  # fewest and most
TEXT_LINES = (1, 3)  # fewest and most of a block
TEXT_LETTERS = (3, 12)  # fewest and most of a line, spaces included
SPACES = 0.16  # share of letters left out

TAGS = (1, 3)  # fewest and most strokes of graffiti
TAG_KNOTS = (8, 18)  # fewest and most points that a stroke's curve goes through
TAG_SMOOTHNESS = 5  # segments between two knots
TAG_LENGTH = (0.4, 0.9)  # shares of the image's width
TAG_HEIGHT = (0.12, 0.35)  # shares of the image's height
TAG_TURN = 0.5  # steepest direction of a stroke, radians
TAG_PEN = (6.0, 18.0)  # pixels
DRIPS = (0, 5)  # fewest and most runs of paint
DRIP_LENGTH = (8.0, 60.0)  # pixels
DRIP_PEN = (0.2, 0.45)  # shares of the stroke's pen


def text_mask(key: PRNGKeyArray, height: int, width: int, config: MaskConfig) -> Mask:
    """One or two blocks of capital letters in words and lines, written at a slight angle."""
    scale = pixel_scale(min(height, width), config)
    alphabet = jnp.asarray(_letter_strokes())
    size = jnp.array([width, height])
    blocks, shape = TEXT_BLOCKS[1], (TEXT_LINES[1], TEXT_LETTERS[1])
    count, *by_block = uniforms(
        key, (), (blocks, 6), (blocks, 3, *shape), (blocks, math.prod(shape), 15, 2)
    )
    count = whole_between(count, *TEXT_BLOCKS)

    def block(
        number: Array, uniform: Array, by_letter: Array, shake: Array
    ) -> tuple[Array, Array, Array]:
        letter_height = jnp.maximum(between(uniform[0], *LETTER_HEIGHT) * scale, 6)
        # So thick that a line never passes between the pixels.
        pen = jnp.maximum(between(uniform[1], *LETTER_PEN) * letter_height, math.sqrt(2))
        lines = whole_between(uniform[2], *TEXT_LINES)
        turn = _rotation(between(uniform[3], -TEXT_TURN, TEXT_TURN))
        # The first letter is in the image, and the others are where there is room for them. Two
        # blocks are more or less above each other.
        extent = letter_height / 4 * jnp.stack([LETTER_ADVANCE * shape[1], LINE_ADVANCE * lines])
        room = jnp.maximum(size - extent, size / 3)
        origin = room * jnp.stack([uniform[4], (uniform[5] + number) / count])

        letters = whole_between(by_letter[0], 0, len(ALPHABET) - 1).reshape(-1)
        lengths = whole_between(by_letter[1, :, :1], *TEXT_LETTERS)
        line, column = jnp.arange(shape[0])[:, None], jnp.arange(shape[1])
        written = (by_letter[2] >= SPACES) | (column == 0)
        written &= (column < lengths) & (line < lines)

        corner = jnp.stack(jnp.broadcast_arrays(LETTER_ADVANCE * column, LINE_ADVANCE * line), -1)
        points = corner.reshape(-1, 1, 2) + _grid() + LETTER_SHAKE * (2 * shake - 1)
        points = origin + (letter_height / 4 * points) @ turn.T
        strokes = jax.vmap(lambda points, stroke: points[stroke])(points, alphabet[letters])
        widths = jnp.where(written.reshape(-1, 1), pen, -1.0)
        return strokes[:, :, 0], strokes[:, :, 1], jnp.broadcast_to(widths, strokes.shape[:2])

    number = jnp.arange(blocks)
    start, end, widths = jax.vmap(block)(number, *by_block)
    widths = jnp.where(number[:, None, None] < count, widths, -1.0)
    return draw_segments(
        start.reshape(-1, 2), end.reshape(-1, 2), widths.reshape(-1), height, width
    )


def graffiti_mask(key: PRNGKeyArray, height: int, width: int, config: MaskConfig) -> Mask:
    """Strokes of a thick pen that swing and make loops, and paint that runs down from them."""
    scale = pixel_scale(min(height, width), config)
    size = jnp.array([width, height])
    most, most_knots = TAGS[1], TAG_KNOTS[1]

    def tag(uniform: Array, wobble: Array) -> tuple[Array, Array]:
        length = between(uniform[0], *TAG_LENGTH)
        radius = between(uniform[1], *TAG_HEIGHT) / 2
        # A pen that goes round and round while it moves on, more or less evenly.
        knot = jnp.arange(most_knots)
        angle = math.pi / 2 * (knot + wobble[:, 0]) + 2 * math.pi * uniform[2]
        reach = radius * (0.4 + 0.9 * wobble[:, 1:])
        circles = reach * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)
        line = length * jnp.stack([knot / (most_knots - 1) - 0.5, jnp.zeros(most_knots)], axis=-1)
        centre = between(uniform[3:5], 0.25, 0.75)
        turn = _rotation(between(uniform[5], -TAG_TURN, TAG_TURN))
        points = (centre + (circles + line) @ turn.T) * size
        # A stroke with fewer knots stays at its last one.
        points = points[jnp.minimum(knot, whole_between(uniform[6], *TAG_KNOTS) - 1)]
        return _smooth(points), jnp.maximum(between(uniform[7], *TAG_PEN) * scale, math.sqrt(2))

    counts, by_tag, wobble, by_drip = uniforms(
        key, (2,), (most, 8), (most, most_knots, 2), (3, DRIPS[1])
    )
    points, pens = jax.vmap(tag)(by_tag, wobble)
    drawn = jnp.arange(most) < whole_between(counts[0], *TAGS)
    runs = jnp.arange(DRIPS[1]) < whole_between(counts[1], *DRIPS)
    # Paint runs from the first stroke, which there always is.
    top = points[0][whole_between(by_drip[0], 0, points.shape[1] - 1)]
    fall = between(by_drip[1], *DRIP_LENGTH) * scale
    drips = jnp.stack([top, top + jnp.stack([0 * fall, fall], axis=-1)], axis=1)
    drip_pens = jnp.maximum(between(by_drip[2], *DRIP_PEN) * pens[0], 1)
    pens, drip_pens = jnp.where(drawn, pens, -1.0), jnp.where(runs, drip_pens, -1.0)
    return jnp.maximum(
        draw_strokes(points, pens, height, width), draw_strokes(drips, drip_pens, height, width)
    )


def _grid() -> np.ndarray:
    """The points (x, y) of the grid in the order of their names, float32 (15, 2)."""
    return np.array([[x, y] for y in range(5) for x in range(3)], np.float32)


def _letter_strokes() -> np.ndarray:
    """Grid points of each letter's lines, int (26, strokes, 2); missing lines repeat one."""
    lines = np.zeros((len(ALPHABET), LETTER_STROKES, 2), np.int32)
    for letter, parts in zip(lines, ALPHABET.values(), strict=True):
        pairs = [pair for part in parts.split() for pair in itertools.pairwise(part)]
        letter[:] = ord(parts[0]) - ord("a")
        letter[: len(pairs)] = [[ord(point) - ord("a") for point in pair] for pair in pairs]
    return lines


def _smooth(knots: Float[Array, "n 2"]) -> Float[Array, "m 2"]:
    """Points on the Catmull-Rom curve through the knots."""
    before = jnp.concatenate([knots[:1], knots[:-2]])
    after = jnp.concatenate([knots[2:], knots[-1:]])
    start, end = knots[:-1], knots[1:]
    t = jnp.arange(TAG_SMOOTHNESS)[:, None, None] / TAG_SMOOTHNESS
    curve = start + 0.5 * t * (
        (end - before)
        + t * (2 * before - 5 * start + 4 * end - after)
        + t**2 * (3 * (start - end) + after - before)
    )
    return jnp.concatenate([curve.swapaxes(0, 1).reshape(-1, 2), knots[-1:]])


def _rotation(angle: Float[Array, ""]) -> Float[Array, "2 2"]:
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([jnp.stack([cos, -sin]), jnp.stack([sin, cos])])
