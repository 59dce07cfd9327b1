import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.losses.smoothness import total_variation


def loop(image: np.ndarray, region: np.ndarray, power: int) -> float:
    h, w, c = image.shape
    total = 0.0
    for y in range(h):
        for x in range(w):
            for v, u in ((y + 1, x), (y, x + 1)):
                if v < h and u < w and region[y, x] and region[v, u]:
                    total += (np.abs(image[v, u] - image[y, x]) ** power).sum()
    return total / (h * w * c)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("whole", [True, False])
def test_pairs_within_the_region_are_summed_and_divided_by_the_whole_image(power, whole):
    random = np.random.default_rng(0)
    image = random.normal(size=(2, 6, 5, 3)).astype(np.float32)
    region = np.ones((2, 6, 5, 1)) if whole else random.integers(0, 2, (2, 6, 5, 1))
    given = None if whole else jnp.asarray(region, jnp.float32)
    losses = total_variation(jnp.asarray(image), given, power)
    for i in range(2):
        np.testing.assert_allclose(losses[i], loop(image[i], region[i], power), rtol=1e-5)


def test_an_edge_outside_the_region_does_not_count():
    image = jnp.zeros((1, 8, 8, 3)).at[:, :, 4:].set(1)
    left = jnp.zeros((1, 8, 8, 1)).at[:, :, :4].set(1)
    assert total_variation(image, left)[0] == 0
    assert total_variation(image)[0] == pytest.approx(1 / 8)
