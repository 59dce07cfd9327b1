import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import traverse_util

from jax_inpaint.models.deepfillv1 import DeepFillV1, DeepFillV1Config
from jax_inpaint.models.deepfillv2 import DeepFillV2
from jax_inpaint.ops.attention import contextual_attention
from jax_inpaint.ops.patches import same_padding
from jax_inpaint.ops.resize import downsample_nearest
from tests.twins.torch_arrays import from_torch, to_torch

# The official build_inpaint_net: name and features over those of the first layer; then what isn't
# kernel 3, stride 1, rate 1 with ELU.
COARSE = """conv1 1, conv2_downsample 2, conv3 2, conv4_downsample 4, conv5 4, conv6 4,
    conv7_atrous 4, conv8_atrous 4, conv9_atrous 4, conv10_atrous 4, conv11 4, conv12 4,
    conv13_upsample 2, conv14 2, conv15_upsample 1, conv16 0.5"""
DILATED = """xconv1 1, xconv2_downsample 1, xconv3 2, xconv4_downsample 2, xconv5 4, xconv6 4,
    xconv7_atrous 4, xconv8_atrous 4, xconv9_atrous 4, xconv10_atrous 4"""
BEFORE = "pmconv1 1, pmconv2_downsample 1, pmconv3 2, pmconv4_downsample 4, pmconv5 4, pmconv6 4"
AFTER = "pmconv9 4, pmconv10 4"
MERGED = """allconv11 4, allconv12 4, allconv13_upsample 2, allconv14 2, allconv15_upsample 1,
    allconv16 0.5"""
RATE = {"conv7": 2, "conv8": 4, "conv9": 8, "conv10": 16}


def features_of(table):
    return {name: float(share) for name, share in (entry.split() for entry in table.split(","))}


def convolve(x, weights, stride=1, rate=1):
    """TensorFlow's 'SAME'."""
    kernel, bias = (torch.from_numpy(np.array(weights[k])) for k in ("kernel", "bias"))
    reach = rate * (kernel.shape[0] - 1) + 1
    rows, columns = (same_padding(size, reach, stride) for size in x.shape[2:])
    x = torch.nn.functional.pad(x, (*columns, *rows))
    return torch.nn.functional.conv2d(
        x, kernel.permute(3, 2, 0, 1), bias, stride=stride, dilation=rate
    )


def run(x, table, params):
    for name in features_of(table):
        weights = params[name]
        if name.endswith("upsample"):
            x, weights = torch.nn.functional.interpolate(x, scale_factor=2), weights["up"]
        stride = 2 if name.endswith("downsample") else 1
        rate = RATE[name.removesuffix("_atrous").lstrip("x")] if name.endswith("atrous") else 1
        x = convolve(x, weights["conv"], stride, rate)
        x = x.relu() if name == "pmconv6" else torch.nn.functional.elu(x)
    return x


def to_picture(x, weights):
    return convolve(x, weights["conv"]).clamp(-1, 1)


def published(params, image, mask):
    """Both stages' pictures."""
    coarse, fine = params["coarse"], params["refinement"]
    hole, known = to_torch(mask), to_torch(image * (1 - mask))
    ones = torch.ones_like(hole)
    first = to_picture(run(torch.cat([known, ones, hole], 1), COARSE, coarse), coarse["conv17"])
    x = torch.cat([first * hole + known, ones, hole], 1)
    dilated = run(x, DILATED, fine)
    small = downsample_nearest(mask, mask.shape[1] // 4, mask.shape[2] // 4)
    features = jnp.asarray(from_torch(run(x, BEFORE, fine)))
    attended = to_torch(jax.jit(contextual_attention)(features, features, small)[0])
    merged = run(torch.cat([dilated, run(attended, AFTER, fine)], 1), MERGED, fine)
    return from_torch(first), from_torch(to_picture(merged, fine["allconv17"]))


@pytest.fixture(scope="module")
def filled():
    model = DeepFillV1(width=4)
    image = jax.random.uniform(jax.random.key(1), (2, 32, 48, 3), minval=-1, maxval=1)
    mask = jnp.zeros((2, 32, 48, 1)).at[0, 8:20, 8:30].set(1).at[1, 16:, 24:].set(1)
    params = jax.jit(model.init)(jax.random.key(0), image, mask)["params"]
    # Large enough that some pixels are clipped.
    params = jax.tree.map(lambda leaf: 1.4 * leaf, params)
    return params, image, mask, jax.jit(model.apply)({"params": params}, image, mask)


def test_it_is_the_published_network(filled):
    params, image, mask, outputs = filled
    coarse, refined = published(params, image, mask)
    for got, expected in [(outputs["coarse"], coarse), (outputs["refined"], refined)]:
        assert np.std(expected) > 0.1
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=2e-5)


def shapes(network):
    image, mask = jnp.zeros((1, 64, 64, 3)), jnp.zeros((1, 64, 64, 1))
    return jax.eval_shape(network.init, jax.random.key(0), image, mask)["params"]


def test_published_size_and_widths():
    params = shapes(DeepFillV1Config().build())
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 3_601_542
    layers = {}
    for path, leaf in traverse_util.flatten_dict(params).items():
        layers.setdefault(path[1], {})[path[-1]] = leaf.shape
    published = {"conv17": 3, "allconv17": 3}
    for table in (COARSE, DILATED, BEFORE, AFTER, MERGED):
        published |= {name: int(32 * share) for name, share in features_of(table).items()}
    assert {name: layer["bias"][0] for name, layer in layers.items()} == published
    # Colours, ones and the mask, in both stages.
    firsts = ["conv1", "xconv1", "pmconv1"]
    assert [layers[name]["kernel"] for name in firsts] == [(5, 5, 5, 32)] * 3


def test_its_successor_has_the_same_layers():
    first, second = shapes(DeepFillV1(width=4)), shapes(DeepFillV2(width=4))
    for stage in ("coarse", "refinement"):
        assert first[stage].keys() == second[stage].keys()


def test_clipped_pixels_have_no_gradient_and_the_second_stage_trains_the_first(filled):
    params, image, mask, outputs = filled
    clipped = np.abs(outputs["coarse"]) == 1
    assert 0.001 < clipped.mean() < 0.9
    nothing = np.zeros_like(clipped)

    @jax.jit
    def gradient(coarse_pixels, refined_pixels):
        """Of the first stage's last bias, from so many pixels of either picture."""

        def loss(params):
            outputs = DeepFillV1(width=4).apply({"params": params}, image, mask)
            counted = outputs["coarse"] * coarse_pixels + outputs["refined"] * refined_pixels
            return jnp.sum(counted)

        return jax.grad(loss)(params)["coarse"]["conv17"]["conv"]["bias"]

    np.testing.assert_array_equal(gradient(clipped, nothing), 0)
    assert (gradient(~clipped, nothing) > 0).all()
    assert (gradient(nothing, ~nothing) != 0).all()


def test_odd_widths_are_refused():
    with pytest.raises(ValueError, match="even"):
        DeepFillV1Config(width=5)
