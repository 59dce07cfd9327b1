"""LPIPS, a learned perceptual distance between images (Zhang et al., CVPR 2018), version 0.1."""

import os
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jax_inpaint.config import LpipsNetwork
from jax_inpaint.features import extract_features, load_feature_params
from jax_inpaint.torch_files import TensorFileError, read_tensors, require_shapes

LAYERS: dict[LpipsNetwork, tuple[str, ...]] = {
    "squeezenet": ("relu1", "fire3", "fire5", "fire6", "fire7", "fire8", "fire9"),
    "vgg16": ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"),
    "alexnet": ("relu1", "relu2", "relu3", "relu4", "relu5"),
}
_FILES: dict[LpipsNetwork, str] = {"squeezenet": "squeeze", "vgg16": "vgg", "alexnet": "alex"}


def load_lpips(
    network_path: str | os.PathLike[str],
    heads_path: str | os.PathLike[str],
    network: LpipsNetwork = "squeezenet",
) -> dict[str, Any]:
    """Reads the parameters of :func:`lpips`.

    Args:
        network_path: the network's torchvision file.
        heads_path: the weights of its channels, as published with LPIPS (``squeeze.pth``,
            ``vgg.pth`` or ``alex.pth`` of ``v0.1``).
        network: which network.

    Raises:
        TensorFileError: if a file is missing, can't be read or holds other tensors.
    """
    if not os.path.exists(heads_path):  # noqa: PTH110 (Path.exists may raise)
        raise TensorFileError(
            f"{heads_path}: there is no such file. LPIPS on {network} needs https://github.com/"
            f"richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1/{_FILES[network]}.pth"
        )
    params = load_feature_params(network, network_path)
    features = jax.eval_shape(
        lambda image: extract_features(network, params, image, LAYERS[network]),
        jnp.zeros((1, 64, 64, 3)),
    )
    names = {layer: f"lin{i}.model.1.weight" for i, layer in enumerate(LAYERS[network])}
    heads = read_tensors(heads_path)
    require_shapes(
        heads_path,
        heads,
        {names[layer]: (1, value.shape[-1], 1, 1) for layer, value in features.items()},
    )
    return {
        "features": params,
        "heads": {layer: jnp.asarray(heads[name].ravel()) for layer, name in names.items()},
    }


def lpips(
    params: Any,
    image: Float[Array, "b h w 3"],
    target: Float[Array, "b h w 3"],
    network: LpipsNetwork = "squeezenet",
) -> Float[Array, " b"]:
    """Perceptual distance of each pair of images in [-1, 1]: 0 if they are equal.

    Features of either image are scaled to unit length at each position; their squared differences
    are averaged over positions, weighted by channel and summed. ``params`` must be those of
    ``network``. As a metric, it is computed in full float32 on every device.

    Source: the authors' code, ``LPIPS(net="squeeze" | "vgg" | "alex")``.
    """
    with jax.default_matmul_precision("highest"):
        a = extract_features(network, params["features"], image, LAYERS[network])
        b = extract_features(network, params["features"], target, LAYERS[network])
    distances = [
        jnp.mean(jnp.sum((_unit(a[layer]) - _unit(b[layer])) ** 2 * head, axis=-1), axis=(1, 2))
        for layer, head in params["heads"].items()
    ]
    return jnp.sum(jnp.stack(distances), axis=0)


def _unit(features: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    # Bounded before the root is taken, whose gradient at 0 would be infinite.
    squared = jnp.maximum(jnp.sum(features**2, axis=-1, keepdims=True), 1e-20)
    return features / (jnp.sqrt(squared) + 1e-10)
