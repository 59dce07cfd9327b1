import dataclasses

import numpy as np
import pytest

from jax_inpaint.config import DataConfig, TrainConfig
from jax_inpaint.training.state import init_state
from jax_inpaint.training.validation import Validation
from tests.small import small


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return small(
        data=DataConfig(size=(32, 48), directory=str(tmp_path_factory.mktemp("photographs"))),
        train=TrainConfig(batch_size=4, validation_images=6),
    )


@pytest.fixture(scope="module")
def validation(config):
    return Validation(config)


@pytest.fixture(scope="module")
def variables(config):
    return init_state(config).ema


def test_every_image_is_filled_once_though_batches_do_not_divide_them(
    validation, variables, config
):
    outputs = validation.outputs(variables)
    direct = config.generator.build().apply(variables, validation.images, validation.masks)
    assert len(validation.images) == 6
    for name, value in direct.items():
        np.testing.assert_allclose(outputs[name], value, atol=1e-5, err_msg=name)
    first = validation.outputs(variables, count=5)
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


def test_columns_to_look_at(validation, variables):
    columns = validation.columns(variables, rows=2)
    titles = ["original", "masked", "coarse", "refined", "composite", "offset flow"]
    assert list(columns) == titles
    for column in columns.values():
        assert column.shape == (2, 32, 48, 3)
        assert np.abs(column).max() <= 1
    np.testing.assert_array_equal(columns["original"], validation.images[:2])
