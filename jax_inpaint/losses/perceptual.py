"""Losses between features of two images under a trained network, one value per image.

Features come from :func:`jax_inpaint.features.extract_features`, by layer; whatever their
dtype, losses are computed in float32. Layers are weighted alike.
"""

from collections.abc import Mapping
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

Features = Mapping[str, Float[Array, "b _ _ _"]]


def perceptual(
    features: Features, target: Features, distance: Literal["l1", "l2"] = "l1"
) -> Float[Array, " b"]:
    """Mean absolute (``l1``) or squared (``l2``) difference of each layer, summed over layers.

    Source: ``l1`` is Liu et al. (2018), equation 3, on VGG16's ``pool1`` to ``pool3``, and AOT-GAN
    on VGG19's ``relu1_1`` to ``relu5_1``; ``l2`` is the high receptive field loss of LaMa
    (Suvorov et al., 2021), section 2.2, on ``layer1`` to ``layer4`` of the dilated ResNet.
    """
    power = {"l1": 1, "l2": 2}[distance]
    layers = [
        jnp.mean(_difference(features[name], target[name]) ** power, axis=(1, 2, 3))
        for name in target
    ]
    return jnp.sum(jnp.stack(layers), axis=0)


def style(features: Features, target: Features) -> Float[Array, " b"]:
    """Mean absolute difference of the layers' Gram matrices, summed over layers.

    Source: Liu et al. (2018), equations 4 and 5, on VGG16's ``pool1`` to ``pool3``; AOT-GAN, on
    VGG19's ``relu2_2``, ``relu3_4``, ``relu4_4`` and ``relu5_2``.
    """
    layers = [
        jnp.mean(_difference(gram_matrix(features[name]), gram_matrix(target[name])), axis=(1, 2))
        for name in target
    ]
    return jnp.sum(jnp.stack(layers), axis=0)


def gram_matrix(features: Float[Array, "b h w c"]) -> Float[Array, "b c c"]:
    """Inner products of all pairs of channels, divided by ``h * w * c``; float32.

    In half precision the quotients would vanish: they are tiny, which is why the loss on them has
    weights above a hundred.
    """
    features = features.astype(jnp.float32)
    _, h, w, c = features.shape
    return jnp.einsum("bhwi,bhwj->bij", features, features) / (h * w * c)


def _difference(a: Float[Array, "b ..."], b: Float[Array, "b ..."]) -> Float[Array, "b ..."]:
    return jnp.abs(a.astype(jnp.float32) - b.astype(jnp.float32))
