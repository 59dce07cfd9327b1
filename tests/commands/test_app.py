import signal
import subprocess
import sys
import urllib.request

import pytest

from jax_inpaint import cli
from jax_inpaint.commands import app
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.weights import save_weights
from tests.conftest import ROOT
from tests.inference.test_inpainter import make


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "small.safetensors"
    save_weights(path, *make(DeepFillV2Config(width=4)), (16, 16))
    return path


def start(environment, *arguments):
    command = [sys.executable, "-m", "jax_inpaint.cli", "app", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=pipe, stderr=pipe)


def test_serves_this_machine_until_it_is_stopped(weights, program_environment):
    with start(program_environment, "--weights", weights) as process:
        line = process.stdout.readline()
        address = line.partition(": the page")[0]
        assert address.startswith("http://127.0.0.1:78")
        with urllib.request.urlopen(address, timeout=20) as response:
            page = response.read().decode()
        assert "Ctrl+Z" in page  # the help line
        assert "addEventListener" in page  # the keys
        port = address.strip("/").rpartition(":")[-1]
        with start(program_environment, "--weights", weights, "--port", port) as other:
            _, errors = other.communicate(timeout=60)
        assert other.returncode == 1
        assert "jax-inpaint: the page can't be served on 127.0.0.1:" in errors
        assert "Traceback" not in errors
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "no weights: name a weights file, or the workdir of a training run"),
        ("--weights no.safetensors", "no.safetensors: there is no such file"),
    ],
)
def test_mistakes_are_told_at_once(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["jax-inpaint", "app", *arguments.split()])
    assert cli.main() == 1
    assert capsys.readouterr().err.strip() == f"jax-inpaint: {message}"


def test_gradio_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(app.AppError, match=r"pip install 'jax_inpaint\[app\]' brings it"):
        app.import_gradio()
