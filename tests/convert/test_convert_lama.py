"""LaMa's converter against the official network in PyTorch."""

import jax
import numpy as np
import pytest
import torch

from jax_inpaint.convert import KINDS, convert
from jax_inpaint.models.lama import LaMaConfig
from tests.twins import lama
from tests.twins.agreement import assert_agreement, picture_and_mask
from tests.twins.torch_arrays import from_torch, randomize, to_torch


class Settings:
    """Stands for the configuration objects in the official checkpoints."""


@pytest.fixture(scope="module")
def twin():
    network = lama.Generator(width=4, blocks=2)
    randomize(network)
    with torch.no_grad():
        network.model[-2].weight.mul_(8)  # so that the picture has some contrast
    return network.eval()


def lightning_checkpoint(network):
    state = {f"generator.{name}": value for name, value in network.state_dict().items()}
    state |= {
        "discriminator.model0.0.weight": torch.ones(64, 3, 4, 4),
        "loss_resnet_pl.impl.conv1.weight": torch.ones(64, 3, 3, 3),
        "val_evaluator.scores.lpips.model.net.lin0.weight": torch.ones(1),
        "test_evaluator.scores.fid.model.fc.weight": torch.ones(1),
    }
    return {
        "epoch": 39,
        "pytorch-lightning_version": "1.2.9",
        "state_dict": state,
        "callbacks": {Settings: {"best_model_score": torch.tensor(0.5)}},
        "hyper_parameters": Settings(),
    }


@pytest.mark.parametrize("whole", [True, False])
def test_outputs_are_those_of_the_official_network(tmp_path, twin, whole):
    torch.save(lightning_checkpoint(twin) if whole else twin.state_dict(), tmp_path / "best.ckpt")
    kind, config, variables, _ = convert(tmp_path / "best.ckpt")
    assert "LaMa" in kind
    assert config == LaMaConfig(width=4, blocks=2)
    fill = jax.jit(config.build().apply)
    for size in ((64, 64), (48, 80), (128, 64)) if whole else ((32, 32),):
        picture, mask = picture_and_mask(*size)
        x = np.concatenate([(picture + 1) / 2 * (1 - mask), mask], axis=-1)
        with torch.no_grad():
            expected = 2 * from_torch(twin(to_torch(x))) - 1
        assert_agreement(fill(variables, picture, mask)["output"], expected, mask)


def test_big_lama_is_recognised_by_its_shapes():
    with torch.device("meta"):
        state = lama.Generator(blocks=18).state_dict()
    # One value stands for all of a tensor.
    one = np.float32(1)
    tensors = {name: np.broadcast_to(one, tuple(value.shape)) for name, value in state.items()}
    (kind,) = [kind for kind in KINDS if kind.recognises(tensors)]
    _, config, variables, _ = kind.convert("big.ckpt", tensors, None)
    assert (config.width, config.blocks) == (64, 18)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == 50_975_875
