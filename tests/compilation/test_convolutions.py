"""Rewritten convolutions against XLA's own, forward and as gradients."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.compilation import compile_for
from jax_inpaint.compilation.blocks import blocked_kernel_gradient
from jax_inpaint.compilation.columns import grouped_columns_convolution
from jax_inpaint.compilation.direct import direct_convolution
from jax_inpaint.compilation.phases import (
    dilated_kernel_gradient,
    spread_convolution,
    strided_kernel_gradient,
)
from jax_inpaint.compilation.rewriting import RULES, rewrite
from jax_inpaint.compilation.winograd import winograd_convolution, winograd_kernel_gradient


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def assert_close(result, expected, error=2e-6):
    assert result.shape == expected.shape
    assert np.abs(result - expected).max() <= error * np.abs(expected).max()


@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("size", [(8, 8), (12, 7), (5, 16), (1, 3)])
def test_winograd_is_a_convolution(size, dilation, tile):
    x, kernel = normal(0, 2, *size, 5), normal(1, 3, 3, 5, 4)
    padding = ((dilation, dilation), (2 * dilation, 0))
    result = winograd_convolution(x, kernel, padding, dilation, tile)
    expected = direct_convolution(x, kernel, padding, dilation=(dilation, dilation))
    assert_close(result, expected, {2: 2e-6, 4: 3e-5}[tile])


@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("size", [(8, 8), (12, 7), (1, 3)])
def test_winograd_kernel_gradient_is_the_gradient(size, dilation, tile):
    x, kernel = normal(0, 2, *size, 5), normal(1, 3, 3, 5, 4)
    padding = ((dilation, dilation), (0, 2 * dilation))
    y, vjp = jax.vjp(
        lambda kernel: direct_convolution(x, kernel, padding, dilation=(dilation, dilation)), kernel
    )
    gradient = normal(2, *y.shape)
    result = winograd_kernel_gradient(x, gradient, padding, dilation, tile)
    assert_close(result, vjp(gradient)[0], {2: 2e-6, 4: 3e-5}[tile])


@pytest.mark.parametrize(
    ("size", "stride", "dilation"), [(3, 1, 1), (5, 2, 1), (3, 1, 2), (2, 3, 2)]
)
@pytest.mark.parametrize("rows", [1, 4, 8])
def test_blocked_kernel_gradient_is_the_gradient(size, stride, dilation, rows):
    x, kernel = normal(0, 2, 17, 12, 3), normal(1, size, size, 3, 4)
    settings = ((1, 2), (2, 1)), (stride, stride), (dilation, dilation)
    y, vjp = jax.vjp(lambda kernel: direct_convolution(x, kernel, *settings), kernel)
    gradient = normal(2, *y.shape)
    result = blocked_kernel_gradient(x, gradient, (size, size), *settings, rows=rows)
    assert_close(result, vjp(gradient)[0])


@pytest.mark.parametrize(
    ("size", "padding", "spread"),
    [
        (5, ((3, 4), (3, 3)), 2),
        (3, ((1, 2), (0, 0)), 2),
        (4, ((0, 1), (5, 2)), 3),
        (1, ((0, 1), (0, 0)), 2),
    ],
)
def test_convolution_of_spread_pixels_is_worked_out_by_phases(size, padding, spread):
    x, kernel = normal(0, 2, 6, 5, 3), normal(1, size, size, 3, 4)
    expected = jax.lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        padding,
        lhs_dilation=(spread, spread),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    assert_close(spread_convolution(x, kernel, padding, spread), expected)


@pytest.mark.parametrize("size", [5, 6])
@pytest.mark.parametrize("padding", [((1, 2), (2, 1)), ((0, 0), (0, 1)), ((3, 3), (2, 2))])
def test_strided_kernel_gradient_is_the_gradient(size, padding):
    x, kernel = normal(0, 2, 16, 13, 3), normal(1, size, size, 3, 4)
    y, vjp = jax.vjp(lambda kernel: direct_convolution(x, kernel, padding, (2, 2)), kernel)
    gradient = normal(2, *y.shape)
    result = strided_kernel_gradient(x, gradient, (size, size), padding)
    assert_close(result, vjp(gradient)[0], 3e-5)


NARROW, WIDE, WIDEST = ((1, 2), (2, 1)), ((8, 8), (9, 7)), ((30, 33), (33, 30))


@pytest.mark.parametrize(
    ("dilation", "padding"),
    [
        *itertools.product([(2, 2), (3, 3), (1, 4)], [NARROW, WIDE, WIDEST]),
        ((16, 16), WIDE),
        ((16, 16), WIDEST),
    ],
)
def test_dilated_kernel_gradient_is_the_gradient(dilation, padding):
    x, kernel = normal(0, 2, 17, 14, 3), normal(1, 3, 2, 3, 4)
    convolve = partial(direct_convolution, padding=padding, dilation=dilation)
    y, vjp = jax.vjp(partial(convolve, x), kernel)
    gradient = normal(2, *y.shape)
    result = dilated_kernel_gradient(x, gradient, (3, 2), padding, dilation)
    assert_close(result, vjp(gradient)[0])


@pytest.mark.parametrize("columns", [1, 2, 4])
@pytest.mark.parametrize("width", [8, 9, 11])
def test_grouped_columns_are_a_convolution(width, columns):
    x, kernel = normal(0, 2, 6, width, 3), normal(1, 3, 5, 3, 2)
    padding = ((1, 1), (2, 3))
    result = grouped_columns_convolution(x, kernel, padding, columns)
    assert_close(result, direct_convolution(x, kernel, padding))


# Window, stride, dilation, channels in and out, size: each way of the rewriting, and XLA's.
LAYERS = [
    (3, 1, 1, 96, 96, 16),
    (3, 1, 2, 48, 192, 32),
    (3, 1, 16, 96, 96, 16),
    (3, 1, 1, 12, 3, 64),
    (5, 1, 1, 5, 24, 64),
    (3, 2, 1, 24, 24, 128),
    (5, 2, 1, 16, 16, 16),
    (5, 2, 1, 32, 96, 32),
    (3, 1, 1, 24, 24, 64),
    (3, 1, 1, 8, 8, 2),
    (1, 1, 1, 8, 8, 16),
]


@pytest.mark.parametrize("platform", RULES)
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_rewriting_changes_a_layer_and_its_gradients_by_rounding_only(layer, padding, platform):
    window, stride, dilation, into, out, size = layer
    if padding == "VALID":  # at least one pixel comes out
        size = max(size, (window - 1) * dilation + 1)

    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(
            x,
            kernel,
            (stride, stride),
            padding,
            rhs_dilation=(dilation, dilation),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    def results(x, kernel, gradient):
        y, vjp = jax.vjp(convolve, x, kernel)
        return y, vjp(gradient)

    x, kernel = normal(0, 2, size, size, into), normal(1, window, window, into, out)
    gradient = normal(2, *jax.eval_shape(convolve, x, kernel).shape)
    for result, expected in zip(
        jax.tree.leaves(jax.jit(rewrite(results, platform))(x, kernel, gradient)),
        jax.tree.leaves(results(x, kernel, gradient)),
        strict=True,
    ):
        assert_close(result, expected, 3e-5)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW", "CHWN", "HWNC", "CNWH"])
def test_any_layout_is_rewritten(layout):
    x, kernel = normal(0, 2, 16, 16, 96), normal(1, 3, 3, 96, 96)
    expected = direct_convolution(x, kernel, ((1, 1), (1, 1)))

    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=(layout, "OHWI", layout)
        )

    x = x.transpose(["NHWC".index(axis) for axis in layout])
    kernel = kernel.transpose(3, 0, 1, 2)
    rewritten = jax.make_jaxpr(rewrite(convolve))(x, kernel)
    assert "conv_general_dilated" not in str(rewritten)
    result = jax.jit(rewrite(convolve))(x, kernel)
    assert_close(result.transpose([layout.index(axis) for axis in "NHWC"]), expected)


def test_other_convolutions_stay():
    def convolve(x, kernel, **settings):
        return jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), **settings
        )

    x, kernel = normal(0, 1, 16, 16, 96), normal(1, 3, 3, 96, 96)
    for function, *arguments in (
        (convolve, x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16)),
        (lambda x, kernel: convolve(x, kernel, feature_group_count=2), x, kernel[:, :, :48]),
    ):
        rewritten = rewrite(function)
        assert str(jax.make_jaxpr(rewritten)(*arguments)).count("conv_general_dilated") == 1
        np.testing.assert_array_equal(rewritten(*arguments), function(*arguments))
    lines = jax.lax.conv_general_dilated(normal(0, 1, 4, 16), normal(1, 4, 4, 3), (1,), "SAME")
    np.testing.assert_array_equal(
        rewrite(lambda x, k: jax.lax.conv_general_dilated(x, k, (1,), "SAME"))(
            normal(0, 1, 4, 16), normal(1, 4, 4, 3)
        ),
        lines,
    )


def test_a_rewritten_function_keeps_its_trees_and_custom_functions():
    def function(tree, *, scale):
        return {"relu": jax.nn.relu(tree["x"]) * scale, "same": tree["x"], "two": 2}

    x = normal(0, 3, 4)
    result = jax.jit(rewrite(function))({"x": x}, scale=2.0)
    np.testing.assert_array_equal(result["relu"], np.maximum(x, 0) * 2)
    np.testing.assert_array_equal(result["same"], x)
    assert result["two"] == 2


def test_scans_and_what_is_recomputed_are_rewritten_inside():
    convolve = partial(direct_convolution, padding=((1, 1), (1, 1)))

    def loss(x, kernel):
        recomputed = jax.checkpoint(lambda x, kernel: jnp.sin(convolve(x, kernel)))
        return (recomputed(x, kernel) ** 2).sum()

    def summed(xs, kernel):
        def step(total, x):
            value, gradient = jax.value_and_grad(loss, 1)(x, kernel)
            return total + gradient, value

        return jax.lax.scan(step, jnp.zeros_like(kernel), xs)

    xs, kernel = normal(0, 3, 1, 16, 16, 96), normal(1, 3, 3, 96, 96) / 30
    text = str(jax.make_jaxpr(rewrite(summed))(xs, kernel))
    assert "conv_general_dilated" in str(jax.make_jaxpr(summed)(xs, kernel))
    assert "conv_general_dilated" not in text
    assert "scan[" in text
    assert "differentiated=True" in text  # else XLA would find that it was computed before
    for result, expected in zip(
        jax.jit(rewrite(summed))(xs, kernel), summed(xs, kernel), strict=True
    ):
        assert_close(result, expected, 3e-5)


def test_large_sums_over_all_but_the_channels_are_products():
    x = normal(0, 4, 64, 64, 12)
    total = rewrite(lambda x: x.sum((0, 1, 2)))
    assert "dot_general" in str(jax.make_jaxpr(total)(x))
    np.testing.assert_allclose(total(x), np.asarray(x, np.float64).sum((0, 1, 2)), atol=1e-3)


def test_compiled_for_one_cpu_it_is_rewritten_and_for_several_not():
    x, kernel = normal(0, 1, 16, 16, 96), normal(1, 3, 3, 96, 96)
    convolve = partial(direct_convolution, padding=((1, 1), (1, 1)))
    one = compile_for(jax.devices("cpu")[:1], convolve).lower(x, kernel).as_text()
    several = compile_for(jax.devices("cpu")[:2], convolve).lower(x, kernel).as_text()
    assert "stablehlo.convolution" not in one
    assert "stablehlo.convolution" in several


def test_what_the_user_sets_of_xla_counts(monkeypatch):
    compile_for(jax.devices("cpu")[:1], jnp.sum)  # asks XLA once which options it has
    compiled = []
    monkeypatch.setattr(
        jax, "jit", lambda function, **options: compiled.append(options) or function
    )
    option = "xla_backend_optimization_level"
    for flags in (f"--{option}=0", "--some_other_option=0"):
        monkeypatch.setenv("XLA_FLAGS", flags)
        compile_for(jax.devices("cpu")[:1], jnp.sum, code_level=2)
    by_user, by_us = (options["compiler_options"] for options in compiled)
    assert option not in by_user
    assert by_us == by_user | {option: 2}


def test_a_gpu_takes_kernels_of_dilated_convolutions_apart_and_nothing_else():
    x, gradient = (normal(0, 2, 32, 32, 3).astype(jnp.bfloat16) for _ in range(2))

    def convolutions(dilation):
        def both(x, kernel, gradient):
            padding = ((dilation, dilation),) * 2
            y, vjp = jax.vjp(
                lambda *x: direct_convolution(*x, padding, dilation=(dilation,) * 2), x, kernel
            )
            return y, vjp(gradient)

        kernel = normal(1, 3, 3, 3, 3).astype(jnp.bfloat16)
        program = jax.make_jaxpr(rewrite(both, "gpu"))(x, kernel, gradient)
        return [eqn for eqn in program.eqns if eqn.primitive.name == "conv_general_dilated"]

    windows = {d: [eqn.params["window_strides"] for eqn in convolutions(d)] for d in (1, 4)}
    assert windows == {1: [(1, 1)] * 3, 4: [(1, 1)] * 3}
    pictures = [eqn.invars[0].aval.shape for eqn in convolutions(4)]
    assert (32, 10, 10, 3) in pictures  # 16 from each of two
