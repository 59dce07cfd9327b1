"""What a run shows: a progress bar, metrics.jsonl, TensorBoard and picture grids."""

import json
import math
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from jax_inpaint.files import write_atomically
from jax_inpaint.images import ImageFileError, Picture, to_uint8, write_picture
from jax_inpaint.training.tensorboard import EventFile
from jax_inpaint.training.workdir import NotWrittenError, writing


class RunLog:
    """Writes to a workdir; raises NotWrittenError where that can't be done.

    ``metrics.jsonl`` has a line for every logged step, with means over the steps since the line
    before (or since the run resumed). A run that resumes at an earlier step than was logged drops
    the lines after it, so that no step is there twice.
    """

    def __init__(self, workdir: Path, first_step: int, steps: int):
        self._pictures = workdir / "pictures"
        self._lines = workdir / "metrics.jsonl"
        self._events = workdir / "tensorboard"
        with writing(self._pictures):
            self._pictures.mkdir(exist_ok=True)
        with writing(self._lines):
            _drop_lines_after(self._lines, first_step)
            self._jsonl = self._lines.open("a")
        with writing(self._events):
            self._tensorboard = EventFile(self._events, first_step)
        interactive = sys.stderr.isatty()
        self._bar = tqdm(
            total=steps,
            initial=first_step,
            unit="step",
            mininterval=0.5 if interactive else 15,
            dynamic_ncols=interactive,
            bar_format="{percentage:3.0f}%|{bar:12}| {n_fmt}/{total_fmt} "
            "[{elapsed}<{remaining}{postfix}]",
        )

    def progress(self, metrics: dict[str, float], batch_size: int) -> None:
        """Moves the bar by a step of so many images and shows its losses."""
        rate = self._bar.format_dict["rate"]
        shown = {"D": "discriminator_loss", "G": "generator_loss", "hole L1": "train_hole_l1"}
        losses = [
            f"{title} {metrics[name]:.3f}" for title, name in shown.items() if name in metrics
        ]
        speed = [f"{rate * batch_size:.1f} images/s"] if rate else []
        self._bar.set_postfix_str(", ".join(losses + speed), refresh=False)
        self._bar.update()

    def say(self, text: str) -> None:
        """Prints a line without tearing the progress bar."""
        self._bar.clear()
        tqdm.write(text)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Appends to metrics.jsonl and TensorBoard; JSON has no infinity, so that becomes null."""
        entries = {name: value if math.isfinite(value) else None for name, value in values.items()}
        with writing(self._lines):
            self._jsonl.write(json.dumps({"step": step, **entries}) + "\n")
            self._jsonl.flush()
        with writing(self._events):
            for name, value in values.items():
                self._tensorboard.scalar(name, value, step)

    def grid(self, step: int, columns: dict[str, np.ndarray]) -> Path:
        """Writes pictures (N, H, W, 3) in [-1, 1], by title, as a PNG grid and to TensorBoard."""
        pixels = picture_grid(columns)
        path = self._pictures / f"step_{step:08d}.png"
        try:
            write_picture(path, Picture(pixels, "RGB"), force=True)
        except ImageFileError as error:
            raise NotWrittenError(str(error)) from error
        with writing(self._events):
            self._tensorboard.picture("validation", pixels, step)
        return path

    def explanation(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        """Shows what goes on inside the generator, uint8 (H, W, 3) by name, in TensorBoard."""
        with writing(self._events):
            for name, pixels in pictures.items():
                self._tensorboard.picture(f"explanation/{name}", pixels, step)

    def close(self) -> None:
        """Ends the bar and the files."""
        self._bar.close()
        with writing(self._events), closing(self._tensorboard), writing(self._lines):
            self._jsonl.close()


def picture_grid(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Pictures (N, H, W, 3) in [-1, 1], by title, side by side in N rows; uint8."""
    image = np.concatenate([np.concatenate(list(column)) for column in columns.values()], axis=1)
    return add_titles(to_uint8(image), tuple(columns))


def add_titles(pixels: np.ndarray, titles: tuple[str, ...], height: int = 16) -> np.ndarray:
    """A strip of text above columns of equal width, uint8 (H, W, 3)."""
    width = pixels.shape[1]
    strip = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(strip)
    for i, title in enumerate(titles):
        centre = (i + 0.5) * width / len(titles)
        draw.text((centre, height / 2), title, fill="black", anchor="mm", font_size=height * 0.7)
    return np.concatenate([np.asarray(strip), pixels])


def _drop_lines_after(path: Path, step: int) -> None:
    if not path.exists():
        return
    kept: list[bytes] = []
    for line in path.read_bytes().splitlines():
        try:
            is_later = json.loads(line)["step"] > step
        except (ValueError, KeyError, TypeError, RecursionError):
            continue  # half a line of a run that was killed, or what a power loss made of it
        if not is_later:
            kept.append(line + b"\n")
    write_atomically(path, b"".join(kept))
