import colorsys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec
from scipy.ndimage import gaussian_filter

from jax_inpaint.config import DataConfig
from jax_inpaint.data.augmentation import augment, change_color
from jax_inpaint.ops.blur import gaussian_blur

KEY = jax.random.key(0)


def augmented(images, key=KEY, **fields):
    return np.asarray(jax.jit(partial(augment, config=DataConfig(**fields)))(key, images))


@pytest.fixture(scope="module")
def images():
    """Noise whose values are clipped by no change."""
    return np.random.default_rng(0).uniform(-0.2, 0.2, (300, 6, 7, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def jittered(images):
    return augmented(images, color_jitter=1.0)


def affine_maps(images, changed):
    """The matrix and the offset that turn each image's colours into the changed ones."""
    pixels = images.reshape(len(images), -1, 3)
    known = np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=-1)
    maps = np.stack(
        [
            np.linalg.lstsq(x, y, rcond=None)[0]
            for x, y in zip(known, np.reshape(changed, pixels.shape), strict=True)
        ]
    )
    np.testing.assert_allclose(known @ maps, np.reshape(changed, pixels.shape), atol=1e-5)
    return maps[:, :3].transpose(0, 2, 1), maps[:, 3]


def test_nothing_is_computed_without_an_augmentation(images):
    images = jnp.asarray(images)
    assert augment(KEY, images, DataConfig()) is images


# Colours.


def reference_color(image, angle, saturation, contrast, brightness):
    """The change on uint8, in steps, by a matrix about the grey axis (Rodrigues)."""
    axis = np.full(3, 1 / np.sqrt(3))
    changed = np.empty(image.shape)
    for place in np.ndindex(image.shape[:2]):
        color = image[place] - 127.5
        grey = axis * (axis @ color)
        chroma = saturation * (color - grey)
        turned = np.cos(angle) * chroma + np.sin(angle) * np.cross(axis, chroma)
        changed[place] = contrast * (grey + turned) + 127.5 + brightness
    return changed


@pytest.mark.parametrize(
    "change", [(0.0, 1.0, 1.0, 0.0), (1.0, 0.3, 0.6, -20.0), (-2.5, 1.5, 1.2, 51.0)]
)
def test_the_change_is_that_of_the_reference(change):
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    angle, saturation, contrast, brightness = change
    changed = change_color(
        jnp.asarray(image / np.float32(127.5) - 1), angle, saturation, contrast, brightness / 127.5
    )
    expected = reference_color(image, angle, saturation, contrast, brightness)
    np.testing.assert_allclose((np.asarray(changed) + 1) * 127.5, expected, atol=1e-3)


def test_a_third_of_a_turn_permutes_the_channels(images):
    turned = change_color(jnp.asarray(images[0]), 2 * np.pi / 3, 1.0, 1.0, 0.0)
    np.testing.assert_allclose(turned, np.roll(images[0], 1, axis=-1), atol=1e-6)


def test_changes_are_drawn_from_all_of_their_ranges(images, jittered):
    matrices, offsets = affine_maps(images, jittered)
    # The grey axis is kept and scaled by the contrast.
    contrast = matrices.sum(axis=-1)[:, 0]
    np.testing.assert_allclose(matrices.sum(axis=-1), contrast[:, None].repeat(3, 1), atol=1e-4)
    np.testing.assert_allclose(offsets, offsets[:, :1].repeat(3, 1), atol=1e-5)
    # Across the axis, the matrix is saturation times contrast times a turn.
    plane = np.array([[1, -1, 0], [1, 1, -2]]) / np.sqrt([[2], [6]])
    turns = plane @ matrices @ plane.T
    saturation = np.sqrt(np.linalg.det(turns)) / contrast
    angle = np.arctan2(turns[:, 1, 0], turns[:, 0, 0])
    for values, low, high in (
        (angle, -np.pi, np.pi),
        (saturation, 0.0, 1.5),
        (contrast, 0.5, 1.2),
        (offsets[:, 0], -0.4, 0.4),
    ):
        share = (values - low) / (high - low)
        assert share.min() > -1e-3
        assert share.max() < 1 + 1e-3
        assert np.histogram(share, bins=5, range=(0, 1))[0].min() > 35  # 60 expected, deviation 7


def test_all_hues_occur():
    red = np.full((300, 1, 1, 3), (0.5, -0.5, -0.5), np.float32)
    changed = augmented(red, color_jitter=1.0)
    hues = [colorsys.rgb_to_hsv(*((image[0, 0] + 1) / 2))[0] for image in changed]
    assert np.histogram(hues, bins=6, range=(0, 1))[0].min() > 20


def test_strength_scales_the_change(images):
    matrices, offsets = affine_maps(images, augmented(images, color_jitter=0.1))
    contrast = matrices.sum(axis=-1)[:, 0]
    assert 0.95 - 1e-4 < contrast.min() < 0.96
    assert 1.01 < contrast.max() < 1.02 + 1e-4
    assert 0.035 < np.abs(offsets).max() < 0.04 + 1e-4


def test_values_stay_in_range():
    extreme = np.sign(np.random.default_rng(0).normal(size=(50, 4, 4, 3))).astype(np.float32)
    changed = augmented(extreme, color_jitter=1.0, blur=0.5)
    assert changed.dtype == np.float32
    assert changed.min() == -1
    assert changed.max() == 1


# Blur.


@pytest.fixture(scope="module")
def blurred(images):
    return augmented(images, blur=0.4, blur_sigma=(0.5, 2.0))


@pytest.mark.parametrize("shape", [(9, 20, 3), (3, 5, 1)])
def test_blur_is_that_of_scipy(shape):
    # Fewer rows than the kernel has to each side are mirrored again and again.
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    blur = jax.jit(gaussian_blur, static_argnums=2)
    for sigma in (0.1, 0.7, 2.0):
        expected = gaussian_filter(image, sigma, radius=6, mode="reflect", axes=(0, 1))
        np.testing.assert_allclose(blur(image, sigma, 6), expected, atol=1e-6)
    np.testing.assert_array_equal(blur(image, 0.0, 6), image)


def test_the_asked_share_is_blurred_and_the_rest_untouched(images, blurred):
    untouched = np.all(blurred == images, axis=(1, 2, 3))
    assert abs(untouched.mean() - 0.6) < 4 * np.sqrt(0.24 / len(images))


def test_blurs_of_all_strengths_occur(images, blurred):
    sigmas = np.linspace(0.4, 2.1, 35)
    candidates = np.stack(
        [gaussian_filter(images, sigma, radius=6, axes=(1, 2)) for sigma in sigmas]
    )
    errors = np.abs(candidates - blurred).max(axis=(2, 3, 4))
    found = sigmas[errors.argmin(axis=0)][np.any(blurred != images, axis=(1, 2, 3))]
    assert 0.5 - 0.06 < found.min() < 0.6
    assert 1.85 < found.max() < 2.0 + 0.06
    assert abs(found.mean() - 1.25) < 4 * 1.5 / np.sqrt(12 * len(found))


# Randomness.


def test_blur_and_colours_are_drawn_apart(images, jittered, blurred):
    both = augmented(images, color_jitter=1.0, blur=0.4, blur_sigma=(0.5, 2.0))
    untouched = np.all(blurred == images, axis=(1, 2, 3))
    np.testing.assert_allclose(both[untouched], jittered[untouched], atol=1e-6)
    # Colours change the same way whether an image is blurred or not.
    for of_jittered, of_both in zip(
        affine_maps(images, jittered), affine_maps(blurred, both), strict=True
    ):
        np.testing.assert_allclose(of_both, of_jittered, atol=1e-2)


def test_keys_and_images_differ(images):
    same = np.broadcast_to(images[:1], (8, *images.shape[1:]))
    changed = [augmented(same, jax.random.key(seed), color_jitter=0.5) for seed in (1, 2)]
    assert len({image.tobytes() for image in np.concatenate(changed)}) == 16


def test_devices_draw_what_one_device_draws(images):
    batch = images[:16]
    config = DataConfig(color_jitter=0.5, blur=0.5)

    def part(images):
        return augment(KEY, images, config, jax.lax.axis_index("data") * len(images))

    spec = PartitionSpec("data")
    mesh = Mesh(np.array(jax.devices()), ("data",))
    sharded = jax.jit(jax.shard_map(part, mesh=mesh, in_specs=spec, out_specs=spec))(batch)
    np.testing.assert_allclose(sharded, augmented(batch, color_jitter=0.5, blur=0.5), atol=1e-6)
