"""DeepFillv1: the two-stage generator without gates (Yu et al., CVPR 2018)."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from jax_inpaint.config import WIDEST, GeneratorConfig, require, require_counts
from jax_inpaint.layers.convolution import Conv, UpConv
from jax_inpaint.layers.gated import ToImage
from jax_inpaint.models.deepfillv2 import CoarseNetwork, Layers, RefinementNetwork
from jax_inpaint.models.sizes import require_multiples


class DeepFillV1(nn.Module):
    """The official DeepFillv1 generator; ``width=32`` has 3,601,542 parameters.

    Its table is that of :class:`~jax_inpaint.models.deepfillv2.DeepFillV2`, which followed it, with
    plain convolutions and ELU in place of gated ones. Both stages see five channels: colours, ones
    and the mask. Both end in a clip to [-1, 1], so that a pixel beyond it has no gradient.
    ``only_hole`` is as there.

    Source: Yu et al., Generative Image Inpainting with Contextual Attention (2018), section 3, and
    the official code (v1.0.0).
    """

    width: int = 32
    only_hole: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        image: Float[Array, "b h w 3"],
        mask: Float[Array, "b h w 1"],
        sketch: Float[Array, "b h w 1"] | None = None,
        coarse: Float[Array, "b h w 3"] | None = None,
        *,
        train: bool = False,
    ) -> dict[str, Float[Array, "..."] | Int[Array, "..."]]:
        """Fills the hole.

        Args:
            image: in [-1, 1], height and width multiples of 8. Pixels in the hole aren't looked at.
            mask: 1 in the hole, 0 elsewhere.
            sketch: isn't looked at.
            coarse: a picture for stage 2 to refine in the hole, in place of what stage 1 draws.
            train: nothing here depends on it.

        Returns:
            ``coarse`` and ``refined``: the whole picture after either stage, float32 in [-1, 1];
            ``composite``: ``refined`` in the hole, ``image`` elsewhere;
            ``offset_flow``: rows and columns to the most attended patch, at an eighth of the size.

        Raises:
            ValueError: if the sizes aren't multiples of 8.
        """
        del sketch, train
        require_multiples(image, 8, "DeepFillv1")
        layers = Layers(
            conv=partial(Conv, padding="same", activation=nn.elu, dtype=self.dtype),
            upsample=partial(UpConv, padding="same", activation=nn.elu, dtype=self.dtype),
            to_image=partial(ToImage, activation=nn.hard_tanh, dtype=self.dtype),
        )
        known = image * (1 - mask)
        guide = [jnp.ones_like(mask), mask]
        if coarse is None:
            coarse = CoarseNetwork(self.width, layers, name="coarse")(
                jnp.concatenate([known, *guide], axis=-1)
            )
        refined, offsets = RefinementNetwork(
            self.width, layers, only_hole=self.only_hole, name="refinement"
        )(jnp.concatenate([coarse * mask + known, *guide], axis=-1), mask)
        return {
            "coarse": coarse,
            "refined": refined,
            "composite": refined * mask + known,
            "offset_flow": offsets,
        }


@dataclass(frozen=True)
class DeepFillV1Config(GeneratorConfig):
    """The DeepFillv1 generator."""

    architecture: ClassVar[str] = "deepfillv1"
    width: int = 32  # channels of the first layer; 32 is the paper's, an even number

    def __post_init__(self) -> None:
        require_counts("generator", self, width=WIDEST)
        require(self.width % 2 == 0, "generator.width", self.width, "even")

    @property
    def multiple(self) -> int:
        """Height and width are multiples of 8."""
        return 8

    @property
    def refines_guesses(self) -> bool:
        """It does."""
        return True

    def build(self, axis_name: str | None = None) -> DeepFillV1:
        """The network."""
        del axis_name
        return DeepFillV1(self.width, dtype=jnp.dtype(self.compute_dtype))

    def build_to_fill(self) -> DeepFillV1:
        """The network without attention that can't reach the hole."""
        return self.build().clone(only_hole=True)
