"""A random walk: the irregular masks that ports of partial convolutions train with."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray

from jax_inpaint.config import MaskConfig
from jax_inpaint.masks.drawing import Mask

# Of any number of steps: x is mapped to clip(x + first, second, third).
_Stretch = tuple[Array, Array, Array]

STEPS = ((1, 0), (-1, 0), (0, 1), (0, -1))


def walk_mask(key: PRNGKeyArray, height: int, width: int, config: MaskConfig) -> Mask:
    """The pixels that a random walk of height * width steps visits.

    Each step goes to one of the four neighbours; a step out of the image isn't taken.

    Source: ``generate_data.py`` of naoto0804/pytorch-inpainting-with-partial-conv.
    """
    del config  # there is nothing to choose: the pen is a pixel wide on every image
    start_key, step_key = jax.random.split(key)
    start = jnp.floor(jax.random.uniform(start_key, (2,)) * jnp.array([height, width]))
    direction = jax.random.randint(step_key, (height, width), 0, 4)
    places = walk(start.astype(jnp.int32), jnp.array(STEPS)[direction], (height, width))
    visited = jnp.zeros((height, width), jnp.float32)
    return visited.at[places[..., 0], places[..., 1]].set(1)[..., None]


def walk(
    start: Int[Array, "2"], steps: Int[Array, "m n 2"], size: tuple[int, int]
) -> Int[Array, "m n 2"]:
    """Places after each of m * n steps, kept inside [0, size).

    It isn't walked one step after the other: a step maps x to clip(x + shift, low, high), and so do
    any number of steps. The n steps of m stretches are put together side by side, and only then the
    stretches are walked, which takes n + m operations and not n * m.

    Args:
        start: row and column.
        steps: by how many rows and columns, row by row of the first two axes.
        size: number of rows and columns.
    """
    last = jnp.array(size) - 1
    nothing = jnp.zeros_like(steps[:, 0])

    def add(stretch: _Stretch, step: Array) -> tuple[_Stretch, _Stretch]:
        shift, low, high = stretch
        stretch = shift + step, jnp.clip(low + step, 0, last), jnp.clip(high + step, 0, last)
        return stretch, stretch

    def walk_stretch(place: Array, stretch: _Stretch) -> tuple[Array, Array]:
        shift, low, high = stretch
        return jnp.clip(place + shift, low, high), place

    stretches, parts = jax.lax.scan(
        add, (nothing, nothing, nothing + last), steps.swapaxes(0, 1), unroll=4
    )
    _, starts = jax.lax.scan(walk_stretch, start, stretches)
    shift, low, high = parts
    return jnp.clip(starts + shift, low, high).swapaxes(0, 1)
