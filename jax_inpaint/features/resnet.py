"""The dilated ResNet-50 that CSAIL trained to segment ADE20K: the encoder of LaMa's loss.

Layers carry the names of its file. Batch normalisation uses the statistics stored there.
"""

from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.features.tables import Table

_frozen_norm = partial(nn.BatchNorm, use_running_average=True, epsilon=1e-5)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut, to ``4 * width`` channels.

    ``project`` puts a convolution into the shortcut, where shapes change.
    """

    width: int
    stride: int = 1
    dilation: int = 1
    project: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b p q f"]:
        """Features, in ``dtype``."""
        conv = partial(nn.Conv, use_bias=False, dtype=self.dtype)
        norm = partial(_frozen_norm, dtype=self.dtype)
        y = nn.relu(norm(name="bn1")(conv(self.width, (1, 1), name="conv1")(x)))
        y = conv(
            self.width,
            (3, 3),
            strides=self.stride,
            kernel_dilation=self.dilation,
            padding=self.dilation,
            name="conv2",
        )(y)
        y = nn.relu(norm(name="bn2")(y))
        y = norm(name="bn3")(conv(4 * self.width, (1, 1), name="conv3")(y))
        if self.project:
            x = conv(4 * self.width, (1, 1), strides=self.stride, name="downsample.0")(x)
            x = norm(name="downsample.1")(x)
        return nn.relu(x + y)


class Stage(nn.Module):
    """Bottlenecks in a row; the first changes the shape, and may have a dilation of its own."""

    width: int
    blocks: int
    stride: int = 1
    first_dilation: int = 1
    dilation: int = 1
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b p q f"]:
        """Features, in ``dtype``."""
        block = partial(Bottleneck, self.width, dtype=self.dtype)
        x = block(self.stride, self.first_dilation, project=True, name="0")(x)
        for i in range(1, self.blocks):
            x = block(dilation=self.dilation, name=str(i))(x)
        return x


# Strides of layer3 and layer4 are traded for dilations: features stay at an eighth of the size.
RESNET50_DILATED: Table = {
    "conv1": nn.Conv(64, (3, 3), strides=2, padding=1, use_bias=False),
    "bn1": _frozen_norm(),
    "relu1": nn.relu,
    "conv2": nn.Conv(64, (3, 3), padding=1, use_bias=False),
    "bn2": _frozen_norm(),
    "relu2": nn.relu,
    "conv3": nn.Conv(128, (3, 3), padding=1, use_bias=False),
    "bn3": _frozen_norm(),
    "relu3": nn.relu,
    "maxpool": partial(nn.max_pool, window_shape=(3, 3), strides=(2, 2), padding=((1, 1), (1, 1))),
    "layer1": Stage(64, 3),
    "layer2": Stage(128, 4, stride=2),
    "layer3": Stage(256, 6, first_dilation=1, dilation=2),
    "layer4": Stage(512, 3, first_dilation=2, dilation=4),
}
