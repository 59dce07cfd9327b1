"""Fast Fourier convolutions: every value of the result depends on the whole image.

Sub-modules carry LaMa's names, so that its checkpoints map name by name.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.layers.convolution import Norm, convolution

# Local features, which convolutions see, and global ones, which are Fourier transformed. Either is
# (B, H, W, channels); where there are no global features they have 0 channels.
Branches = tuple[Array, Array]


class FourierUnit(nn.Module):
    """A 1x1 convolution, normalisation and ReLU of the spectrum.

    Real and imaginary parts are channels of their own, next to each other. The transforms are
    orthonormal and float32 whatever ``dtype`` is: no device transforms bfloat16.

    ``(B, H, W, C) -> (B, H, W, features)``, for odd sizes too

    Source: Chi et al., Fast Fourier Convolution (2020), section 3.3.
    """

    features: int
    norm: Norm
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w f"]:
        """Features, in ``dtype``."""
        size = x.shape[1:3]
        spectrum = jnp.fft.rfft2(x.astype(jnp.float32), axes=(1, 2), norm="ortho")
        x = jnp.stack([spectrum.real, spectrum.imag], axis=-1).reshape(*spectrum.shape[:3], -1)
        x = _pointwise(x, 2 * self.features, self.dtype, "conv_layer")
        x = nn.relu(self.norm(name="bn")(x)).astype(jnp.float32)
        x = x.reshape(*x.shape[:3], self.features, 2)
        spectrum = jax.lax.complex(x[..., 0], x[..., 1])
        x = jnp.fft.irfft2(spectrum, s=size, axes=(1, 2), norm="ortho")
        return x.astype(self.dtype)


class SpectralTransform(nn.Module):
    """The global branch: a :class:`FourierUnit` with a shortcut, between 1x1 convolutions.

    ``(B, H, W, C) -> (B, H, W, features)``
    """

    features: int
    norm: Norm
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w f"]:
        """Features, in ``dtype``."""
        x = _pointwise(x, self.features // 2, self.dtype, "conv1_0")
        x = nn.relu(self.norm(name="conv1_1")(x))
        x = x + FourierUnit(self.features // 2, self.norm, self.dtype, name="fu")(x)
        return _pointwise(x, self.features, self.dtype, "conv2")


class FFC(nn.Module):
    """Fast Fourier convolution: four paths between local and global features.

    Three of the paths are convolutions with mirrored borders, global to global is a
    :class:`SpectralTransform`. ``global_features`` of the ``features`` results are global, perhaps
    0. Only layers without global input may have a stride.

    Source: Chi et al., Fast Fourier Convolution (2020), section 3.2.
    """

    features: int
    global_features: int
    norm: Norm
    kernel_size: int = 3
    stride: int = 1
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Branches) -> Branches:
        """Local and global features, height and width divided by ``stride``."""
        conv = partial(
            convolution,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding="reflect",
            use_bias=False,
            dtype=self.dtype,
        )
        local, distant = x
        local_features = self.features - self.global_features
        local_out = conv(local, local_features, name="convl2l")
        if distant.shape[-1]:
            local_out += conv(distant, local_features, name="convg2l")
        if not self.global_features:
            return local_out, local_out[..., :0]
        distant_out = conv(local, self.global_features, name="convl2g")
        if distant.shape[-1]:
            distant_out += SpectralTransform(
                self.global_features, self.norm, self.dtype, name="convg2g"
            )(distant)
        return local_out, distant_out


class FFCNormRelu(nn.Module):
    """An :class:`FFC`, then normalisation and ReLU of either branch."""

    features: int
    global_features: int
    norm: Norm
    kernel_size: int = 3
    stride: int = 1
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Branches) -> Branches:
        """As :class:`FFC`."""
        local, distant = FFC(
            self.features,
            self.global_features,
            self.norm,
            self.kernel_size,
            self.stride,
            self.dtype,
            name="ffc",
        )(x)
        local = nn.relu(self.norm(name="bn_l")(local))
        if self.global_features:
            distant = nn.relu(self.norm(name="bn_g")(distant))
        return local, distant


class FFCResidualBlock(nn.Module):
    """Two :class:`FFCNormRelu` beside a shortcut; shapes stay as they are."""

    norm: Norm
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Branches) -> Branches:
        """Local and global features."""
        local, distant = x
        features = local.shape[-1] + distant.shape[-1]
        for name in ("conv1", "conv2"):
            x = FFCNormRelu(features, distant.shape[-1], self.norm, dtype=self.dtype, name=name)(x)
        return local + x[0], distant + x[1]


def _pointwise(x: Array, features: int, dtype: DTypeLike, name: str) -> Array:
    return nn.Conv(features, (1, 1), use_bias=False, dtype=dtype, name=name)(x)
