"""VGG, SqueezeNet and AlexNet as torchvision builds them: layer n of a table is ``features.n``."""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

Layer = Callable[[jax.Array], jax.Array]
Table = dict[str, Layer]


def max_pool(x: Float[Array, "b h w c"], ceil: bool = False) -> Float[Array, "b p q c"]:
    """The largest of 3x3 at stride 2; ``ceil`` keeps a last window that the border cuts off."""
    # Such windows occur at even sizes.
    cut = [(0, int(ceil and size % 2 == 0)) for size in x.shape[1:3]]
    return nn.max_pool(x, (3, 3), strides=(2, 2), padding=cut)


class Fire(nn.Module):
    """Fire module: squeezed to few channels, then expanded by 1x1 and 3x3 kernels side by side."""

    squeeze: int
    expand: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w f"]:
        """Features with ``2 * expand`` channels, in ``dtype``."""
        conv = partial(nn.Conv, dtype=self.dtype)
        x = nn.relu(conv(self.squeeze, (1, 1), name="squeeze")(x))
        near = nn.relu(conv(self.expand, (1, 1), name="expand1x1")(x))
        far = nn.relu(conv(self.expand, (3, 3), padding=1, name="expand3x3")(x))
        return jnp.concatenate([near, far], axis=-1)


def vgg(*depths: int) -> Table:
    """Five blocks of so many convolutions. Source: Simonyan and Zisserman (2014), table 1."""
    table: Table = {}
    for block, (depth, width) in enumerate(zip(depths, (64, 128, 256, 512, 512), strict=True), 1):
        for i in range(1, depth + 1):
            table[f"conv{block}_{i}"] = nn.Conv(width, (3, 3), padding=1)
            table[f"relu{block}_{i}"] = nn.relu
        table[f"pool{block}"] = partial(nn.max_pool, window_shape=(2, 2), strides=(2, 2))
    return table


VGG16 = vgg(2, 2, 3, 3, 3)
VGG19 = vgg(2, 2, 4, 4, 4)

# SqueezeNet 1.1 (Iandola et al., 2016, as revised by its authors).
SQUEEZENET: Table = {
    "conv1": nn.Conv(64, (3, 3), strides=2, padding="VALID"),
    "relu1": nn.relu,
    "pool1": partial(max_pool, ceil=True),
    "fire2": Fire(16, 64),
    "fire3": Fire(16, 64),
    "pool3": partial(max_pool, ceil=True),
    "fire4": Fire(32, 128),
    "fire5": Fire(32, 128),
    "pool5": partial(max_pool, ceil=True),
    "fire6": Fire(48, 192),
    "fire7": Fire(48, 192),
    "fire8": Fire(64, 256),
    "fire9": Fire(64, 256),
}

# AlexNet in one column (Krizhevsky, One weird trick, 2014).
ALEXNET: Table = {
    "conv1": nn.Conv(64, (11, 11), strides=4, padding=2),
    "relu1": nn.relu,
    "pool1": max_pool,
    "conv2": nn.Conv(192, (5, 5), padding=2),
    "relu2": nn.relu,
    "pool2": max_pool,
    "conv3": nn.Conv(384, (3, 3), padding=1),
    "relu3": nn.relu,
    "conv4": nn.Conv(256, (3, 3), padding=1),
    "relu4": nn.relu,
    "conv5": nn.Conv(256, (3, 3), padding=1),
    "relu5": nn.relu,
    "pool5": max_pool,
}
