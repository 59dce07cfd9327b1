import json
import runpy
from pathlib import Path

import pytest

from jax_inpaint.config import (
    Config,
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
