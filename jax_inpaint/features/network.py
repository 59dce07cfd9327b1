"""Features of images under a network trained elsewhere."""

from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.features.inception import INCEPTION
from jax_inpaint.features.resnet import RESNET50_DILATED
from jax_inpaint.features.tables import ALEXNET, SQUEEZENET, VGG16, VGG19, Table

FeatureName = Literal["vgg16", "vgg19", "squeezenet", "alexnet", "resnet50_dilated", "inception"]

TABLES: dict[FeatureName, Table] = {
    "vgg16": VGG16,
    "vgg19": VGG19,
    "squeezenet": SQUEEZENET,
    "alexnet": ALEXNET,
    "resnet50_dilated": RESNET50_DILATED,
    "inception": INCEPTION,
}

# ImageNet's mean and deviation, given for images in [0, 1].
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)

# What each network takes: colours normalised by ImageNet's, or images in [-1, 1] as they are.
COLOURS: dict[FeatureName, Literal["imagenet", "unchanged"]] = {
    "vgg16": "imagenet",
    "vgg19": "imagenet",
    "squeezenet": "imagenet",
    "alexnet": "imagenet",
    "resnet50_dilated": "imagenet",
    "inception": "unchanged",
}


def check_layers(network: FeatureName, layers: tuple[str, ...]) -> None:
    """Raises ValueError where the network has no such layers, or none are named."""
    known = list(TABLES[network])
    unknown = [name for name in layers if name not in known]
    if unknown or not layers:
        raise ValueError(
            f"no layers of {network} are named {', '.join(unknown) or 'here'}; "
            f"there are {', '.join(known)}"
        )


class FeatureNetwork(nn.Module):
    """One of the networks of ``TABLES``, run as deep as the layers asked for."""

    network: FeatureName
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, image: Float[Array, "b h w 3"], layers: tuple[str, ...]
    ) -> dict[str, Float[Array, "b _ _ _"]]:
        """What :func:`extract_features` returns."""
        check_layers(self.network, layers)
        x = image
        if COLOURS[self.network] == "imagenet":
            mean, deviation = jnp.asarray(MEAN), jnp.asarray(DEVIATION)
            x = ((image + 1) / 2 - mean) / deviation
        found: dict[str, Array] = {}
        for name, layer in TABLES[self.network].items():
            if isinstance(layer, nn.Module):
                layer = layer.clone(parent=self, name=name, dtype=self.dtype)
            x = layer(x)
            if 0 in x.shape:
                size = f"{image.shape[1]}x{image.shape[2]}"
                raise ValueError(f"of an image of {size}, {self.network} leaves nothing at {name}")
            if name in layers:
                found[name] = x
            if len(found) == len(set(layers)):
                break
        return {name: found[name] for name in layers}


def extract_features(
    network: FeatureName,
    params: Any,
    image: Float[Array, "b h w 3"],
    layers: tuple[str, ...],
    dtype: DTypeLike = jnp.float32,
) -> dict[str, Float[Array, "b _ _ _"]]:
    """Features of images at the named layers.

    Args:
        network: which network.
        params: of that network, from :func:`jax_inpaint.features.load_feature_params`.
        image: RGB in [-1, 1]; the network's own normalisation happens here.
        layers: names out of its table: such as ``relu1_1`` to ``relu5_3`` and ``pool1`` to
            ``pool5`` of VGG16, ``relu1`` and ``fire2`` to ``fire9`` of SqueezeNet, ``layer1`` to
            ``layer4`` of the ResNet, ``Mixed_5b`` to ``Mixed_7c`` and ``pool3`` of Inception.
            Nothing behind the deepest of them is computed.
        dtype: what it computes in.

    Returns:
        Features by name, in ``dtype``.

    Raises:
        ValueError: for a layer that the network doesn't have, or images so small that nothing of
            them reaches it.
    """
    features: Any = FeatureNetwork(network, dtype).apply(params, image, layers)
    return features
