import jax.numpy as jnp
import numpy as np

from jax_inpaint.losses.adversarial import hinge_discriminator, hinge_generator


def test_hinge_losses_are_the_official_ones():
    real, fake = np.random.default_rng(0).normal(scale=2, size=(2, 3, 4, 4, 8)).astype(np.float32)
    losses = hinge_discriminator(jnp.asarray(real), jnp.asarray(fake))
    for i in range(3):
        expected = 0.5 * np.maximum(1 - real[i], 0).mean() + 0.5 * np.maximum(1 + fake[i], 0).mean()
        np.testing.assert_allclose(losses[i], expected, rtol=1e-5)
    np.testing.assert_allclose(
        hinge_generator(jnp.asarray(fake)), -fake.mean(axis=(1, 2, 3)), rtol=1e-4
    )


def test_chance_is_one_and_certainty_is_zero():
    zeros = jnp.zeros((1, 2, 2, 1))
    assert float(hinge_discriminator(zeros, zeros)[0]) == 1
    assert float(hinge_discriminator(zeros + 2, zeros - 2)[0]) == 0
