import json
import re
import runpy
from pathlib import Path

import pytest

from jax_inpaint.config import (
    Config,
    DataConfig,
    TrainConfig,
    differences,
    from_dict,
    load_config,
    parse_command_line,
    to_dict,
)
from jax_inpaint.losses.terms import TERMS
from jax_inpaint.models import DISCRIMINATORS, GENERATORS
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from tests.small import small

KINDS = {**GENERATORS, **DISCRIMINATORS, **TERMS}
CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.py"))
QUICKSTART = Path(__file__).parent.parent / "configs" / "quickstart.py"


def parse(*arguments: str) -> Config:
    return parse_command_line(arguments, QUICKSTART, "A test.")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_survives_json_and_documents_itself(path):
    config = load_config(path)
    assert from_dict(Config, json.loads(json.dumps(to_dict(config))), KINDS) == config
    assert hash(config) == hash(load_config(path))
    docstring = runpy.run_path(str(path))["__doc__"]
    assert "Reproduces:" in docstring
    assert "python train.py" in docstring


def test_the_command_line_changes_any_field():
    config = parse("--train.steps", "7", "--data.size", "64", "96", "--generator.sketch")
    assert config.train.steps == 7
    assert config.data.size == (64, 96)
    assert config.generator.sketch
    assert config.workdir == load_config(QUICKSTART).workdir


def test_another_file_sets_the_defaults():
    places = next(path for path in CONFIGS if path.stem == "deepfillv2_places2")
    config = parse("--config", str(places), "--train.batch-size", "4")
    assert config.data.source == "tfds:places365_small"
    assert config.generator.width == 24
    assert config.train.batch_size == 4


def test_a_wrong_field_is_an_error_with_a_suggestion(capsys):
    with pytest.raises(SystemExit) as stop:
        parse("--train.stepz", "7")
    assert stop.value.code == 2
    message = capsys.readouterr().err
    assert "--train.stepz" in message
    assert "--train.steps" in message


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--train.parallel", "tpu"), "shard_map"),
        (("--data.size", "60", "64"), "multiples of 8"),
        (("--data.size", "64", str(2**40)), "up to 65536"),
        (("--generator.width", "15"), "even"),
        (("--train.steps", "0"), ">= 1"),
        (("--train.steps", "many"), "many"),
    ],
)
def test_a_wrong_value_is_an_error_that_says_what_is_right(arguments, word, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(*arguments)
    assert stop.value.code not in (0, None)
    assert word in capsys.readouterr().err


def test_help_documents_every_field(capsys):
    with pytest.raises(SystemExit) as stop:
        parse("--help")
    assert stop.value.code == 0
    text = capsys.readouterr().out

    def check(section: dict, prefix: str) -> None:
        for name, value in section.items():
            # Names of kinds, and lists of sections that only a file can fill, have no flag.
            if name in ("architecture", "term", "stages") or value is None:
                continue
            if isinstance(value, list) and value and isinstance(value[0], dict):
                value = {str(i): part for i, part in enumerate(value)}
            flag = f"--{prefix}{name}".replace("_", "-")
            if isinstance(value, dict):
                check(value, f"{prefix}{name}.")
                continue
            assert flag in text
            # The line under a flag is its comment; a field without one goes straight to "(default".
            after = text.split(flag, 1)[1].split("\n", 2)[1].strip("│ ")
            assert after, flag
            assert not after.startswith("(default"), flag

    check(to_dict(load_config(QUICKSTART)), "")


def test_missing_and_wrong_files_are_errors(tmp_path):
    with pytest.raises(SystemExit, match="there is no such file"):
        parse("--config", str(tmp_path / "none.py"))
    wrong = tmp_path / "wrong.py"
    wrong.write_text("config = 3\n")
    with pytest.raises(SystemExit, match="must define"):
        parse("--config", str(wrong))


def test_differences_name_the_field_and_both_values():
    old = to_dict(small(generator=DeepFillV2Config(width=24)))
    new = to_dict(small(generator=DeepFillV2Config(width=48), train=TrainConfig(steps=5)))
    assert differences(old, new) == [
        "generator.width: 24 -> 48",
        "train.batch_size: 4 -> 16",
        "train.steps: 10 -> 5",
    ]
    assert differences(json.loads(json.dumps(old)), old) == []


def test_unknown_fields_are_named():
    with pytest.raises(ValueError, match="heigth"):
        from_dict(TrainConfig, {"heigth": 3})


@pytest.mark.parametrize(
    ("cls", "values", "message"),
    [
        (TrainConfig, {"steps": "7"}, "steps is '7', not int"),
        (TrainConfig, {"steps": True}, "steps is True, not int"),
        (TrainConfig, {"steps": 7.0}, "steps is 7.0, not int"),
        (TrainConfig, {"ema_decay": 10**400}, "ema_decay is 1000"),
        (TrainConfig, {"parallel": 3}, "parallel is 3, not one of"),
        (TrainConfig, {"stages": 3}, "stages is 3, not tuple"),
        (TrainConfig, {"stages": [{"until": 3}]}, "Stage lacks its field size"),
        (TrainConfig, {"seed": 2**32}, "train.seed must be from 0 to 4294967295"),
        (TrainConfig, {"steps": 2**31}, "train.steps must be < 2"),
        (DataConfig, {"size": [64]}, "size is [64], not tuple"),
        (Config, {}, "Config lacks its field generator"),
        (Config, {"generator": {}}, "Config lacks its field"),
    ],
)
def test_values_of_other_types_than_the_fields_are_named(cls, values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        from_dict(cls, values, KINDS)


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        ({}, "generator doesn't say of which kind it is"),
        ({"architecture": "sn_patchgan"}, "there is no architecture 'sn_patchgan'"),
        ({"architecture": ["lama"]}, "there is no architecture"),
        ([], "generator is [], not GeneratorConfig"),
        (None, "generator is None, not GeneratorConfig"),
    ],
)
def test_a_section_of_another_kind_is_named(generator, message):
    values = {**to_dict(load_config(QUICKSTART)), "generator": generator}
    with pytest.raises(ValueError, match=re.escape(message)):
        from_dict(Config, values, KINDS)


def test_whole_numbers_do_for_floating_ones():
    assert from_dict(TrainConfig, {"initial_gain": 2}) == TrainConfig(initial_gain=2.0)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.__name__)
def test_networks_are_neither_too_wide_nor_too_deep(kind):
    for name in {
        "width",
        "blocks",
        "levels",
        "layers",
        "scales",
        "hidden",
    } & kind.__annotations__.keys():
        for value in (-1, 10**12):
            with pytest.raises(ValueError, match=f"{name} must be from . to "):
                kind(**{name: value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config =", "SyntaxError: invalid syntax"),
        ("\n\nconfig = nothing", "line 3: NameError: name 'nothing'"),
        (
            "from jax_inpaint.config import *\nTrainConfig(steps=0)",
            "line 2: ValueError: train.steps",
        ),
        ("\0", "source code string cannot contain null bytes|null byte"),
    ],
)
def test_a_config_file_that_fails_is_one_line(tmp_path, text, message):
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(SystemExit, match=rf"error: --config .*broken\.py.*({message})"):
        parse("--config", str(path))
    with pytest.raises(SystemExit, match="there is no such file"):
        parse("--config", "x" * 1000)
