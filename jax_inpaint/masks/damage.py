"""What happens to old photographs: scratches, and pieces torn off at the border."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from jax_inpaint.config import MaskConfig
from jax_inpaint.masks.drawing import (
    Mask,
    between,
    draw_polygons,
    draw_strokes,
    pixel_scale,
    uniforms,
    whole_between,
)

SCRATCHES = (4, 24)  # fewest and most
SCRATCH_LENGTH = (0.1, 1.2)  # shares of the image's shorter side
SCRATCH_WIDTH = (1.0, 3.0)  # pixels
SCRATCH_BEND = 0.06  # most that the middle is aside from the line between the ends, over its length
SCRATCH_SPREAD = 1.5  # most that a direction differs from the common one, radians
SCRATCH_POINTS = 9

FRAGMENTS = (1, 4)  # fewest and most
FRAGMENT_LENGTH = (0.25, 1.0)  # along the border, shares of the image's shorter side
FRAGMENT_DEPTH = (0.15, 0.5)  # from the border inwards, shares of the length
TEAR_ROUGHNESS = 0.5  # most that a vertex is aside of the middle of two, over their distance
TEAR_HALVINGS = 5  # vertices between vertices between vertices


def scratches_mask(key: PRNGKeyArray, height: int, width: int, config: MaskConfig) -> Mask:
    """Thin, long, slightly bent lines, more or less in one direction."""
    most = SCRATCHES[1]
    common, place, by_scratch, brush = uniforms(key, (3,), (most, 1, 2), (3, most, 1), (most,))
    drawn = jnp.arange(most) < whole_between(common[0], *SCRATCHES)
    short = min(height, width)
    middle = jnp.floor(place * jnp.array([width, height]))
    # The spread differs from image to image: some have parallel scratches, some have a web.
    spread = SCRATCH_SPREAD * common[1]
    angle = math.pi * common[2] + between(by_scratch[0], -spread, spread)
    # Most scratches are short.
    length = short * between(by_scratch[1] ** 2, *SCRATCH_LENGTH)
    along = jnp.linspace(-0.5, 0.5, SCRATCH_POINTS)
    aside = 4 * between(by_scratch[2], -SCRATCH_BEND, SCRATCH_BEND) * along**2
    x = length * (along * jnp.cos(angle) - aside * jnp.sin(angle))
    y = length * (along * jnp.sin(angle) + aside * jnp.cos(angle))
    widths = jnp.maximum(between(brush, *SCRATCH_WIDTH) * pixel_scale(short, config), 1)
    points = middle + jnp.stack([x, y], axis=-1)
    return draw_strokes(points, jnp.where(drawn, widths, -1.0), height, width)


def fragments_mask(key: PRNGKeyArray, height: int, width: int, config: MaskConfig) -> Mask:
    """Pieces torn off at the sides and corners of the image, along ragged lines."""
    del config  # pieces are shares of the image
    most = FRAGMENTS[1]
    vertices = 3 * (2**TEAR_HALVINGS - 1)  # that halving three segments so often adds
    count, by_piece, by_vertex = uniforms(key, (), (most, 4), (most, vertices, 2))
    # Mostly small, now and then large: ragged and not wavy.
    noise = TEAR_ROUGHNESS * (2 * by_vertex - 1) ** 3
    drawn = jnp.arange(most) < whole_between(count, *FRAGMENTS)
    centre = jnp.array([width - 1, height - 1]) / 2

    def piece(uniform: Array, noise: Array) -> Array:
        length = between(uniform[0], *FRAGMENT_LENGTH) * min(height, width)
        depths = between(uniform[1:3, None], *FRAGMENT_DEPTH) * length
        place = uniform[3] * 2 * (height + width)
        border = _border_points(place + length * jnp.array([-0.5, 0, 0.5]), height, width)
        first, last = border[0], border[2]
        inwards = centre - (first + last) / 2
        inwards /= jnp.maximum(jnp.linalg.norm(inwards), 1)
        inner = first + jnp.array([[0.3], [0.7]]) * (last - first) + depths * inwards
        tear = jnp.concatenate([border[:1], inner, border[2:]])
        for _ in range(TEAR_HALVINGS):
            level, noise = jnp.split(noise, [len(tear) - 1])
            tear = _roughen(tear, level)
        # Far enough out that what is between contains every corner that was gone round.
        return jnp.concatenate([tear, centre + 3 * (border[::-1] - centre)])

    return draw_polygons(jax.vmap(piece)(by_piece, noise), drawn, height, width)


def _border_points(distance: Float[Array, " n"], height: int, width: int) -> Float[Array, "n 2"]:
    """Points (x, y) so far along the border, clockwise from the top left corner."""
    left = distance % (2 * (height + width))
    right, down = jnp.clip(left, 0, width), jnp.clip(left - width, 0, height)
    back, up = jnp.clip(left - width - height, 0, width), jnp.clip(left - 2 * width - height, 0)
    return jnp.stack([right - back, down - up], axis=-1) - 0.5  # of the corner of a pixel


def _roughen(line: Float[Array, "n 2"], noise: Float[Array, "n-1 2"]) -> Float[Array, "2*n-1 2"]:
    """Puts a vertex near the middle of each segment, the noise times its length away from it."""
    reach = jnp.linalg.norm(line[1:] - line[:-1], axis=-1, keepdims=True)
    middle = (line[1:] + line[:-1]) / 2 + reach * noise
    pairs = jnp.stack([line[:-1], middle], axis=1)
    return jnp.concatenate([pairs.reshape(-1, 2), line[-1:]])
