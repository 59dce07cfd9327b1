"""Gated convolutions, and the layer that turns features into an image."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.layers.convolution import (
    Activation,
    Norm,
    Padding,
    TransposedConv,
    convolution,
)


def elu(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Exponential linear unit: ``x`` above 0, ``exp(x) - 1`` below.

    The difference is within a rounding of 1 of ``expm1``, which costs several times as much.
    """
    return jnp.where(x > 0, x, jnp.exp(jnp.minimum(x, 0)) - 1)


def gated(
    x: Float[Array, "b h w c"], activation: Activation, layer: nn.Module
) -> Float[Array, "b h w c//2"]:
    """``activation(features) * sigmoid(gate)``: the first half of the channels, by the second.

    Whoever applies the network with ``mutable=["intermediates"]`` gets the ``gate`` of the layer.
    """
    layer.sow("intermediates", "gate", jax.nn.sigmoid(jnp.split(x, 2, axis=-1)[1]))

    # Worked out again for the gradient: keeping its parts would write and read four more maps.
    @jax.checkpoint
    def product(x: Array) -> Array:
        features, gate = jnp.split(x, 2, axis=-1)
        return activation(features) * jax.nn.sigmoid(gate)

    return product(x)


class GatedConv(nn.Module):
    """Gated convolution: ``activation(features) * sigmoid(gate)`` from one convolution.

    The convolution has ``2 * features`` filters: the first half are features, the second half the
    gate. Padding is TensorFlow's 'SAME' rule (uneven at stride 2), as the official code, unless
    another is chosen. Glorot-uniform kernel, zero bias. Parameters are float32; ``dtype`` is what
    it computes in. A ``norm`` is applied to the gated result.

    ``(B, H, W, C) -> (B, ceil(H / stride), ceil(W / stride), features)``

    Source: Yu et al., Free-Form Image Inpainting with Gated Convolution (2019), section 3.1.
    """

    features: int
    kernel_size: int = 3
    stride: int = 1
    dilation: int = 1
    padding: Padding = "same"
    activation: Activation = elu
    norm: Norm | None = None
    dtype: DTypeLike = jnp.float32
    upsample: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b p q f"]:
        """Gated features, in ``dtype``."""
        x = convolution(
            x,
            2 * self.features,
            self.kernel_size,
            self.stride,
            self.dilation,
            self.padding,
            dtype=self.dtype,
            upsample=self.upsample,
        )
        x = gated(x, self.activation, self)
        return x if self.norm is None else self.norm(name="norm")(x)


class GatedUpsample(nn.Module):
    """Nearest-neighbour upsampling by two, then a :class:`GatedConv` (official ``gen_deconv``).

    ``(B, H, W, C) -> (B, 2 H, 2 W, features)``
    """

    features: int
    kernel_size: int = 3
    padding: Padding = "same"
    activation: Activation = elu
    norm: Norm | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h*2 w*2 f"]:
        """Gated features at twice the size, in ``dtype``."""
        return GatedConv(
            self.features,
            self.kernel_size,
            upsample=True,
            padding=self.padding,
            activation=self.activation,
            norm=self.norm,
            dtype=self.dtype,
            name="gated_conv",
        )(x)


class GatedTransposedConv(nn.Module):
    """A :class:`TransposedConv` by two with a gate, as in :class:`GatedConv`.

    ``(B, H, W, C) -> (B, 2 H, 2 W, features)``
    """

    features: int
    kernel_size: int = 4
    activation: Activation = elu
    norm: Norm | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h*2 w*2 f"]:
        """Gated features at twice the size, in ``dtype``."""
        x = TransposedConv(2 * self.features, self.kernel_size, dtype=self.dtype, name="up")(x)
        x = gated(x, self.activation, self)
        return x if self.norm is None else self.norm(name="norm")(x)


class ToImage(nn.Module):
    """A plain convolution to three channels, then ``activation`` in float32: an image.

    With tanh, the default, it is in [-1, 1].
    """

    kernel_size: int = 3
    padding: Padding = "same"
    activation: Activation | None = nn.tanh
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w 3"]:
        """An image, float32."""
        x = convolution(x, 3, self.kernel_size, padding=self.padding, dtype=self.dtype)
        x = x.astype(jnp.float32)
        return x if self.activation is None else self.activation(x)
