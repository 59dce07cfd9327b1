import os
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jax_inpaint.metrics.lpips import load_lpips, lpips
from jax_inpaint.torch_files import TensorFileError
from tests.twins.feature_networks import TorchvisionNetwork
from tests.twins.torch_arrays import from_torch, randomize

# Where the authors' code takes features: positions in torchvision's ``features``, and channels.
TAPS = {
    "squeezenet": {1: 64, 4: 128, 7: 256, 9: 384, 10: 384, 11: 512, 12: 512},
    "vgg16": {3: 64, 8: 128, 15: 256, 22: 512, 29: 512},
    "alexnet": {1: 64, 4: 192, 7: 384, 9: 256, 11: 256},
}


def save_twin(
    network: str, folder: Path, seed: int = 3
) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    module = TorchvisionNetwork(network)
    randomize(module)
    generator = torch.Generator().manual_seed(seed)
    heads = {
        f"lin{i}.model.1.weight": torch.rand(1, channels, 1, 1, generator=generator)
        for i, channels in enumerate(TAPS[network].values())
    }
    torch.save(module.state_dict(), folder / "network.pth")
    torch.save(heads, folder / "heads.pth")
    return module.eval(), heads


def torch_lpips(network: str, module, heads, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(len(x))
    maps_x, maps_y = module(x), module(y)
    for tap, head in zip(TAPS[network], heads.values(), strict=True):
        difference = unit(maps_x[tap]) - unit(maps_y[tap])
        total = total + torch.nn.functional.conv2d(difference.square(), head).mean((1, 2, 3))
    return total


def unit(x: torch.Tensor) -> torch.Tensor:
    return x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)


@pytest.mark.parametrize("network", TAPS)
def test_distances_are_those_of_a_twin_in_pytorch(network, tmp_path):
    module, heads = save_twin(network, tmp_path)
    x, y = torch.rand(2, 2, 3, 66, 67, generator=torch.Generator().manual_seed(4)) * 2 - 1
    with torch.no_grad():
        expected = torch_lpips(network, module, heads, x, y)
    params = load_lpips(tmp_path / "network.pth", tmp_path / "heads.pth", network)
    distances = jax.jit(partial(lpips, network=network))(params, from_torch(x), from_torch(y))
    assert expected.min() > 0.01
    np.testing.assert_allclose(distances, expected, rtol=1e-4)


def test_equal_images_are_at_no_distance_with_a_finite_gradient(tmp_path):
    """Also where features are all zero, as those of a black image may be."""
    module, _ = save_twin("squeezenet", tmp_path)
    with torch.no_grad():
        module.features[0].bias.fill_(-100)
    torch.save(module.state_dict(), tmp_path / "network.pth")
    params = load_lpips(tmp_path / "network.pth", tmp_path / "heads.pth")
    image = jnp.zeros((1, 32, 32, 3))
    value, gradient = jax.jit(jax.value_and_grad(lambda x: lpips(params, x, image).sum()))(image)
    assert value == pytest.approx(0, abs=1e-9)
    assert np.isfinite(gradient).all()


def test_files_that_are_missing_or_of_another_network_are_named(tmp_path):
    save_twin("squeezenet", tmp_path)
    torch.save({"lin0.model.1.weight": torch.ones(1, 8, 1, 1)}, tmp_path / "other.pth")
    with pytest.raises(TensorFileError, match=r"none.pth: .*v0.1/squeeze.pth"):
        load_lpips(tmp_path / "network.pth", tmp_path / "none.pth")
    with pytest.raises(TensorFileError, match=r"none.pth: .*squeezenet1_1-b8a52dc0.pth"):
        load_lpips(tmp_path / "none.pth", tmp_path / "heads.pth")
    with pytest.raises(TensorFileError, match=r"other.pth .*lin3.model.1.weight: missing"):
        load_lpips(tmp_path / "network.pth", tmp_path / "other.pth")


@pytest.mark.skipif(
    "JAX_INPAINT_WEIGHTS" not in os.environ,
    reason="JAX_INPAINT_WEIGHTS names no folder with squeezenet1_1.pth and lpips_squeeze_v0.1.pth",
)
def test_published_weights_give_the_authors_figures():
    folder = Path(os.environ["JAX_INPAINT_WEIGHTS"])
    params = load_lpips(folder / "squeezenet1_1.pth", folder / "lpips_squeeze_v0.1.pth")
    generator = torch.Generator().manual_seed(42)
    x, y = (torch.rand(2, 3, 100, 100, generator=generator) * 2 - 1 for _ in range(2))
    distances = jax.jit(lpips)(params, from_torch(x), from_torch(y))
    np.testing.assert_allclose(distances, [0.1024, 0.0938], atol=5e-5)
