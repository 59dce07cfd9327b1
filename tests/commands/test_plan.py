"""The command with a compiler that is made up, and with the real one (``-m tpu_plan``)."""

import importlib.util
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import tyro
from jax.sharding import Mesh

from jax_inpaint import cli
from jax_inpaint.commands import plan
from jax_inpaint.commands.plan import Plan
from jax_inpaint.config import load_config
from jax_inpaint.planning import Program, TooLarge, network_products
from jax_inpaint.planning.program import Exchange
from jax_inpaint.training.mesh import AXES

GIB = 2**30
CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = """
from benchmarks.reduced import reduced
from jax_inpaint.config import load_config
config = reduced(load_config({base!r}), 8, 8, size=64, batch_size={batch_size}, steps=1000)
"""


@pytest.fixture
def config_file(tmp_path):
    def write(batch_size):
        path = tmp_path / "config.py"
        base = str(CONFIGS / "deepfillv2_places2.py")
        path.write_text(SMALL.format(base=base, batch_size=batch_size))
        return path

    return write


def run(*arguments):
    tyro.cli(Plan, args=[str(argument) for argument in arguments]).run()


@pytest.fixture
def compiled(monkeypatch):
    """A made-up compiler, whose steps need 1 GiB and 0.1 GiB an image; notes the batches.

    What fsdp shares out of the 1 GiB is half of it; the other settings share the rest.
    """
    batches = []

    def described_mesh(topology, mesh):
        shape = topology.chips // (mesh.fsdp * mesh.spatial), mesh.fsdp, mesh.spatial
        return Mesh(np.full(shape, jax.devices()[0]), AXES)

    def compile_step(config, mesh, batch_size):
        sharing = mesh.shape["spatial"]
        batch = batch_size * sharing // mesh.size
        batches.append(batch)
        parts = config.train.accumulate * (1 + config.train.remat)
        memory = int((0.5 + 0.5 / mesh.shape["fsdp"] + 0.1 * batch / parts) * GIB)
        if memory > 15.75 * GIB:
            return TooLarge(batch, memory)
        exchange = {"all-reduce": Exchange(3, 31_900_000)}
        sizes = GIB // 2, memory - GIB, GIB // 2
        flops, parts = 1e11 * batch / sharing, config.train.accumulate
        return Program(batch, *sizes, flops, 10**6, exchange, parts, sharing)

    monkeypatch.setattr(plan, "described_mesh", described_mesh)
    monkeypatch.setattr(plan, "compile_step", compile_step)
    return batches


def lines_of(text, word):
    return [" ".join(line.split()) for line in text.splitlines() if word in line]


def table_rows(text, word):
    """Words of the lines of the table whose head has a word."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if word in line) + 1
    rows = [line.split() for line in lines[first:]]
    return rows[
        : next(number for number, row in enumerate(rows) if not row or row[0] == "assumed:")
    ]


def test_a_plan_says_it_all(config_file, compiled, capsys):
    run("--config", config_file(64), "--topology", "v5e:4x4", "--images", 128_000)
    text = capsys.readouterr().out
    assert compiled == [4, 144]
    assert "v5e:4x4: 16 x 4 images a chip = 64 in a step" in text
    assert lines_of(text, "together") == ["together 1.40 GiB of 15.75 GiB that a program may use"]
    assert lines_of(text, "largest") == ["the largest that was found to fit into 15.75 GiB: 144"]
    assert "144 15.40 GiB 0.01 M" in lines_of(text, "144")[1]
    assert "0.400 TFLOP a chip 6.4 on all 16, 100.0 GFLOP an image" in " ".join(text.split())
    # 0.4 TFLOP at 197 TFLOP/s
    assert lines_of(text, "least time")[0].startswith("least time 2.0 ms")
    assert lines_of(text, "all-reduce")[0].startswith("all-reduce 3 31.90 MB sums over all chips")
    assert lines_of(text, "coarse/conv1 ")[0].split()[2:6] == ["5", "16", "12", "%"]
    assert lines_of(text, "an epoch ")[-1] == "an epoch 2,000 steps of 64"
    assert lines_of(text, "config's run") == ["the config's run 1,000 steps of 64, 0.5 epochs"]


def test_settings_are_compared(config_file, compiled, capsys):
    compare = ("accumulate=2", "fsdp=4", "remat")
    run("--config", config_file(64), "--topology", "v5e:4x4", "--search", 0, "--compare", *compare)
    text = capsys.readouterr().out
    assert compiled == [4, 4, 4, 4]
    rows = {line.split()[0]: " ".join(line.split()) for line in lines_of(text, "GiB")}
    assert rows["as"].startswith(
        "as configured 0.50 GiB 0.40 GiB 1.40 GiB 0.40 TFLOP 1.0 M 31.9 MB"
    )
    assert rows["accumulate=2"] == "accumulate=2 0.50 GiB 0.20 GiB 1.20 GiB 14 % - - -"
    assert rows["fsdp=4"] == "fsdp=4 0.50 GiB 0.02 GiB 1.02 GiB 27 % 0.40 TFLOP 1.0 M 31.9 MB"
    assert rows["remat"] == "remat 0.50 GiB 0.20 GiB 1.20 GiB 14 % 0.40 TFLOP 1.0 M 31.9 MB"


def test_a_plan_tells_what_limits_more_chips(config_file, compiled, capsys):
    path = changed(config_file(64), "data", "threads=1000")
    arguments = ("--config", path, "--topology", "v5e:4x4", "--search", 0)
    run(*arguments, "--utilization", 0.5, "--reading", 1)
    # 4 images of each chip, and 28 virtual CPUs for it that read one a second
    rows = table_rows(capsys.readouterr().out, "efficiency")
    assert [row[0] for row in rows] == ["8", "64", "256", "1,024"]
    assert 142.8 <= float(rows[0][4]) < 150
    assert all(float(row[4]) >= 142.8 for row in rows), rows
    assert all(row[-2:] == ["reading", "images"] for row in rows)
    run(*arguments)
    # the compiler's estimate of a million cycles at 1.5 GHz, and then some
    rows = table_rows(capsys.readouterr().out, "efficiency")
    assert [row[0] for row in rows] == ["8", "64", "256", "1,024"]
    assert all(float(row[4]) > 0.6 for row in rows), rows


def test_only_as_many_threads_read_as_there_are(config_file, compiled, capsys):
    path = changed(config_file(64), "data", "threads=8")
    arguments = ("--config", path, "--topology", "v5e:4x4", "--search", 0, "--reading", 10)
    run(*arguments, "--utilization", 0.5)
    text = capsys.readouterr().out
    # 4 images for each of 4 chips of a host, of which 8 threads read 10 a second
    rows = table_rows(text, "efficiency")
    assert all(float(row[4]) == pytest.approx(200, rel=0.1) for row in rows), rows
    assert "10 photographs a second, 8 of a host do" in text


def changed(path, section, settings):
    """The config file with other settings of a section."""
    path.write_text(
        path.read_text()
        + "import dataclasses\n"
        + f"section = dataclasses.replace(config.{section}, {settings})\n"
        + f"config = dataclasses.replace(config, {section}=section)\n"
    )
    return path


def test_chips_that_share_rows_share_images(config_file, compiled, capsys):
    path = changed(config_file(8), "mesh", "spatial=4")
    run("--config", path, "--topology", "v5e:4x4", "--search", 1)
    text = capsys.readouterr().out
    assert compiled == [2, 144]
    assert "4 x 2 images for 4 chips that share their rows = 8 in a step" in text
    assert "100.0 GFLOP an image" in " ".join(text.split())
    assert "can't be simulated: what mesh.fsdp and mesh.spatial send" in text
    assert "images for 4 chips that share their rows: what was tried" in text


def test_one_chip_does_not_tell_what_several_send(config_file, compiled, capsys):
    run("--config", config_file(8), "--topology", "v5e:1x1", "--search", 0)
    assert "can't be simulated: one chip's program" in capsys.readouterr().out


def test_the_search_tries_what_can_be_split_into_parts(config_file, compiled, capsys):
    path = changed(config_file(4), "train", "accumulate=3")
    run("--config", path, "--topology", "v5e:2x4", "--search", 2)
    text = capsys.readouterr().out
    # eight for each of three parts where the config's batch can't be split
    assert compiled[0] == 24
    assert len(compiled) > 1
    assert all(batch % 24 == 0 for batch in compiled)
    assert "in a loop over a batch's parts" in text


def test_a_step_whose_loop_is_counted_once_is_not_simulated(config_file, compiled, capsys):
    path = changed(config_file(64), "train", "accumulate=2")
    arguments = ("--config", path, "--topology", "v5e:4x4", "--search", 0, "--compare", "remat")
    run(*arguments)
    text = capsys.readouterr().out
    assert "more chips can't be simulated: what a loop does is counted once" in text
    assert "efficiency" not in text
    assert lines_of(text, "as configured")[0].endswith("- - -")
    assert lines_of(text, "  remat")[0].endswith("- - -")


def test_a_batch_that_chips_cannot_share_becomes_eight_each(config_file, compiled, capsys):
    run("--config", config_file(4), "--topology", "v5e:2x4", "--search", 0)
    text = capsys.readouterr().out
    assert compiled == [8]
    assert "8 x 8 images a chip = 64 in a step" in text
    assert "(the config's batch of 4 can't be shared evenly)" in text
    assert lines_of(text, "as many images") == ["as many images 63 steps of 64"]


def test_a_batch_that_does_not_fit_leads_to_one_that_does(config_file, compiled, capsys):
    run("--config", config_file(4), "--topology", "v5e:1x1", "--batch-per-chip", 512)
    text = capsys.readouterr().out
    assert compiled[:2] == [512, 152]
    assert lines_of(text, "doesn't fit")[-1] == "512 52.20 GiB or more doesn't fit"
    assert "fit into 15.75 GiB: 144" in text


def test_where_nothing_fits_the_rest_is_told_all_the_same(
    config_file, compiled, monkeypatch, capsys
):
    monkeypatch.setattr(plan, "compile_step", lambda *_: TooLarge(1, 99 * GIB))
    run("--config", config_file(1), "--topology", "v5e:1x1")
    text = capsys.readouterr().out
    assert "none of them fits" in text
    assert "memory of each chip" not in text
    assert "coarse/conv1" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--topology", "v5e:3x3"), "there is no TPU slice 'v5e:3x3'; there are v5e:1x1, v5e:2x2"),
        (("--topology", "v5e:2x2", "--batch-per-chip", 0), "--batch-per-chip must be >= 1, got 0"),
        (("--topology", "v5e:2x2", "--search", -1), "--search must be >= 0, got -1"),
        (("--topology", "v5e:2x2", "--utilization", 2), "--utilization must be in (0, 1], got 2.0"),
        (("--topology", "v5e:2x2", "--reading", "nan"), "--reading must be > 0 and finite, got n"),
        (("--topology", "v5e:2x2", "--compare", "fsdp"), "--compare takes remat, accumulate=N"),
        (("--topology", "v5e:2x2", "--compare", "fsdp=0"), "--compare takes remat, accumulate=N"),
        (("--topology", "v5e:2x2", "--config", "no.py"), "--config no.py: there is no such file"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(arguments, words, monkeypatch, capsys):
    config = CONFIGS / "deepfillv2_places2.py"
    words_given = ["plan", "--config", str(config), *map(str, arguments)]
    monkeypatch.setattr(sys, "argv", ["jax-inpaint", *words_given])
    assert cli.main() == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"jax-inpaint: {words}")
    assert output.err.count("\n") == 1


def test_help_documents_every_option(capsys):
    with pytest.raises(SystemExit):
        run("--help")
    text = " ".join(capsys.readouterr().out.split())
    for option in ("--config", "--topology", "--batch-per-chip", "--search", "--images"):
        assert option in text


@pytest.mark.tpu_plan
@pytest.mark.skipif(not importlib.util.find_spec("libtpu"), reason="needs the extra tpu-plan")
def test_a_real_plan(config_file, monkeypatch, capsys):
    programs = []

    def noting(*arguments):
        programs.append(compile_step(*arguments))
        return programs[-1]

    compile_step = plan.compile_step
    monkeypatch.setattr(plan, "compile_step", noting)
    path = config_file(32)
    run("--config", path, "--topology", "v5e:2x2", "--search", 0)
    (program,) = programs
    assert program.batch == 8
    assert program.cycles > 0
    assert set(program.exchanges) == {"all-reduce"}
    work = {
        name: sum(product.flops for product in products)
        for name, products in network_products(load_config(path)).items()
    }
    # Three passes of the generator, eight of the discriminator: see test_compilation.py.
    expected = 8 * (3 * work["deepfillv2"] + 8 * work["sn_patchgan"])
    assert 0.8 * expected < program.flops < 1.5 * expected
    text = capsys.readouterr().out
    assert lines_of(text, "largest") == ["the largest that was found to fit into 15.75 GiB: 8"]
