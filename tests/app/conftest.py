import asyncio
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pytest

from jax_inpaint.images import Picture, write_picture
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def page():
    from tests.app.serving import noisy_page

    async def enter(stack):
        return stack.enter_context(noisy_page())

    # Without a running loop, Gradio makes some that it doesn't close.
    with ExitStack() as stack:
        yield asyncio.run(enter(stack))


@pytest.fixture(scope="module")
def address():
    """Where such a page is served, by a process of its own."""
    command = [sys.executable, "-m", "tests.app.serving"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        yield process.stdout.readline().strip()
        process.stdin.close()
        assert process.wait(timeout=20) == 0


@pytest.fixture
def picture_file(tmp_path):
    path = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    write_picture(path, Picture(pixels, "RGB"))
    return path
