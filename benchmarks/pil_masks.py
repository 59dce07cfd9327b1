"""DeepFillv2's brush as its authors draw it: NumPy's scalars and PIL, one mask after the other."""

import math
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32
from PIL import Image, ImageDraw

Strokes: TypeAlias = list[tuple[list[tuple[int, int]], int]]


def official_strokes(rng: np.random.Generator, height: int, width: int) -> Strokes:
    """The vertices (x, y) and the width of each stroke.

    Calls what the official ``brush_stroke_mask`` calls, but that start points are anywhere on
    images that aren't square (there, height and width are swapped).
    """
    radius = math.hypot(height, width) / 8
    mean_angle, spread = 2 * math.pi / 5, 2 * math.pi / 15
    strokes = []
    for _ in range(rng.integers(1, 4)):
        segments = rng.integers(4, 12)
        least = mean_angle - rng.uniform(0, spread)
        most = mean_angle + rng.uniform(0, spread)
        vertices = [(int(rng.integers(0, width)), int(rng.integers(0, height)))]
        for i in range(segments):
            angle = rng.uniform(least, most)
            angle = 2 * math.pi - angle if i % 2 == 0 else angle
            length = np.clip(rng.normal(radius, radius // 2), 0, 2 * radius)
            x, y = vertices[-1]
            x = np.clip(x + length * math.cos(angle), 0, width)
            y = np.clip(y + length * math.sin(angle), 0, height)
            vertices.append((int(x), int(y)))
        strokes.append((vertices, int(rng.uniform(12, 40))))
    return strokes


def pil_mask(strokes: Strokes, height: int, width: int) -> Float32[np.ndarray, "h w"]:
    """The strokes with round ends and corners, 1 in the hole."""
    image = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(image)
    for vertices, brush in strokes:
        draw.line(vertices, fill=1, width=brush)
        for x, y in vertices:
            r = brush // 2
            draw.ellipse((x - r, y - r, x + r, y + r), fill=1)
    return np.asarray(image, np.float32)
