"""What a run shows: a progress bar, metrics.jsonl, TensorBoard and picture grids."""

import json
import math
import sys
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

    def __init__(self, workdir: Path, first_step: int, steps: int, batch_size: int):
        self._pictures = workdir / "pictures"
        self._pictures.mkdir(exist_ok=True)
        path = workdir / "metrics.jsonl"
        _drop_lines_after(path, first_step)
        self._jsonl = path.open("a")
        self._tensorboard = SummaryWriter(str(workdir / "tensorboard"), purge_step=first_step + 1)
        self._batch_size = batch_size
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

    def progress(self, metrics: dict[str, float]) -> None:
        """Moves the bar by a step and shows its losses."""
        rate = self._bar.format_dict["rate"]
        self._bar.set_postfix_str(
            f"D {metrics['discriminator_loss']:.3f} "
            f"G {metrics['adversarial_loss']:+.3f} "
            f"L1 {metrics['coarse_l1']:.3f}/{metrics['refined_l1']:.3f}"
            + (f", {rate * self._batch_size:.1f} images/s" if rate else ""),
            refresh=False,
        )
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

    def grid(self, step: int, image: np.ndarray, columns: tuple[str, ...]) -> Path:
        """Writes a picture grid with its column titles as PNG and to TensorBoard."""
        pixels = add_titles(to_uint8(image), columns)
        path = self._pictures / f"step_{step:08d}.png"
        write_picture(path, Picture(pixels, "RGB"), force=True)
        self._tensorboard.add_image("validation", pixels, step, dataformats="HWC")
        return path

    def close(self) -> None:
        """Ends the bar and the files."""
        self._bar.close()
        self._jsonl.close()
        self._tensorboard.close()


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
