"""Tests run on eight virtual CPU devices, so that data parallelism is tested everywhere.

Programs are compiled without costly optimisations: they run once or twice, and compiling them is
what tests spend their time on. What several tests compile is kept until the tests have ended; the
cache of whoever runs them is left alone.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).parent.parent
QUICK_COMPILE = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"

os.environ["JAX_PLATFORMS"] = "cpu"
_compiled = TemporaryDirectory(prefix="jax_inpaint_tests_")  # each of pytest-xdist's has its own
os.environ["JAX_COMPILATION_CACHE_DIR"] = _compiled.name
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.5"
os.environ["XLA_FLAGS"] = f"{QUICK_COMPILE} --xla_force_host_platform_device_count=8"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest tests first, so that no process is left alone with them at the end."""
    items.sort(key=lambda item: item.path.parent.name != "training")


@pytest.fixture(scope="session")
def program_environment(tmp_path_factory) -> dict[str, str]:
    """Environment for programs under test: one device, and compiled programs shared among them.

    They find no PyTorch and no TensorFlow, which they never need, and which packages that look for
    them take seconds to import.
    """
    cache = tmp_path_factory.mktemp("compiled")  # theirs alone: some are killed while they write
    modules = tmp_path_factory.mktemp("modules")
    for name in ("torch", "tensorflow"):
        (modules / f"{name}.py").write_text("raise ImportError('not for programs under test')\n")
    return {
        **os.environ,
        "XLA_FLAGS": QUICK_COMPILE,
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
        "PYTHONPATH": f"{modules}{os.pathsep}{ROOT}",
        "PYTHONUNBUFFERED": "1",
    }


def training_command(*arguments: str) -> list[str]:
    """``python train.py`` on a tiny model, with more arguments."""
    tiny = (
        "--generator.width 4 --discriminator.width 4 --data.size 32 32 --train.batch-size 2 "
        "--train.validation-images 2 --train.log-every 1 --train.image-every 1000 "
        "--train.checkpoint-every 3 --train.steps 12"
    )
    return [sys.executable, str(ROOT / "train.py"), *tiny.split(), *arguments]


@pytest.fixture(scope="session")
def start_training(program_environment, tmp_path_factory) -> Callable[..., subprocess.Popen[str]]:
    """Starts :func:`training_command`; returns the process.

    ``devices`` is how many it sees; ``environment`` is added to its own.
    """

    def start(
        *arguments: str, devices: int = 1, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        flags = f"{QUICK_COMPILE} --xla_force_host_platform_device_count={devices}"
        return subprocess.Popen(
            training_command(*arguments),
            cwd=tmp_path_factory.getbasetemp(),
            env=program_environment | {"XLA_FLAGS": flags} | dict(environment or {}),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    return start


@pytest.fixture(scope="session")
def run_training(start_training) -> Callable[..., tuple[int, str]]:
    """Runs ``python train.py`` on a tiny model to its end; returns exit status and output."""

    def run(*arguments: str) -> tuple[int, str]:
        process = start_training(*arguments)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    return run
