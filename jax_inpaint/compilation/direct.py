"""The convolution as XLA does it."""

import jax
from jaxtyping import Array, Float

Padding = tuple[tuple[int, int], tuple[int, int]]  # zeros before and after: rows, columns


def direct_convolution(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "k l c o"],
    padding: Padding,
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
) -> Float[Array, "b p q o"]:
    """Convolution of NHWC features with an HWIO kernel."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        stride,
        padding,
        rhs_dilation=dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
