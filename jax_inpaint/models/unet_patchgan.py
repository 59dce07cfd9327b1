"""A U-Net with contextual attention at its bottleneck, to be trained against PatchGAN."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from jax_inpaint.config import WIDEST, GeneratorConfig, require_counts
from jax_inpaint.layers.convolution import Conv, UpConv
from jax_inpaint.layers.gated import ToImage
from jax_inpaint.layers.normalization import instance_norm
from jax_inpaint.models.sizes import require_multiples
from jax_inpaint.ops.attention import contextual_attention

Image = Float[Array, "b h w 3"]
Mask = Float[Array, "b h w 1"]


class AttentionUNet(nn.Module):
    """Two convolutions at each of four sizes, down and up again; ``width=64`` has
    12,507,395 parameters.

    At an eighth of the size contextual attention rebuilds the features from patches of known
    background; both go on together.

    There is no published network to match. It is U-Net as it has been used since pix2pix: strided
    convolutions in place of pooling, nearest-neighbour upsampling before a 3x3 convolution in place
    of transposed ones, borders padded so that nothing is cropped, three halvings instead of four
    (attention wants positions to choose from), and instance norm with scale and bias, which does
    the same in training and in use. The first size, which carries colours, has no norm.

    Sources: Ronneberger et al., U-Net (2015); Isola et al., Image-to-Image Translation with
    Conditional Adversarial Networks (2017), section 3.2; Yu et al., Generative Image Inpainting
    with Contextual Attention (2018), section 4.1.
    """

    width: int = 64
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, image: Image, mask: Mask, sketch: Mask | None = None, *, train: bool = False
    ) -> dict[str, Image | Int[Array, "b p q 2"]]:
        """Fills the hole.

        Args:
            image: in [-1, 1], height and width multiples of 16. Pixels in the hole aren't looked
                at.
            mask: 1 in the hole, 0 elsewhere.
            sketch: isn't looked at.
            train: nothing here depends on it.

        Returns:
            ``output``: the whole picture, float32 in [-1, 1]; ``composite``: ``output`` in the
            hole, ``image`` elsewhere; ``offset_flow``: rows and columns to the most attended patch,
            at a sixteenth of the size.

        Raises:
            ValueError: if the sizes aren't multiples of 16.
        """
        del sketch, train
        require_multiples(image, 16, "the U-Net")
        plain = partial(Conv, activation=nn.relu, dtype=self.dtype)
        norm = partial(instance_norm(self.dtype), use_scale=True, use_bias=True)
        conv = partial(plain, norm=norm, use_bias=False)
        up = partial(UpConv, norm=norm, activation=nn.relu, use_bias=False, dtype=self.dtype)
        w = self.width
        known = image * (1 - mask)

        x = plain(w, name="down1_conv1")(jnp.concatenate([known, mask], axis=-1))
        skip1 = plain(w, name="down1_conv2")(x)
        x = conv(2 * w, stride=2, name="down2_conv1")(skip1)
        skip2 = conv(2 * w, name="down2_conv2")(x)
        x = conv(4 * w, stride=2, name="down3_conv1")(skip2)
        skip3 = conv(4 * w, name="down3_conv2")(x)
        x = conv(8 * w, stride=2, name="down4_conv1")(skip3)
        x = conv(8 * w, name="down4_conv2")(x)
        attended, offsets = contextual_attention(x, x, mask)
        x = conv(8 * w, name="bottleneck")(jnp.concatenate([x, attended], axis=-1))
        x = up(4 * w, name="up3_conv1")(x)
        x = conv(4 * w, name="up3_conv2")(jnp.concatenate([x, skip3], axis=-1))
        x = up(2 * w, name="up2_conv1")(x)
        x = conv(2 * w, name="up2_conv2")(jnp.concatenate([x, skip2], axis=-1))
        x = up(w, name="up1_conv1")(x)
        x = plain(w, name="up1_conv2")(jnp.concatenate([x, skip1], axis=-1))
        output = ToImage(padding="symmetric", dtype=self.dtype, name="to_image")(x)
        composite = output * mask + known
        return {"output": output, "composite": composite, "offset_flow": offsets}


@dataclass(frozen=True)
class AttentionUNetConfig(GeneratorConfig):
    """The U-Net with an attention bottleneck."""

    architecture: ClassVar[str] = "unet_patchgan"
    width: int = 64  # channels at full size; they double three times

    def __post_init__(self) -> None:
        require_counts("generator", self, width=WIDEST)

    @property
    def multiple(self) -> int:
        """Height and width are multiples of 16."""
        return 16

    def build(self, axis_name: str | None = None) -> AttentionUNet:
        """The network."""
        del axis_name
        return AttentionUNet(self.width, jnp.dtype(self.compute_dtype))
