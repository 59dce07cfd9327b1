import jax
import jax.numpy as jnp
import numpy as np

from jax_inpaint.models.sn_patchgan import SNPatchGAN


def test_official_width_has_the_official_number_of_parameters():
    params = jax.eval_shape(SNPatchGAN().init, jax.random.key(0), jnp.zeros((1, 64, 64, 4)))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 5_946_816


def test_a_256_image_has_4096_logits():
    model = SNPatchGAN(width=64)
    image = jnp.zeros((1, 256, 256, 4))
    params = jax.eval_shape(model.init, jax.random.key(0), image)
    logits = jax.eval_shape(model.apply, params, image)
    assert logits.shape == (1, 4, 4, 256)
    assert logits.dtype == jnp.float32


def test_the_last_layer_is_leaky_too():
    model = SNPatchGAN(width=2)
    image = jax.random.normal(jax.random.key(1), (2, 64, 64, 4))
    params = model.init(jax.random.key(0), image)
    layers = params["params"]
    layers["conv6"] = {
        "kernel": jnp.zeros_like(layers["conv6"]["kernel"]),
        "bias": jnp.full(8, -1.0),
    }
    np.testing.assert_allclose(model.apply(params, image), -0.2, rtol=1e-6)


def test_bfloat16_gives_float32_logits():
    model = SNPatchGAN(width=2, dtype=jnp.bfloat16)
    image = jnp.ones((1, 64, 64, 4))
    assert model.apply(model.init(jax.random.key(0), image), image).dtype == jnp.float32
