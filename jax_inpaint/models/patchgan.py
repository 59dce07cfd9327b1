"""PatchGAN: the patch discriminator of pix2pix, pix2pixHD, LaMa and AOT-GAN."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.config import DEEPEST, WIDEST, DiscriminatorConfig, require_counts
from jax_inpaint.layers.convolution import GLOROT, Norm
from jax_inpaint.layers.normalization import batch_norm, instance_norm
from jax_inpaint.layers.self_attention import SelfAttention

Condition = Literal["none", "mask", "masked_image"]


class PatchNetwork(nn.Module):
    """4x4 convolutions: ``layers`` of them with stride 2, one without, and one to a single channel.

    Channels double from ``width`` up to 512. LeakyReLU 0.2 follows all but the last convolution,
    ``norm`` all but the first and the last. Those named in ``unbiased`` have no bias.
    """

    width: int
    layers: int
    padding: int
    norm: Norm | None
    self_attention: bool
    unbiased: tuple[str, ...]
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> tuple[Float[Array, "b p q f"], ...]:
        """The float32 maps after every layer; the last one holds the logits."""

        def conv(x: Array, features: int, stride: int, name: str) -> Array:
            return nn.Conv(
                features,
                (4, 4),
                strides=stride,
                padding=self.padding,
                use_bias=name not in self.unbiased,
                kernel_init=GLOROT,
                dtype=self.dtype,
                name=name,
            )(x)

        maps = []
        for number in range(1, self.layers + 2):
            features = min(self.width * 2 ** (number - 1), 512)
            x = conv(x, features, 2 if number <= self.layers else 1, f"conv{number}")
            if self.norm is not None and number > 1:
                x = self.norm(name=f"norm{number}")(x)
            x = nn.leaky_relu(x, negative_slope=0.2)
            if self.self_attention and number == self.layers:
                x = SelfAttention(self.dtype, name="attention")(x)
            maps.append(x.astype(jnp.float32))
        maps.append(conv(x, 1, 1, "logits").astype(jnp.float32))
        return tuple(maps)


class PatchGAN(nn.Module):
    """One :class:`PatchNetwork` for every scale, each half as large as the one before.

    With ``layers=4`` and batch norm it is LaMa's discriminator: 6,962,369 parameters, and a logit
    sees 142 x 142 pixels (70 x 70 with ``layers=3``). Spectral norm is
    :func:`jax_inpaint.ops.spectral.spectral_normalize` applied to its parameters beforehand.

    Sources: Isola et al., Image-to-Image Translation with Conditional Adversarial Networks (2017);
    Wang et al., High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs
    (2018), section 3.2.
    """

    width: int = 64
    layers: int = 3
    scales: int = 1
    padding: int = 2
    norm: Norm | None = None
    self_attention: bool = False
    condition: Condition = "none"
    unbiased: tuple[str, ...] = ()
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        image: Float[Array, "b h w 3"],
        mask: Float[Array, "b h w 1"],
        sketch: Float[Array, "b h w 1"] | None = None,
    ) -> dict[str, Any]:
        """Judges images in [-1, 1], beside a condition and any sketch if there is a condition.

        The masked image is the image with its hole set to 0; in photograph and composite alike it
        is what the generator was given.

        Returns:
            ``logits``: one float32 map for every scale, (B, P, Q, 1), the largest scale first;
            ``features``: the maps before them, of all scales.
        """
        guide = [] if sketch is None else [sketch]
        beside: dict[Condition, list[Array]] = {
            "none": [],
            "mask": [mask, *guide],
            "masked_image": [image * (1 - mask), *guide],
        }
        x = jnp.concatenate([image, *beside[self.condition]], axis=-1)
        logits: list[Array] = []
        features: list[Array] = []
        for number in range(1, self.scales + 1):
            if number > 1:
                x = nn.avg_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)), count_include_pad=False)
            *maps, last = PatchNetwork(
                self.width,
                self.layers,
                self.padding,
                self.norm,
                self.self_attention,
                self.unbiased,
                self.dtype,
                name=f"scale{number}",
            )(x)
            logits.append(last)
            features.extend(maps)
        return {"logits": tuple(logits), "features": tuple(features)}


@dataclass(frozen=True)
class PatchGANConfig(DiscriminatorConfig):
    """The PatchGAN discriminator."""

    architecture: ClassVar[str] = "patchgan"
    width: int = 64  # channels of the first layer; they double up to 512
    layers: int = 3  # convolutions with stride 2: a logit sees 70 pixels with 3, 142 with 4
    scales: int = 1  # networks, each on the image at half the size of the one before
    padding: Literal[1, 2] = 2  # zeros on every side; 2: pix2pixHD and LaMa, 1: pix2pix and AOT-GAN
    norm: Literal["batch", "instance", "none"] = "batch"  # after all but the first and last layer
    spectral_norm: bool = False  # divide kernels by their largest singular values; no biases then
    unnormalized: tuple[str, ...] = ()  # layers left out of spectral norm, such as logits
    self_attention: bool = False  # an attention layer after the last stride
    condition: Condition = "none"  # what it is shown beside the image: the mask, or the known part

    def __post_init__(self) -> None:
        require_counts("discriminator", self, width=WIDEST, layers=DEEPEST, scales=DEEPEST)

    def normalizes(self, path: tuple[str, ...]) -> bool:
        """As the fields say."""
        return self.spectral_norm and not set(path) & set(self.unnormalized)

    def build(self, dtype: DTypeLike, axis_name: str | None = None) -> PatchGAN:
        """The network."""
        norms = {
            "batch": batch_norm(True, axis_name, dtype),
            "instance": instance_norm(dtype),
            "none": None,
        }
        names = [f"conv{number}" for number in range(1, self.layers + 2)] + ["logits"]
        return PatchGAN(
            self.width,
            self.layers,
            self.scales,
            self.padding,
            norms[self.norm],
            self.self_attention,
            self.condition,
            tuple(name for name in names if self.spectral_norm and name not in self.unnormalized),
            dtype,
        )
