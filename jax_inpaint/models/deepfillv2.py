"""DeepFillv2: the two-stage gated generator (Yu et al., ICCV 2019)."""

from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from jax_inpaint.layers import GatedConv, GatedUpsample, ToImage
from jax_inpaint.ops.attention import contextual_attention
from jax_inpaint.ops.resize import downsample_nearest

Image = Float[Array, "b h w 3"]
Mask = Float[Array, "b h w 1"]


class CoarseNetwork(nn.Module):
    """Stage 1: a first guess from masked colours, an optional sketch, ones and the mask."""

    width: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Image:
        """The whole picture, float32 in [-1, 1]."""
        conv = partial(GatedConv, dtype=self.dtype)
        upsample = partial(GatedUpsample, dtype=self.dtype)
        w = self.width
        x = conv(w, kernel_size=5, name="conv1")(x)
        x = conv(2 * w, stride=2, name="conv2_downsample")(x)
        x = conv(2 * w, name="conv3")(x)
        x = conv(4 * w, stride=2, name="conv4_downsample")(x)
        x = conv(4 * w, name="conv5")(x)
        x = conv(4 * w, name="conv6")(x)
        x = conv(4 * w, dilation=2, name="conv7_atrous")(x)
        x = conv(4 * w, dilation=4, name="conv8_atrous")(x)
        x = conv(4 * w, dilation=8, name="conv9_atrous")(x)
        x = conv(4 * w, dilation=16, name="conv10_atrous")(x)
        x = conv(4 * w, name="conv11")(x)
        x = conv(4 * w, name="conv12")(x)
        x = upsample(2 * w, name="conv13_upsample")(x)
        x = conv(2 * w, name="conv14")(x)
        x = upsample(w, name="conv15_upsample")(x)
        x = conv(w // 2, name="conv16")(x)
        return ToImage(dtype=self.dtype, name="conv17")(x)


class RefinementNetwork(nn.Module):
    """Stage 2: a dilated branch and a contextual-attention branch, merged and decoded."""

    width: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, image: Image, mask: Mask) -> tuple[Image, Int[Array, "b p q 2"]]:
        """The whole picture, float32 in [-1, 1], and the offset flow of the attention."""
        conv = partial(GatedConv, dtype=self.dtype)
        upsample = partial(GatedUpsample, dtype=self.dtype)
        w = self.width

        x = conv(w, kernel_size=5, name="xconv1")(image)
        x = conv(w, stride=2, name="xconv2_downsample")(x)
        x = conv(2 * w, name="xconv3")(x)
        x = conv(2 * w, stride=2, name="xconv4_downsample")(x)
        x = conv(4 * w, name="xconv5")(x)
        x = conv(4 * w, name="xconv6")(x)
        x = conv(4 * w, dilation=2, name="xconv7_atrous")(x)
        x = conv(4 * w, dilation=4, name="xconv8_atrous")(x)
        x = conv(4 * w, dilation=8, name="xconv9_atrous")(x)
        dilated = conv(4 * w, dilation=16, name="xconv10_atrous")(x)

        x = conv(w, kernel_size=5, name="pmconv1")(image)
        x = conv(w, stride=2, name="pmconv2_downsample")(x)
        x = conv(2 * w, name="pmconv3")(x)
        x = conv(4 * w, stride=2, name="pmconv4_downsample")(x)
        x = conv(4 * w, name="pmconv5")(x)
        x = conv(4 * w, activation=nn.relu, name="pmconv6")(x)
        # The mask goes down by 4 here and by 2 in the attention: two roundings, as official.
        small_mask = downsample_nearest(mask, x.shape[1], x.shape[2])
        x, offsets = contextual_attention(x, x, small_mask)
        x = conv(4 * w, name="pmconv9")(x)
        attended = conv(4 * w, name="pmconv10")(x)

        x = jnp.concatenate([dilated, attended], axis=-1)
        x = conv(4 * w, name="allconv11")(x)
        x = conv(4 * w, name="allconv12")(x)
        x = upsample(2 * w, name="allconv13_upsample")(x)
        x = conv(2 * w, name="allconv14")(x)
        x = upsample(w, name="allconv15_upsample")(x)
        x = conv(w // 2, name="allconv16")(x)
        return ToImage(dtype=self.dtype, name="allconv17")(x), offsets


class DeepFillV2(nn.Module):
    """The official DeepFillv2 generator; ``width=24`` has 4,052,478 parameters.

    ``width`` counts real channels, after gating: the official ``cnum=48`` is ``width=24``, and
    ``width=48`` is the wider variant. Layers carry the official names, so a checkpoint maps name by
    name.

    Quirks of the official code that the released weights were trained with are kept: both stages
    end in tanh; stage 2 sees three colour channels only, without mask or sketch; the layer before
    the attention uses ReLU; no gradient is stopped between the stages.

    Source: Yu et al., Free-Form Image Inpainting with Gated Convolution (2019), section 3.3.
    """

    width: int = 24
    sketch: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, image: Image, mask: Mask, sketch: Mask | None = None
    ) -> dict[str, Float[Array, "..."] | Int[Array, "..."]]:
        """Fills the hole.

        Args:
            image: in [-1, 1], height and width multiples of 8. Pixels in the hole aren't looked at.
            mask: 1 in the hole, 0 elsewhere.
            sketch: for a model with ``sketch=True``, 1 on the edges wanted in the hole.

        Returns:
            ``coarse`` and ``refined``: the whole picture after either stage, float32 in [-1, 1];
            ``composite``: ``refined`` in the hole, ``image`` elsewhere;
            ``offset_flow``: rows and columns to the most attended patch, at an eighth of the size.

        Raises:
            ValueError: if the sizes aren't multiples of 8, or the sketch is missing or unexpected.
        """
        if image.shape[1] % 8 or image.shape[2] % 8:
            raise ValueError(
                f"DeepFillv2 needs height and width that are multiples of 8, got "
                f"{image.shape[1]}x{image.shape[2]}; pad the image first"
            )
        if self.sketch != (sketch is not None):
            raise ValueError(
                f"this generator was built with sketch={self.sketch}, "
                f"but a sketch was {'' if sketch is not None else 'not '}given"
            )
        known = image * (1 - mask)
        guide = [] if sketch is None else [sketch * mask]
        x = jnp.concatenate([known, *guide, jnp.ones_like(mask), mask], axis=-1)
        coarse = CoarseNetwork(self.width, self.dtype, name="coarse")(x)
        refined, offsets = RefinementNetwork(self.width, self.dtype, name="refinement")(
            coarse * mask + known, mask
        )
        composite = refined * mask + known
        return {
            "coarse": coarse,
            "refined": refined,
            "composite": composite,
            "offset_flow": offsets,
        }
