"""What converted networks and their twins are compared on, and how closely they must agree."""

import numpy as np


def picture_and_mask(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A random picture in [-1, 1], and a hole of a box and scattered pixels."""
    rng = np.random.default_rng((seed, height, width))
    picture = rng.uniform(-1, 1, (1, height, width, 3)).astype(np.float32)
    mask = (rng.uniform(size=(1, height, width, 1)) < 0.01).astype(np.float32)
    mask[:, height // 4 : height * 5 // 8, width // 5 : width // 2] = 1
    return picture, mask


def assert_agreement(got, expected: np.ndarray, mask: np.ndarray) -> None:
    """Equal to 1e-4 of the largest value, where the hole's colours differ from place to place."""
    hole = expected[mask[..., 0] > 0]
    spread = hole.std(axis=0).mean()
    error = np.abs(np.asarray(got) - expected).max() / np.abs(expected).max()
    assert spread > 0.1
    assert error < 1e-4
