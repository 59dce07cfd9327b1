"""Random changes to training images that keep them photographs."""

import numpy as np

# A turn by 90 degrees about the grey axis of the RGB cube, without the axis itself.
_QUARTER_TURN = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
_GREY = np.full((3, 3), 1 / 3)
_COLOR = np.eye(3) - _GREY


def jitter_color(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Random hue, saturation, contrast and brightness, the same for all pixels.

    Where photographs are few, it shows the network colours that they don't have.

    Args:
        image: uint8 (H, W, 3).
        strength: in [0, 1]. At 0 nothing changes. At 1 the hue is any, saturation grey to 1.5,
            contrast half to 1.2, brightness up to a fifth of the range more or less.
        rng: draws the change.
    """
    angle = strength * rng.uniform(-np.pi, np.pi)
    saturation = 1 + strength * rng.uniform(-1.0, 0.5)
    contrast = 1 + strength * rng.uniform(-0.5, 0.2)
    brightness = strength * rng.uniform(-51.0, 51.0)
    turn = np.cos(angle) * _COLOR + np.sin(angle) * _QUARTER_TURN
    matrix = (contrast * (_GREY + saturation * turn)).astype(np.float32)
    changed = (image.astype(np.float32) - 127.5) @ matrix.T + np.float32(127.5 + brightness)
    return np.rint(np.clip(changed, 0, 255)).astype(np.uint8)
