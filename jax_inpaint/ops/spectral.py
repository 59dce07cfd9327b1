"""Spectral normalisation as a pure function over a parameter tree."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import traverse_util
from jaxtyping import Array, Float, PRNGKeyArray

from jax_inpaint.config import SpectralGradient


def init_spectral(
    key: PRNGKeyArray,
    params: Mapping[str, Any],
    normalizes: Callable[[tuple[str, ...]], bool] | None = None,
) -> dict[str, Any]:
    """Starting vectors ``u`` of shape (1, channels out), one for every leaf named ``kernel``.

    Truncated normal of standard deviation 1, as the official code. The result is a tree with the
    paths of ``params``, biases and the kernels that ``normalizes`` says no to left out.
    """
    kernels = {
        path: kernel
        for path, kernel in traverse_util.flatten_dict(params).items()
        if path[-1] == "kernel" and (normalizes is None or normalizes(path))
    }
    keys = jax.random.split(key, len(kernels))
    vectors = {
        path: jax.random.truncated_normal(k, -2.0, 2.0, (1, kernel.shape[-1]))
        for k, (path, kernel) in zip(keys, sorted(kernels.items()), strict=True)
    }
    return traverse_util.unflatten_dict(vectors)


def spectral_normalize(
    params: Mapping[str, Any],
    vectors: Mapping[str, Any],
    gradient: SpectralGradient = "official",
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divides every kernel by its largest singular value, found by one power iteration.

    A kernel counts as a matrix of shape (everything else, channels out). Biases pass unchanged.
    Everything is float32 at the highest matrix-product precision: with bfloat16 or TF32 products
    sigma would be off by up to a percent.

    Args:
        params: parameters of a discriminator.
        vectors: ``u`` of the previous step, from :func:`init_spectral`.
        gradient: ``"official"`` (default) differentiates through the power iteration as the
            released DeepFillv2 code does; ``"sigma"`` holds ``u`` and ``v`` constant, as the
            SN-GAN paper. The two agree once ``u`` has converged.

    Returns:
        The normalised parameters and the new vectors. The vectors carry no gradient.

    Source: Miyato et al., Spectral Normalization for GANs (2018), algorithm 1.
    """
    normalized = traverse_util.flatten_dict(params)
    new_vectors = traverse_util.flatten_dict(vectors)
    for path, u in new_vectors.items():
        kernel = normalized[path]
        sigma, new_u = largest_singular_value(kernel, u, gradient)
        normalized[path] = kernel / sigma
        new_vectors[path] = jax.lax.stop_gradient(new_u)
    return traverse_util.unflatten_dict(normalized), traverse_util.unflatten_dict(new_vectors)


def largest_singular_value(
    kernel: Float[Array, "*rest o"], u: Float[Array, "1 o"], gradient: SpectralGradient
) -> tuple[Float[Array, ""], Float[Array, "1 o"]]:
    """One power iteration from ``u``: the estimate of sigma, and the next ``u``."""
    matrix = kernel.astype(jnp.float32).reshape(-1, kernel.shape[-1])
    with jax.default_matmul_precision("highest"):
        v = _unit_length(u @ matrix.T)
        new_u = _unit_length(v @ matrix)
        if gradient == "sigma":
            v, new_u = jax.lax.stop_gradient((v, new_u))
        sigma = (v @ matrix @ new_u.T)[0, 0]
    return sigma, new_u


def _unit_length(x: Float[Array, "1 n"]) -> Float[Array, "1 n"]:
    return x / (jnp.sqrt(jnp.sum(x**2)) + 1e-12)
