"""Figures of batches, beside scikit-image and NumPy on each picture alone."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from jax_inpaint.config import FeatureConfig
from jax_inpaint.evaluation.scoring import Scorer, load_scorer
from jax_inpaint.evaluation.summary import set_figures
from jax_inpaint.images import from_uint8
from jax_inpaint.metrics import Mean
from jax_inpaint.metrics.distributions import (
    Moments,
    frechet_distance,
    inception_discriminative_scores,
    kernel_distance,
)
from jax_inpaint.metrics.figures import PICTURE_FIGURES
from jax_inpaint.metrics.lpips import load_lpips, lpips
from jax_inpaint.torch_files import TensorFileError
from tests.evaluation.scenes import SIZES, example, photograph
from tests.features.test_fid import in_torch
from tests.metrics.test_lpips import save_twin
from tests.twins.inception import random_inception

# Two padded sizes, and one picture that no window fits into.
MIXED = [*SIZES.values(), (40, 70), (4, 7), (64, 64)]
TINY = 6


def fills(sizes):
    examples = [example(size, number) for number, size in enumerate(sizes)]
    return examples, [photograph(size, 50 + i) for i, size in enumerate(sizes)]


def in_batches(scorer, examples, filled, batch):
    parts = [
        scorer.figures(examples[first : first + batch], filled[first : first + batch])
        for first in range(0, len(examples), batch)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def by_numpy(one, fill):
    """Figures of a picture in float64."""
    x, y = (picture / 255 for picture in (one.composite(fill), one.photograph))
    hole = one.hole
    found = {}
    for prefix, a, b in (("", x, y), ("hole_", x[hole], y[hole])):
        squared = ((a - b) ** 2).mean()
        found |= {
            f"{prefix}l1": abs(a - b).mean(),
            f"{prefix}relative_l1": abs(a - b).sum() / b.sum(),
            f"{prefix}l2": squared,
            f"{prefix}psnr": -10 * math.log10(squared),
        }
    found["total_variation"] = sum(abs(np.diff(x, axis=axis)).sum() for axis in (0, 1)) / x.size
    options = {"gaussian_weights": True, "use_sample_covariance": False, "data_range": 1.0}
    if min(hole.shape) >= 11:
        found["ssim"], similarity = structural_similarity(
            x, y, channel_axis=-1, full=True, **options
        )
        found["hole_ssim"] = similarity[hole].mean()
    return found


@pytest.fixture(scope="module")
def mixed():
    return fills(MIXED)


@pytest.fixture(scope="module")
def by_three(mixed):
    return in_batches(Scorer({}, None, 3), *mixed, 3)


def test_figures_of_pictures_of_mixed_sizes_are_those_of_each_alone(mixed, by_three):
    for number, pair in enumerate(zip(*mixed, strict=True)):
        expected = by_numpy(*pair)
        assert pair[0].hole.any()
        for name, value in expected.items():
            assert by_three[name][number] == pytest.approx(value, rel=1e-4, abs=1e-5), name
    assert by_three.keys() == {name for name in PICTURE_FIGURES if "lpips" not in name}


def test_figures_are_float32_and_nan_where_a_picture_is_too_small(by_three):
    assert {values.dtype for values in by_three.values()} == {np.dtype(np.float32)}
    assert {values.shape for values in by_three.values()} == {(len(MIXED),)}
    assert np.isnan(by_three["ms_ssim"]).all()
    assert np.flatnonzero(np.isnan(by_three["ssim"])).tolist() == [TINY]


@pytest.mark.parametrize("batch", [1, 16])
def test_batches_of_any_size_give_the_same_figures_and_means(mixed, by_three, batch):
    found = in_batches(Scorer({}, None, batch), *mixed, batch)
    for name, values in found.items():
        np.testing.assert_allclose(values, by_three[name], rtol=1e-6, atol=1e-7, err_msg=name)
    equal = [name for name in found if np.array_equal(found[name], by_three[name])]
    assert len(equal) > 2
    for name in equal:
        parts = [found[name][first : first + batch] for first in range(0, len(MIXED), batch)]
        assert sum(map(Mean.of, parts), Mean()).value == Mean.of(by_three[name]).value


def test_what_fills_a_batch_up_does_not_count(mixed, by_three):
    examples, filled = mixed
    alone = Scorer({}, None, 3).figures(examples[4:5], filled[4:5])
    for name, values in alone.items():
        np.testing.assert_allclose(values, by_three[name][4:5], rtol=1e-6, err_msg=name)


def test_known_pixels_of_fills_are_not_looked_at(mixed, by_three):
    examples, filled = mixed
    spoiled = [
        np.where(e.hole[..., None], fill, 255 - fill)
        for e, fill in zip(examples, filled, strict=True)
    ]
    found = in_batches(Scorer({}, None, 3), examples, spoiled, 3)
    for name, values in found.items():
        np.testing.assert_array_equal(values, by_three[name], err_msg=name)


def test_equal_and_constant_pictures():
    examples, _ = fills([(48, 64), (40, 40), (64, 64)])
    grey = np.full((64, 64, 3), 128, np.uint8)
    examples[2] = type(examples[2])(2, "grey", grey, "boxes", examples[2].hole)
    found = Scorer({}, None, 3).figures(examples, [e.photograph for e in examples])
    perfect = {"psnr": np.inf, "ssim": 1.0, "l1": 0.0, "relative_l1": 0.0, "l2": 0.0}
    for name, value in perfect.items():
        np.testing.assert_array_equal(found[name], np.float32(value), err_msg=name)
        np.testing.assert_array_equal(found[f"hole_{name}"], np.float32(value), err_msg=name)
    assert found["total_variation"][2] == 0


# Figures that look through networks


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory):
    """Files of a network that has learned nothing."""
    folder = tmp_path_factory.mktemp("alexnet")
    save_twin("alexnet", folder)
    return folder / "network.pth", folder / "heads.pth"


def test_lpips_of_one_and_of_mixed_sizes_is_that_of_each_composite(alexnet):
    params = load_lpips(*alexnet, "alexnet")
    examples, filled = fills([(64, 64), (64, 64), (64, 64), (70, 64)])
    too_small, its_fill = fills([(20, 40), (20, 40)])
    direct = jax.jit(partial(lpips, network="alexnet"))
    expected = [
        direct(params, *(from_uint8(jnp.asarray(p))[None] for p in (e.composite(f), e.photograph)))
        for e, f in zip(examples, filled, strict=True)
    ]
    scorer = Scorer({"alexnet": params}, None, 2)
    assert [name for name in scorer.names if "lpips" in name] == ["lpips_alexnet"]
    found = in_batches(scorer, examples, filled, 2)["lpips_alexnet"]
    assert np.ptp(found) > 0.01
    np.testing.assert_allclose(found, np.concatenate(expected), rtol=1e-4)
    several = in_batches(scorer, [examples[0], *too_small], [filled[0], *its_fill], 2)
    np.testing.assert_array_equal(np.isnan(several["lpips_alexnet"]), [False, True, True])


def test_equal_pictures_are_at_no_distance(alexnet):
    scorer = Scorer({"alexnet": load_lpips(*alexnet, "alexnet")}, None, 2)
    one = example((64, 64))
    assert scorer.figures([one], [one.photograph])["lpips_alexnet"] == pytest.approx(0, abs=1e-9)


def test_features_of_photographs_and_composites_and_what_is_made_of_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = random_inception()
    torch.save(module.state_dict(), tmp_path / "inception.pth")
    scorer, missing, digests = load_scorer(
        FeatureConfig(inception=str(tmp_path / "inception.pth")), 4
    )
    assert scorer.has_features
    assert set(digests) == {"inception"}
    assert not any("FID" in title for title in missing)
    pictures = [photograph(size, i) for i, size in enumerate([(40, 64), (64, 48), (33, 33)])]
    real = scorer.features(pictures)
    images = [torch.tensor(p.transpose(2, 0, 1)[None] / np.float32(127.5) - 1) for p in pictures]
    expected = np.concatenate([in_torch(module, image) for image in images])
    np.testing.assert_allclose(real, expected, rtol=1e-4, atol=1e-5)

    # Features that are cut off, so that distances take no time.
    real = real[:, :6]
    filled = real[::-1] + np.float32(0.1)
    columns = {"number": np.array([7, 3, 5]), "features": filled}
    row = set_figures(columns, dict(zip([7, 3, 5], real, strict=True)))
    p_ids, u_ids = inception_discriminative_scores(real, filled)
    assert {name: estimate.value for name, estimate in row.items()} == {
        "fid": frechet_distance(Moments.of(filled), Moments.of(real)),
        "kid": kernel_distance(filled, real),
        "p_ids": p_ids,
        "u_ids": u_ids,
    }
    one = {name: values[:1] for name, values in columns.items()}
    assert set_figures(one, {7: real[0]}) == {}


def test_networks_whose_files_are_not_there_are_named(alexnet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    none = {name: str(tmp_path / name) for name in ("vgg16", "squeezenet", "inception")}
    config = FeatureConfig(
        alexnet=str(alexnet[0]), lpips_alexnet=str(alexnet[1]), lpips_vgg16=str(alexnet[1]), **none
    )
    scorer, missing, digests = load_scorer(config, 2)
    assert {name for name in scorer.names if "lpips" in name} == {"lpips_alexnet"}
    assert not scorer.has_features
    assert set(digests) == {"alexnet", "lpips_alexnet"}
    assert missing["LPIPS (vgg16)"] == f"there is no {tmp_path / 'vgg16'}"
    assert "no weights/squeeze.pth" in missing["LPIPS (squeezenet)"]
    assert missing["FID, KID, P-IDS, U-IDS"] == f"there is no {tmp_path / 'inception'}"
    (tmp_path / "inception").write_bytes(b"nothing")
    with pytest.raises(TensorFileError, match="inception"):
        load_scorer(config, 2)
