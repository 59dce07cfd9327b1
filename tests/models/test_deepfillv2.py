import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from jax_inpaint.models.deepfillv2 import DeepFillV2


def shapes(model, sketch=False):
    image, mask = jnp.zeros((1, 64, 64, 3)), jnp.zeros((1, 64, 64, 1))
    return jax.eval_shape(model.init, jax.random.key(0), image, mask, mask if sketch else None)


def count(tree) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def test_official_width_has_the_official_number_of_parameters():
    params = shapes(DeepFillV2(width=24))["params"]
    assert count(params["coarse"]) == 1_631_151
    assert count(params["refinement"]) == 2_421_327
    assert count(params) == 4_052_478


def test_layers_have_the_official_names_and_kernel_shapes():
    params = traverse_util.flatten_dict(shapes(DeepFillV2(width=24))["params"], sep="/")
    assert len(params) == 84
    expected = {
        "coarse/conv1/conv/kernel": (5, 5, 5, 48),
        "coarse/conv13_upsample/gated_conv/conv/kernel": (3, 3, 96, 96),
        "coarse/conv16/conv/kernel": (3, 3, 24, 24),
        "coarse/conv17/conv/kernel": (3, 3, 12, 3),
        "refinement/xconv1/conv/kernel": (5, 5, 3, 48),
        "refinement/xconv4_downsample/conv/kernel": (3, 3, 48, 96),
        "refinement/pmconv4_downsample/conv/kernel": (3, 3, 48, 192),
        "refinement/allconv11/conv/kernel": (3, 3, 192, 192),
    }
    assert {name: params[name].shape for name in expected} == expected


def test_width_and_sketch_are_configurations():
    wide = shapes(DeepFillV2(width=48))["params"]
    assert wide["coarse"]["conv1"]["conv"]["kernel"].shape == (5, 5, 5, 96)
    guided = shapes(DeepFillV2(width=24, sketch=True), sketch=True)["params"]
    assert guided["coarse"]["conv1"]["conv"]["kernel"].shape == (5, 5, 6, 48)
    assert count(guided) == 4_052_478 + 5 * 5 * 48


@pytest.fixture(scope="module")
def filled():
    model = DeepFillV2(width=4)
    image = jax.random.uniform(jax.random.key(1), (2, 32, 48, 3), minval=-1, maxval=1)
    mask = jnp.zeros((2, 32, 48, 1)).at[0, 8:20, 8:30].set(1).at[1, 16:, 24:].set(1)
    params = jax.jit(model.init)(jax.random.key(0), image, mask)
    return model, params, image, mask


def test_outputs_and_their_ranges(filled):
    model, params, image, mask = filled
    outputs = jax.jit(model.apply)(params, image, mask)
    assert outputs.keys() == {"coarse", "refined", "composite", "offset_flow"}
    for name in ("coarse", "refined", "composite"):
        assert outputs[name].shape == image.shape
        assert outputs[name].dtype == jnp.float32
        assert np.abs(outputs[name]).max() <= 1
    assert outputs["offset_flow"].shape == (2, 4, 6, 2)


def test_known_pixels_of_the_composite_are_bit_identical(filled):
    model, params, image, mask = filled
    composite = np.asarray(jax.jit(model.apply)(params, image, mask)["composite"])
    known = np.broadcast_to(np.asarray(mask) == 0, composite.shape)
    np.testing.assert_array_equal(composite[known], np.asarray(image)[known])


def test_pixels_in_the_hole_are_not_looked_at(filled):
    model, params, image, mask = filled
    fill = jax.jit(model.apply)
    outputs = fill(params, image, mask)
    others = fill(params, jnp.where(mask > 0, 0.7, image), mask)
    for name, value in outputs.items():
        np.testing.assert_array_equal(value, others[name])


def test_each_image_has_its_own_mask(filled):
    model, params, image, mask = filled
    together = jax.jit(model.apply)(params, image, mask)["refined"]
    alone = jax.jit(model.apply)(params, image[1:], mask[1:])["refined"]
    np.testing.assert_allclose(together[1:], alone, atol=1e-5)


def test_gradient_reaches_every_parameter(filled):
    model, params, image, mask = filled

    def loss(params):
        outputs = model.apply(params, image, mask)
        return jnp.mean(jnp.abs(outputs["coarse"] - image) + jnp.abs(outputs["refined"] - image))

    for path, gradient in traverse_util.flatten_dict(jax.jit(jax.grad(loss))(params)).items():
        assert np.isfinite(gradient).all(), path
        assert np.abs(gradient).max() > 0, path


def test_refinement_trains_the_coarse_stage_too(filled):
    model, params, image, mask = filled
    gradient = jax.jit(
        jax.grad(lambda p: jnp.mean(jnp.abs(model.apply(p, image, mask)["refined"] - image)))
    )(params)
    assert max(np.abs(g).max() for g in jax.tree.leaves(gradient["params"]["coarse"])) > 0


def test_bfloat16_keeps_float32_parameters_and_is_close(filled):
    model, params, image, mask = filled
    half = DeepFillV2(width=4, dtype=jnp.bfloat16)
    half_params = jax.jit(half.init)(jax.random.key(0), image, mask)
    assert {leaf.dtype for leaf in jax.tree.leaves(half_params)} == {jnp.dtype("float32")}
    # Larger kernels: at the official start the whole output is too small to compare.
    scaled = jax.tree.map(lambda leaf: 3.0 * leaf, params)
    exact = jax.jit(model.apply)(scaled, image, mask)["refined"]
    rounded = jax.jit(half.apply)(scaled, image, mask)["refined"]
    assert rounded.dtype == jnp.float32
    assert np.std(exact) > 0.1
    assert np.abs(rounded - exact).mean() < 0.1 * np.std(exact)


def test_sketch_steers_only_the_hole(filled):
    _, _, image, mask = filled
    model = DeepFillV2(width=4, sketch=True)
    nothing = jnp.zeros_like(mask)
    params = jax.jit(model.init)(jax.random.key(0), image, mask, nothing)
    fill = jax.jit(model.apply)
    plain = fill(params, image, mask, nothing)["coarse"]
    outside = fill(params, image, mask, 1 - mask)["coarse"]
    inside = fill(params, image, mask, mask)["coarse"]
    np.testing.assert_array_equal(plain, outside)
    assert np.abs(plain - inside).max() > 0


def test_wrong_sizes_and_sketches_are_refused(filled):
    model, params, image, mask = filled
    with pytest.raises(ValueError, match="32x44"):
        model.apply(params, image[:, :, :44], mask[:, :, :44])
    with pytest.raises(ValueError, match="sketch=False"):
        model.apply(params, image, mask, mask)
    with pytest.raises(ValueError, match="not given"):
        DeepFillV2(width=4, sketch=True).init(jax.random.key(0), image, mask)
