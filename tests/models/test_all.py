"""What every generator and discriminator must do, whatever its architecture."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from jax_inpaint.config import from_dict, to_dict
from jax_inpaint.models import DISCRIMINATORS, GENERATORS, deepfillv2
from jax_inpaint.ops.attention import tiled


def small(kind):
    """The narrowest network of a kind, as shallow as its settings allow."""
    names = {field.name for field in dataclasses.fields(kind)}
    shallow = {"levels": 3, "blocks": 1, "hidden": 8, "global_layers": 3, "local_layers": 2}
    return kind(width=4, **{name: shallow[name] for name in shallow if name in names})


def lively(path, leaf):
    """Kernels that keep signals alive through gates; freshly initialised ones may shrink them."""
    if path[-1].key != "kernel":
        return leaf
    key = jax.random.fold_in(jax.random.key(2), leaf.size)
    return jax.random.normal(key, leaf.shape) * np.sqrt(2 / leaf[..., 0].size)


class Filled:
    """A generator of random, lively weights and what it makes of two images."""

    def __init__(self, kind):
        self.config = small(kind)
        self.network = self.config.build()
        side = 2 * self.config.multiple
        height, width = max(side, 32), max(side, 48 if side <= 48 else side)
        keys = jax.random.split(jax.random.key(0), 2)
        self.image = jax.random.uniform(keys[0], (2, height, width, 3), minval=-1, maxval=1)
        mask = jnp.zeros((2, height, width, 1))
        self.mask = mask.at[0, 8:20, 8:30].set(1).at[1, height // 2 :, width // 2 :].set(1)
        self.variables = jax.jit(self.network.init)(keys[1], self.image, self.mask)
        self.variables["params"] = jax.tree.map_with_path(lively, self.variables["params"])
        # Gates halve every signal; strided transposed convolutions thin it out.
        gain = {"deepfillv2": 1.6, "gated_unet": 1.6, "glcic": 1.15, "context_encoder": 1.4}.get(
            kind.architecture, 1.0
        )
        self.variables["params"] = jax.tree.map(lambda x: gain * x, self.variables["params"])
        self.apply = jax.jit(self.network.apply)
        self.outputs = self.apply(self.variables, self.image, self.mask)


@pytest.fixture(scope="module", params=GENERATORS.values(), ids=GENERATORS.keys())
def filled(request):
    return Filled(request.param)


def pictures(outputs):
    return {name: value for name, value in outputs.items() if name != "offset_flow"}


def test_outputs_are_pictures_in_float32(filled):
    outputs = filled.outputs
    assert "composite" in outputs
    assert ("output" in outputs) != ({"coarse", "refined"} <= outputs.keys())
    for name, value in pictures(outputs).items():
        assert value.shape == filled.image.shape, name
        assert value.dtype == jnp.float32, name
        assert np.isfinite(value).all(), name


def test_known_pixels_are_bit_identical_and_holes_are_filled_by_the_network(filled):
    composite = np.asarray(filled.outputs["composite"])
    raw = np.asarray(filled.outputs.get("refined", filled.outputs.get("output")))
    hole = np.broadcast_to(np.asarray(filled.mask) == 1, composite.shape)
    np.testing.assert_array_equal(composite[~hole], np.asarray(filled.image)[~hole])
    np.testing.assert_array_equal(composite[hole], raw[hole])
    assert composite[hole].std() > 0.01


def test_pixels_in_the_hole_are_not_looked_at(filled):
    others = filled.apply(
        filled.variables, jnp.where(filled.mask > 0, 0.7, filled.image), filled.mask
    )
    for name, value in filled.outputs.items():
        np.testing.assert_array_equal(value, others[name], err_msg=name)


def test_each_image_is_filled_by_itself(filled):
    flipped = filled.apply(filled.variables, filled.image[::-1], filled.mask[::-1])
    difference = flipped["composite"][::-1] - filled.outputs["composite"]
    assert np.abs(difference).max() < 1e-3


def test_everything_learns_and_only_training_changes_statistics(filled):
    names = [name for name in pictures(filled.outputs) if name != "composite"]

    def loss(params):
        outputs, changed = filled.network.apply(
            {**filled.variables, "params": params},
            filled.image,
            filled.mask,
            train=True,
            mutable=["batch_stats"],
        )
        return sum(jnp.mean((outputs[name] - 0.3) ** 2) for name in names), changed

    (_, changed), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(
        filled.variables["params"]
    )
    for path, value in traverse_util.flatten_dict(gradient, sep="/").items():
        assert np.isfinite(value).all(), path
        # A bias in front of a normalisation makes no difference; there should be none.
        assert np.abs(value).max() > 0, path
    before = filled.variables.get("batch_stats", {})
    after = changed.get("batch_stats", {})
    assert jax.tree.structure(before) == jax.tree.structure(after)
    for path, value in traverse_util.flatten_dict(after, sep="/").items():
        assert np.abs(value - traverse_util.flatten_dict(before, sep="/")[path]).max() > 0, path


def test_parameters_stay_float32_where_it_computes_in_bfloat16(filled):
    network = dataclasses.replace(filled.config, compute_dtype="bfloat16").build()
    shapes = jax.eval_shape(network.init, jax.random.key(0), filled.image, filled.mask)
    assert {leaf.dtype for leaf in jax.tree.leaves(shapes)} == {jnp.dtype("float32")}
    outputs = jax.jit(network.apply)(filled.variables, filled.image, filled.mask)
    for name, exact in pictures(filled.outputs).items():
        assert outputs[name].dtype == jnp.float32, name
        difference = np.abs(outputs[name] - exact).mean()
        assert 0 < difference < 0.15 * np.std(exact), name


def test_the_network_to_fill_with_gives_the_same_composite(filled, monkeypatch):
    """With the smallest tiles, so that attention is left out wherever it may be."""
    monkeypatch.setattr(tiled, "tile_shape", lambda h, w, **_: (1, 1))
    network = filled.config.build_to_fill()
    attends = filled.config.architecture in ("deepfillv1", "deepfillv2")
    assert (network != filled.network) == attends
    if not attends:
        return
    image = jax.random.uniform(jax.random.key(3), (1, 160, 192, 3), minval=-1, maxval=1)
    mask = jnp.zeros((1, 160, 192, 1)).at[0, 72:88, 88:96].set(1)
    outputs = jax.jit(network.apply)(filled.variables, image, mask)
    monkeypatch.setattr(deepfillv2, "hole_is_near", lambda mask: mask[:, ::8, ::8, 0] < 2)
    everywhere = jax.jit(network.apply)(filled.variables, image, mask)
    np.testing.assert_array_equal(outputs["composite"], everywhere["composite"])
    assert np.abs(outputs["refined"] - everywhere["refined"])[0, :16].max() > 1e-3
    exact = jax.jit(filled.network.apply)(filled.variables, image, mask)
    np.testing.assert_allclose(everywhere["refined"], exact["refined"], atol=1e-3)


def test_sizes_that_do_not_fit_are_refused(filled):
    side = filled.config.multiple
    wide = jnp.zeros((1, side, side + 1, 3))
    with pytest.raises(ValueError, match=f"multiples of {side}.*{side}x{side + 1}"):
        jax.eval_shape(filled.network.apply, filled.variables, wide, wide[..., :1])


def test_its_settings_survive_json(filled):
    text = json.dumps(to_dict(filled.config))
    values = json.loads(text)
    assert values.pop("architecture") == filled.config.architecture
    assert from_dict(type(filled.config), values) == filled.config


@pytest.fixture(scope="module", params=DISCRIMINATORS.values(), ids=DISCRIMINATORS.keys())
def judged(request):
    config = small(request.param)
    network = config.build(jnp.float32)
    image = jax.random.uniform(jax.random.key(0), (2, 64, 64, 3), minval=-1, maxval=1)
    mask = jnp.zeros((2, 64, 64, 1)).at[:, 20:40, 20:44].set(1)
    variables = jax.jit(network.init)(jax.random.key(1), image, mask)

    @jax.jit
    def judge(params, image):
        return network.apply({"params": params}, image, mask, mutable=["batch_stats"])[0]

    return config, variables["params"], judge, image


def test_judgements_are_logits_and_features_in_float32(judged):
    _, params, judge, image = judged
    judgement = judge(params, image)
    assert judgement.keys() == {"logits", "features"}
    assert len(judgement["logits"]) >= 1
    for value in (*judgement["logits"], *judgement["features"]):
        assert value.shape[0] == 2
        assert value.dtype == jnp.float32
        assert np.isfinite(value).all()


def test_every_parameter_of_a_discriminator_learns(judged):
    _, params, judge, image = judged

    def loss(params):
        return sum(jnp.mean((x - 1) ** 2) for x in judge(params, image)["logits"])

    gradient = traverse_util.flatten_dict(jax.jit(jax.grad(loss))(params), sep="/")
    for path, value in gradient.items():
        assert np.isfinite(value).all(), path
        assert np.abs(value).max() > 0, path


def test_names_are_unique():
    assert not GENERATORS.keys() & DISCRIMINATORS.keys()
