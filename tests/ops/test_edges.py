import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from jax_inpaint.ops.edges import sobel_edges


def test_edges_are_where_scipys_sobel_gradient_is_strong():
    image = np.random.default_rng(0).uniform(-1, 1, size=(2, 20, 30, 3)).astype(np.float32)
    edges = np.asarray(sobel_edges(jnp.asarray(image), threshold=1.5))
    for result, rgb in zip(edges, image, strict=True):
        grey = rgb.mean(axis=-1)
        length = np.hypot(
            ndimage.sobel(grey, 0, mode="nearest"), ndimage.sobel(grey, 1, mode="nearest")
        )
        np.testing.assert_array_equal(result[..., 0], length > 1.5)


def test_a_step_from_black_to_white_is_an_edge_two_pixels_wide():
    image = np.full((1, 8, 8, 3), -1, np.float32)
    image[:, :, 4:] = 1
    edges = sobel_edges(jnp.asarray(image))[0, :, :, 0]
    np.testing.assert_array_equal(edges, np.tile([0, 0, 0, 1, 1, 0, 0, 0], (8, 1)))
