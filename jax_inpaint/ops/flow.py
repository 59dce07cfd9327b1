"""Offset flow as colours: the Middlebury colour wheel."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

# Transitions round the wheel: number of steps, the channel that moves, from where, to where.
_RAMPS = ((15, 1, 0, 1), (6, 0, 1, 0), (4, 2, 0, 1), (11, 1, 1, 0), (13, 0, 0, 1), (6, 2, 1, 0))


def _wheel() -> np.ndarray:
    """55 colours from red over yellow, green, cyan, blue and magenta back to red."""
    colour, wheel = np.array([1.0, 0.0, 0.0]), []
    for steps, channel, start, stop in _RAMPS:
        for step in range(steps):
            colour[channel] = start + (stop - start) * step / steps
            wheel.append(colour.copy())
        colour[channel] = stop
    return np.array(wheel, np.float32)


_WHEEL = _wheel()


def flow_to_color(
    flow: Int[Array, "b h w 2"] | Float[Array, "b h w 2"],
) -> Float[Array, "b h w 3"]:
    """Direction as hue and distance as saturation, in [-1, 1]; no offset is white.

    Args:
        flow: rows and columns, scaled by the longest offset of each image.

    Source: Baker et al., A Database and Evaluation Methodology for Optical Flow (2011).
    """
    dy, dx = flow[..., 0].astype(jnp.float32), flow[..., 1].astype(jnp.float32)
    length = jnp.hypot(dx, dy)
    length = length / jnp.maximum(jnp.max(length, axis=(1, 2), keepdims=True), 1e-6)
    position = (jnp.arctan2(-dy, -dx) / jnp.pi + 1) / 2 * (len(_WHEEL) - 1)
    lower = jnp.floor(position).astype(jnp.int32)
    share = (position - lower)[..., None]
    wheel = jnp.asarray(_WHEEL)
    hue = (1 - share) * wheel[lower] + share * wheel[(lower + 1) % len(_WHEEL)]
    return 2 * (1 - length[..., None] * (1 - hue)) - 1


def color_wheel(size: int) -> Float[Array, "{size} {size} 3"]:
    """The legend of :func:`flow_to_color`: a disc in which each place shows the offset to it.

    In [-1, 1], white outside; the rim is the longest offset.
    """
    axis = jnp.linspace(-1, 1, size)
    offset = jnp.stack(jnp.meshgrid(axis, axis, indexing="ij"), axis=-1)
    outside = jnp.hypot(offset[..., 0], offset[..., 1]) > 1
    return flow_to_color(jnp.where(outside[..., None], 0, offset)[None])[0]
