"""Context encoder: a convolutional encoder-decoder with batch norm (Pathak et al., CVPR 2016)."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.config import WIDEST, GeneratorConfig, require_counts
from jax_inpaint.layers.convolution import Conv, TransposedConv
from jax_inpaint.layers.normalization import batch_norm
from jax_inpaint.models.sizes import require_multiples

Image = Float[Array, "b h w 3"]
Mask = Float[Array, "b h w 1"]


class ContextEncoder(nn.Module):
    """4x4 convolutions down to a sixteenth and up again; ``width=64`` has 12,595,907
    parameters.

    LeakyReLU 0.2 in the encoder, ReLU in the decoder, batch norm after all but the first and the
    last layer, kernels from a normal distribution of deviation 0.02, as in the authors' network.

    It departs from theirs in what ties it to one size and one hole. Their bottleneck, a layer that
    is fully connected over 4x4 positions, is three 3x3 convolutions dilated by 1, 2 and 4, which
    see 15x15 positions; the network sees the mask beside the colours, and draws the whole picture
    instead of the middle.

    Source: Pathak et al., Context Encoders: Feature Learning by Inpainting (2016), section 3, and
    Radford et al., DCGAN (2016), for the layers.
    """

    width: int = 64
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, image: Image, mask: Mask, sketch: Mask | None = None, *, train: bool = False
    ) -> dict[str, Image]:
        """Fills the hole.

        Args:
            image: in [-1, 1], height and width multiples of 16. Pixels in the hole aren't looked
                at.
            mask: 1 in the hole, 0 elsewhere.
            sketch: isn't looked at.
            train: batch norm uses the batch's statistics and remembers them.

        Returns:
            ``output``: the whole picture, float32 in [-1, 1]; ``composite``: ``output`` in the
            hole, ``image`` elsewhere.

        Raises:
            ValueError: if the sizes aren't multiples of 16.
        """
        del sketch
        require_multiples(image, 16, "a context encoder")
        normal = nn.initializers.normal(0.02)
        norm = batch_norm(train, self.axis_name, self.dtype)
        leaky = partial(nn.leaky_relu, negative_slope=0.2)
        first = partial(Conv, activation=leaky, kernel_init=normal, dtype=self.dtype)
        conv = partial(first, norm=norm, use_bias=False)
        last = partial(TransposedConv, kernel_init=normal, dtype=self.dtype)
        up = partial(last, norm=norm, activation=nn.relu, use_bias=False)
        w = self.width
        known = image * (1 - mask)

        x = jnp.concatenate([known, mask], axis=-1)
        x = first(w, kernel_size=4, stride=2, name="conv1")(x)
        x = conv(2 * w, kernel_size=4, stride=2, name="conv2")(x)
        x = conv(4 * w, kernel_size=4, stride=2, name="conv3")(x)
        x = conv(8 * w, kernel_size=4, stride=2, name="conv4")(x)
        x = conv(8 * w, name="bottleneck1")(x)
        x = conv(8 * w, dilation=2, name="bottleneck2")(x)
        x = conv(8 * w, dilation=4, name="bottleneck3")(x)
        x = up(4 * w, name="deconv4")(x)
        x = up(2 * w, name="deconv3")(x)
        x = up(w, name="deconv2")(x)
        x = last(3, name="deconv1")(x)
        output = nn.tanh(x.astype(jnp.float32))
        return {"output": output, "composite": output * mask + known}


@dataclass(frozen=True)
class ContextEncoderConfig(GeneratorConfig):
    """The context encoder."""

    architecture: ClassVar[str] = "context_encoder"
    width: int = 64  # channels of the first layer; they double three times

    def __post_init__(self) -> None:
        require_counts("generator", self, width=WIDEST)

    @property
    def multiple(self) -> int:
        """Height and width are multiples of 16."""
        return 16

    def build(self, axis_name: str | None = None) -> ContextEncoder:
        """The network."""
        return ContextEncoder(self.width, axis_name, jnp.dtype(self.compute_dtype))
