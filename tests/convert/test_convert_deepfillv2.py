"""DeepFillv2's converters against the published networks in PyTorch."""

from functools import cache

import jax
import numpy as np
import pytest
import torch

from benchmarks.fuzz.tensorflow_checkpoint import write_checkpoint
from benchmarks.twin.network import GatedConv
from jax_inpaint.convert import convert
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from tests.twins.agreement import assert_agreement, picture_and_mask
from tests.twins.deepfillv2 import SameNetwork, SymmetricNetwork
from tests.twins.torch_arrays import from_torch, randomize, to_torch

NETWORKS = {
    "official": SameNetwork,
    "states_tf": lambda **settings: SameNetwork(fuse=False, two_steps=False, **settings),
    "states_pt": SymmetricNetwork,
}
# What surrounds the generator in the official checkpoint.
REST = {
    "discriminator/sn_patch_gan/conv1/kernel": np.ones((5, 5, 4, 2), np.float32),
    "discriminator/sn_patch_gan/conv1/kernel_sn/u": np.ones((1, 2), np.float32),
    "inpaint_net/conv1/bias/Adam": np.ones(8, np.float32),
    "inpaint_net/conv1/bias/Adam_1": np.ones(8, np.float32),
    "beta1_power": np.float32(0.5),
    "beta2_power_1": np.float32(0.9),
    "global_step": np.int64(7),
    "lr": np.float32(1e-4),
}


def calibrate(network, picture, mask):
    """Scales filters so that features neither fade nor explode, and colours have contrast."""

    def scale(layer, inputs, output):
        for _ in range(4):
            wanted = 0.2 if layer.activation else 0.6
            deviation = float(output.std(dim=(2, 3)).mean())
            layer.conv.weight.mul_(np.clip(wanted / deviation, 0.25, 4))
            output = GatedConv.forward(layer, *inputs)
        return output

    layers = [module for module in network.modules() if isinstance(module, GatedConv)]
    hooks = [layer.register_forward_hook(scale) for layer in layers]
    with torch.no_grad():
        network(to_torch(picture), to_torch(mask))
    for hook in hooks:
        hook.remove()


@cache
def twin(kind):
    network = NETWORKS[kind](cnum=8)
    randomize(network)
    for buffer in network.buffers():
        buffer.copy_(torch.eye(3).view(1, 1, 3, 3))
    calibrate(network, *picture_and_mask(64, 64, seed=1))
    return network


def save(kind, network, folder):
    if kind == "official":
        write_checkpoint(folder / "snap-0", network.tensorflow_variables() | REST)
        return folder
    path = folder / "states.pth"
    torch.save({"G": network.state_dict(), "G_optim": {"state": {}}, "n_iter": 7}, path)
    return path


@cache
def compiled(config):
    return jax.jit(config.build().apply)


def expected_outputs(kind, picture, mask, network=None):
    """Pictures of the twin, which is fed BGR where the official code does."""
    order = slice(None, None, -1 if kind == "official" else 1)
    with torch.no_grad():
        outputs = (network or twin(kind))(to_torch(picture[..., order]), to_torch(mask))
    return [from_torch(output)[..., order] for output in outputs]


CONFIGS = {
    "official": DeepFillV2Config(width=4),
    "states_tf": DeepFillV2Config(width=4, mask_steps=1, fuse=False),
    "states_pt": DeepFillV2Config(width=4, padding="symmetric", resampling="strided", mask_steps=1),
}


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("official", [(64, 64), (64, 96)]),
        ("states_tf", [(64, 64), (128, 64)]),
        ("states_pt", [(64, 64), (48, 80)]),
    ],
)
def test_outputs_are_those_of_the_published_network(tmp_path, kind, sizes):
    _, config, variables, _ = convert(save(kind, twin(kind), tmp_path))
    assert config == CONFIGS[kind]
    for size in sizes:
        picture, mask = picture_and_mask(*size)
        got = compiled(config)(variables, picture, mask)
        coarse, refined = expected_outputs(kind, picture, mask)
        assert_agreement(got["coarse"], coarse, mask)
        assert_agreement(got["refined"], refined, mask)


@pytest.mark.parametrize(
    ("settings", "least"),
    [({"fuse": False}, 0.1), ({"two_steps": False}, 0.1)],
)
def test_twins_notice_what_the_systems_do_differently(settings, least):
    other = SameNetwork(cnum=8, **settings)
    other.load_state_dict(twin("official").state_dict())
    picture, mask = picture_and_mask(64, 64)
    _, refined = expected_outputs("official", picture, mask)
    _, changed = expected_outputs("official", picture, mask, other)
    assert np.abs(refined - changed).max() > least


def test_colour_order_is_bgr_for_the_official_checkpoint_and_a_choice_for_all(tmp_path):
    picture, mask = picture_and_mask(64, 64)
    for kind in ("official", "states_tf"):
        fill = compiled(CONFIGS[kind])
        source = save(kind, twin(kind), tmp_path)
        rgb, bgr = (convert(source, color_order=order).variables for order in ("rgb", "bgr"))
        default = convert(source).variables
        expected = bgr if kind == "official" else rgb
        assert jax.tree.all(jax.tree.map(np.array_equal, default, expected))
        turned = fill(bgr, picture[..., ::-1], mask)["refined"][..., ::-1]
        np.testing.assert_allclose(turned, fill(rgb, picture, mask)["refined"], atol=1e-4)


def test_the_ports_identity_kernel_may_be_there_or_not_wherever_it_stands(tmp_path):
    path = save("states_pt", twin("states_pt"), tmp_path)
    state = twin("states_pt").state_dict()
    name = "stage2.contextual_attention.fuse_weight"
    assert list(state).index(name) not in (0, len(state) - 1)
    with_it = convert(path)
    kernel = state.pop(name)
    for states in (state, {name: kernel, **dict(reversed(state.items()))}):
        torch.save({"G": states}, path)
        kind, config, variables, _ = convert(path)
        assert (kind, config) == with_it[:2]
        assert jax.tree.all(jax.tree.map(np.array_equal, variables, with_it.variables))


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_published_width_has_84_tensors_and_4_million_parameters(tmp_path, kind):
    network = NETWORKS[kind]()
    tensors = network.tensorflow_variables() if kind == "official" else network.state_dict()
    known = {
        "official": ("inpaint_net/allconv13_upsample/allconv13_upsample_conv/kernel", "HWIO"),
        "states_tf": ("allconv13_upsample.conv.conv.weight", "OIHW"),
        "states_pt": ("stage2.up_block1.conv1_upsample.conv.conv.weight", "OIHW"),
    }
    name, layout = known[kind]
    assert tuple(tensors[name].shape) == ((3, 3, 96, 96) if layout == "HWIO" else (96, 96, 3, 3))
    assert len(tensors) == 84 + (kind == "states_pt")
    _, config, variables, _ = convert(save(kind, network, tmp_path))
    assert config.width == 24
    leaves = jax.tree.leaves(variables["params"])
    assert (len(leaves), sum(leaf.size for leaf in leaves)) == (84, 4_052_478)


def test_a_sixth_channel_is_the_sketch(tmp_path):
    network = SameNetwork(cnum=8, channels=6)
    _, config, variables, _ = convert(save("official", network, tmp_path))
    assert config.sketch
    kernel = variables["params"]["coarse"]["conv1"]["conv"]["kernel"]
    theirs = network.conv1.conv.weight.detach().numpy().transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(kernel, theirs[:, :, [2, 1, 0, 3, 4, 5]])
