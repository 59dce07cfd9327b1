import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.torch
import torch

from jax_inpaint.features import extract_features, inception_features, load_feature_params
from tests.twins.inception import random_inception
from tests.twins.torch_arrays import from_torch


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    """A twin of the network in PyTorch, and its parameters for ours."""
    module = random_inception()
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    safetensors.torch.save_file(module.state_dict(), path)
    return module, load_feature_params("inception", path)


def photograph(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """Coarse patches and noise, in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    patches = torch.rand(1, 3, 12, 9, generator=generator)
    noise = torch.rand(1, 3, height, width, generator=generator)
    return torch.nn.functional.interpolate(patches, size=(height, width)) * 1.5 + noise / 2 - 1


def in_torch(module: torch.nn.Module, image: torch.Tensor, antialias: bool = False) -> np.ndarray:
    with torch.no_grad():
        resized = torch.nn.functional.interpolate(
            image, size=(299, 299), mode="bilinear", align_corners=False, antialias=antialias
        )
        return module(resized)[-1][:, :, 0, 0].numpy()


def test_features_of_padded_images_of_many_sizes_are_pytorchs_of_each_alone(inception):
    module, params = inception
    images = [photograph(351, 200, 1), photograph(90, 320, 2)]
    batch = np.full((2, 351, 320, 3), np.nan, np.float32)
    for place, image in zip(batch, images, strict=True):
        place[: image.shape[2], : image.shape[3]] = from_torch(image)[0]
    sizes = jnp.array([image.shape[2:] for image in images])
    features = jax.jit(inception_features)(params, batch, sizes)
    expected = np.concatenate([in_torch(module, image) for image in images])
    assert features.dtype == jnp.float32
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)
    # The comparison would show another image, or another way to resize.
    smoothed = in_torch(module, images[0], antialias=True)
    assert np.abs(expected[0] - expected[1]).max() > 1e-2
    assert np.abs(expected[0] - smoothed[0]).max() > 1e-3


def test_everything_is_computed_in_full_float32(inception):
    """Accelerators would round products otherwise."""
    _, params = inception
    program = str(jax.make_jaxpr(inception_features)(params, jnp.zeros((1, 8, 8, 3))))
    convolutions = program.count("= conv_general_dilated[")
    assert convolutions == program.count("precision=(Precision.HIGHEST, Precision.HIGHEST)") == 94


def test_images_of_any_size_are_resized_but_small_ones_refused_as_they_are(inception):
    _, params = inception
    dot, small = jnp.zeros((1, 1, 1, 3)), jnp.zeros((1, 74, 75, 3))
    assert jax.eval_shape(inception_features, params, dot).shape == (1, 2048)
    with pytest.raises(ValueError, match="image of 74x75, inception leaves nothing at Mixed_7a"):
        jax.eval_shape(
            lambda params, image: extract_features("inception", params, image, ("pool3",)),
            params,
            small,
        )
