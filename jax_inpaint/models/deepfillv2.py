"""DeepFillv2: the two-stage gated generator (Yu et al., ICCV 2019)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from jax_inpaint.config import WIDEST, GeneratorConfig, require, require_counts
from jax_inpaint.layers.convolution import Padding
from jax_inpaint.layers.gated import GatedConv, GatedUpsample, ToImage
from jax_inpaint.models.sizes import require_multiples
from jax_inpaint.ops.attention import contextual_attention
from jax_inpaint.ops.morphology import dilate
from jax_inpaint.ops.resize import Resampling, downsample_nearest

Image = Float[Array, "b h w 3"]
Mask = Float[Array, "b h w 1"]
Layer = Callable[..., nn.Module]


class Layers(NamedTuple):
    """Layers with all but the table's entries bound: gated in DeepFillv2, plain in DeepFillv1."""

    conv: Layer
    upsample: Layer
    to_image: Layer


class CoarseNetwork(nn.Module):
    """Stage 1: a first guess from masked colours, an optional sketch, ones and the mask."""

    width: int
    layers: Layers

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Image:
        """The whole picture, float32 in [-1, 1]."""
        conv, upsample, to_image = self.layers
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
        return to_image(name="conv17")(x)


class RefinementNetwork(nn.Module):
    """Stage 2: a dilated branch and a contextual-attention branch, merged and decoded."""

    width: int
    layers: Layers
    resampling: Resampling = "align_corners"
    mask_steps: int = 2
    fuse: bool = True
    only_hole: bool = False

    @nn.compact
    def __call__(
        self, image: Float[Array, "b h w c"], mask: Mask
    ) -> tuple[Image, Int[Array, "b p q 2"]]:
        """The whole picture, float32 in [-1, 1], and the offset flow of the attention."""
        conv, upsample, to_image = self.layers
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
        wanted = hole_is_near(mask) if self.only_hole else None
        # As official, the mask goes down by 4 here and by 2 in the attention: two roundings.
        if self.mask_steps == 2:
            mask = downsample_nearest(mask, x.shape[1], x.shape[2], self.resampling)
        x, offsets = contextual_attention(
            x, x, mask, fuse=self.fuse, resampling=self.resampling, wanted=wanted
        )
        x = conv(4 * w, name="pmconv9")(x)
        attended = conv(4 * w, name="pmconv10")(x)

        x = jnp.concatenate([dilated, attended], axis=-1)
        x = conv(4 * w, name="allconv11")(x)
        x = conv(4 * w, name="allconv12")(x)
        x = upsample(2 * w, name="allconv13_upsample")(x)
        x = conv(2 * w, name="allconv14")(x)
        x = upsample(w, name="allconv15_upsample")(x)
        x = conv(w // 2, name="allconv16")(x)
        return to_image(name="allconv17")(x), offsets


def hole_is_near(mask: Mask) -> Bool[Array, "b h//8 w//8"]:
    """Where attention can reach the hole: layers behind it see less than 5 blocks of 8x8 pixels."""
    blocks = nn.max_pool(mask, (8, 8), strides=(8, 8))
    return dilate(blocks, radius=5)[..., 0] > 0


class DeepFillV2(nn.Module):
    """The official DeepFillv2 generator; ``width=24`` has 4,052,478 parameters.

    ``width`` counts real channels, after gating: the official ``cnum=48`` is ``width=24``, and
    ``width=48`` is the wider variant. Layers carry the official names, so a checkpoint maps name by
    name.

    Quirks of the official code that the released weights were trained with are kept: both stages
    end in tanh; stage 2 sees three colour channels only, without mask or sketch; the layer before
    the attention uses ReLU; no gradient is stopped between the stages.

    ``padding``, ``resampling``, ``mask_steps`` and ``fuse`` are for weights of the public PyTorch
    port (nipponjo): its ``states_tf`` were converted from the official ones and run there with
    ``mask_steps=1, fuse=False``; its ``states_pt`` need ``padding="symmetric"``,
    ``resampling="strided"``, ``mask_steps=1``.

    ``only_hole`` leaves out attention that can't reach the hole: the composite stays the same, and
    other outputs only near the hole.

    Source: Yu et al., Free-Form Image Inpainting with Gated Convolution (2019), section 3.3.
    """

    width: int = 24
    sketch: bool = False
    padding: Padding = "same"
    resampling: Resampling = "align_corners"
    mask_steps: int = 2
    fuse: bool = True
    only_hole: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        image: Image,
        mask: Mask,
        sketch: Mask | None = None,
        coarse: Image | None = None,
        *,
        train: bool = False,
    ) -> dict[str, Float[Array, "..."] | Int[Array, "..."]]:
        """Fills the hole.

        Args:
            image: in [-1, 1], height and width multiples of 8. Pixels in the hole aren't looked at.
            mask: 1 in the hole, 0 elsewhere.
            sketch: for a model with ``sketch=True``, 1 on the edges wanted in the hole.
            coarse: a picture for stage 2 to refine in the hole, in place of what stage 1 draws.
            train: nothing here depends on it.

        Returns:
            ``coarse`` and ``refined``: the whole picture after either stage, float32 in [-1, 1];
            ``composite``: ``refined`` in the hole, ``image`` elsewhere;
            ``offset_flow``: rows and columns to the most attended patch, at an eighth of the size.

        Raises:
            ValueError: if the sizes aren't multiples of 8, or the sketch is missing or unexpected.
        """
        del train
        require_multiples(image, 8, "DeepFillv2")
        if self.sketch != (sketch is not None):
            raise ValueError(
                f"this generator was built with sketch={self.sketch}, "
                f"but a sketch was {'' if sketch is not None else 'not '}given"
            )
        known = image * (1 - mask)
        guide = [] if sketch is None else [sketch * mask]
        x = jnp.concatenate([known, *guide, jnp.ones_like(mask), mask], axis=-1)
        layers = Layers(
            conv=partial(GatedConv, padding=self.padding, dtype=self.dtype),
            upsample=partial(GatedUpsample, padding=self.padding, dtype=self.dtype),
            to_image=partial(ToImage, padding=self.padding, dtype=self.dtype),
        )
        if coarse is None:
            coarse = CoarseNetwork(self.width, layers, name="coarse")(x)
        refined, offsets = RefinementNetwork(
            self.width,
            layers,
            self.resampling,
            self.mask_steps,
            self.fuse,
            self.only_hole,
            name="refinement",
        )(coarse * mask + known, mask)
        composite = refined * mask + known
        return {
            "coarse": coarse,
            "refined": refined,
            "composite": composite,
            "offset_flow": offsets,
        }


@dataclass(frozen=True)
class DeepFillV2Config(GeneratorConfig):
    """The DeepFillv2 generator."""

    architecture: ClassVar[str] = "deepfillv2"
    width: int = 24  # channels of the first layer after gating; 24 is the paper's, an even number
    sketch: bool = False  # take a sketch (edge) channel that guides what is drawn in the hole
    padding: Padding = "same"  # same: TensorFlow's, official; symmetric: of the PyTorch port
    resampling: Resampling = "align_corners"  # in the attention; strided: of the PyTorch port
    mask_steps: Literal[1, 2] = 2  # steps in which the mask shrinks to an eighth; 1: PyTorch port
    fuse: bool = True  # add up attention scores of neighbours; states_tf of the PyTorch port don't

    def __post_init__(self) -> None:
        require_counts("generator", self, width=WIDEST)
        require(self.width % 2 == 0, "generator.width", self.width, "even")

    @property
    def multiple(self) -> int:
        """Height and width are multiples of 8."""
        return 8

    @property
    def takes_sketch(self) -> bool:
        """As the field says."""
        return self.sketch

    @property
    def refines_guesses(self) -> bool:
        """It does."""
        return True

    def build(self, axis_name: str | None = None) -> DeepFillV2:
        """The network."""
        del axis_name
        return DeepFillV2(
            self.width,
            self.sketch,
            self.padding,
            self.resampling,
            self.mask_steps,
            self.fuse,
            dtype=jnp.dtype(self.compute_dtype),
        )

    def build_to_fill(self) -> DeepFillV2:
        """The network without attention that can't reach the hole."""
        return self.build().clone(only_hole=True)
