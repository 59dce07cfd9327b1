import json
import os
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from jax_inpaint.torch_files import (
    TensorFileError,
    read_checkpoint,
    read_tensors,
    require_shapes,
)

TENSORS = {
    "single": torch.arange(6.0).reshape(2, 3),
    "half": torch.tensor([1.5, -2.0], dtype=torch.float16),
    "brain": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "double": torch.tensor([0.25], dtype=torch.float64),
    "steps": torch.tensor(7),
}


class Callback:
    """An object that a training framework may keep in its checkpoints."""

    def __init__(self):
        self.best = torch.ones(3)


class Attack:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def save(content, path: Path, **kwargs) -> Path:
    torch.save(content, path, **kwargs)
    return path


@pytest.mark.parametrize("kind", ["new.pth", "old.pt", "tensors.safetensors"])
def test_tensors_come_back_as_arrays_with_floats_widened(tmp_path, kind):
    path = tmp_path / kind
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(TENSORS, path)
    else:
        torch.save(TENSORS, path, _use_new_zipfile_serialization=kind == "new.pth")
    arrays = read_tensors(path)
    assert arrays.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        floating = tensor.is_floating_point()
        assert arrays[name].dtype == (np.float32 if floating else np.int64)
        np.testing.assert_array_equal(arrays[name], tensor.to(torch.float32).numpy())


def test_parameters_that_need_gradients_are_read(tmp_path):
    path = save({"w": torch.nn.Parameter(torch.ones(2))}, tmp_path / "a.pth")
    np.testing.assert_array_equal(read_tensors(path)["w"], [1, 1])


def test_checkpoints_keep_their_nesting(tmp_path):
    content = {
        "G": OrderedDict(a=torch.ones(2)),
        "G_optim": {"state": {0: {"step": 3}}, "param_groups": [{"betas": (0.5, 0.9)}]},
        "n_iter": 5,
    }
    read = read_checkpoint(save(content, tmp_path / "states.pth"))
    np.testing.assert_array_equal(read["G"].pop("a"), [1, 1])
    assert read == {**content, "G": {}}
    with pytest.raises(TensorFileError, match=r"states.pth .* also holds 'G', 'G_optim', 'n_iter'"):
        read_tensors(tmp_path / "states.pth")


@pytest.mark.parametrize("skip_objects", [False, True])
@pytest.mark.parametrize("function", ["system", "eval", "getattr"])
def test_nothing_in_a_file_is_ever_called(tmp_path, function, skip_objects):
    trace = tmp_path / "trace"
    attack = {
        "system": Attack(os.system, f"touch {trace}"),
        "eval": Attack(eval, f"open({str(trace)!r}, 'w')"),
        "getattr": Attack(getattr, Attack(Path, str(trace)), "touch"),
    }[function]
    content = {"weights": torch.ones(1), "attack": attack}
    old = save(content, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    bare = tmp_path / "bare.pth"
    bare.write_bytes(pickle.dumps(content, protocol=2))
    for path in (save(content, tmp_path / "new.pth"), old, bare):
        if skip_objects and path.name == "new.pth" and function != "system":
            assert list(read_checkpoint(path, skip_objects=True)) == ["weights"]
        else:
            with pytest.raises(TensorFileError, match=str(path)):
                read_checkpoint(path, skip_objects=skip_objects)
    assert not trace.exists()


def test_objects_are_refused_by_name_or_skipped(tmp_path):
    cache = defaultdict(dict)
    cache["env"]["USER"] = "me"
    content = {
        "state_dict": {"w": torch.ones(2)},
        "callbacks": {Callback: {"best_model_score": np.float64(0.5)}},
        "settings": [Callback(), 3],
        "cache": cache,
    }
    path = save(content, tmp_path / "best.ckpt")
    with pytest.raises(TensorFileError, match=r"best.ckpt holds more than tensors: .*Callback"):
        read_checkpoint(path)
    read = read_checkpoint(path, skip_objects=True)
    np.testing.assert_array_equal(read.pop("state_dict")["w"], [1, 1])
    assert read == {"callbacks": {}, "settings": [3], "cache": {"env": {"USER": "me"}}}
    with pytest.raises(TensorFileError, match="Callback"):
        read_checkpoint(path)


def test_damage_is_reported_with_the_path(tmp_path):
    whole = save(TENSORS, tmp_path / "whole.pth").read_bytes()
    safetensors.torch.save_file(TENSORS, tmp_path / "whole.safetensors")
    files = {
        "cut.pth": whole[:-300],
        "empty.pth": b"",
        "page.pth": b"<!DOCTYPE html><html>Not found</html>",
        "cut.safetensors": (tmp_path / "whole.safetensors").read_bytes()[:-3],
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(TensorFileError, match=name) as caught:
            read_tensors(tmp_path / name)
        assert "weights_only" not in str(caught.value)
    save([torch.ones(1)], tmp_path / "list.pth")
    with pytest.raises(TensorFileError, match=r"list.pth .* it holds a list"):
        read_tensors(tmp_path / "list.pth")


def test_missing_files_and_folders_are_reported(tmp_path):
    with pytest.raises(TensorFileError, match=r"none.pth: there is no such file"):
        read_tensors(tmp_path / "none.pth")
    with pytest.raises(TensorFileError, match="Is a directory"):
        read_tensors(tmp_path)


def test_without_torch_it_says_what_to_install_and_safetensors_are_read(tmp_path, monkeypatch):
    save(TENSORS, tmp_path / "a.pth")
    safetensors.torch.save_file(TENSORS, tmp_path / "a.safetensors")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(TensorFileError, match=r"pip install 'jax_inpaint\[convert\]'.*safetensors"):
        read_tensors(tmp_path / "a.pth")
    assert read_tensors(tmp_path / "a.safetensors").keys() == TENSORS.keys()


def test_wrong_tensors_are_named():
    tensors = {"a": np.zeros((2, 3)), "b": np.zeros(1)}
    require_shapes("x.pth", tensors, {"a": (2, 3), "b": (1,)})
    with pytest.raises(TensorFileError) as caught:
        require_shapes("x.pth", tensors, {"a": (3, 2), "c": ()})
    assert str(caught.value) == (
        "x.pth doesn't hold the tensors it should: a: (2, 3) instead of (3, 2), "
        "b: (1,) instead of nothing, c: missing instead of ()"
    )


def test_what_is_named_many_times_is_converted_once(tmp_path):
    """Lists in lists in lists, each twice, would be a million of millions."""
    nested = [torch.ones(1)]
    for _ in range(40):
        nested = [nested, nested]
    read = read_checkpoint(save({"a": nested}, tmp_path / "a.pth"))["a"]
    for _ in range(40):
        assert read[0] is read[1]
        read = read[0]
    np.testing.assert_array_equal(read[0], [1])


def test_tied_weights_are_read(tmp_path):
    tensor = torch.arange(1000.0)
    tensors = read_tensors(save({"a": tensor, "b": tensor, "c": tensor[:]}, tmp_path / "a.pth"))
    for name in "abc":
        np.testing.assert_array_equal(tensors[name], np.arange(1000))


def test_tensors_that_claim_more_than_the_file_holds_are_refused(tmp_path):
    one = torch.ones(1, dtype=torch.float16)
    path = save({"a": one.expand(10**12)}, tmp_path / "strided.pth")
    with pytest.raises(TensorFileError, match=r"strided.pth .*far larger than the file"):
        read_tensors(path)


def test_a_zip_bomb_is_refused(tmp_path):
    whole, bomb = save({"a": torch.zeros(10**7)}, tmp_path / "whole.pth"), tmp_path / "bomb.pth"
    with (
        zipfile.ZipFile(whole) as source,
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
    with pytest.raises(TensorFileError, match=r"a zip file of \d+ bytes claims to hold 40\d+"):
        read_tensors(bomb)


@pytest.mark.parametrize("shape", [[1] * 100, [0, 2**62, 2**62]])
def test_shapes_that_no_array_has_are_refused(tmp_path, shape):
    size = 0 if 0 in shape else 4
    header = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    with pytest.raises(TensorFileError, match=r"a\.safetensors can't be read as safetensors"):
        read_tensors(path)
