"""Flax Linen layers: thin shells with parameters over the functions in ops/."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.ops.resize import upsample_nearest

Activation = Callable[[Array], Array]


class GatedConv(nn.Module):
    """Gated convolution: ``activation(features) * sigmoid(gate)`` from one convolution.

    The convolution has ``2 * features`` filters: the first half are features, the second half the
    gate. Zero padding by TensorFlow's 'SAME' rule (uneven at stride 2). Glorot-uniform kernel, zero
    bias, as the official code. Parameters are float32; ``dtype`` is what it computes in.

    ``(B, H, W, C) -> (B, ceil(H / stride), ceil(W / stride), features)``

    Source: Yu et al., Free-Form Image Inpainting with Gated Convolution (2019), section 3.1.
    """

    features: int
    kernel_size: int = 3
    stride: int = 1
    dilation: int = 1
    activation: Activation = nn.elu
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b p q f"]:
        """Gated features, in ``dtype``."""
        x = nn.Conv(
            2 * self.features,
            (self.kernel_size, self.kernel_size),
            strides=self.stride,
            kernel_dilation=self.dilation,
            padding="SAME",
            kernel_init=nn.initializers.glorot_uniform(),
            dtype=self.dtype,
            name="conv",
        )(x)
        features, gate = jnp.split(x, 2, axis=-1)
        return self.activation(features) * jax.nn.sigmoid(gate)


class GatedUpsample(nn.Module):
    """Nearest-neighbour upsampling by two, then a 3x3 :class:`GatedConv` (official ``gen_deconv``).

    ``(B, H, W, C) -> (B, 2 H, 2 W, features)``
    """

    features: int
    activation: Activation = nn.elu
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h*2 w*2 f"]:
        """Gated features at twice the size, in ``dtype``."""
        x = upsample_nearest(x)
        return GatedConv(
            self.features, activation=self.activation, dtype=self.dtype, name="gated_conv"
        )(x)


class ToImage(nn.Module):
    """A plain 3x3 convolution to ``channels``, then tanh in float32: an image in [-1, 1]."""

    channels: int = 3
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w o"]:
        """An image, float32."""
        x = nn.Conv(
            self.channels,
            (3, 3),
            padding="SAME",
            kernel_init=nn.initializers.glorot_uniform(),
            dtype=self.dtype,
            name="conv",
        )(x)
        return jnp.tanh(x.astype(jnp.float32))
