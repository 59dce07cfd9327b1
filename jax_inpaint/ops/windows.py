"""Windows of equal size around the holes of a batch, for local discriminators and losses."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def hole_window(mask: Float[Array, "b h w 1"], height: int, width: int) -> Int[Array, "b 2"]:
    """Top-left corner of the window centred on each hole's bounding box, moved inside the image.

    For a box hole inset evenly into a larger box, as DeepFill v1 draws them, it is that larger box.
    A window as large as the image starts at (0, 0); an image without a hole gets the middle.

    Raises:
        ValueError: if the window is larger than the image.
    """
    if height > mask.shape[1] or width > mask.shape[2]:
        raise ValueError(
            f"a window of {height}x{width} doesn't fit an image of {mask.shape[1]}x{mask.shape[2]}"
        )

    def corner(line: Float[Array, "b n"], length: int) -> Int[Array, " b"]:
        size = line.shape[1]
        first = jnp.argmax(line > 0, axis=1)
        behind = size - jnp.argmax(line[:, ::-1] > 0, axis=1)
        return jnp.clip((first + behind - length) // 2, 0, size - length)

    rows, columns = jnp.max(mask, axis=(2, 3)), jnp.max(mask, axis=(1, 3))
    return jnp.stack([corner(rows, height), corner(columns, width)], axis=-1).astype(jnp.int32)


def crop_windows(
    x: Float[Array, "b h w c"], corners: Int[Array, "b 2"], height: int, width: int
) -> Float[Array, "b {height} {width} c"]:
    """Cuts one window out of each image; differentiable in ``x``."""

    def crop(image: Float[Array, "h w c"], corner: Int[Array, " 2"]) -> Array:
        return jax.lax.dynamic_slice(
            image, (corner[0], corner[1], 0), (height, width, image.shape[-1])
        )

    return jax.vmap(crop)(x, corners)


def around_hole(
    x: Float[Array, "b h w c"], mask: Float[Array, "b h w 1"], share: float
) -> Float[Array, "b p q c"]:
    """The window around each hole, its sides so large a share of the image's; at least a pixel."""
    height, width = (max(1, round(share * side)) for side in mask.shape[1:3])
    return crop_windows(x, hole_window(mask, height, width), height, width)
