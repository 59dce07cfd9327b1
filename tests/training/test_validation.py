import dataclasses

import numpy as np
import pytest

from jax_inpaint.config import Config, DataConfig, GeneratorConfig, TrainConfig
from jax_inpaint.models import build_generator
from jax_inpaint.training.state import init_state
from jax_inpaint.training.validation import COLUMNS, Validation


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return Config(
        generator=GeneratorConfig(width=4),
        data=DataConfig(size=(32, 48), directory=str(tmp_path_factory.mktemp("photographs"))),
        train=TrainConfig(batch_size=4, validation_images=6),
    )


@pytest.fixture(scope="module")
def validation(config):
    return Validation(config)


@pytest.fixture(scope="module")
def params(config):
    return init_state(config).generator


def test_every_image_is_filled_once_though_batches_do_not_divide_them(validation, params, config):
    outputs = validation.outputs(params)
    direct = build_generator(config.generator).apply(
        {"params": params}, validation.images, validation.masks
    )
    assert len(validation.images) == 6
    for name, value in direct.items():
        np.testing.assert_allclose(outputs[name], value, atol=1e-5, err_msg=name)
    first = validation.outputs(params, count=5)
    np.testing.assert_array_equal(first["refined"], outputs["refined"][:5])


def test_images_and_masks_do_not_depend_on_the_runs_seed(validation, config):
    other = Validation(dataclasses.replace(config, train=dataclasses.replace(config.train, seed=5)))
    np.testing.assert_array_equal(other.images, validation.images)
    np.testing.assert_array_equal(other.masks, validation.masks)


def test_figures_are_perfect_for_the_photographs_themselves(validation):
    figures = validation.figures(np.asarray(validation.images))
    assert figures["hole_l1"] == 0
    assert figures["hole_psnr"] == float("inf")
    assert figures["hole_ssim"] == pytest.approx(1, abs=1e-5)


def test_figures_do_not_see_known_pixels(validation):
    images, masks = np.asarray(validation.images), np.asarray(validation.masks)
    spoiled = validation.figures(images * masks)
    assert spoiled["hole_l1"] == 0


def test_the_grid_has_a_column_for_each_title(validation, params):
    grid = validation.grid(params, rows=2)
    assert grid.shape == (2 * 32, len(COLUMNS) * 48, 3)
    np.testing.assert_array_equal(grid[:32, :48], validation.images[0])
    assert np.abs(grid).max() <= 1
