from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.torch
import torch

from jax_inpaint.features import extract_features, load_feature_params
from tests.twins.feature_networks import DilatedResNet50, TorchvisionNetwork
from tests.twins.inception import random_inception
from tests.twins.torch_arrays import from_torch, randomize, to_torch

# Where features are taken: the table's name, and the torch layer's position.
TAPS = {
    "vgg16": {"conv1_1": 0, "relu1_2": 3, "pool1": 4, "relu3_3": 15, "pool3": 16, "relu5_3": 29},
    "vgg19": {"relu1_1": 1, "relu2_2": 8, "relu3_4": 17, "relu4_4": 26, "relu5_2": 31, "pool5": 36},
    "squeezenet": {"relu1": 1, "pool1": 2, "fire3": 4, "fire5": 7, "pool5": 8, "fire9": 12},
    "alexnet": {"relu1": 1, "relu2": 4, "relu3": 7, "relu4": 9, "relu5": 11},
    "resnet50_dilated": {"layer1": 0, "layer2": 1, "layer3": 2, "layer4": 3},
    "inception": {
        "Conv2d_1a_3x3": 0,
        "pool1": 3,
        "pool2": 6,
        "Mixed_5b": 7,
        "Mixed_5d": 9,
        "Mixed_6a": 10,
        "Mixed_6e": 14,
        "Mixed_7a": 15,
        "Mixed_7b": 16,
        "Mixed_7c": 17,
        "pool3": 18,
    },
}
# Sizes at which poolings have to round, up or down.
SIZES = {
    "vgg16": (35, 32),
    "vgg19": (32, 33),
    "squeezenet": (45, 50),
    "alexnet": (66, 71),
    "resnet50_dilated": (33, 42),
    "inception": (139, 150),
}


def twin(network: str) -> torch.nn.Module:
    if network == "inception":
        return random_inception()
    if network == "resnet50_dilated":
        module: torch.nn.Module = DilatedResNet50()
    else:
        module = TorchvisionNetwork(network)
    randomize(module)
    return module.eval()


def images(network: str) -> jax.Array:
    height, width = SIZES[network]
    return jax.random.uniform(jax.random.key(1), (2, height, width, 3), minval=-1)


def save(network: str, module: torch.nn.Module, folder: Path) -> Path:
    """Files as they are about: old and new ones of PyTorch, and safetensors."""
    tensors = module.state_dict()
    if network == "vgg19":
        path = folder / "weights.safetensors"
        safetensors.torch.save_file(tensors, path)
        return path
    if network == "resnet50_dilated":
        # CSAIL's comes from a synchronised batch norm with sums of its own.
        channels = tensors["bn1.running_mean"].shape
        tensors["bn1._tmp_running_mean"] = torch.ones(channels)
        tensors["bn1._tmp_running_var"] = torch.ones(channels)
        tensors["bn1._running_iter"] = torch.ones(1)
    path = folder / "weights.pth"
    torch.save(tensors, path, _use_new_zipfile_serialization=network != "vgg16")
    return path


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory):
    module = twin("squeezenet")
    path = save("squeezenet", module, tmp_path_factory.mktemp("weights"))
    return module, load_feature_params("squeezenet", path)


@pytest.mark.parametrize("network", TAPS)
def test_features_are_those_of_pytorch(network, tmp_path):
    module, image, taps = twin(network), images(network), TAPS[network]
    with torch.no_grad():
        expected = module(to_torch(image))
    path = save(network, module, tmp_path)
    params = load_feature_params(network, path)
    features = jax.jit(lambda params, image: extract_features(network, params, image, tuple(taps)))(
        params, image
    )
    assert set(features) == set(taps)
    for name, position in taps.items():
        reference = from_torch(expected[position])
        assert reference.std() > 1e-3, "the twin is dead, the comparison void"
        assert features[name].dtype == jnp.float32
        np.testing.assert_allclose(
            features[name], reference, atol=1e-4 * np.abs(reference).max(), rtol=1e-4
        )


def test_gradient_with_respect_to_the_image_is_pytorchs(squeezenet):
    module, params = squeezenet
    image = images("squeezenet")
    weights = np.random.default_rng(2).normal(size=(2, 5, 6, 256)).astype(np.float32)
    x = to_torch(image).requires_grad_()
    (module(x)[7] * to_torch(weights)).sum().backward()

    def loss(image):
        return jnp.sum(extract_features("squeezenet", params, image, ("fire5",))["fire5"] * weights)

    gradient, expected = jax.jit(jax.grad(loss))(image), from_torch(x.grad)
    np.testing.assert_allclose(gradient, expected, atol=1e-4 * np.abs(expected).max(), rtol=1e-3)


def test_nothing_behind_the_deepest_layer_is_computed(squeezenet):
    _, params = squeezenet
    program = jax.make_jaxpr(
        lambda image: extract_features("squeezenet", params, image, ("fire2", "relu1"))
    )(jnp.zeros((1, 32, 32, 3)))
    assert str(program).count("conv_general_dilated") == 4


def test_bfloat16_is_close_to_float32(squeezenet):
    _, params = squeezenet
    image = images("squeezenet")
    exact, rounded = (
        extract_features("squeezenet", params, image, ("pool1",), dtype)["pool1"]
        for dtype in (jnp.float32, jnp.bfloat16)
    )
    assert rounded.dtype == jnp.bfloat16
    error = np.abs(rounded.astype(jnp.float32) - exact).max()
    assert 0 < error < 0.03 * np.abs(exact).max()


def test_unknown_layers_and_images_too_small_are_refused(squeezenet):
    _, params = squeezenet
    image = jnp.zeros((1, 12, 12, 3))
    with pytest.raises(ValueError, match=r"squeezenet are named fire10; there are conv1, relu1"):
        extract_features("squeezenet", params, image, ("fire9", "fire10"))
    with pytest.raises(ValueError, match="no layers of squeezenet are named here"):
        extract_features("squeezenet", params, image, ())
    with pytest.raises(ValueError, match="image of 12x12, squeezenet leaves nothing at pool5"):
        extract_features("squeezenet", params, image, ("fire9",))
    assert extract_features("squeezenet", params, image, ("fire3",))["fire3"].shape == (
        1,
        2,
        2,
        128,
    )
