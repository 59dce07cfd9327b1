"""GL-CIC: globally and locally consistent image completion (Iizuka et al., SIGGRAPH 2017)."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.config import WIDEST, GeneratorConfig, require, require_counts
from jax_inpaint.layers.convolution import Conv, TransposedConv
from jax_inpaint.layers.gated import ToImage
from jax_inpaint.layers.normalization import batch_norm
from jax_inpaint.models.sizes import require_multiples


def sigmoid_image(x: Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
    """The paper's sigmoid, [0, 1], as a picture in [-1, 1]."""
    return 2 * nn.sigmoid(x) - 1


class GLCIC(nn.Module):
    """The completion network; ``width=64`` has 6,069,155 parameters, 6,063,203 without batch norm.

    Convolution, batch norm, ReLU, in this order. Convolutions ahead of batch norm have no bias: it
    would be subtracted again. The paper fills the hole with the mean colour of the data set; here
    it is 0, mid-grey, which the first layer can turn into any other because it sees the mask.

    Source: Iizuka et al., Globally and Locally Consistent Image Completion (2017), section 3.2.
    """

    width: int = 64
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        image: Float[Array, "b h w 3"],
        mask: Float[Array, "b h w 1"],
        sketch: Float[Array, "b h w 1"] | None = None,
        *,
        train: bool = False,
    ) -> dict[str, Float[Array, "b h w 3"]]:
        """Fills the hole.

        Args:
            image: in [-1, 1], height and width multiples of 4. Pixels in the hole aren't looked at.
            mask: 1 in the hole, 0 elsewhere.
            sketch: isn't looked at.
            train: normalise by the batch's statistics and remember them.

        Returns:
            ``output``: the whole picture, float32 in [-1, 1]; ``composite``: ``output`` in the
            hole, ``image`` elsewhere.

        Raises:
            ValueError: if the sizes aren't multiples of 4.
        """
        del sketch
        require_multiples(image, 4, "GL-CIC")
        norm = batch_norm(train, self.axis_name, self.dtype)
        conv = partial(Conv, norm=norm, activation=nn.relu, use_bias=False, dtype=self.dtype)
        deconv = partial(
            TransposedConv, norm=norm, activation=nn.relu, use_bias=False, dtype=self.dtype
        )
        w = self.width
        known = image * (1 - mask)
        x = jnp.concatenate([known, mask], axis=-1)
        x = conv(w, kernel_size=5, name="conv1")(x)
        x = conv(2 * w, stride=2, name="conv2")(x)
        x = conv(2 * w, name="conv3")(x)
        x = conv(4 * w, stride=2, name="conv4")(x)
        x = conv(4 * w, name="conv5")(x)
        x = conv(4 * w, name="conv6")(x)
        x = conv(4 * w, dilation=2, name="conv7")(x)
        x = conv(4 * w, dilation=4, name="conv8")(x)
        x = conv(4 * w, dilation=8, name="conv9")(x)
        x = conv(4 * w, dilation=16, name="conv10")(x)
        x = conv(4 * w, name="conv11")(x)
        x = conv(4 * w, name="conv12")(x)
        x = deconv(2 * w, name="deconv13")(x)
        x = conv(2 * w, name="conv14")(x)
        x = deconv(w, name="deconv15")(x)
        x = conv(w // 2, name="conv16")(x)
        output = ToImage(
            padding="symmetric", activation=sigmoid_image, dtype=self.dtype, name="conv17"
        )(x)
        return {"output": output, "composite": output * mask + known}


@dataclass(frozen=True)
class GLCICConfig(GeneratorConfig):
    """The completion network of GL-CIC."""

    architecture: ClassVar[str] = "glcic"
    width: int = 64  # channels of the first layer; 64 is the paper's, an even number

    def __post_init__(self) -> None:
        require_counts("generator", self, width=WIDEST)
        require(self.width % 2 == 0, "generator.width", self.width, "even")

    @property
    def multiple(self) -> int:
        """Height and width are multiples of 4."""
        return 4

    def build(self, axis_name: str | None = None) -> GLCIC:
        """The network."""
        return GLCIC(self.width, axis_name, jnp.dtype(self.compute_dtype))
