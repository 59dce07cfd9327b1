"""Checkpoints whose files are damaged, as disks, copies and killed runs damage them."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from jax_inpaint.training.checkpoint import Checkpoints
from jax_inpaint.training.manifest import DamagedError, verify, write_manifest
from jax_inpaint.training.state import TrainState
from jax_inpaint.training.workdir import NotWrittenError, WorkdirError, saved_steps
from tests.small import small

CONFIG = small()
ROOT = Path(__file__).parent.parent.parent


def state_at(step: int) -> TrainState:
    """Numbers that tell the step, split over all devices of all processes or whole on each."""
    devices = jax.make_mesh((jax.device_count(),), ("batch",))

    def put(values: np.ndarray, *axes: str) -> jax.Array:
        sharding = jax.NamedSharding(devices, jax.P(*axes))
        return jax.make_array_from_callback(values.shape, sharding, values.__getitem__)

    values = np.random.default_rng(step).normal(size=(8, 5000)).astype(np.float32)
    params = {"split": put(values, "batch"), "whole": put(values[0])}
    return TrainState(put(np.array(step, np.int32)), params, {}, {}, {}, (), (), {})


def assert_is_step(state: TrainState, step: int) -> None:
    expected = state_at(step)
    assert jax.tree.structure(state) == jax.tree.structure(expected)
    for array, other in zip(*map(jax.tree.leaves, (state, expected)), strict=True):
        assert array.sharding == other.sharding
        for shard, wanted in zip(array.addressable_shards, other.addressable_shards, strict=True):
            np.testing.assert_array_equal(shard.data, wanted.data)


def save(workdir: Path, steps: dict[int, dict[str, float] | None], keep: int = 10) -> None:
    checkpoints = Checkpoints(workdir, keep)
    for step, figures in steps.items():
        checkpoints.save(step, state_at(step), CONFIG, figures)
    checkpoints.close()


def restored(workdir: Path) -> TrainState:
    checkpoints = Checkpoints(workdir, keep=10)
    state = checkpoints.restore_latest(state_at(0))
    checkpoints.close()
    return state


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A workdir with checkpoints of steps 3, 6 and 9."""
    workdir = tmp_path_factory.mktemp("run")
    save(workdir, {3: None, 6: {"hole_l1": 0.2}, 9: None})
    return workdir


@pytest.fixture
def copy(run, tmp_path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copy"))


def truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


DAMAGES = {
    truncate: r"damaged \(\d+ bytes instead of \d+\)",
    flip_a_bit: r"damaged \(its contents don't have the SHA-256",
    Path.unlink: "missing",
}


def kinds_of_files(checkpoint: Path) -> dict[str, Path]:
    """One of each kind: pixels of arrays, what says where they are, and what stands beside."""
    chunks = sorted(checkpoint.glob("state/**/d/*"), key=lambda path: path.stat().st_size)
    return {
        "chunk": chunks[-1],
        "index": next(checkpoint.glob("state/manifest.ocdbt")),
        "tree": checkpoint / "state" / "_METADATA",
        "config": checkpoint / "config" / "metadata",
        "step": checkpoint / "_CHECKPOINT_METADATA",
        "manifest": checkpoint / "manifest.json",
    }


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["chunk", "index", "tree", "config", "step", "manifest"])
def test_a_damaged_checkpoint_is_named_and_kept_and_the_one_before_is_used(
    kind, damage, copy, caplog
):
    latest = copy / "checkpoints" / "9"
    path = kinds_of_files(latest)[kind]
    damage(path)
    before = {file.relative_to(latest) for file in latest.rglob("*")}
    assert_is_step(restored(copy), 6)
    (warning,) = caplog.messages
    assert f"{path} is " in warning
    assert f"kept as {latest}.damaged; step 6 is used instead" in warning
    aside = copy / "checkpoints" / "9.damaged"
    assert {file.relative_to(aside) for file in aside.rglob("*")} == before
    assert saved_steps(copy) == [3, 6]


def test_the_step_of_a_damaged_checkpoint_is_saved_again(copy, caplog):
    for aside in ("9.damaged", "9.damaged.2"):
        flip_a_bit(kinds_of_files(copy / "checkpoints" / "9")["chunk"])
        assert_is_step(restored(copy), 6)
        assert (copy / "checkpoints" / aside).is_dir()
        save(copy, {9: None})
        assert_is_step(restored(copy), 9)
    assert len(caplog.messages) == 2


def test_every_file_of_a_checkpoint_is_watched(run, copy):
    checkpoint = copy / "checkpoints" / "6"
    assert verify(checkpoint) == {"hole_l1": 0.2}
    files = [path for path in checkpoint.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        intact = path.read_bytes()
        for damage, what in DAMAGES.items():
            damage(path)
            expected = f"{path} is ({'damaged' if path.name == 'manifest.json' else what}|missing)"
            with pytest.raises(DamagedError, match=expected):
                verify(checkpoint)
            path.write_bytes(intact)
    verify(checkpoint)


def test_a_manifest_knows_itself(copy):
    checkpoint = copy / "checkpoints" / "6"
    path = checkpoint / "manifest.json"
    intact = path.read_bytes()
    rng = random.Random(0)
    for _ in range(300):
        data = bytearray(intact)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        with pytest.raises(DamagedError, match=rf"{path} is damaged"):
            verify(checkpoint)
    for other in (b"", b"null", b"[1]", b"{}", b'{"sha256": 1}', b"\0" * len(intact)):
        path.write_bytes(other)
        with pytest.raises(DamagedError, match=rf"{path} is damaged"):
            verify(checkpoint)


def test_if_no_checkpoint_is_whole_a_run_does_not_begin_anew(copy, caplog):
    paths = [kinds_of_files(copy / "checkpoints" / step)["chunk"] for step in "369"]
    for path in paths:
        flip_a_bit(path)
    unfinished = copy / "checkpoints" / "12.unfinished"
    unfinished.mkdir()
    for _ in range(2):  # it isn't forgotten either
        with pytest.raises(WorkdirError, match="none of the saved checkpoints is whole") as error:
            Checkpoints(copy, keep=10)
        assert all(f"{path} is damaged" in str(error.value) for path in paths)
    assert saved_steps(copy) == [3, 6, 9]
    assert unfinished.is_dir()
    assert not caplog.messages


def test_damage_of_an_older_checkpoint_is_told_and_the_latest_used(copy, caplog):
    path = kinds_of_files(copy / "checkpoints" / "3")["tree"]
    path.unlink()
    assert_is_step(restored(copy), 9)
    (warning,) = caplog.messages
    assert f"{path} is missing" in warning
    assert "instead" not in warning
    assert saved_steps(copy) == [6, 9]


def test_what_a_file_system_refuses_for_now_is_no_damage(copy):
    path = kinds_of_files(copy / "checkpoints" / "9")["chunk"]
    path.unlink()
    path.symlink_to(path.name)  # opening it fails, but not for want of the file
    with pytest.raises(OSError, match=path.name):
        Checkpoints(copy, keep=10)
    assert saved_steps(copy) == [3, 6, 9]


def test_the_best_of_the_whole_ones_is_the_best(tmp_path, caplog):
    save(tmp_path, {1: {"hole_l1": 0.1}, 2: {"hole_l1": 0.2}, 3: {"hole_l1": 0.4}}, keep=2)
    save(tmp_path, {4: {"hole_l1": 0.3}}, keep=2)
    assert saved_steps(tmp_path) == [1, 3, 4]
    flip_a_bit(kinds_of_files(tmp_path / "checkpoints" / "1")["config"])
    save(tmp_path, {5: {"hole_l1": 0.5}, 6: None}, keep=1)
    assert saved_steps(tmp_path) == [4, 6]
    assert (tmp_path / "checkpoints" / "1.damaged").is_dir()
    assert len(caplog.messages) == 1


def test_a_figure_that_was_not_measured_before_may_decide(tmp_path):
    save(tmp_path, {1: {"hole_l1": 0.1}})
    checkpoints = Checkpoints(tmp_path, 1, "lpips_vgg16")
    for step, distance in ((2, 0.5), (3, 0.6), (4, 0.5), (5, 0.7)):
        figures = {"hole_l1": 1.0, "hole_psnr": float("inf"), "lpips_vgg16": distance}
        checkpoints.save(step, state_at(step), CONFIG, figures)
    checkpoints.close()
    assert saved_steps(tmp_path) == [4, 5]  # of equals, the later
    assert verify(tmp_path / "checkpoints" / "5") == figures


def test_a_step_is_not_saved_over_another(run, copy):
    checkpoints = Checkpoints(copy, keep=10)
    checkpoints.save(9, state_at(1), CONFIG, None)
    with pytest.raises(NotWrittenError, match=r"step 9 can't be saved in .*: Directory not empty"):
        checkpoints.close()
    assert_is_step(restored(copy), 9)


def test_what_is_not_a_checkpoint_does_not_count(copy):
    folder = copy / "checkpoints"
    unfinished = Path(shutil.copytree(folder / "9", folder / "12.unfinished"))
    (folder / "notes").mkdir()
    assert_is_step(restored(copy), 9)
    assert not unfinished.exists()
    assert (folder / "notes").is_dir()


def test_a_manifest_is_of_what_is_there(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "ä b").write_bytes(b"abc")
    (tmp_path / "empty").write_bytes(b"")
    write_manifest(tmp_path, {"psnr": float("inf")})
    assert verify(tmp_path) == {"psnr": float("inf")}
    files = json.loads((tmp_path / "manifest.json").read_text())["files"]
    assert files.keys() == {"empty", "inner/ä b"}
    assert files["inner/ä b"]["sha256"].startswith("ba7816bf")


SAVES_WITHOUT_END = """
import sys
from pathlib import Path
from jax_inpaint.training.checkpoint import Checkpoints
from tests.training.test_checkpoint import CONFIG, state_at

checkpoints = Checkpoints(Path(sys.argv[1]), keep=1)
first = int(checkpoints.restore_latest(state_at(0)).step)
for step in range(first + 1, first + 1000):
    checkpoints.save(step, state_at(step), CONFIG, None)
    print(step - 1, flush=True)
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_of_saving_costs_what_was_not_complete(tmp_path, caplog):
    rng = random.Random(3)
    interrupted = 0
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVES_WITHOUT_END, tmp_path],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        for _ in range(3):
            complete = int(process.stdout.readline())
        time.sleep(rng.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        complete = max([complete, *map(int, rest.split())])
        interrupted += any((tmp_path / "checkpoints").glob("*.unfinished*"))
        steps = saved_steps(tmp_path)
        # One that is complete isn't deleted before the next one is.
        assert complete <= steps[-1] <= complete + 1
        assert_is_step(restored(tmp_path), steps[-1])
    assert not caplog.messages
    assert interrupted
