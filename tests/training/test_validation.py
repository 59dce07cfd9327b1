import dataclasses

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.config import DataConfig, FeatureConfig, MaskConfig, TrainConfig
from jax_inpaint.data.errors import DataError
from jax_inpaint.metrics.figures import picture_figures
from jax_inpaint.metrics.lpips import load_lpips, lpips
from jax_inpaint.torch_files import TensorFileError
from jax_inpaint.training.checkpoint import Checkpoints
from jax_inpaint.training.state import init_state
from jax_inpaint.training.validation import Validation
from tests.metrics.test_lpips import save_twin
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


def test_figures_of_what_is_not_finite_are_not_numbers(validation, variables):
    last = jax.tree.map(lambda leaf: leaf.at[...].set(jnp.nan), variables)
    assert all(np.isnan(value) for value in validation(last).values())
    composites = np.array(validation.images)
    composites[5, 3, 3, 0] = np.inf
    assert np.isnan(validation.figures(composites)["hole_l1"])


def test_masks_without_any_hole_are_refused(config, tmp_path):
    cv2.imwrite(str(tmp_path / "labels.png"), np.eye(16, dtype=np.uint8))  # 0 and 1
    masks = MaskConfig(kind="folder", folder=str(tmp_path))
    with pytest.raises(DataError, match=f"none of 6 masks of {tmp_path} has a hole"):
        Validation(dataclasses.replace(config, masks=masks))


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


def test_figures_are_means_of_those_of_each_picture_in_8_bits(validation, variables):
    composites = validation.outputs(variables)["composite"]
    pictures = np.rint((np.clip(composites, -1, 1) + 1) * 127.5) / 127.5 - 1
    each = [
        picture_figures(
            jnp.asarray(picture[None], jnp.float32), validation.images[i : i + 1], mask[None]
        )
        for i, (picture, mask) in enumerate(zip(pictures, validation.masks, strict=True))
    ]
    found = validation.figures(composites)
    assert "ms_ssim" not in found  # pictures are too small for it
    for name, value in found.items():
        mean = np.mean([figures[name] for figures in each], dtype=np.float64)
        assert value == pytest.approx(mean, rel=1e-4), name


def test_lpips_is_validated_if_asked_for(config, variables, tmp_path):
    save_twin("squeezenet", tmp_path)
    files = {"squeezenet": "network.pth", "lpips_squeezenet": "heads.pth"}
    asked = dataclasses.replace(
        config,
        features=FeatureConfig(**{name: str(tmp_path / file) for name, file in files.items()}),
        train=dataclasses.replace(config.train, lpips=("squeezenet",), best_by="lpips_squeezenet"),
    )
    validation = Validation(asked)
    composites = np.asarray(validation.images) * (1 - np.asarray(validation.masks))
    found = validation.figures(composites)["lpips_squeezenet"]
    params = load_lpips(*(tmp_path / file for file in files.values()))
    rounded = np.rint((composites + 1) * 127.5).astype(np.float32) / 127.5 - 1
    expected = np.asarray(lpips(params, jnp.asarray(rounded), validation.images)).mean()
    assert found == pytest.approx(expected, rel=1e-4)
    train = dataclasses.replace(config.train, lpips=("alexnet",))
    with pytest.raises(TensorFileError, match="weights/alex"):
        Validation(dataclasses.replace(config, train=train))


def test_a_figure_decides_only_if_it_can():
    with pytest.raises(ValueError, match=r"LPIPS only of a network in train.lpips"):
        TrainConfig(best_by="lpips_vgg16", lpips=("alexnet",))
    with pytest.raises(ValueError, match="tells good from bad"):
        TrainConfig(best_by="total_variation")


@pytest.mark.parametrize(("best_by", "best"), [("hole_l1", 2), ("psnr", 3)])
def test_the_best_checkpoint_is_that_of_the_named_figure(best_by, best, config, tmp_path):
    state = init_state(config)
    checkpoints = Checkpoints(tmp_path, 1, best_by)
    for step, figures in enumerate([(0.3, 20.0), (0.1, 21.0), (0.2, 22.0), (0.3, 19.0)], 1):
        checkpoints.save(step, state, config, dict(zip(["hole_l1", "psnr"], figures, strict=True)))
    checkpoints.close()
    kept = {int(path.name) for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit()}
    assert kept == {best, 4}
