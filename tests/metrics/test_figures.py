"""All figures of a batch at once, beside each figure's own function for each picture alone."""

from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import data

from jax_inpaint import metrics
from jax_inpaint.config import PictureFigure
from jax_inpaint.metrics.figures import (
    PICTURE_FIGURES,
    SET_FIGURES,
    SetFigure,
    own_area,
    picture_figures,
)

SIZES = [(180, 192), (40, 52), (192, 31)]
OF_PIXELS = ("l1", "relative_l1", "l2", "psnr")


def example(height, width):
    """A fill, its photograph and the hole, which touches the border, of one picture."""
    rng = np.random.default_rng(height)
    target = data.astronaut()[:height, 100 : 100 + width] / np.float32(127.5) - 1
    output = np.clip(target + rng.normal(scale=0.3, size=target.shape), -1, 1).astype(np.float32)
    hole = np.zeros((height, width, 1), np.float32)
    hole[:13, 4:20] = hole[20:36, 9:] = 1
    return output, target, hole


@pytest.fixture(scope="module")
def examples():
    return [example(*size) for size in SIZES]


def padded(pictures):
    height, width = np.max(SIZES, axis=0)
    return jnp.stack(
        [
            np.pad(p, ((0, height - p.shape[0]), (0, width - p.shape[1]), (0, 0)), "symmetric")
            for p in pictures
        ]
    )


@pytest.fixture(scope="module")
def batch(examples):
    """The same as arrays of one shape."""
    return tuple(padded(parts) for parts in zip(*examples, strict=True))


@pytest.fixture(scope="module")
def figures(batch):
    return jax.device_get(picture_figures(*batch, jnp.array(SIZES)))


def test_every_figure_is_there_or_needs_a_network(figures):
    of_networks = {name for name in PICTURE_FIGURES if name.startswith("lpips_")}
    assert figures.keys() | of_networks == PICTURE_FIGURES.keys()
    assert figures.keys().isdisjoint(of_networks)
    assert tuple(PICTURE_FIGURES) == get_args(PictureFigure)
    assert tuple(SET_FIGURES) == get_args(SetFigure)
    titles = [figure.title for figure in (PICTURE_FIGURES | SET_FIGURES).values()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("number", range(len(SIZES)))
def test_figures_are_those_of_each_composite_alone(examples, figures, number):
    output, target, hole = (jnp.asarray(part)[None] for part in examples[number])
    composite = jnp.where(hole > 0, output, target)
    expected = {"total_variation": metrics.total_variation(composite)}
    for name in OF_PIXELS:
        expected[name] = getattr(metrics, name)(composite, target)
        expected[f"hole_{name}"] = getattr(metrics, name)(output, target, hole)
    expected["ssim"] = metrics.ssim(composite, target)
    expected["hole_ssim"] = metrics.ssim(composite, target, hole)
    expected["ms_ssim"] = metrics.ms_ssim(composite, target)
    assert np.isnan(expected["ms_ssim"]) == (number > 0)
    for name, value in expected.items():
        np.testing.assert_allclose(figures[name][number], value[0], rtol=2e-6, err_msg=name)
    assert expected.keys() == figures.keys()


def test_only_the_holes_pixels_of_a_fill_are_looked_at(batch, figures):
    output, target, hole = batch
    spoiled = jnp.where(hole > 0, output, jnp.nan)
    found = picture_figures(spoiled, target, hole, jnp.array(SIZES))
    for name, values in found.items():
        np.testing.assert_array_equal(values, figures[name], err_msg=name)


def test_equal_pictures_and_no_holes(batch):
    _, target, hole = batch
    hole = hole.at[1].set(0)
    found = jax.device_get(picture_figures(target, target, hole, jnp.array(SIZES)))
    for name in OF_PIXELS:
        perfect = np.inf if name == "psnr" else 0
        np.testing.assert_array_equal(found[name], perfect)
        np.testing.assert_array_equal(found[f"hole_{name}"], [perfect, np.nan, perfect])
    np.testing.assert_array_equal(found["ssim"], 1)
    np.testing.assert_array_equal(found["hole_ssim"], [1, np.nan, 1])
    np.testing.assert_array_equal(found["ms_ssim"], [1, np.nan, np.nan])


def test_the_area_of_each_picture():
    area = np.asarray(own_area(jnp.zeros((2, 5, 6, 3)), jnp.array([[2, 6], [5, 3]])))
    expected = np.zeros((2, 5, 6, 1))
    expected[0, :2] = expected[1, :, :3] = 1
    np.testing.assert_array_equal(area, expected)
