"""What the Fréchet inception distance compares (Heusel et al., NeurIPS 2017)."""

from typing import Any

import jax
from jaxtyping import Array, Float, Int

from jax_inpaint.features.network import extract_features
from jax_inpaint.ops.resize import resize_bilinear


def inception_features(
    params: Any, image: Float[Array, "b h w 3"], sizes: Int[Array, "b 2"] | None = None
) -> Float[Array, "b 2048"]:
    """The last features of Inception for each image, resized to 299x299.

    As part of a metric, they are computed in full float32 on every device.

    Args:
        params: of the network ``inception``, from
            :func:`jax_inpaint.features.load_feature_params`.
        image: RGB in [-1, 1]; images of several sizes are padded to one.
        sizes: height and width of each image's own part, at its top left. Whatever lies beyond
            makes no difference. None: all of it.

    Source: the code of pytorch-fid, which resizes without antialiasing.
    """
    with jax.default_matmul_precision("highest"):
        image = resize_bilinear(image, 299, 299, sizes)
        return extract_features("inception", params, image, ("pool3",))["pool3"][:, 0, 0]
