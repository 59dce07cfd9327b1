import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.models.sn_patchgan import SNPatchGAN
from jax_inpaint.ops.spectral import init_spectral, largest_singular_value, spectral_normalize


@pytest.fixture(scope="module")
def params():
    image, mask = jnp.zeros((1, 64, 64, 3)), jnp.zeros((1, 64, 64, 1))
    params = SNPatchGAN(width=8).init(jax.random.key(0), image, mask)["params"]
    return {name: layer["conv"] for name, layer in params.items()}


def top_singular_value(kernel) -> float:
    matrix = np.asarray(kernel, np.float64).reshape(-1, kernel.shape[-1])
    return np.linalg.svd(matrix, compute_uv=False)[0]


def converged(params, steps=1500):
    vectors = init_spectral(jax.random.key(1), params)
    step = jax.jit(lambda u: spectral_normalize(params, u)[1])
    for _ in range(steps):
        vectors = step(vectors)
    return vectors


def test_normalised_kernels_have_a_largest_singular_value_of_one(params):
    normalized, _ = spectral_normalize(params, converged(params))
    for layer in normalized.values():
        assert top_singular_value(layer["kernel"]) == pytest.approx(1, abs=1e-4)


def test_biases_pass_and_directions_stay(params):
    shifted = jax.tree.map(lambda leaf: leaf + 0.01, params)
    normalized, _ = spectral_normalize(shifted, init_spectral(jax.random.key(1), params))
    for name, layer in normalized.items():
        np.testing.assert_array_equal(layer["bias"], shifted[name]["bias"])
        ratio = np.asarray(shifted[name]["kernel"] / layer["kernel"])
        np.testing.assert_allclose(ratio, ratio.flat[0], rtol=1e-4)


def test_one_call_is_one_power_iteration():
    rng = np.random.default_rng(0)
    kernel, u = rng.normal(size=(3, 3, 4, 6)), rng.normal(size=(1, 6))
    matrix = kernel.reshape(-1, 6)
    v = u @ matrix.T
    v /= np.linalg.norm(v)
    new_u = v @ matrix
    new_u /= np.linalg.norm(new_u)
    sigma, result = largest_singular_value(
        jnp.asarray(kernel, jnp.float32), jnp.asarray(u, jnp.float32), "official"
    )
    assert float(sigma) == pytest.approx((v @ matrix @ new_u.T).item(), rel=1e-5)
    np.testing.assert_allclose(result, new_u, rtol=1e-4)


def test_vectors_start_truncated_normal_with_one_per_kernel(params):
    vectors = init_spectral(jax.random.key(3), params)
    assert vectors.keys() == params.keys()
    for name, layer in vectors.items():
        assert layer.keys() == {"kernel"}
        assert layer["kernel"].shape == (1, params[name]["kernel"].shape[-1])
        assert np.abs(layer["kernel"]).max() <= 2


def sigma_gradient(kernel, u, convention):
    return jax.grad(lambda k: largest_singular_value(k, u, convention)[0])(kernel)


def test_sigma_convention_is_the_outer_product_of_the_vectors(params):
    kernel = params["conv3"]["kernel"]
    u = jax.random.normal(jax.random.key(5), (1, kernel.shape[-1]))
    matrix = np.asarray(kernel).reshape(-1, kernel.shape[-1])
    v = np.asarray(u) @ matrix.T
    v /= np.linalg.norm(v)
    new_u = v @ matrix
    new_u /= np.linalg.norm(new_u)
    gradient = np.asarray(sigma_gradient(kernel, u, "sigma")).reshape(matrix.shape)
    np.testing.assert_allclose(gradient, v.T @ new_u, atol=1e-6)


def test_official_convention_is_the_full_derivative(params):
    kernel = params["conv3"]["kernel"]
    u = jax.random.normal(jax.random.key(5), (1, kernel.shape[-1]))
    direction = jax.random.normal(jax.random.key(6), kernel.shape)

    def sigma(t):
        matrix = np.asarray(kernel + t * direction, np.float64).reshape(-1, kernel.shape[-1])
        v = np.asarray(u, np.float64) @ matrix.T
        v /= np.linalg.norm(v)
        return np.linalg.norm(v @ matrix)

    numeric = (sigma(1e-4) - sigma(-1e-4)) / 2e-4
    official = float(jnp.sum(sigma_gradient(kernel, u, "official") * direction))
    through_sigma = float(jnp.sum(sigma_gradient(kernel, u, "sigma") * direction))
    assert official == pytest.approx(numeric, rel=1e-3)
    assert through_sigma != pytest.approx(numeric, rel=1e-3)


def test_conventions_agree_at_convergence(params):
    kernel = params["conv3"]["kernel"]
    u = converged(params, steps=2000)["conv3"]["kernel"]
    np.testing.assert_allclose(
        sigma_gradient(kernel, u, "official"), sigma_gradient(kernel, u, "sigma"), atol=1e-3
    )


def test_new_vectors_carry_no_gradient(params):
    vectors = init_spectral(jax.random.key(1), params)

    def total(params):
        return sum(
            jnp.sum(leaf) for leaf in jax.tree.leaves(spectral_normalize(params, vectors)[1])
        )

    for leaf in jax.tree.leaves(jax.grad(total)(params)):
        np.testing.assert_array_equal(leaf, 0)


def test_layers_may_be_left_out(params):
    vectors = init_spectral(jax.random.key(0), params, lambda path: path[0] != "conv6")
    assert vectors.keys() == {f"conv{i}" for i in range(1, 6)}
    normalized, _ = spectral_normalize(params, vectors)
    np.testing.assert_array_equal(normalized["conv6"]["kernel"], params["conv6"]["kernel"])
    assert spectral_normalize(params, {}) == (params, {})
