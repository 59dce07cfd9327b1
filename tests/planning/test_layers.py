"""Counted products against closed forms and XLA's own count."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from jax_inpaint.config import load_config
from jax_inpaint.planning.layers import Product, count_products, network_products
from tests.small import SMALL
from tests.training.test_every_config import CONFIGS, shrunk


def xla_flops(function, *arguments):
    return jax.jit(function).lower(*arguments).cost_analysis()["flops"]


def convolve(x, kernel, **options):
    options = {"window_strides": (1, 1), "padding": "SAME"} | options
    dimensions = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, dimension_numbers=dimensions, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": "VALID"},
        {"window_strides": (2, 2)},
        {"rhs_dilation": (4, 4)},
        {"lhs_dilation": (2, 2), "padding": [(1, 2), (2, 1)]},
        {"feature_group_count": 3},
    ],
)
def test_convolutions_count_as_in_xla(options):
    x = jnp.zeros((2, 12, 10, 6))
    kernel = jnp.zeros((3, 3, 6 // options.get("feature_group_count", 1), 9))
    (product,) = count_products(lambda x: convolve(x, kernel, **options), x)
    assert product.flops == xla_flops(lambda x: convolve(x, kernel, **options), x)
    assert (product.inputs, product.outputs) == kernel.shape[2:]


def test_a_convolution_without_borders_in_closed_form():
    x, kernel = jnp.zeros((2, 12, 10, 6)), jnp.zeros((3, 5, 6, 9))
    (product,) = count_products(lambda x: convolve(x, kernel, padding="VALID"), x)
    assert product == Product("", 6, 9, 2 * (2 * 10 * 6 * 9) * (3 * 5 * 6))


def test_matrix_products_in_a_loop_and_behind_a_choice():
    matrix = jnp.zeros((4, 5))

    def loop(x):
        def turn(total, _):
            # The first of these is the CPU's; a plan is for an accelerator.
            step = jax.lax.platform_dependent(
                x, cpu=lambda x: jnp.zeros((7, 5)), default=lambda x: x @ matrix
            )
            return total + step, None

        return jax.lax.scan(turn, jnp.zeros((7, 5)), length=3)[0]

    (product,) = count_products(loop, jnp.zeros((7, 4)))
    assert (product.inputs, product.outputs) == (4, 5)
    assert product.flops == 3 * 2 * 7 * 4 * 5


def test_layers_of_a_network_have_the_channels_of_its_kernels():
    products = network_products(SMALL)
    by_name = {product.layer: product for product in products["deepfillv2"]}
    assert (by_name["coarse/conv1"].inputs, by_name["coarse/conv1"].outputs) == (5, 8)
    assert (by_name["coarse/conv17"].inputs, by_name["coarse/conv17"].outputs) == (2, 3)
    attention = [p for p in products["deepfillv2"] if "matrix product" in p.layer]
    # At an eighth of 32x32 there are 4x4 positions, on a map two wider on every side, and one more
    # at its ends. Three pixels of 16 channels are compared at a time, and blocks of 2x2 pasted:
    # 5x5 of them, as far apart as the positions.
    keys, blocks = 8 * 8 + 2, 4 * 8 + 5
    assert [(p.inputs, p.outputs) for p in attention] == [(3 * 16, keys), (blocks, 4 * 16)]
    assert [p.layer for p in products["sn_patchgan"]] == [f"conv{n}" for n in range(1, 7)]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_network_is_counted_to_within_what_xla_adds_for_the_rest(path):
    config = shrunk(path)
    wide = dataclasses.replace(config.generator, **{"width": 16})
    config = dataclasses.replace(config, generator=wide)
    products = network_products(config)
    height, width = config.data.size
    image, mask = jnp.zeros((1, height, width, 3)), jnp.zeros((1, height, width, 1))
    sketch = mask if config.generator.takes_sketch else None
    network = config.generator.build()
    variables = jax.eval_shape(network.init, jax.random.key(0), image, mask, sketch)
    counted = sum(product.flops for product in products[config.generator.architecture])
    expected = xla_flops(network.apply, variables, image, mask, sketch)
    assert 0.7 * expected < counted <= expected


def test_the_official_network_needs_what_its_table_says():
    """The fifth to twelfth layers of the first stage at 64x64, by hand."""
    config = load_config(next(path for path in CONFIGS if path.stem == "deepfillv2_places2"))
    by_name = {product.layer: product for product in network_products(config)["deepfillv2"]}
    for name, dilation in (("conv5", 1), ("conv8_atrous", 4), ("conv10_atrous", 16)):
        taps = 3 * 64 - 2 * dilation  # those at the borders have less to look at
        flops = 2 * taps**2 * 96 * 192
        assert by_name[f"coarse/{name}"].flops == flops
