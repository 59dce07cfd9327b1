import shutil
from pathlib import Path

import numpy as np
import pytest

from jax_inpaint.tensorflow_files import find_checkpoint, read_checkpoint
from jax_inpaint.torch_files import TensorFileError
from tests.twins.tensorflow_checkpoint import Table, crc32c, field, write_checkpoint

# Written by TensorFlow itself: data/write_checkpoint.py.
FIXTURE = Path(__file__).parent / "data" / "tensorflow"
SHAPES = {
    "inpaint_net/conv1/kernel": (5, 5, 5, 2),
    "inpaint_net/conv1/bias": (2,),
    "inpaint_net/conv13_upsample/conv13_upsample_conv/kernel": (3, 3, 2, 4),
    "inpaint_net/conv13_upsample/conv13_upsample_conv/bias": (4,),
    "inpaint_net/conv1/kernel/Adam": (5, 5, 5, 2),
    "inpaint_net/conv1/kernel/Adam_1": (5, 5, 5, 2),
    "discriminator/sn_patch_gan/conv1/kernel_sn/u": (1, 8),
    "beta1_power": (),
    "empty": (0, 3),
}


@pytest.fixture
def copy(tmp_path):
    return Path(shutil.copytree(FIXTURE, tmp_path / "copy"))


def written(folder: Path, **settings) -> tuple[Path, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    tensors = {f"net/conv{i}/kernel": rng.normal(size=(3, 3, i % 4, 5)) for i in range(60)}
    tensors = {name: array.astype(np.float32) for name, array in tensors.items()}
    tensors["global_step"] = np.array(-(2**40))
    write_checkpoint(folder / "snap-7", tensors, **settings)
    return folder / "snap-7", tensors


def test_what_tensorflow_wrote_is_read():
    tensors = read_checkpoint(find_checkpoint(FIXTURE))
    assert tensors.keys() == SHAPES.keys() | {"global_step", "half", "brain", "flags"}
    for name, shape in SHAPES.items():
        assert tensors[name].dtype == np.float32
        expected = np.arange(np.prod(shape)).reshape(shape)
        np.testing.assert_array_equal(tensors[name], expected, err_msg=name)
    assert tensors["global_step"] == 2**40 + 1
    for name in ("half", "brain"):
        assert tensors[name].dtype == np.float32
        np.testing.assert_array_equal(tensors[name], [0.5, -2])
    np.testing.assert_array_equal(tensors["flags"], [True, False])


def test_every_way_to_name_a_checkpoint_means_it(copy):
    names = ("snap-0", "snap-0.index", "snap-0.data-00000-of-00001", "snap-0.meta")
    assert {find_checkpoint(copy / name) for name in names} == {copy / "snap-0"}
    assert find_checkpoint(copy) == copy / "snap-0"
    (copy / "checkpoint").unlink()
    assert find_checkpoint(copy) == copy / "snap-0"
    for path in copy.glob("snap-0*"):
        shutil.copy(path, copy / path.name.replace("snap-0", "snap-1"))
    with pytest.raises(TensorFileError, match=r"several checkpoints \(snap-0, snap-1"):
        find_checkpoint(copy)
    # The folder has moved since its file was written.
    (copy / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/snap-1"\n')
    assert find_checkpoint(copy) == copy / "snap-1"


def test_what_is_no_checkpoint_is_left_to_others(tmp_path):
    assert find_checkpoint(tmp_path) is None
    assert find_checkpoint(tmp_path / "none") is None
    (tmp_path / "weights.pth").write_bytes(b"PK")
    assert find_checkpoint(tmp_path / "weights.pth") is None


def test_many_blocks_and_several_files_are_read(tmp_path):
    prefix, tensors = written(tmp_path, per_block=7)
    read = read_checkpoint(prefix)
    assert read.keys() == tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(read[name], array, err_msg=name)
        assert read[name].dtype == array.dtype


@pytest.mark.parametrize("size", [0, 1, 3, 4, 9, 1000, 70_001])
def test_checksums_are_those_of_the_definition(tmp_path, size):
    assert crc32c(b"123456789") == 0xE3069283  # the standard's example
    data = np.random.default_rng(size).integers(0, 2**31, size).astype(np.int32)
    write_checkpoint(tmp_path / "a", {"x": data})
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "a")["x"], data)


@pytest.mark.parametrize("name", ["snap-0.index", "snap-0.data-00000-of-00001"])
def test_damage_is_found_and_the_file_named(copy, name):
    path, whole = copy / name, (copy / name).read_bytes()
    for data in (whole[:-100], b"", whole.replace(whole[200:204], b"\0\1\2\3")):
        path.write_bytes(data)
        with pytest.raises(TensorFileError, match=f"{name} is damaged"):
            read_checkpoint(copy / "snap-0")
    path.unlink()
    with pytest.raises(TensorFileError, match=f"{name} can't be read"):
        read_checkpoint(copy / "snap-0")


def test_damaged_values_name_their_tensor(copy):
    path = copy / "snap-0.data-00000-of-00001"
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(TensorFileError, match="the checksum of inpaint_net/"):
        read_checkpoint(copy / "snap-0")


def test_what_is_not_read_is_said(tmp_path):
    prefix, _ = written(tmp_path, kind=b"\1")
    with pytest.raises(TensorFileError, match=r"snap-7.index .*compressed"):
        read_checkpoint(prefix)
    for entries, message in (
        ([(b"", field(2, 1))], "big-endian"),
        ([(b"", b""), (b"x", field(1, 1) + field(7, b""))], "x is stored in slices"),
    ):
        table = Table()
        index = table.finish([(entries[-1][0], table.block(entries))])
        (tmp_path / "other.index").write_bytes(index)
        with pytest.raises(TensorFileError, match=message):
            read_checkpoint(tmp_path / "other")
    table = Table()
    (tmp_path / "old.ckpt").write_bytes(table.finish([(b"", table.block([]))]))
    with pytest.raises(TensorFileError, match=r"old.ckpt is a checkpoint .* V1"):
        find_checkpoint(tmp_path / "old.ckpt")
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "old.ckpt"')
    with pytest.raises(TensorFileError, match="V1"):
        find_checkpoint(tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "gone"')
    with pytest.raises(TensorFileError, match="names gone, but there is no"):
        find_checkpoint(tmp_path)
