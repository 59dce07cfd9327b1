"""What is recognised, what is refused, and ``jax-inpaint convert``."""

import re

import jax
import numpy as np
import pytest
import safetensors.torch
import torch
import tyro

from benchmarks.fuzz.tensorflow_checkpoint import write_checkpoint
from jax_inpaint.commands.convert import Convert
from jax_inpaint.convert import ConvertError, convert
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.torch_files import TensorFileError
from jax_inpaint.weights import load_weights
from tests.twins import lama, partial_unet
from tests.twins.deepfillv2 import SameNetwork, SymmetricNetwork


@pytest.fixture
def port():
    """A state dict of the smallest DeepFillv2."""
    return SameNetwork(cnum=4).state_dict()


def saved(tensors, path):
    if path.suffix == ".pth":
        torch.save({"G": tensors}, path)
    else:
        write_checkpoint(path, tensors)
    return path


KINDS = {
    "the official DeepFillv2": (lambda: SameNetwork(cnum=4).tensorflow_variables(), "snap-0"),
    "states_tf": (lambda: SameNetwork(cnum=4).state_dict(), "a.pth"),
    "states_pt": (lambda: SymmetricNetwork(cnum=4).state_dict(), "a.pth"),
    "a partial U-Net": (lambda: partial_unet.Network(width=2, levels=2).state_dict(), "a.pth"),
    "a LaMa": (lambda: lama.Generator(width=4, blocks=1).state_dict(), "a.pth"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_that_are_missing_left_over_or_misshapen_are_named(tmp_path, kind):
    make, file = KINDS[kind]
    tensors = make()
    missing, misshapen = [
        name for name in tensors if re.search(r"(weight|kernel)$", name) and "mask_" not in name
    ][-2:]
    surplus = misshapen + "_twice"
    del tensors[missing]
    tensors[surplus] = tensors[misshapen]
    tensors[misshapen] = tensors[misshapen][1:]
    with pytest.raises(TensorFileError) as caught:
        convert(saved(tensors, tmp_path / file))
    message = str(caught.value)
    assert file in message
    assert f"{missing}: missing instead of (" in message
    shape = re.escape(str(tuple(tensors[misshapen].shape)))
    assert re.search(rf"{re.escape(misshapen)}: {shape} instead of \(", message)
    assert re.search(rf"{re.escape(surplus)}: \(.*?\) instead of nothing", message)
    assert "of width" in message


def test_many_wrong_tensors_are_named_by_the_first_five(tmp_path, port):
    port |= {f"allconv{i}.extra": torch.ones(1) for i in range(20, 28)}
    with pytest.raises(TensorFileError, match=r"(allconv2\d.extra.*){5} and 3 more$"):
        convert(saved(port, tmp_path / "a.pth"))


def test_generators_that_do_not_exist_are_refused(tmp_path, port):
    first = port.pop("conv1.conv.weight")
    with pytest.raises(ConvertError, match=r"a.pth, .* has no tensor conv1.conv.weight"):
        convert(saved(port, tmp_path / "a.pth"))
    for wrong in (first[:3], first[0]):
        with pytest.raises(ConvertError, match=r"a.pth, .* has shapes of no generator"):
            convert(saved({**port, "conv1.conv.weight": wrong}, tmp_path / "a.pth"))


def test_values_that_are_not_finite_are_refused_by_name(tmp_path, port):
    port["pmconv5.conv.weight"][0, 0, 0, 0] = torch.nan
    with pytest.raises(ConvertError, match=r"a.pth: pmconv5.conv.weight holds NaN"):
        convert(saved(port, tmp_path / "a.pth"))


def test_unknown_files_are_told_what_is_known_and_what_they_hold(tmp_path):
    state = {f"encoder.{i}.weight": torch.ones(1) for i in range(8)}
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(ConvertError) as caught:
        convert(tmp_path / "other.pth")
    message = str(caught.value)
    for part in ("DeepFillv2's official", "states_pt", "LaMa", "encoder.0.weight", "and 3 more"):
        assert part in message
    torch.save({"epoch": 3}, tmp_path / "none.pth")
    with pytest.raises(ConvertError, match="holds no tensors"):
        convert(tmp_path / "none.pth")
    with pytest.raises(ConvertError, match="neither a training run"):
        convert(tmp_path)
    with pytest.raises(TensorFileError, match="gone: there is no such file"):
        convert(tmp_path / "gone")


def test_colour_orders_are_for_deepfillv2(tmp_path):
    path = saved(KINDS["a LaMa"][0](), tmp_path / "a.pth")
    with pytest.raises(ConvertError, match=r"the generator of a LaMa.* no colour order"):
        convert(path, color_order="bgr")


def test_the_same_tensors_as_safetensors_are_converted_without_torch(tmp_path, port, monkeypatch):
    expected = convert(saved(port, tmp_path / "a.pth"))
    safetensors.torch.save_file(port, tmp_path / "a.safetensors")
    write_checkpoint(tmp_path / "snap-0", SameNetwork(cnum=4).tensorflow_variables())
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    got = convert(tmp_path / "a.safetensors")
    assert got[:2] == expected[:2]
    assert jax.tree.all(jax.tree.map(np.array_equal, got.variables, expected.variables))
    assert convert(tmp_path / "snap-0").config == DeepFillV2Config(width=2)


# The command


@pytest.fixture
def run(tmp_path, port, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved(port, tmp_path / "a.pth")
    return lambda *arguments: tyro.cli(Convert, args=arguments).run()


def test_the_command_writes_weights_and_says_what_they_are(run, port, capsys):
    run("a.pth", "-o", "weights.safetensors")
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "a.pth: states_tf of DeepFillv2's PyTorch port"
    assert out[1].startswith("deepfillv2: compute_dtype float32, width 2, sketch False")
    count = sum(value.numel() for value in port.values())
    assert out[2] == f"weights.safetensors: {count:,} parameters, 0.1 MB"
    config, variables = load_weights("weights.safetensors")
    assert config == DeepFillV2Config(width=2, mask_steps=1, fuse=False)
    kernel = variables["params"]["coarse"]["conv17"]["conv"]["kernel"]
    np.testing.assert_array_equal(kernel, port["conv17.conv.weight"].permute(2, 3, 1, 0))
    run("a.pth", "--output", "bgr.safetensors", "--color-order", "bgr")
    _, reversed_colours = load_weights("bgr.safetensors")
    turned = reversed_colours["params"]["coarse"]["conv17"]["conv"]["kernel"]
    np.testing.assert_array_equal(turned, kernel[..., ::-1])


def test_the_command_replaces_nothing_unasked(run, tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_text("mine")
    with pytest.raises(ConvertError, match=r"weights.safetensors: exists already; --force"):
        run("a.pth", "-o", "weights.safetensors")
    assert path.read_text() == "mine"
    run("a.pth", "-o", "weights.safetensors", "--force")
    load_weights(path)
    with pytest.raises(ConvertError, match="no folder to write to"):
        run("a.pth", "-o", "none/weights.safetensors")
    with pytest.raises(ConvertError, match=r"must end in .safetensors"):
        run("a.pth", "-o", "weights.npz")
    with pytest.raises(ConvertError, match="no step 3"):
        run("a.pth", "-o", "b.safetensors", "--step", "3")
    assert {file.name for file in tmp_path.iterdir()} == {"a.pth", "weights.safetensors"}


def test_tensors_without_names_are_no_generator(tmp_path):
    torch.save({0: torch.ones(1), ("a", 1): torch.ones(1)}, tmp_path / "a.pth")
    with pytest.raises(ConvertError, match=r"a\.pth isn't of a kind .* It holds no tensors"):
        convert(tmp_path / "a.pth")
