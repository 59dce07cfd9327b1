"""The partial U-Net's converters against its PyTorch code, with either layer."""

import jax
import numpy as np
import pytest
import torch

from jax_inpaint.convert import convert
from jax_inpaint.models.partial_unet import PartialUNetConfig
from jax_inpaint.torch_files import TensorFileError
from tests.twins import partial_unet
from tests.twins.agreement import assert_agreement, picture_and_mask
from tests.twins.torch_arrays import from_torch, to_torch

# Of ImageNet, for colours in [0, 1]: the port's data set is normalised by them.
MEAN, DEVIATION = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


def make_twin(layer):
    """naoto0804's own layer doesn't multiply by the size of its window, NVIDIA's does."""
    twin = partial_unet.Network(width=4, levels=4, count_window=layer == "nvidia")
    partial_unet.randomize(twin)
    return twin.eval()


def state_of(layer, twin):
    state = twin.state_dict()
    if layer == "port":
        return state
    # The layer is a convolution itself, and its masks' kernel no parameter.
    return {
        name.replace("input_conv.", ""): value
        for name, value in state.items()
        if "mask_conv" not in name
    }


@pytest.mark.parametrize("layer", ["port", "nvidia"])
def test_outputs_are_those_of_the_published_network(tmp_path, layer):
    twin = make_twin(layer)
    # As the port's train.py saves it.
    content = {"n_iter": 9, "model": state_of(layer, twin), "optimizer": {"state": {}}}
    torch.save(content, tmp_path / "1000000.pth")
    kind, config, variables, _ = convert(tmp_path / "1000000.pth")
    assert ("NVIDIA" in kind) == (layer == "nvidia")
    assert config == PartialUNetConfig(width=4, levels=4, normalization="imagenet")
    fill = jax.jit(config.build().apply)
    for size in ((64, 64), (64, 96), (32, 48)):
        picture, mask = picture_and_mask(*size)
        colours = ((picture + 1) / 2 - MEAN) / DEVIATION
        valid = to_torch(np.repeat(1 - mask, 3, axis=-1))
        with torch.no_grad():
            output = from_torch(twin(to_torch(colours) * valid, valid))
        expected = 2 * (output * DEVIATION + MEAN) - 1
        assert_agreement(fill(variables, picture, mask)["output"], expected, mask)


def test_the_published_width_and_levels_are_read_off_the_shapes(tmp_path):
    twin = partial_unet.Network()
    torch.save({"model": twin.state_dict()}, tmp_path / "a.pth")
    _, config, variables, _ = convert(tmp_path / "a.pth")
    assert (config.width, config.levels) == (64, 7)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == 25_779_796


def test_biases_of_the_ports_first_version_are_not_lost_silently(tmp_path):
    state = make_twin("port").state_dict()
    state["enc_1.conv.input_conv.bias"] = torch.ones(4)
    del state["dec_1.conv.input_conv.bias"]
    torch.save({"model": state}, tmp_path / "a.pth")
    with pytest.raises(TensorFileError) as caught:
        convert(tmp_path / "a.pth")
    message = str(caught.value)
    assert "enc_1.conv.input_conv.bias: (4,) instead of nothing" in message
    assert "dec_1.conv.input_conv.bias: missing instead of (3,)" in message
