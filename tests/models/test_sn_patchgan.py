import jax
import jax.numpy as jnp
import numpy as np

from jax_inpaint.models.sn_patchgan import SNPatchGAN

IMAGE, MASK = jnp.zeros((1, 256, 256, 3)), jnp.zeros((1, 256, 256, 1))


def test_official_width_has_the_official_number_of_parameters():
    params = jax.eval_shape(SNPatchGAN().init, jax.random.key(0), IMAGE, MASK)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 5_946_816


def test_a_sketch_is_a_fifth_channel():
    params = jax.eval_shape(SNPatchGAN().init, jax.random.key(0), IMAGE, MASK, MASK)
    assert params["params"]["conv1"]["conv"]["kernel"].shape == (5, 5, 5, 64)


def test_a_256_image_has_4096_logits():
    model = SNPatchGAN(width=64)
    params = jax.eval_shape(model.init, jax.random.key(0), IMAGE, MASK)
    (logits,) = jax.eval_shape(model.apply, params, IMAGE, MASK)["logits"]
    assert logits.shape == (1, 4, 4, 256)
    assert logits.dtype == jnp.float32


def test_the_last_layer_is_leaky_too():
    model = SNPatchGAN(width=2)
    image = jax.random.normal(jax.random.key(1), (2, 64, 64, 3))
    mask = image[..., :1]
    params = model.init(jax.random.key(0), image, mask)
    kernel = params["params"]["conv6"]["conv"]["kernel"]
    last = {"kernel": jnp.zeros_like(kernel), "bias": jnp.full(8, -1.0)}
    params["params"]["conv6"]["conv"] = last
    (logits,) = model.apply(params, image, mask)["logits"]
    np.testing.assert_allclose(logits, -0.2, rtol=1e-6)


def test_bfloat16_gives_float32_logits():
    model = SNPatchGAN(width=2, dtype=jnp.bfloat16)
    image, mask = jnp.ones((1, 64, 64, 3)), jnp.ones((1, 64, 64, 1))
    judgement = model.apply(model.init(jax.random.key(0), image, mask), image, mask)
    assert judgement["logits"][0].dtype == jnp.float32
