"""Discriminators of two branches: one sees the whole image, one a window around the hole.

Their dense layers fix the sizes of image and window: a discriminator judges images of the size that
it was initialised with.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.config import DEEPEST, WIDEST, DiscriminatorConfig, require, require_counts
from jax_inpaint.layers.convolution import GLOROT, Conv
from jax_inpaint.layers.normalization import batch_norm
from jax_inpaint.ops.windows import around_hole

Image = Float[Array, "b h w 3"]
Mask = Float[Array, "b h w 1"]
Maps = list[Float[Array, "b _ _ _"]]

dense = partial(nn.Dense, kernel_init=GLOROT)


class Branch(nn.Module):
    """Convolutions of kernel 5 and stride 2, one for each number of features."""

    features: Sequence[int]
    conv: Callable[..., nn.Module]

    @nn.compact
    def __call__(self, x: Image) -> Maps:
        """What every layer gives."""
        maps = []
        for number, features in enumerate(self.features, start=1):
            x = self.conv(features, kernel_size=5, stride=2, name=f"conv{number}")(x)
            maps.append(x)
        return maps


def flat(x: Float[Array, "b p q f"]) -> Float[Array, "b n"]:
    """All features of an image in a row."""
    return x.reshape(x.shape[0], -1)


def judgement(logits: Sequence[Float[Array, "b 1"]], maps: Maps) -> dict[str, Any]:
    """What a discriminator returns, float32."""
    return {"logits": tuple(logits), "features": tuple(x.astype(jnp.float32) for x in maps)}


class GlobalLocalCritics(nn.Module):
    """DeepFillv1's two WGAN critics, each with a logit of its own.

    Plain convolutions and LeakyReLU 0.2; neither critic sees the mask. For images of 256x256 and
    windows of 128x128 they have 7,072,770 parameters.

    Source: Yu et al., Generative Image Inpainting with Contextual Attention (2018), section 3, and
    the official code (v1.0.0).
    """

    width: int = 64
    window: float = 0.5
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: Image, mask: Mask, sketch: Mask | None = None) -> dict[str, Any]:
        """Judges images in [-1, 1]; the mask only says where the window is.

        Returns:
            ``logits``: float32 (B, 1) for the image and the same for the window; ``features``: the
            maps of both critics.
        """
        del sketch
        activation = partial(nn.leaky_relu, negative_slope=0.2)
        conv = partial(Conv, padding="same", activation=activation, dtype=self.dtype)
        w = self.width
        whole = Branch((w, 2 * w, 4 * w, 4 * w), conv, name="global")(image)
        near = Branch((w, 2 * w, 4 * w, 8 * w), conv, name="local")(
            around_hole(image, mask, self.window)
        )
        logits = [
            dense(1, name=name)(flat(maps[-1].astype(jnp.float32)))
            for name, maps in {"global_logit": whole, "local_logit": near}.items()
        ]
        return judgement(logits, whole + near)


class ContextDiscriminator(nn.Module):
    """GL-CIC's discriminator: two branches of 1,024 features each, joined to one logit.

    Convolution, batch norm by the statistics of the batch at hand, ReLU. For images of 256x256 and
    windows of 128x128 it has 45,060,225 parameters.

    Source: Iizuka et al., Globally and Locally Consistent Image Completion (2017), section 3.3.
    """

    width: int = 64
    window: float = 0.5
    global_layers: int = 6
    local_layers: int = 5
    hidden: int = 1024
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: Image, mask: Mask, sketch: Mask | None = None) -> dict[str, Any]:
        """Judges images in [-1, 1]; the mask only says where the window is.

        Returns:
            ``logits``: one, float32 (B, 1); ``features``: the maps of both branches.
        """
        del sketch
        conv = partial(
            Conv,
            norm=batch_norm(True, self.axis_name, self.dtype),
            activation=nn.relu,
            use_bias=False,
            dtype=self.dtype,
        )

        def widths(layers: int) -> tuple[int, ...]:
            return tuple(self.width * min(2**layer, 8) for layer in range(layers))

        whole = Branch(widths(self.global_layers), conv, name="global")(image)
        near = Branch(widths(self.local_layers), conv, name="local")(
            around_hole(image, mask, self.window)
        )
        codes = [
            nn.relu(dense(self.hidden, dtype=self.dtype, name=name)(flat(maps[-1])))
            for name, maps in {"global_dense": whole, "local_dense": near}.items()
        ]
        joined = jnp.concatenate(codes, axis=-1).astype(jnp.float32)
        return judgement([dense(1, name="logit")(joined)], whole + near)


@dataclass(frozen=True)
class GlobalLocalCriticsConfig(DiscriminatorConfig):
    """The two critics of DeepFillv1."""

    architecture: ClassVar[str] = "global_local_critics"
    width: int = 64  # channels of the first layers; 64 is the paper's
    window: float = 0.5  # side of the local critic's window over the side of the image

    def __post_init__(self) -> None:
        require_counts("discriminator", self, width=WIDEST)
        _check_window(self.window)

    def build(self, dtype: DTypeLike, axis_name: str | None = None) -> GlobalLocalCritics:
        """The network."""
        del axis_name
        return GlobalLocalCritics(self.width, self.window, dtype)


@dataclass(frozen=True)
class ContextDiscriminatorConfig(DiscriminatorConfig):
    """The joined global and local discriminator of GL-CIC."""

    architecture: ClassVar[str] = "context_discriminator"
    width: int = 64  # channels of the first layers; 64 is the paper's
    window: float = 0.5  # side of the local branch's window over the side of the image
    global_layers: int = 6  # convolutions on the image; 6 is the paper's, for 256x256
    local_layers: int = 5  # convolutions on the window; 5 is the paper's, for 128x128
    hidden: int = 1024  # features of each branch where they are joined; 1024 is the paper's

    def __post_init__(self) -> None:
        require_counts("discriminator", self, width=WIDEST, hidden=WIDEST)
        require_counts("discriminator", self, global_layers=DEEPEST, local_layers=DEEPEST)
        _check_window(self.window)

    def build(self, dtype: DTypeLike, axis_name: str | None = None) -> ContextDiscriminator:
        """The network."""
        return ContextDiscriminator(
            self.width,
            self.window,
            self.global_layers,
            self.local_layers,
            self.hidden,
            axis_name,
            dtype,
        )


def _check_window(share: float) -> None:
    require(0 < share <= 1, "discriminator.window", share, "in (0, 1]")
