"""The public files that feature networks are loaded from."""

import os
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jaxtyping import PRNGKeyArray

from jax_inpaint.features.network import TABLES, FeatureName, FeatureNetwork
from jax_inpaint.torch_files import (
    TORCH_LEAVES,
    TensorFileError,
    read_tensors,
    require_shapes,
)

PUBLIC_FILES: dict[FeatureName, str] = {
    "vgg16": "https://download.pytorch.org/models/vgg16-397923af.pth",
    "vgg19": "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    "squeezenet": "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
    "alexnet": "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    "resnet50_dilated": "http://sceneparsing.csail.mit.edu/model/pytorch/"
    "ade20k-resnet50dilated-ppm_deepsup/encoder_epoch_20.pth",
    "inception": "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
}

# Of an image that leaves something at the last layer of every network; Inception takes 75x75.
_SHAPE = (1, 96, 96, 3)

# Classifiers behind the features, and what batch normalisation keeps for training only: PyTorch's
# counter and the sums of the synchronised kind.
_UNUSED = re.compile(
    r"(classifier|fc)\.|.*\.(num_batches_tracked|_tmp_running_mean|_tmp_running_var|_running_iter)$"
)


def check_feature_file(network: FeatureName, path: str | os.PathLike[str]) -> None:
    """Raises TensorFileError, saying what to download and where it goes, if there is no file."""
    if not os.path.exists(path):  # noqa: PTH110 (Path.exists may raise)
        raise TensorFileError(
            f"{path}: there is no such file. Features of {network} need its public weights: "
            f"download {PUBLIC_FILES[network]} to that place, or set features.{network} to where "
            "the file is (.pth, or .safetensors with the same tensors)"
        )


def load_feature_params(network: FeatureName, path: str | os.PathLike[str]) -> Any:
    """Reads a network's parameters from its public PyTorch file, or its tensors as safetensors.

    Returns:
        Variables of :class:`~jax_inpaint.features.network.FeatureNetwork`, float32. Hand them to
        compiled functions as an argument: captured, they would be compiled in as constants.

    Raises:
        TensorFileError: if the file is missing or can't be read, or tensors are missing, wrongly
            shaped or of no known use.
    """
    check_feature_file(network, path)
    tensors = {
        name: tensor for name, tensor in read_tensors(path).items() if not _UNUSED.match(name)
    }
    template = traverse_util.flatten_dict(_shapes(network))
    names = {key: _torch_name(network, key) for key in template}
    require_shapes(
        path,
        tensors,
        {
            names[key]: tuple(leaf.shape[i] for i in (3, 2, 0, 1)) if leaf.ndim == 4 else leaf.shape
            for key, leaf in template.items()
        },
    )
    params = {key: jnp.asarray(_flax_layout(tensors[name])) for key, name in names.items()}
    return traverse_util.unflatten_dict(params)


def random_feature_params(network: FeatureName, key: PRNGKeyArray) -> Any:
    """Parameters of a network that has learned nothing: for tests and timing."""
    image, layers = jnp.zeros(_SHAPE), tuple(TABLES[network])[-1:]
    return jax.jit(FeatureNetwork(network).init, static_argnums=2)(key, image, layers)


def _shapes(network: FeatureName) -> Any:
    image, layers = jnp.zeros(_SHAPE), tuple(TABLES[network])[-1:]
    init = FeatureNetwork(network).init
    return jax.eval_shape(lambda key: init(key, image, layers), jax.random.key(0))


def _torch_name(network: FeatureName, key: tuple[str, ...]) -> str:
    _, layer, *inner, leaf = key
    if network in ("resnet50_dilated", "inception"):
        place = [layer]
    else:
        place = ["features", str(list(TABLES[network]).index(layer))]
    return ".".join([*place, *inner, TORCH_LEAVES[leaf]])


def _flax_layout(tensor: np.ndarray) -> np.ndarray:
    return tensor.transpose(2, 3, 1, 0) if tensor.ndim == 4 else tensor
