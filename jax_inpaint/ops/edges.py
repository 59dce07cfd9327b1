"""Edges of photographs, for sketch-guided training."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jax_inpaint.ops.blur import gaussian_blur


def canny_edges(
    image: Float[Array, "h w 3"],
    sigma: float = 2.0,
    low: float = 0.1,
    high: float = 0.2,
) -> Float[Array, "h w 1"]:
    """1 on thin lines where the brightness of an image changes, 0 elsewhere.

    1. Brightness, the mean of the channels scaled to [0, 1], is blurred.
    2. Its Sobel gradient is kept where it is not weaker than between the neighbours that it points
       to and from, and not weaker than ``low``. Pixels at the border are left out.
    3. Of the lines that remain, those with a pixel that is not weaker than ``high`` are kept.

    Args:
        image: in [-1, 1].
        sigma: of the blur, pixels; larger ones leave out finer lines.
        low, high: lengths of gradients. A sharp step from black to white has 4, before the blur.

    Source: Canny, A Computational Approach to Edge Detection (1986); with the same values as
    scikit-image's ``canny`` with ``mode="reflect"``.
    """
    grey = (jnp.mean(image, axis=-1, keepdims=True) + 1) / 2
    grey = gaussian_blur(grey, sigma, max(1, round(4 * sigma)))[..., 0]
    down, right = _sobel(grey)
    strength = jnp.hypot(down, right)
    line = _strongest_across(strength, down, right) & (strength >= low)
    inner = jnp.zeros_like(line).at[1:-1, 1:-1].set(True)
    line &= inner
    return _connected(line & (strength >= high), line)[..., None].astype(jnp.float32)


def _sobel(grey: Float[Array, "h w"]) -> tuple[Float[Array, "h w"], Float[Array, "h w"]]:
    """Gradients downwards and to the right; the border is repeated."""
    grey = jnp.pad(grey, 1, mode="edge")
    vertical = grey[2:] - grey[:-2]
    horizontal = grey[:, 2:] - grey[:, :-2]
    return (
        vertical[:, :-2] + 2 * vertical[:, 1:-1] + vertical[:, 2:],
        horizontal[:-2] + 2 * horizontal[1:-1] + horizontal[2:],
    )


def _strongest_across(
    strength: Float[Array, "h w"], down: Float[Array, "h w"], right: Float[Array, "h w"]
) -> Bool[Array, "h w"]:
    """Where the strength is at least that along the gradient, a step forth and a step back.

    There it lies between a direct and a diagonal neighbour.
    """
    h, w = strength.shape
    padded = jnp.pad(strength, 1)

    def neighbour(rows: int, columns: int) -> Array:
        return padded[1 + rows : 1 + rows + h, 1 + columns : 1 + columns + w]

    steep = jnp.abs(down) > jnp.abs(right)
    longer = jnp.maximum(jnp.abs(down), jnp.abs(right))
    weight = jnp.minimum(jnp.abs(down), jnp.abs(right)) / jnp.where(longer == 0, 1, longer)
    falling = down * right >= 0  # the gradient points down and right, or up and left

    def between(sign: int) -> Array:
        direct = jnp.where(steep, neighbour(sign, 0), neighbour(0, sign))
        # Up and to the right counts as forth where the gradient is rather level.
        rising = jnp.where(steep, neighbour(sign, -sign), neighbour(-sign, sign))
        diagonal = jnp.where(falling, neighbour(sign, sign), rising)
        return weight * diagonal + (1 - weight) * direct

    return (between(1) <= strength) & (between(-1) <= strength)


def _connected(seeds: Bool[Array, "h w"], line: Bool[Array, "h w"]) -> Bool[Array, "h w"]:
    """All of the lines that a seed lies on; diagonal neighbours are connected."""

    def grow(state: tuple[Array, Array]) -> tuple[Array, Array]:
        found, _ = state
        grown = line & (
            jax.lax.reduce_window(found, False, jax.lax.bitwise_or, (3, 3), (1, 1), "SAME")
        )
        return grown, jnp.any(grown != found)

    found, _ = jax.lax.while_loop(lambda state: state[1], grow, (seeds, jnp.any(seeds)))
    return found
