"""What a run shows: a progress bar, metrics.jsonl, TensorBoard and picture grids."""

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from tensorboardX import SummaryWriter
from tqdm import tqdm

from jax_inpaint.files import write_atomically
from jax_inpaint.images import Picture, to_uint8, write_picture


class RunLog:
    """Writes to a workdir.

    ``metrics.jsonl`` has a line for every logged step, with means over the steps since the line
    before (or since the run resumed). A run that resumes at an earlier step than was logged drops
    the lines after it, so that no step is there twice.
    """

    def __init__(self, workdir: Path, first_step: int, steps: int):
        self._pictures = workdir / "pictures"
        self._pictures.mkdir(exist_ok=True)
        path = workdir / "metrics.jsonl"
        _drop_lines_after(path, first_step)
        self._jsonl = path.open("a")
        self._tensorboard = SummaryWriter(str(workdir / "tensorboard"), purge_step=first_step + 1)
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
        self._jsonl.write(json.dumps({"step": step, **entries}) + "\n")
        self._jsonl.flush()
        for name, value in values.items():
            self._tensorboard.add_scalar(name, value, step)

    def grid(self, step: int, columns: dict[str, np.ndarray]) -> Path:
        """Writes pictures (N, H, W, 3) in [-1, 1], by title, as a PNG grid and to TensorBoard."""
        pixels = picture_grid(columns)
        path = self._pictures / f"step_{step:08d}.png"
        write_picture(path, Picture(pixels, "RGB"), force=True)
        self._tensorboard.add_image("validation", pixels, step, dataformats="HWC")
        return path

    def explanation(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        """Shows what goes on inside the generator, uint8 (H, W, 3) by name, in TensorBoard."""
        for name, pixels in pictures.items():
            self._tensorboard.add_image(f"explanation/{name}", pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Ends the bar and the files."""
        self._bar.close()
        self._jsonl.close()
        self._tensorboard.close()


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
    kept: list[str] = []
    for line in path.read_text().splitlines():
        try:
            entry: dict[str, Any] = json.loads(line)
        except ValueError:
            continue  # the last line of a run that was killed while writing it
        if entry["step"] <= step:
            kept.append(line + "\n")
    write_atomically(path, "".join(kept).encode())
