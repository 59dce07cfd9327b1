import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.losses.perceptual import gram_matrix, perceptual, style


def pair(seed: int = 0) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(seed)
    shapes = {"shallow": (2, 6, 5, 3), "deep": (2, 3, 2, 4)}
    return [{k: random.normal(size=s).astype(np.float32) for k, s in shapes.items()} for _ in "ab"]


def arrays(features: dict[str, np.ndarray]) -> dict[str, jax.Array]:
    return {name: jnp.asarray(value) for name, value in features.items()}


def numpy_gram(features: np.ndarray) -> np.ndarray:
    """Of one image, pixel by pixel."""
    h, w, c = features.shape
    total = np.zeros((c, c))
    for y in range(h):
        for x in range(w):
            total += np.outer(features[y, x], features[y, x])
    return total / (c * h * w)


@pytest.mark.parametrize(("distance", "power"), [("l1", 1), ("l2", 2)])
def test_perceptual_adds_up_the_layers_means(distance, power):
    a, b = pair()
    losses = perceptual(arrays(a), arrays(b), distance)
    for i in range(2):
        expected = sum((np.abs(a[layer][i] - b[layer][i]) ** power).mean() for layer in a)
        np.testing.assert_allclose(losses[i], expected, rtol=1e-5)


def test_gram_matrices_are_those_of_a_loop():
    features = pair()[0]["shallow"]
    grams = gram_matrix(jnp.asarray(features))
    assert grams.shape == (2, 3, 3)
    for i in range(2):
        np.testing.assert_allclose(grams[i], numpy_gram(features[i]), rtol=1e-5, atol=1e-7)


def test_style_adds_up_the_layers_mean_differences_of_gram_matrices():
    a, b = pair()
    losses = style(arrays(a), arrays(b))
    for i in range(2):
        expected = sum(
            np.abs(numpy_gram(a[layer][i]) - numpy_gram(b[layer][i])).mean() for layer in a
        )
        np.testing.assert_allclose(losses[i], expected, rtol=1e-4)


def test_half_precision_features_do_not_vanish_in_the_gram_matrix():
    """Their products are below what half precision can hold."""
    features = jnp.full((1, 8, 8, 4), 1e-4, jnp.float16)
    grams = gram_matrix(features)
    assert grams.dtype == jnp.float32
    np.testing.assert_allclose(grams, float(features[0, 0, 0, 0]) ** 2 / 4, rtol=1e-5)
    assert (jax.grad(lambda x: gram_matrix(x).sum())(features.astype(jnp.float32)) > 0).all()


def test_equal_features_have_no_loss_and_finite_gradients():
    a, _ = pair()
    for loss in (perceptual, style):
        value, gradient = jax.value_and_grad(lambda x: loss(x, arrays(a)).sum())(arrays(a))  # noqa: B023
        assert value == pytest.approx(0, abs=1e-6)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
