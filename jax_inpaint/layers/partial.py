"""Partial convolutions: convolutions that look at known positions only and carry the mask along."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Initializer
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.layers.convolution import Activation, Norm, convolution
from jax_inpaint.ops.resize import upsample_nearest

KAIMING = nn.initializers.he_normal()

# Features, and where they are known: 1 there, 0 in the hole.
Part = tuple[Float[Array, "b h w _"], Float[Array, "b h w 1"]]


class PartialConv(nn.Module):
    """Partial convolution, then normalisation and activation where they are given.

    Where a window holds anything known it gives ``conv(x * valid) * window / known + bias``, with
    ``window`` its number of values, ``kernel_size**2`` times channels, and ``known`` how many of
    them are known; elsewhere 0. The new mask is 1 where the window held anything known. The zeros
    around the image count as hole. So if everything is known, this is the plain convolution, but
    that along the border the sum over the window's inner part is scaled up to the whole window.

    Each part, features with their mask, is a group of channels; parts are concatenated. Masks hold
    one channel for all channels of their part, which is the multi-channel partial convolution of
    the paper's network at a fraction of its cost, because there, too, they are all equal. No
    gradient flows through masks.

    ``(B, H, W, C), (B, H, W, 1) -> (B, ceil(H / stride), ceil(W / stride), features or 1)`` for odd
    kernels. Kaiming-normal kernel, zero bias. Parameters are float32; ``dtype`` is what it computes
    in.

    Source: Liu et al., Image Inpainting for Irregular Holes Using Partial Convolutions (2018),
    section 3.1, and NVIDIA's layer (``multi_channel=True``).
    """

    features: int
    kernel_size: int = 3
    stride: int = 1
    norm: Norm | None = None
    activation: Activation | None = None
    use_bias: bool = False
    kernel_init: Initializer = KAIMING
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, *parts: Part) -> tuple[Float[Array, "b p q f"], Float[Array, "b p q 1"]]:
        """Features, in ``dtype``, and the new mask, float32."""
        parts = tuple((features, jax.lax.stop_gradient(valid)) for features, valid in parts)
        x = jnp.concatenate(
            [features * valid.astype(features.dtype) for features, valid in parts], axis=-1
        )
        counts = [features.shape[-1] * valid for features, valid in parts]
        known = window_sum(sum(counts[1:], start=counts[0]), self.kernel_size, self.stride)
        any_known = known > 0
        valid = any_known.astype(jnp.float32)
        window = self.kernel_size**2 * x.shape[-1]
        # Scaled in float32: in bfloat16, ratios of large windows would be coarse.
        x = convolution(
            x,
            self.features,
            self.kernel_size,
            self.stride,
            use_bias=False,
            kernel_init=self.kernel_init,
            dtype=self.dtype,
        ).astype(jnp.float32)
        x = x * (window / jnp.where(any_known, known, 1))
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
            x = x + bias
        x = (x * valid).astype(self.dtype)
        if self.norm is not None:
            x = self.norm(name="norm")(x)
        return x if self.activation is None else self.activation(x), valid


def window_sum(
    x: Float[Array, "b h w 1"], kernel_size: int, stride: int
) -> Float[Array, "b p q 1"]:
    """Sums over the windows of a convolution with ``kernel_size // 2`` zeros around the image.

    In float32, exact for whole numbers on every device.
    """
    return jax.lax.reduce_window(
        x,
        0.0,
        jax.lax.add,
        (1, kernel_size, kernel_size, 1),
        (1, stride, stride, 1),
        [(0, 0), (kernel_size // 2,) * 2, (kernel_size // 2,) * 2, (0, 0)],
    )


def upsample_part(
    part: Part,
) -> tuple[Float[Array, "b h*2 w*2 _"], Float[Array, "b h*2 w*2 1"]]:
    """Doubles height and width of features and mask by repeating every pixel."""
    features, valid = part
    return upsample_nearest(features), upsample_nearest(valid)
