import jax
import jax.numpy as jnp
import numpy as np

from jax_inpaint.layers.self_attention import SelfAttention


def test_it_is_the_papers_sum_over_all_positions():
    x = jax.random.normal(jax.random.key(1), (2, 3, 4, 16))
    params = SelfAttention().init(jax.random.key(0), x)["params"]
    assert params["query"]["kernel"].shape == (16, 2)
    params["gamma"] = jnp.asarray(0.7)
    query, key, value, out = (
        np.asarray(params[name]["kernel"], np.float64) for name in ("query", "key", "value", "out")
    )
    expected = np.asarray(x, np.float64).copy()
    for image in range(2):
        positions = np.asarray(x[image], np.float64).reshape(12, 16)
        for j in range(12):
            weights = np.exp([positions[j] @ query @ (positions[i] @ key) for i in range(12)])
            weights /= weights.sum()
            attended = sum(weights[i] * positions[i] @ value for i in range(12)) @ out
            expected[image, j // 4, j % 4] += 0.7 * attended
    np.testing.assert_allclose(SelfAttention().apply({"params": params}, x), expected, atol=1e-5)


def test_it_starts_as_the_identity_but_learns():
    x = jax.random.normal(jax.random.key(1), (1, 3, 4, 16))
    variables = SelfAttention().init(jax.random.key(0), x)
    np.testing.assert_array_equal(SelfAttention().apply(variables, x), x)
    gradient = jax.grad(lambda v: jnp.sum(SelfAttention().apply(v, x) ** 2))(variables)
    assert abs(gradient["params"]["gamma"]) > 0
