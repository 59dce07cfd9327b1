"""Contextual attention in tiles against the dense form."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jax_inpaint.ops.attention import (
    contextual_attention,
    dense_contextual_attention,
    tiled,
)
from jax_inpaint.ops.attention.positions import tile_shape

FORMS = contextual_attention, dense_contextual_attention


def example(height, width, batch=2, channels=3, holes=0.05, seed=0):
    rng = np.random.default_rng(seed)
    f, b, g = rng.normal(size=(3, batch, height, width, channels)).astype(np.float32)
    mask = rng.random((batch, height, width, 1)) < holes  # a different hole in every image
    return tuple(jnp.asarray(x, jnp.float32) for x in (f, b, mask, g))


def results(form, f, b, mask, g, **options):
    """Values, flow, and the gradient that ``g`` sends to both maps."""

    @jax.jit
    def run(f, b):
        attended, pull, flow = jax.vjp(lambda *x: form(*x, mask, **options), f, b, has_aux=True)
        return attended, flow, pull(jnp.asarray(g, attended.dtype))

    return jax.tree.map(np.asarray, run(f, b))


def check_equal(computed, expected):
    np.testing.assert_allclose(computed[0], expected[0], atol=1e-5)
    np.testing.assert_array_equal(computed[1], expected[1])
    for gradient, wanted in zip(computed[2], expected[2], strict=True):
        np.testing.assert_allclose(gradient, wanted, atol=1e-4 * max(1, abs(wanted).max()))


@pytest.fixture
def use_tiles(monkeypatch):
    """Sets the shape of tiles, (rows, columns)."""
    return lambda *shape: monkeypatch.setattr(tiled, "tile_shape", lambda h, w, **_: shape)


@pytest.mark.parametrize(
    ("size", "tile"),  # at half the features' size
    [
        ((5, 7), (2, 3)),
        ((4, 6), (2, 3)),
        ((6, 3), (6, 2)),
        ((3, 8), (1, 8)),
        ((2, 9), (2, 4)),
        ((1, 5), (1, 2)),
        ((6, 1), (4, 1)),
        ((3, 3), (1, 1)),
        ((1, 1), (1, 1)),
        ((7, 5), (7, 5)),
    ],
)
@pytest.mark.parametrize("fuse", [True, False])
def test_tiles_give_what_the_dense_form_gives(size, tile, fuse, use_tiles):
    use_tiles(*tile)
    case = example(2 * size[0], 2 * size[1])
    check_equal(*(results(form, *case, fuse=fuse) for form in FORMS))


@pytest.mark.parametrize("holes", [0, 1])
def test_tiles_of_no_hole_and_nothing_else(holes, use_tiles):
    use_tiles(3, 2)
    case = example(10, 12, holes=holes)
    check_equal(*(results(form, *case) for form in FORMS))


@pytest.mark.parametrize("rate", [1, 3])
def test_tiles_at_other_rates_and_samplings(rate, use_tiles):
    use_tiles(2, 4)
    case = example(5 * rate, 6 * rate)
    options = {"rate": rate, "resampling": "strided", "softmax_scale": 3.0}
    check_equal(*(results(form, *case, **options) for form in FORMS))


def test_tiles_of_a_map_too_large_for_one():
    case = example(70, 66, channels=2)
    assert tile_shape(35, 33) == (12, 17)
    check_equal(*(results(form, *case) for form in FORMS))


def test_constant_features_take_the_first_patch_they_may():
    ones = jnp.ones((1, 8, 8, 2))
    mask = jnp.zeros((1, 8, 8, 1)).at[:, :3].set(1)
    flows = [jax.jit(partial(form, fuse=False))(ones, ones, mask)[1] for form in FORMS]
    np.testing.assert_array_equal(*flows)


def test_bfloat16_in_tiles_is_close_to_float32(use_tiles):
    use_tiles(2, 3)
    f, b, mask, _ = example(10, 14)
    rounded = [x.astype(jnp.bfloat16) for x in (f, b)]
    attend = jax.jit(partial(contextual_attention, softmax_scale=1.0))
    exact, _ = attend(*(x.astype(jnp.float32) for x in rounded), mask)
    attended, _ = attend(*rounded, mask)
    assert attended.dtype == jnp.bfloat16
    np.testing.assert_allclose(attended.astype(np.float32), exact, atol=0.05)


@pytest.mark.parametrize(("h", "w"), [(32, 32), (4, 256), (33, 32), (64, 64), (65, 100), (1, 5000)])
def test_tiles_are_even_and_not_too_large(h, w):
    for parts, most in ((False, 1024), (True, 1024 if h * w <= 1024 else 128)):
        rows, columns = tile_shape(h, w, parts)
        assert rows * columns <= most
        for size, part in ((h, rows), (w, columns)):
            assert 0 <= -(-size // part) * part - size < -(-size // part)


def compiled(form, height, width):
    shape = jax.ShapeDtypeStruct((1, height, width, 8), jnp.float32)
    mask = jax.ShapeDtypeStruct((1, height, width, 1), jnp.float32)
    return jax.jit(form).lower(shape, shape, mask).compile()


def test_memory_grows_with_the_area():
    small, large = (
        compiled(contextual_attention, 128, width).memory_analysis().temp_size_in_bytes
        for width in (128, 256)
    )
    assert small < large < 2.2 * small


def gradient(f, b, mask):
    return jax.grad(lambda f: contextual_attention(f, b, mask)[0].sum())(f)


def test_a_batch_split_over_devices_stays_split(use_tiles):
    use_tiles(3, 4)
    mesh = Mesh(np.array(jax.devices()), ("data",))
    split = NamedSharding(mesh, PartitionSpec("data"))
    f, b, mask, _ = example(10, 12, batch=8)
    arguments = [jax.device_put(x, split) for x in (f, b, mask)]
    for function in (contextual_attention, gradient):
        program = jax.jit(function).lower(*arguments).compile()
        assert "all-" not in program.as_text()
        for one, other in zip(
            jax.tree.leaves(program(*arguments)),
            jax.tree.leaves(jax.jit(function)(f, b, mask)),
            strict=True,
        ):
            assert one.sharding.is_equivalent_to(split, one.ndim)
            np.testing.assert_allclose(one, other, atol=1e-4)


def test_mapped_over_devices_and_batches(use_tiles):
    use_tiles(3, 4)
    f, b, mask, _ = example(10, 12, batch=8)
    mesh = Mesh(np.array(jax.devices()), ("data",))
    split = PartitionSpec("data")
    expected = jax.jit(gradient)(f, b, mask)
    mapped = jax.shard_map(gradient, mesh=mesh, in_specs=split, out_specs=split)
    np.testing.assert_allclose(jax.jit(mapped)(f, b, mask), expected, atol=1e-4)
    pairs = [x.reshape(4, 2, *x.shape[1:]) for x in (f, b, mask)]
    np.testing.assert_allclose(
        jax.jit(jax.vmap(gradient))(*pairs).reshape(f.shape), expected, atol=1e-4
    )


def test_tiles_that_nothing_is_wanted_of_are_left_out(use_tiles):
    use_tiles(2, 3)
    f, b, mask, g = example(10, 14)
    wanted = jnp.zeros((2, 5, 7), bool).at[0, 1, 2].set(True).at[1, 4, 6].set(True)
    values, flow, gradient = results(contextual_attention, f, b, mask, g, wanted=wanted)
    expected, expected_flow, _ = results(dense_contextual_attention, f, b, mask, g)
    for position in ((0, 1), (4, 6)):  # the first and the last tile's
        np.testing.assert_array_equal(flow[:, *position], expected_flow[:, *position])
    np.testing.assert_array_equal(flow[:, 2:4], 0)
    np.testing.assert_allclose(values[:, :3, :5], expected[:, :3, :5], atol=1e-5)
    np.testing.assert_array_equal(values[:, :3, 7:], 0)
    assert np.isfinite(gradient[0]).all()
    everywhere = jnp.ones_like(wanted)
    check_equal(
        *(results(contextual_attention, f, b, mask, g, wanted=w) for w in (everywhere, None))
    )
