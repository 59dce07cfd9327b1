import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.data
import skimage.feature
import skimage.transform

from jax_inpaint.ops.edges import canny_edges

edges_of = jax.jit(canny_edges, static_argnames=("sigma", "low", "high"))


def expected(image, sigma, low, high):
    grey = (image.mean(axis=-1) + 1) / 2
    return skimage.feature.canny(
        grey, sigma, low_threshold=low, high_threshold=high, mode="reflect"
    )


def photograph(height=96, width=128):
    small = skimage.transform.resize(skimage.data.astronaut(), (height, width), anti_aliasing=True)
    return small.astype(np.float32) * 2 - 1


def noise(height, width):
    return np.random.default_rng(0).uniform(-1, 1, (height, width, 3)).astype(np.float32)


@pytest.mark.parametrize("sigma", [1.0, 2.0])
@pytest.mark.parametrize("levels", [(0.1, 0.2), (0.05, 0.25)])
@pytest.mark.parametrize("image", [photograph(), noise(40, 50)], ids=["photograph", "noise"])
def test_edges_are_those_of_scikit_image(image, sigma, levels):
    edges = np.asarray(edges_of(jnp.asarray(image), sigma, *levels))[..., 0]
    other = expected(image, sigma, *levels)
    assert 0.01 < other.mean() < 0.5
    # Rounding decides where neighbours are equally strong.
    assert (edges != other).mean() < 0.002


def test_a_step_is_one_line():
    image = np.full((1, 24, 24, 3), -1, np.float32)
    image[:, :, 12:] = 1
    edges = np.asarray(jax.vmap(edges_of)(jnp.asarray(image)))[0, ..., 0]
    assert set(edges[1:-1].sum(axis=1)) <= {1, 2}  # two where both sides are equally strong
    assert np.argwhere(edges)[:, 1].min() >= 11
    assert np.argwhere(edges)[:, 1].max() <= 12


def test_a_weak_line_is_kept_only_where_a_strong_one_goes_on():
    image = np.full((40, 60, 3), -1, np.float32)
    image[10:20, :30] = -0.9  # a weak line of its own
    image[30:, :] = np.linspace(-0.9, 0.5, 60, dtype=np.float32)[None, :, None]
    strengths = {"sigma": 1.0, "low": 0.05, "high": 1.0}
    edges = np.asarray(edges_of(jnp.asarray(image), **strengths))[..., 0]
    assert not edges[:25].any()
    assert edges[26:34, 2:58].any(axis=0).mean() > 0.9


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 40)])
def test_small_and_constant_images_have_no_edges(size):
    assert not np.asarray(edges_of(jnp.full((*size, 3), 0.3))).any()


def test_batches_are_mapped():
    images = jnp.stack([jnp.asarray(photograph()), jnp.asarray(noise(96, 128))])
    both = jax.jit(jax.vmap(canny_edges))(images)
    for image, edges in zip(images, both, strict=True):
        assert np.mean(np.asarray(edges != edges_of(image))) < 1e-3
