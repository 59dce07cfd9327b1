import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.config import MaskConfig
from jax_inpaint.masks import draw_strokes
from jax_inpaint.masks.writing import (
    ALPHABET,
    LETTER_STROKES,
    _grid,
    _letter_strokes,
    _smooth,
    graffiti_mask,
    text_mask,
)


def masks(function, count, height, width, config=MaskConfig()):  # noqa: B008 (frozen)
    keys = jax.random.split(jax.random.key(0), count)
    drawn = jax.jit(jax.vmap(lambda key: function(key, height, width, config)))(keys)
    return np.asarray(drawn)[..., 0].astype(np.uint8)


def parts(mask):
    """Area, and height and width, of each connected part."""
    _, _, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return boxes[1:, cv2.CC_STAT_AREA], boxes[1:, [cv2.CC_STAT_HEIGHT, cv2.CC_STAT_WIDTH]]


@pytest.fixture(scope="module")
def letters():
    """Each letter in the middle of a picture, six pixels to a unit of the grid."""
    lines = jnp.asarray(8 + 6 * _grid()[_letter_strokes()].reshape(-1, 2, 2))
    owner = np.repeat(np.eye(len(ALPHABET), dtype=bool), LETTER_STROKES, axis=1)
    draw = jax.jit(jax.vmap(lambda widths: draw_strokes(lines, widths, 41, 29)))
    drawn = draw(np.where(owner, 3.0, -1.0).astype(np.float32))
    return np.asarray(drawn)[..., 0].astype(np.uint8)


def test_letters_are_in_one_piece_and_fill_their_place(letters):
    assert "".join(ALPHABET) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for letter, mask in zip(ALPHABET, letters, strict=True):
        areas, sizes = parts(mask)
        assert len(areas) == 1, letter
        assert sizes[0][0] == 27, letter
        assert sizes[0][1] == (3 if letter == "I" else 15), letter


def test_letters_differ(letters):
    for i, first in enumerate(letters):
        for second in letters[:i]:
            assert (first & second).sum() / (first | second).sum() < 0.92


def test_letters_have_the_symmetries_of_theirs(letters):
    def symmetric(axis):
        pairs = zip(ALPHABET, letters, strict=True)
        return "".join(letter for letter, mask in pairs if np.all(mask == np.flip(mask, axis)))

    assert symmetric(1) == "AHIMOTUVWXY"
    assert symmetric(0) == "BCDEHIKOX"


def test_text_is_many_small_letters_of_alike_size():
    text = masks(text_mask, 24, 256, 256)
    covered = text.mean(axis=(1, 2))
    assert covered.min() > 0
    assert 0.02 < covered.mean() < 0.15
    assert covered.max() < 0.4
    counts, heights = [], []
    for mask in text:
        areas, sizes = parts(mask)
        counts.append(len(areas))
        heights.append(np.median(sizes[:, 0]))
    assert np.median(counts) > 8
    assert 10 < np.median(heights) < 45


@pytest.mark.parametrize("function", [text_mask, graffiti_mask])
@pytest.mark.parametrize("size", [(96, 48), (48, 96)])
def test_writing_is_in_the_image_and_reaches_all_of_it(function, size):
    drawn = masks(function, 100, *size)
    assert np.all(drawn.max(axis=(1, 2)) == 1)
    # Every sixteenth of the image in at least one of sixteen masks.
    parts = drawn.reshape(100, 4, size[0] // 4, 4, size[1] // 4).max(axis=(2, 4))
    assert parts.mean(axis=0).min() > 1 / 16


def test_graffiti_is_a_few_thick_strokes():
    graffiti = masks(graffiti_mask, 24, 256, 256)
    assert 0.05 < graffiti.mean() < 0.25
    for mask in graffiti:
        areas, _ = parts(mask)
        # Drips hang on their stroke, but for an image's lower border.
        assert np.sum(areas > 30) <= 5
        reach = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max()
        assert reach >= 2.5


def test_a_smooth_curve_goes_through_its_knots_and_doesnt_bend_a_straight_line():
    knots = jnp.asarray(np.random.default_rng(0).normal(size=(6, 2)), jnp.float32)
    curve = np.asarray(_smooth(knots))
    distances = np.linalg.norm(curve[:, None] - knots, axis=-1)
    assert np.all(distances.min(axis=0) < 1e-5)
    assert np.argmin(distances[0]) == 0
    assert np.argmin(distances[-1]) == 5
    straight = jnp.linspace(jnp.array([0, 1]), jnp.array([5, 11]), 6)
    middle = np.asarray(_smooth(straight))
    np.testing.assert_allclose(middle[:, 1], 1 + 2 * middle[:, 0], atol=1e-5)
    # Between inner knots of a line, points are evenly spaced.
    np.testing.assert_allclose(np.diff(middle[5:-5, 0]), 0.2, atol=1e-5)
