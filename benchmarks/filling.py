"""``jax-inpaint fill`` as people use it: from a cold start, and on a folder of mixed sizes."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import jax
import numpy as np

from benchmarks.experiments import Device, deepfillv2, example
from benchmarks.measure import OURS, Figure, compare, single
from jax_inpaint.app.models import Models
from jax_inpaint.commands.app import import_gradio
from jax_inpaint.compilation import compile_for
from jax_inpaint.config import GeneratorConfig
from jax_inpaint.images import Picture, read_hole, read_picture, write_picture
from jax_inpaint.inference.files import FileTask, file_tasks, fill_files
from jax_inpaint.inference.inpainter import Inpainter, Task
from jax_inpaint.inference.options import FillOptions
from jax_inpaint.models import final_output
from jax_inpaint.training.state import init_state
from jax_inpaint.weights import Variables, save_weights

PICTURES = 100
SIDES = (256, 480)  # of the folder's pictures, pixels, from and to


def figures(device: Device, repeats: int, compiled: bool) -> Iterator[Figure]:
    """Seconds from a cold start, and images a second."""
    del compiled
    config = deepfillv2(2)
    variables = init_state(config).ema
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_weights(folder / "w.safetensors", config.generator, variables, config.data.size)
        yield from _cold_starts(folder, device)
        yield from _page(folder, repeats)
        yield from _folder(folder, config.generator, variables, min(repeats, 3))


def _cold_starts(folder: Path, device: Device) -> Iterator[Figure]:
    """One 512x512 photograph, in a process of its own, without and with compiled programs kept."""
    batch = example(1, 512)
    write_picture(folder / "photo.png", Picture(batch["image"][0], "RGB"))
    write_picture(folder / "mask.png", Picture(batch["mask"][0] * np.uint8(255), "L"))
    command = [sys.executable, "-m", "jax_inpaint.cli", "fill", "photo.png", "mask.png"]
    command += ["-o", "filled.png", "--weights", "w.safetensors", "--device", device, "--force"]
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    for state in ("the first time", "again"):
        started = time.perf_counter()
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        seconds = time.perf_counter() - started
        yield single("filling", f"jax-inpaint fill, 512x512, {state}", seconds, "s")


def _page(folder: Path, repeats: int) -> Iterator[Figure]:
    """From the end of a stroke on a photograph of 12 megapixels to the page's quick look."""
    import_gradio()
    from jax_inpaint.app.page import Page

    height, width = 3000, 4000
    pixels = cv2.resize(example(1, 512)["image"][0], (width, height))
    write_picture(folder / "large.jpg", Picture(pixels, "RGB"))
    page = Page(Models([folder / "w.safetensors"]), height * width)
    session = page.open(str(folder / "large.jpg"))[page.session]
    layer = np.zeros((768, 1024, 4), np.uint8)
    layer[300:400, 300:500] = 255
    painted = {"background": None, "layers": [layer], "composite": None}
    how = (page.models.names[0], page.models.devices[0], "auto", "none")

    def quick_look() -> Any:
        return next(page.fill_painted(session, painted, None, *how, lambda *_: None))

    yield from compare(
        "filling", "the page's quick look, 4000x3000", {OURS: quick_look}, max(3, repeats)
    )
    page.close()


def _folder(
    folder: Path, config: GeneratorConfig, variables: Variables, repeats: int
) -> Iterator[Figure]:
    """Files of mixed sizes beside the bare network on arrays of these sizes, all compiled."""
    pictures, masks = folder / "pictures", folder / "masks"
    pictures.mkdir()
    masks.mkdir()
    rng = np.random.default_rng(0)
    sizes = rng.integers(*SIDES, (10, 2))
    arrays = []
    for number in range(PICTURES):
        height, width = (int(side) for side in sizes[number % len(sizes)])
        batch = example(1, max(height, width))
        image, mask = (batch[name][0, :height, :width] for name in ("image", "mask"))
        write_picture(pictures / f"{number}.png", Picture(np.ascontiguousarray(image), "RGB"))
        white = np.ascontiguousarray(mask) * np.uint8(255)
        write_picture(masks / f"{number}.png", Picture(white, "L"))
        arrays.append((image, mask))
    inpainter = Inpainter(config, variables)
    tasks = file_tasks(pictures, masks, None, folder / "filled")
    (folder / "filled").mkdir()

    def read(files: FileTask) -> Task:
        assert files.mask is not None
        return Task(read_picture(files.picture), read_hole(files.mask))

    def write(files: FileTask, task: Task, filled: Picture) -> None:
        write_picture(files.output, filled, force=True)

    def files() -> None:
        for outcome in fill_files(inpainter, tasks, read, write, FillOptions("original")):
            assert outcome.error is None, outcome.error

    bare = _bare_network(config, variables)
    ways = {OURS: files, "the network alone": lambda: [bare(*pair) for pair in arrays]}
    what = f"{PICTURES} PNGs of {SIDES[0]} to {SIDES[1]} pixels"
    yield from compare("filling", what, ways, repeats, PICTURES, "images/s")


def _bare_network(config: GeneratorConfig, variables: Variables) -> Callable[..., Any]:
    """The compiled network on one picture, reflected to a multiple of what the network needs."""
    generator = config.build_to_fill()

    def fill(variables: Variables, image: jax.Array, mask: jax.Array) -> jax.Array:
        return final_output(generator.apply(variables, image, mask))

    compiled = compile_for(jax.local_devices()[:1], fill)

    def run(image: np.ndarray, mask: np.ndarray) -> jax.Array:
        padding = [(0, -side % config.multiple) for side in mask.shape[:2]]
        image, mask = (np.pad(x, (*padding, (0, 0)), "reflect")[None] for x in (image, mask))
        values = image.astype(np.float32) / 127.5 - 1, mask.astype(np.float32)
        return jax.block_until_ready(compiled(variables, *values))

    return run
