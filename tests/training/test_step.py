import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.config import OptimizerConfig, TrainConfig
from jax_inpaint.images import from_uint8
from jax_inpaint.losses.terms import Adversarial
from jax_inpaint.masks import sample_masks
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.ops.spectral import spectral_normalize
from jax_inpaint.training.schedule import learning_rate
from jax_inpaint.training.state import init_state
from jax_inpaint.training.step import Purpose, make_train_step, random_key
from tests.small import small

CONFIG = small(generator_optimizer=OptimizerConfig(learning_rate=1e-3))


def images(seed=0, batch=4):
    return jnp.asarray(np.random.default_rng(seed).integers(0, 256, (batch, 32, 32, 3), np.uint8))


def run(config, state, images):
    return jax.jit(make_train_step(config))(state, {"image": images}, {})


@pytest.fixture(scope="module")
def stepped():
    state = init_state(CONFIG)
    return state, *run(CONFIG, state, images())


drawn_masks = jax.jit(sample_masks, static_argnums=(1, 2, 3, 4))


def reference_losses(config, state, discriminator_params, spectral, batch):
    """The losses of one step, written out from the definitions."""
    image = from_uint8(batch)
    key = random_key(config.train.seed, state.step, Purpose.MASKS)
    mask = drawn_masks(key, *batch.shape[:3], config.masks)
    outputs = jax.jit(config.generator.build().apply)({"params": state.generator}, image, mask)
    normalized, _ = jax.jit(spectral_normalize)(discriminator_params, spectral)
    discriminate = jax.jit(config.discriminator.build(jnp.float32).apply)

    def logits(x):
        (heads,) = discriminate({"params": normalized}, x, mask)["logits"]
        return np.asarray(heads)

    real, fake = logits(image), logits(outputs["composite"])
    hinge = 0.5 * np.maximum(1 - real, 0).mean() + 0.5 * np.maximum(1 + fake, 0).mean()
    return {
        "discriminator_loss": hinge,
        "adversarial": -fake.mean(),
        "coarse_l1": np.abs(outputs["coarse"] - image).mean(),
        "refined_l1": np.abs(outputs["refined"] - image).mean(),
    }


def test_losses_are_those_of_the_definition(stepped):
    before, after, metrics = stepped
    old = reference_losses(CONFIG, before, before.discriminator, before.spectral, images())
    new = reference_losses(CONFIG, before, after.discriminator, after.spectral, images())
    for name in ("discriminator_loss", "coarse_l1", "refined_l1"):
        assert float(metrics[name]) == pytest.approx(old[name], rel=1e-4)
    # The generator meets the discriminator that has just been updated.
    assert float(metrics["adversarial"]) == pytest.approx(new["adversarial"], rel=1e-3)
    total = metrics["coarse_l1"] + metrics["refined_l1"] + metrics["adversarial"]
    assert float(metrics["generator_loss"]) == pytest.approx(float(total), rel=1e-5)


def test_generator_update_is_adam_on_the_gradient_of_the_whole_objective(stepped):
    before, after, _ = stepped
    image = from_uint8(images())
    mask = drawn_masks(
        random_key(CONFIG.train.seed, before.step, Purpose.MASKS), 4, 32, 32, CONFIG.masks
    )
    normalized, _ = spectral_normalize(after.discriminator, after.spectral)
    generator = CONFIG.generator.build()
    discriminator = CONFIG.discriminator.build(jnp.float32)

    def loss(params):
        outputs = generator.apply({"params": params}, image, mask)
        judged = discriminator.apply({"params": normalized}, outputs["composite"], mask)
        return (
            jnp.mean(jnp.abs(outputs["coarse"] - image))
            + jnp.mean(jnp.abs(outputs["refined"] - image))
            - jnp.mean(judged["logits"][0])
        )

    gradient = jax.jit(jax.grad(loss))(before.generator)
    # At the first step Adam moves every parameter by rate * g / (|g| + eps).
    for old, new, g in zip(
        *(jax.tree.leaves(t) for t in (before.generator, after.generator, gradient)), strict=True
    ):
        big = np.abs(g) > 1e-5  # where eps and rounding don't matter
        moved = np.asarray(old - new)[big]
        np.testing.assert_allclose(moved, 1e-3 * np.sign(np.asarray(g)[big]), rtol=2e-3)


def test_discriminator_update_is_adam_on_the_gradient_of_its_own_loss_alone(stepped):
    before, after, _ = stepped
    image = from_uint8(images())
    mask = drawn_masks(
        random_key(CONFIG.train.seed, before.step, Purpose.MASKS), 4, 32, 32, CONFIG.masks
    )
    outputs = CONFIG.generator.build().apply({"params": before.generator}, image, mask)
    discriminator = CONFIG.discriminator.build(jnp.float32)

    def loss(params):
        normalized, _ = spectral_normalize(params, before.spectral)

        def logits(x):
            return discriminator.apply({"params": normalized}, x, mask)["logits"][0]

        real, fake = logits(image), logits(outputs["composite"])
        return jnp.mean(jax.nn.relu(1 - real)) / 2 + jnp.mean(jax.nn.relu(1 + fake)) / 2

    gradient = jax.jit(jax.grad(loss))(before.discriminator)
    for old, new, g in zip(
        *(jax.tree.leaves(t) for t in (before.discriminator, after.discriminator, gradient)),
        strict=True,
    ):
        big = np.abs(g) > 1e-5
        moved = np.asarray(old - new)[big]
        np.testing.assert_allclose(moved, 1e-4 * np.sign(np.asarray(g)[big]), rtol=5e-3)


def test_state_advances_by_one_step_and_one_power_iteration(stepped):
    before, after, _ = stepped
    assert int(after.step) == int(before.step) + 1
    _, expected = spectral_normalize(before.discriminator, before.spectral)
    for a, b in zip(jax.tree.leaves(after.spectral), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert jax.tree.structure(after) == jax.tree.structure(before)


def test_ema_moves_towards_the_new_parameters(stepped):
    before, after, _ = stepped
    decay = 1 / 10  # (1 + step) / (10 + step) at step 0
    for ema, old, new in zip(
        *(jax.tree.leaves(t) for t in (after.ema["params"], before.ema["params"], after.generator)),
        strict=True,
    ):
        np.testing.assert_allclose(ema, decay * old + (1 - decay) * new, atol=1e-6)


def test_steps_are_functions_of_state_and_images(stepped):
    before, after, _ = stepped
    again, _ = run(CONFIG, before, images())
    for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)


def test_masks_differ_between_steps_and_seeds():
    keys = [random_key(seed, step, Purpose.MASKS) for seed in (0, 1) for step in (0, 1)]
    masks = [np.asarray(drawn_masks(key, 1, 32, 32)) for key in keys]
    assert len({mask.tobytes() for mask in masks}) == 4


def test_learning_on_one_batch_lowers_the_loss():
    config = dataclasses.replace(
        CONFIG,
        objective=dataclasses.replace(
            CONFIG.objective, terms=(*CONFIG.objective.terms[:2], Adversarial(0.01))
        ),
        generator_optimizer=OptimizerConfig(learning_rate=3e-3),
    )
    state = init_state(config)
    step = jax.jit(make_train_step(config), donate_argnums=0)
    batch = jnp.broadcast_to(jnp.array([250, 128, 10], jnp.uint8), (4, 32, 32, 3))
    losses = []
    for _ in range(60):
        state, metrics = step(state, {"image": batch}, {})
        losses.append(float(metrics["refined_l1"]))
    assert losses[-1] < 0.25 * losses[0]


@pytest.mark.parametrize(
    "changes",
    [{"sketch": True}, pytest.param({"compute_dtype": "bfloat16"}, marks=pytest.mark.slow)],
)
def test_variants_of_the_generator_train(changes):
    config = dataclasses.replace(CONFIG, generator=DeepFillV2Config(width=4, **changes))
    state, metrics = run(config, init_state(config), images())
    assert all(np.isfinite(value) for value in metrics.values())
    assert all(leaf.dtype != jnp.bfloat16 for leaf in jax.tree.leaves(state))


def test_clipping_bounds_the_update_before_adam():
    clipped = dataclasses.replace(
        CONFIG, generator_optimizer=OptimizerConfig(learning_rate=1e-3, clip_norm=1e-3)
    )
    state = init_state(clipped)
    new, metrics = run(clipped, state, images())
    moment = new.generator_optimizer[1].mu  # (1 - beta1) times the clipped gradient
    norm = np.sqrt(sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(moment)))
    assert float(metrics["generator_gradient_norm"]) > 1e-3
    assert norm == pytest.approx(0.5 * 1e-3, rel=1e-3)


def test_switching_clipping_or_schedule_keeps_the_states_structure():
    other = OptimizerConfig(schedule="cosine", warmup_steps=5, clip_norm=1.0)
    changed = dataclasses.replace(CONFIG, generator_optimizer=other, discriminator_optimizer=other)
    assert jax.tree.structure(init_state(CONFIG)) == jax.tree.structure(init_state(changed))


def test_schedules():
    constant = learning_rate(OptimizerConfig(learning_rate=2.0), 100)
    assert [float(constant(i)) for i in (0, 50, 100)] == [2, 2, 2]
    cosine = learning_rate(
        OptimizerConfig(learning_rate=2.0, schedule="cosine", warmup_steps=4), 104
    )
    np.testing.assert_allclose([cosine(i) for i in range(5)], [0.4, 0.8, 1.2, 1.6, 2.0], rtol=1e-5)
    np.testing.assert_allclose([cosine(54), cosine(104)], [1, 0], atol=1e-6)


def test_a_config_decides_the_first_state():
    same, other = init_state(CONFIG), init_state(dataclasses.replace(CONFIG))
    for a, b in zip(jax.tree.leaves(same), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)
    seeded = init_state(dataclasses.replace(CONFIG, train=TrainConfig(seed=1)))
    kernel = lambda state: state.generator["coarse"]["conv1"]["conv"]["kernel"]  # noqa: E731
    assert np.abs(kernel(same) - kernel(seeded)).max() > 0
