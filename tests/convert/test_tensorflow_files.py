import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fuzz.tensorflow_checkpoint import (
    Table,
    crc32c,
    field,
    masked,
    varint,
    write_checkpoint,
)
from jax_inpaint.tensorflow_files import find_checkpoint, read_checkpoint
from jax_inpaint.torch_files import TensorFileError

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


@pytest.mark.parametrize("name", ["/", ".", "..", "", "x" * 300, "é"])
def test_a_folder_that_names_no_checkpoint_is_refused(tmp_path, name):
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{name}/"')
    with pytest.raises(TensorFileError, match="but there is no"):
        find_checkpoint(tmp_path)


def entry(*, shape=(2,), file=0, start=0, size=8):
    sizes = b"".join(field(2, field(1, side)) for side in shape)
    values = field(1, 1), field(2, sizes), field(3, file), field(4, start), field(5, size)
    return b"".join(values)


SUM = varint(6 << 3 | 5) + masked(bytes(64))


def with_entries(folder: Path, entries, handles: int = 1, data: bytes = bytes(64)) -> Path:
    """A checkpoint whose index says what it likes, with sums that are right."""
    table = Table()
    handle = table.block([(b"", field(1, 1)), *entries])
    index = table.finish([(b"%d" % number, handle) for number in range(handles)])
    (folder / "snap.index").write_bytes(index)
    (folder / "snap.data-00000-of-00001").write_bytes(data)
    return folder / "snap"


@pytest.mark.parametrize(
    ("entries", "handles", "message"),
    [
        ([(b"a", entry(size=2**40))], 1, r"snap\.data.* is damaged: it ends within a"),
        ([(b"a", entry(start=2**62))], 1, r"snap\.data.* is damaged: it ends within a"),
        ([(name, entry(shape=(16,), size=64) + SUM) for name in (b"a", b"b")], 1, "ends within b"),
        ([(b"a", entry(shape=(b"x" * 9, 2**60)))], 1, "field 1 isn't a number"),
        ([(b"a", entry(shape=(1,) * 100))], 1, "a has 100 axes"),
        ([(b"a", entry(shape=(2**40,)))], 1, "aren't those of its shape"),
        ([(b"a" * 2000, entry())], 1, "a name of 2000 bytes"),
        ([], 1000, "its parts overlap"),
        ([(b"%06d" % i, b"") for i in range(100_001)], 1, "more than 100000 tensors"),
        ([(b"a", b"\xff" * 10**6)], 1, "a number of more than 64 bits"),
    ],
)
def test_what_an_index_claims_is_checked_before_memory_is_taken(
    tmp_path, entries, handles, message
):
    with pytest.raises(TensorFileError, match=message):
        read_checkpoint(with_entries(tmp_path, entries, handles))
