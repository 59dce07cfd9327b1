"""The products that networks are made of, layer by layer, counted without computing anything."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jax_inpaint.config import Config
from jax_inpaint.features import extract_features
from jax_inpaint.features.files import random_feature_params
from jax_inpaint.losses.terms import feature_layers


@dataclass(frozen=True)
class Product:
    """A convolution or matrix product of a network, as channels into channels."""

    layer: str  # its name, such as coarse/conv1
    inputs: int  # channels, or terms of the sums
    outputs: int  # channels, or columns
    flops: int  # a multiplication and an addition each; none for zeros of a border


def network_products(config: Config) -> dict[str, list[Product]]:
    """What an experiment's networks do with one image, forward, each network once."""
    height, width = config.data.size
    image, mask = (jax.ShapeDtypeStruct((1, height, width, c), jnp.float32) for c in (3, 1))
    sketch = mask if config.generator.takes_sketch else None
    key = jax.random.key(0)
    networks = {config.generator.architecture: config.generator.build()}
    if config.discriminator:
        networks[config.discriminator.architecture] = config.discriminator.build(jnp.float32)
    products = {
        # To be initialised, a network runs once; drawing parameters takes no products.
        name: count_products(network.init, key, image, mask, sketch)
        for name, network in networks.items()
    }
    for feature_network, layers in feature_layers(config.objective.terms).items():
        params = jax.eval_shape(lambda key, n=feature_network: random_feature_params(n, key), key)
        products[feature_network] = count_products(
            lambda params, image, n=feature_network, layers=layers: extract_features(
                n, params, image, layers
            ),
            params,
            image,
        )
    return products


def count_products(function: Callable[..., Any], *arguments: Any) -> list[Product]:
    """The convolutions and matrix products of a function, in order.

    Loops of unknown length count once; of what depends on the platform, the default counts.
    """
    return list(_walk(jax.make_jaxpr(function)(*arguments).jaxpr, "", 1))


def _walk(jaxpr: Any, path: str, times: int) -> Iterator[Product]:
    for equation in jaxpr.eqns:
        name = "/".join(filter(None, (path, str(equation.source_info.name_stack))))
        if equation.primitive.name == "conv_general_dilated":
            yield _convolution(equation, _layer(name), times)
        elif equation.primitive.name == "dot_general":
            yield _matrix_product(equation, _layer(name), times)
        else:
            inner = [
                getattr(value, "jaxpr", value)
                for param in equation.params.values()
                for value in (param if isinstance(param, tuple | list) else (param,))
                if hasattr(getattr(value, "jaxpr", value), "eqns")
            ]
            if equation.primitive.name == "cond":
                inner = inner[-1:]
            for other in inner:
                yield from _walk(other, name, times * equation.params.get("length", 1))


def _layer(name: str) -> str:
    """``DeepFillV2/coarse/conv1/conv`` -> ``coarse/conv1``, without the operation at its end."""
    return "/".join(part for part in name.split("/")[1:] if part != "conv" and "->" not in part)


def _convolution(equation: Any, layer: str, times: int) -> Product:
    params = equation.params
    (batch, _, *image), (outputs, inputs, *window), (_, _, *result) = params["dimension_numbers"]
    left, kernel = (operand.aval.shape for operand in equation.invars)
    taps = 1
    for side, size, place, stride, (before, _), spread, gap in zip(
        (left[i] for i in image),
        (kernel[i] for i in window),
        (equation.outvars[0].aval.shape[i] for i in result),
        params["window_strides"],
        params["padding"],
        params["lhs_dilation"],
        params["rhs_dilation"],
        strict=True,
    ):
        # Where each tap of the kernel falls; between and beyond the pixels there are only zeros.
        position = np.add.outer(np.arange(place) * stride, np.arange(size) * gap) - before
        taps *= np.sum((position >= 0) & (position < side * spread) & (position % spread == 0))
    flops = 2 * left[batch] * int(taps) * kernel[inputs] * kernel[outputs]
    return Product(layer, kernel[inputs], kernel[outputs], times * flops)


def _matrix_product(equation: Any, layer: str, times: int) -> Product:
    (contracted, right_contracted), (_, right_batch) = equation.params["dimension_numbers"]
    left, right = (operand.aval.shape for operand in equation.invars)
    terms = prod(left[i] for i in contracted)
    columns = prod(right) // prod(right[i] for i in (*right_contracted, *right_batch))
    flops = 2 * times * terms * prod(equation.outvars[0].aval.shape)
    return Product(f"{layer} (matrix product)".strip(), terms, columns, flops)
