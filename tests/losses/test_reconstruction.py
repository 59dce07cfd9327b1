import jax.numpy as jnp
import numpy as np

from jax_inpaint.losses.reconstruction import l1


def test_l1_is_the_mean_over_each_whole_image():
    output, target = np.random.default_rng(0).normal(size=(2, 3, 8, 6, 3)).astype(np.float32)
    expected = [np.abs(output[i] - target[i]).mean() for i in range(3)]
    np.testing.assert_allclose(l1(jnp.asarray(output), jnp.asarray(target)), expected, rtol=1e-5)
