"""The command with a compiler that is made up, and with the real one (``-m tpu_plan``)."""

import importlib.util
import sys
from pathlib import Path

import pytest
import tyro

from jax_inpaint import cli
from jax_inpaint.commands import plan
from jax_inpaint.commands.plan import Plan
from jax_inpaint.config import load_config
from jax_inpaint.planning import Program, TooLarge, network_products
from jax_inpaint.planning.program import Exchange

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
    """A made-up compiler, whose steps need 1 GiB and 0.1 GiB an image; notes the batches."""
    batches = []

    def compile_step(config, mesh, batch):
        batches.append(batch)
        memory = int((1 + 0.1 * batch) * GIB)
        if memory > 15.75 * GIB:
            return TooLarge(batch, memory)
        exchange = {"all-reduce": Exchange(3, 31_900_000)}
        return Program(batch, GIB // 2, memory - GIB, GIB // 2, 1e11 * batch, 10**6, exchange)

    monkeypatch.setattr(plan, "described_mesh", lambda topology: None)
    monkeypatch.setattr(plan, "compile_step", compile_step)
    return batches


def lines_of(text, word):
    return [" ".join(line.split()) for line in text.splitlines() if word in line]


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
    assert lines_of(text, "an epoch") == ["an epoch 2,000 steps of 64"]
    assert lines_of(text, "config's run") == ["the config's run 1,000 steps of 64, 0.5 epochs"]


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
