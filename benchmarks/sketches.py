"""Whether a network follows a sketch: ``python -m benchmarks.sketches docs/sketch.png``.

It learns on pictures of one light shape on a darker colour, of which holes hide all that could tell
it; only the sketch does. A few minutes on two cores.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import jax.numpy as jnp
import numpy as np

import jax_inpaint
from jax_inpaint.images import Picture, write_picture
from jax_inpaint.inference.drawing import GAP
from jax_inpaint.ops.edges import canny_edges

SIDE, PICTURES, MEASURED, SIGMA = 64, 400, 32, 1.0
SHOWN = 160  # pixels of a picture in the sheet


def main(path: Path) -> None:
    """Trains, prints errors with and without sketches, and writes a sheet."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "shapes").mkdir()
        random = np.random.default_rng(0)
        for number in range(PICTURES):
            picture = Picture(shape(random, number), "RGB")
            write_picture(folder / "shapes" / f"{number}.png", picture)
        train(folder)
        inpainter = jax_inpaint.load(folder / "run")
        hole = np.zeros((SIDE, SIDE), bool)
        hole[14:48, 14:50] = True

        def filled(pixels: np.ndarray, lines: np.ndarray) -> list[np.ndarray]:
            return [inpainter(pixels, hole, sketch=sketch) for sketch in (None, lines)]

        random, errors, rows = np.random.default_rng(1), [], []
        for number in range(MEASURED):
            pixels = shape(random, number)
            lines = edges(pixels)
            fills = filled(pixels, lines)
            errors.append([np.abs(fill.astype(float) - pixels)[hole].mean() for fill in fills])
            rows.append((pixels, lines, fills))
        pixels, triangle = np.full((SIDE, SIDE, 3), (90, 60, 40), np.uint8), drawn_triangle()
        rows = [*rows[:3], (pixels, triangle, filled(pixels, triangle))]
        without, guided = np.mean(errors, axis=0)
        better = sum(second < first for first, second in errors)
        print(
            f"mean error in the hole, of 255: {without:.1f} without a sketch, {guided:.1f} with; "
            f"less in {better} of {MEASURED}"
        )
        write_picture(path, Picture(sheet(rows, hole), "RGB"), force=True)


def shape(random: np.random.Generator, number: int) -> np.ndarray:
    """A light disc or box somewhere in the middle of a dark colour."""
    fine = np.empty((4 * SIDE, 4 * SIDE, 3), np.uint8)
    fine[:] = random.integers(20, 110, 3)
    x, y = (4 * int(value) for value in random.integers(26, 38, 2))
    radius = 4 * int(random.integers(5, 12))
    if number % 2:
        cv2.circle(fine, (x, y), radius, (230, 230, 230), -1)
    else:
        corners = (x - radius, y - radius), (x + radius, y + radius // 2)
        cv2.rectangle(fine, *corners, (230, 230, 230), -1)
    return cv2.resize(fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def edges(pixels: np.ndarray) -> np.ndarray:
    """As in training."""
    image = jnp.asarray(pixels / 127.5 - 1, jnp.float32)
    return np.asarray(canny_edges(image, sigma=SIGMA))[..., 0] > 0


def drawn_triangle() -> np.ndarray:
    """What the network never saw."""
    lines = np.zeros((SIDE, SIDE), np.uint8)
    cv2.polylines(lines, [np.array([[32, 18], [18, 44], [46, 44]])], True, 1, 1)
    return lines > 0


def train(folder: Path) -> None:
    """The quickstart with a sketch channel, shorter, on these pictures."""
    options = (
        f"--generator.sketch --sketch.sigma {SIGMA} --sketch.left-out 0.2 --data.min-area 1 "
        "--data.color-jitter 0 --masks.kind box --train.steps 400"
    )
    command = [sys.executable, str(Path(__file__).parent.parent / "train.py"), *options.split()]
    command += ["--data.source", f"folder:{folder / 'shapes'}", "--workdir", str(folder / "run")]
    subprocess.run(command, check=True)


def sheet(rows: list, hole: np.ndarray) -> np.ndarray:
    """Picture, masked, sketch, filled without it, filled with it."""
    lines = []
    for pixels, sketch, fills in rows:
        masked = np.where(hole[..., None], np.uint8(255), pixels)
        sketched = np.where((sketch & hole)[..., None], np.uint8(0), masked)
        large = [
            cv2.resize(one, (SHOWN, SHOWN), interpolation=cv2.INTER_NEAREST)
            for one in (pixels, masked, sketched, *fills)
        ]
        framed = [np.pad(one, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for one in large]
        lines.append(np.concatenate(framed, axis=1))
    return np.concatenate(lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
