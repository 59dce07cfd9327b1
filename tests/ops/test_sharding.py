import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jax_inpaint.ops.sharding import SPATIAL, map_shared, with_mirrored_borders


@pytest.mark.parametrize(("count", "devices"), [(1, 4), (8, 4), (11, 4), (5, 1), (3, 8)])
def test_items_that_are_shared_out_come_back_in_order(count, devices):
    items = np.arange(count), np.random.default_rng(0).normal(size=(count, 3, 2))
    used = jnp.arange(6.0).reshape(3, 2)

    def function(item):
        number, values = item
        return {"number": number, "sum": jnp.sum(values * used, axis=0)}

    with jax.set_mesh(Mesh(np.array(jax.devices()[:devices]), (SPATIAL,))):
        compiled = jax.jit(lambda items: map_shared(function, items)).lower(items).compile()
        found = compiled(items)
    np.testing.assert_array_equal(found["number"], items[0])
    np.testing.assert_allclose(found["sum"], (items[1] * used).sum(axis=1), rtol=1e-5)
    # Each device goes through its own.
    each = -(-count // devices)
    assert each == 1 or f'known_trip_count":{{"n":"{each}"}}' in compiled.as_text()


@pytest.mark.parametrize(
    ("rows", "devices", "kernel", "stride"),
    [(16, 4, 7, 1), (16, 4, 3, 2), (8, 8, 3, 1), (12, 4, 7, 1), (12, 4, 3, 2), (9, 1, 3, 2)],
)
def test_borders_are_mirrored_whoever_has_the_rows(rows, devices, kernel, stride):
    random = np.random.default_rng(0)
    x = random.normal(size=(2, rows, 10, 3)).astype(np.float32)
    weights = random.normal(size=(kernel, kernel, 3, 4)).astype(np.float32)
    width = kernel // 2

    def convolve(x):
        numbers = ("NHWC", "HWIO", "NHWC")
        strides = (stride, stride)
        return jax.lax.conv_general_dilated(x, weights, strides, "VALID", dimension_numbers=numbers)

    mesh = Mesh(np.array(jax.devices()[:devices]), (SPATIAL,))
    split = jax.device_put(x, NamedSharding(mesh, PartitionSpec(None, SPATIAL)))
    with jax.set_mesh(mesh):
        found = jax.jit(lambda x: with_mirrored_borders(convolve, x, width, stride))(split)
    padding = [(0, 0), (width, width), (width, width), (0, 0)]
    expected = convolve(np.pad(x, padding, "reflect"))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
