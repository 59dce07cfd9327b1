"""GAN losses against NumPy's logarithms, penalties against closed forms."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.losses.adversarial import (
    GAN_LOSSES,
    discriminator_loss,
    fakeness,
    generator_loss,
    gradient_penalty,
    r1_penalty,
)

ONES = (jnp.ones(()),)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# What each logit costs the discriminator for real and fake images, and the generator.
DEFINITIONS = {
    "hinge": (lambda x: np.maximum(1 - x, 0) / 2, lambda x: np.maximum(1 + x, 0) / 2, lambda x: -x),
    "bce": (
        lambda x: -np.log(sigmoid(x)),
        lambda x: -np.log(1 - sigmoid(x)),
        lambda x: -np.log(sigmoid(x)),
    ),
    "bce_saturating": (
        lambda x: -np.log(sigmoid(x)),
        lambda x: -np.log(1 - sigmoid(x)),
        lambda x: np.log(1 - sigmoid(x)),
    ),
    "least_squares": (lambda x: (x - 1) ** 2, lambda x: x**2, lambda x: (x - 1) ** 2),
    "wasserstein": (lambda x: -x, lambda x: x, lambda x: -x),
}


@pytest.fixture(scope="module")
def logits():
    rng = np.random.default_rng(0)
    heads = [(3, 4, 5, 2), (3, 1)]
    return [
        tuple(jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in heads)
        for _ in ("real", "fake")
    ]


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_losses_are_means_over_logits_and_sums_over_heads(kind, logits):
    assert GAN_LOSSES.keys() == DEFINITIONS.keys()
    real, fake = logits
    for_real, for_fake, to_fool = DEFINITIONS[kind]
    mean = lambda x: x.reshape(3, -1).mean(axis=1)  # noqa: E731
    expected = sum(mean(for_real(r)) + mean(for_fake(f)) for r, f in zip(real, fake, strict=True))
    np.testing.assert_allclose(
        discriminator_loss(kind, real, fake, ONES * 2), expected, rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(
        generator_loss(kind, fake, ONES * 2), sum(mean(to_fool(f)) for f in fake), rtol=1e-4
    )


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_the_generator_wins_by_raising_the_logits_the_discriminator_by_telling_apart(kind, logits):
    fake = logits[1][:1]
    gradient = jax.grad(lambda x: jnp.sum(generator_loss(kind, (x,), ONES)))(fake[0])
    beyond = fake[0] > 1 if kind == "least_squares" else np.zeros_like(fake[0], bool)
    assert np.all(np.where(beyond, gradient >= 0, gradient <= 0))
    right, wrong = (jnp.full((1, 2, 2, 1), v) for v in (0.9, -0.9))
    assert discriminator_loss(kind, (right,), (wrong,), ONES) < discriminator_loss(
        kind, (wrong,), (right,), ONES
    )


def test_hinge_loss_is_one_at_chance():
    zero = (jnp.zeros((1, 2, 2, 1)),)
    np.testing.assert_allclose(discriminator_loss("hinge", zero, zero, ONES), 1)


def test_known_patches_of_a_composite_count_as_real():
    """LaMa: softplus(fake) in the hole, softplus(-fake) elsewhere."""
    fake = jnp.array([[[[2.0], [2.0]]]])
    share = jnp.array([[[[1.0], [0.0]]]])
    loss = discriminator_loss("bce", (jnp.full_like(fake, 100.0),), (fake,), (share,))
    np.testing.assert_allclose(loss, (np.log1p(np.exp(2)) + np.log1p(np.exp(-2))) / 2, rtol=1e-5)


def test_a_soft_share_of_squares_has_the_gradient_of_a_soft_label():
    """AOT-GAN regresses the label 1 - share."""
    rng = np.random.default_rng(1)
    fake, share = (jnp.asarray(x, jnp.float32) for x in rng.uniform(size=(2, 1, 3, 3, 1)))
    real = (jnp.ones((1, 3, 3, 1)),)
    gradient = jax.grad(
        lambda x: jnp.sum(discriminator_loss("least_squares", real, (x,), (share,)))
    )(fake)
    np.testing.assert_allclose(gradient, 2 * (fake - (1 - share)) / 9, rtol=1e-4, atol=1e-6)


def test_fakeness_is_everywhere_or_the_mask_at_the_logits_size():
    mask = jnp.zeros((2, 16, 16, 1)).at[0, 4:8, 8:].set(1)
    logits = jnp.zeros((2, 4, 4, 3))
    share = np.asarray(fakeness("hole", mask, logits))
    expected = np.zeros((2, 4, 4, 1))
    expected[0, 1, 2:] = 1
    np.testing.assert_array_equal(share, expected)
    assert fakeness("everywhere", mask, logits) == 1
    assert fakeness("hole", mask, logits[:, 0, 0]) == 1  # one logit for the whole image


def test_a_soft_hole_is_the_blurred_mask_the_right_way_round():
    mask = jnp.zeros((1, 512, 512, 1)).at[:, :, 256:].set(1)
    share = np.asarray(fakeness("soft_hole", mask, jnp.zeros((1, 64, 64, 1))))[0, 32, :, 0]
    assert share[0] == 0  # known, far from the hole: as real as a photograph
    assert share[-1] == pytest.approx(1, abs=1e-5)  # fake, deep in the hole
    # The hole's edge lies between the pixels 255 and 256; logit 32 looks at pixel 256.
    normal = [0.5 * (1 + math.erf((8 * i - 255.5) / 10 / math.sqrt(2))) for i in range(64)]
    np.testing.assert_allclose(share, normal, atol=0.01)


def numbers(images):
    return jnp.arange(len(images))


def linear(slope):
    """A critic of two heads whose gradients are known: ``slope`` everywhere, twice that."""
    return lambda x: (
        jnp.sum(slope * x, axis=(1, 2, 3))[:, None],
        2 * jnp.sum(slope * x, (1, 2, 3)),
    )


def test_gradient_penalty_of_a_linear_critic_is_its_slope():
    slope = np.random.default_rng(0).normal(size=(4, 4, 3)).astype(np.float32)
    real, fake = jnp.zeros((2, 4, 4, 3)), jnp.ones((2, 4, 4, 3))
    norm = np.sqrt((slope**2).sum())
    everywhere = gradient_penalty(
        jax.random.key(0), linear(slope), real, fake, jnp.ones(()), jnp.arange(len(real))
    )
    np.testing.assert_allclose(everywhere, (norm - 1) ** 2 + (2 * norm - 1) ** 2, rtol=1e-4)


def test_a_masked_penalty_ignores_the_gradient_outside_the_hole():
    slope = np.random.default_rng(0).normal(size=(4, 4, 3)).astype(np.float32)
    real, fake = jnp.zeros((1, 4, 4, 3)), jnp.ones((1, 4, 4, 3))
    mask = jnp.zeros((1, 4, 4, 1)).at[:, 1:3, 2:].set(1)
    inside = np.sqrt(((slope * mask) ** 2).sum())
    penalty = gradient_penalty(
        jax.random.key(0), linear(slope), real, fake, mask, jnp.arange(len(real))
    )
    np.testing.assert_allclose(penalty, (inside - 1) ** 2 + (2 * inside - 1) ** 2, rtol=1e-4)


def test_the_penalty_is_taken_between_real_and_fake_and_differs_by_image():
    seen = []

    def critic(x):
        jax.debug.callback(lambda value: seen.append(np.asarray(value)), x)
        return (jnp.sum(x**2, axis=(1, 2, 3))[:, None],)

    real, fake = jnp.full((3, 2, 2, 1), -1.0), jnp.full((3, 2, 2, 1), 1.0)
    penalty = gradient_penalty(
        jax.random.key(0), critic, real, fake, jnp.ones(()), jnp.arange(len(real))
    )
    jax.effects_barrier()
    assert all(np.ptp(image) == 0 for image in seen[0])
    assert len({float(image.flat[0]) for image in seen[0]}) == 3
    assert np.abs(seen[0]).max() < 1
    np.testing.assert_allclose(penalty, (2 * np.abs(seen[0][:, 0, 0, 0]) * 2 - 1) ** 2, rtol=1e-4)


def test_penalties_of_a_part_of_a_batch_are_those_of_the_whole():
    critic = lambda x: (jnp.sum(x**3, axis=(1, 2, 3)),)  # noqa: E731
    rng = np.random.default_rng(0)
    real, fake = (jnp.asarray(x, jnp.float32) for x in rng.normal(size=(2, 4, 2, 2, 3)))
    key, one = jax.random.key(0), jnp.ones(())
    whole = gradient_penalty(key, critic, real, fake, one, numbers(real))
    part = gradient_penalty(key, critic, real[2:], fake[2:], one, numbers(real)[2:])
    np.testing.assert_allclose(part, whole[2:], rtol=1e-5)


def test_a_flat_critic_has_a_finite_gradient_of_its_penalty():
    real = fake = jnp.zeros((1, 2, 2, 3))

    def loss(slope):
        return jnp.sum(
            gradient_penalty(
                jax.random.key(0), linear(slope), real, fake, jnp.ones(()), jnp.arange(len(real))
            )
        )

    assert np.isfinite(jax.grad(loss)(jnp.zeros((2, 2, 3)))).all()


def test_r1_is_the_squared_gradient_at_real_images():
    slope = np.random.default_rng(0).normal(size=(4, 4, 3)).astype(np.float32)
    real = jnp.zeros((2, 4, 4, 3))
    expected = 9 * (slope**2).sum()  # the heads' gradients add up to three slopes
    np.testing.assert_allclose(r1_penalty(linear(slope), real), expected, rtol=1e-5)
