"""One step of GAN training, as a pure function."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import IntEnum
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, UInt8

from jax_inpaint.config import Config, OptimizerConfig, Phase
from jax_inpaint.data.augmentation import augment
from jax_inpaint.data.sketches import training_sketches
from jax_inpaint.images import from_uint8
from jax_inpaint.layers.interception import recomputed_layers
from jax_inpaint.losses.adversarial import (
    discriminator_loss,
    fakeness,
    gradient_penalty,
    r1_penalty,
)
from jax_inpaint.losses.reconstruction import l1
from jax_inpaint.losses.terms import Scene
from jax_inpaint.masks import sample_masks
from jax_inpaint.ops.spectral import spectral_normalize
from jax_inpaint.training.schedule import learning_rate
from jax_inpaint.training.state import Params, TrainState, build_optimizer

Metrics = dict[str, Float[Array, ""]]
Batch = dict[str, UInt8[Array, "b h w c"]]  # "image", and "mask" (1 hole, 0 known) if from files
TrainStep = Callable[[TrainState, Batch, Mapping[str, Any]], tuple[TrainState, Metrics]]


ALL_LEARN = Phase(until=0)


class Examples(NamedTuple):
    """Photographs with holes."""

    image: Float[Array, "b h w 3"]
    mask: Float[Array, "b h w 1"]
    sketch: Float[Array, "b h w 1"] | None
    number: Int[Array, " b"]  # of each image in the global batch


class Generated(NamedTuple):
    """What the generator makes of them."""

    outputs: dict[str, Array]
    backward: Callable[[dict[str, Array]], tuple[Params]] | None  # to its parameters' gradient
    statistics: Params
    seen: Metrics


class Purpose(IntEnum):
    """What a random key is for; see :func:`random_key`."""

    MASKS = 0
    PENALTY = 1
    AUGMENTATION = 2
    SKETCHES = 3


def random_key(seed: int, step: int | Array, purpose: Purpose) -> Array:
    """The key for one purpose in one step: a resumed run draws what it would have drawn."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), step), purpose)


def make_train_step(
    config: Config,
    phase: Phase = ALL_LEARN,
    axis_name: str | None = None,
    gather: Callable[[Params], Params] = lambda params: params,
    around: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> TrainStep:
    """The step ``(state, batch, feature_params) -> (state, metrics)``.

    The generator runs once. The discriminator is updated first, the generator against the updated
    discriminator, both on the same images and masks. (The official DeepFillv2 code draws others for
    the second update.) Parameters of a network that doesn't learn in the phase stay as they are;
    the generator's batch statistics follow every batch.

    Args:
        config: the experiment.
        phase: who learns; from :func:`jax_inpaint.training.schedule.phase_at`.
        axis_name: the mapped axis over which to average gradients, where the step runs inside
            ``shard_map`` or ``pmap``; None where a batch is one (perhaps sharded) array.
        gather: applied to the parameters of a network before it runs, where devices share them.
        around: a context in which networks run.
    """
    generator_config: Any = config.generator
    if phase.freeze_encoder_norm:
        generator_config = dataclasses.replace(generator_config, freeze_encoder_norm=True)
    generator = generator_config.build(axis_name)
    dtype = jnp.dtype(config.generator.compute_dtype)
    judges = config.discriminator is not None and phase.discriminator
    discriminator = config.discriminator.build(dtype, axis_name) if config.discriminator else None
    gan = config.objective.gan
    terms = [term for term in config.objective.terms if judges or not term.judged]
    judged = {term.output for term in config.objective.terms if term.judged}
    names = sorted({term.output for term in terms} | judged | {"composite"})

    @contextmanager
    def layers() -> Iterator[None]:
        with around(), recomputed_layers() if config.train.remat else nullcontext():
            yield

    def mean_over_devices(tree: Any) -> Any:
        return tree if axis_name is None else jax.lax.pmean(tree, axis_name)

    def judge(
        params: Params, image: Array, mask: Array, sketch: Array | None
    ) -> dict[str, tuple[Array, ...]]:
        assert discriminator is not None
        # Batch norm in a discriminator looks at each batch alone; what it remembers is dropped.
        judgement: Any
        with layers():
            judgement, _ = discriminator.apply(
                {"params": params}, image, mask, sketch, mutable=["batch_stats"]
            )
        return judgement

    def descend(
        optimizer: OptimizerConfig, gradient: Params, state: Any, params: Params, step: Array
    ) -> tuple[Params, Any]:
        direction, state = build_optimizer(optimizer).update(gradient, state, params)
        rate = phase.learning_rate_scale * learning_rate(optimizer, config.train.steps)(step)
        return jax.tree.map(lambda p, d: p - rate * d, params, direction), state

    def draw(step: Array, batch: Batch) -> Examples:
        """Photographs as they are trained with, with holes and sketches."""
        count, height, width, _ = batch["image"].shape
        first = 0 if axis_name is None else jax.lax.axis_index(axis_name) * count
        key = random_key(config.train.seed, step, Purpose.AUGMENTATION)
        image = augment(key, from_uint8(batch["image"]), config.data, first)
        if "mask" in batch:
            mask = batch["mask"].astype(jnp.float32)
        else:
            key = random_key(config.train.seed, step, Purpose.MASKS)
            mask = sample_masks(key, count, height, width, config.masks, first)
        sketch = None
        if config.generator.takes_sketch:
            key = random_key(config.train.seed, step, Purpose.SKETCHES)
            sketch = training_sketches(key, image, mask, config.sketch, first)
        return Examples(image, mask, sketch, first + jnp.arange(count))

    def generate(state: TrainState, examples: Examples) -> Generated:
        def run(params: Params) -> tuple[dict[str, Array], Params]:
            outputs: Any
            with layers():
                outputs, changed = generator.apply(
                    {"params": gather(params), "batch_stats": state.statistics},
                    examples.image,
                    examples.mask,
                    examples.sketch,
                    train=True,
                    mutable=["batch_stats"],
                )
            return {name: outputs[name] for name in names}, changed.get("batch_stats", {})

        if phase.generator:
            outputs, backward, statistics = jax.vjp(run, state.generator, has_aux=True)
        else:
            (outputs, statistics), backward = run(state.generator), None
        hole_l1 = l1(outputs["composite"], examples.image, examples.mask, mean="region") / 2
        return Generated(outputs, backward, statistics, {"train_hole_l1": jnp.mean(hole_l1)})

    def discriminator_gradient(
        state: TrainState, examples: Examples, generated: Generated
    ) -> tuple[Params, Params, Params, Metrics]:
        """Gradient, new spectral vectors, new batch statistics, metrics."""
        image, mask, sketch, numbers = examples

        def objective(params: Params) -> tuple[Array, tuple[Any, Metrics]]:
            normalized, spectral = spectral_normalize(
                gather(params), state.spectral, gan.spectral_gradient
            )

            def logits(x: Array) -> tuple[Array, ...]:
                return judge(normalized, x, mask, sketch)["logits"]

            (composite,) = (generated.outputs[name] for name in judged)
            real, fake = logits(image), logits(composite)
            share = [fakeness(gan.fake_target, mask, x) for x in fake]
            loss = jnp.mean(discriminator_loss(gan.loss, real, fake, share))
            seen = {
                "discriminator_loss": loss,
                "real_logits": mean_logit(real),
                "fake_logits": mean_logit(fake),
            }
            if gan.gradient_penalty:
                key = random_key(config.train.seed, state.step, Purpose.PENALTY)
                where = mask if gan.penalty_region == "hole" else jnp.ones_like(mask)
                penalty = gradient_penalty(key, logits, image, composite, where, numbers)
                seen["gradient_penalty"] = jnp.mean(penalty)
                loss += gan.gradient_penalty * seen["gradient_penalty"]
            if gan.r1:
                seen["r1_penalty"] = jnp.mean(r1_penalty(logits, image))
                loss += gan.r1 * seen["r1_penalty"]
            return loss, (spectral, seen)

        gradient, (spectral, seen) = jax.grad(objective, has_aux=True)(state.discriminator)
        return gradient, spectral, generated.statistics, generated.seen | seen

    def generator_gradient(
        judging: tuple[Params, Params],
        feature_params: Mapping[str, Any],
        examples: Examples,
        generated: Generated,
    ) -> tuple[Params, Params, Metrics]:
        """Gradient, new batch statistics, metrics; judged by (parameters, spectral vectors)."""
        image, mask, sketch, _ = examples
        normalized, _ = spectral_normalize(gather(judging[0]), judging[1])

        def objective(outputs: dict[str, Array]) -> tuple[Array, Metrics]:
            def see(x: Array) -> dict[str, Any]:
                return judge(normalized, x, mask, sketch)

            scene = Scene(image, mask, outputs, gan, see, terms, feature_params, dtype)
            values = {term.name: jnp.mean(term(scene)) for term in terms}
            loss = sum(term.weight * values[term.name] for term in terms)
            return jnp.asarray(loss), {"generator_loss": jnp.asarray(loss), **values}

        image_gradients, values = jax.grad(objective, has_aux=True)(generated.outputs)
        assert generated.backward is not None
        (gradient,) = generated.backward(image_gradients)
        return gradient, generated.statistics, generated.seen | values

    def train_step(
        state: TrainState, batch: Batch, feature_params: Mapping[str, Any]
    ) -> tuple[TrainState, Metrics]:
        examples = draw(state.step, batch)
        if config.train.accumulate == 1:
            generated = generate(state, examples)  # once, for both networks

            def mean_over_parts(function: Callable[[Examples, Generated], Any]) -> Any:
                return function(examples, generated)
        else:

            def mean_over_parts(function: Callable[[Examples, Generated], Any]) -> Any:
                return accumulate(
                    lambda part: function(part, generate(state, part)),
                    examples,
                    config.train.accumulate,
                )

        metrics: Metrics = {}
        new: dict[str, Any] = {"step": state.step + 1}
        spectral = state.spectral

        # The discriminator learns to tell photographs from composites.
        if judges:
            gradient, spectral, new["statistics"], metrics = mean_over_parts(
                partial(discriminator_gradient, state)
            )
            gradient = mean_over_devices(gradient)
            metrics["discriminator_gradient_norm"] = optax.tree.norm(gradient)
            new["discriminator"], new["discriminator_optimizer"] = descend(
                config.discriminator_optimizer,
                gradient,
                state.discriminator_optimizer,
                state.discriminator,
                state.step,
            )
            new["spectral"] = spectral

        # The generator learns to rebuild the photograph and to pass for one.
        if phase.generator:
            judging = new["discriminator"] if judges else state.discriminator, spectral
            gradient, new["statistics"], values = mean_over_parts(
                partial(generator_gradient, judging, feature_params)
            )
            gradient = mean_over_devices(gradient)
            metrics |= values
            metrics["generator_gradient_norm"] = optax.tree.norm(gradient)
            new["generator"], new["generator_optimizer"] = descend(
                config.generator_optimizer,
                gradient,
                state.generator_optimizer,
                state.generator,
                state.step,
            )
            new["generator"] = keep_frozen(generator_config, state.generator, new["generator"])

            # Early on, a long average would remember little but the random start.
            decay = jnp.minimum(config.train.ema_decay, (1 + state.step) / (10 + state.step))
            new["ema"] = jax.tree.map(
                lambda old, now: decay * old + (1 - decay) * now,
                state.ema,
                {"params": new["generator"], "batch_stats": new["statistics"]},
            )

        before, state = state, dataclasses.replace(state, **new)
        # Finite gradients don't make finite parameters; the loop looks at this before it saves.
        metrics["parameter_norm"] = optax.tree.norm(
            (state.generator, state.statistics, state.discriminator)
        )
        metrics = mean_over_devices(metrics)
        if config.train.skip_not_finite:
            finite = jnp.all(jnp.isfinite(jnp.stack(list(metrics.values()))))
            unchanged = dataclasses.replace(before, step=state.step)
            state = jax.tree.map(partial(jnp.where, finite), state, unchanged)
        return state, metrics

    return train_step


def accumulate(function: Callable[[Examples], Any], examples: Examples, parts: int) -> Any:
    """The mean of what a function makes of so many parts of a batch, one after the other.

    Image ``i`` is in part ``i % parts``, so that each device finds its share of every part at home.
    """

    def split(array: Array) -> Array:
        return jnp.moveaxis(array.reshape(-1, parts, *array.shape[1:]), 1, 0)

    def add(total: Any, part: Examples) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, function(part)), None

    batches = jax.tree.map(split, examples)
    shapes = jax.eval_shape(function, jax.tree.map(lambda array: array[0], batches))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    total, _ = jax.lax.scan(add, zeros, batches)
    return jax.tree.map(lambda leaf: leaf / parts, total)


def mean_logit(heads: tuple[Array, ...]) -> Float[Array, ""]:
    """Mean over all logits of all heads, each head counting the same."""
    return jnp.mean(jnp.stack([jnp.mean(logits) for logits in heads]))


def keep_frozen(config: Any, old: Params, new: Params) -> Params:
    """``new``, but for the parameters that the generator's configuration keeps frozen."""
    return jax.tree.map_with_path(
        lambda path, a, b: a if config.frozen_parameters(tuple(key.key for key in path)) else b,
        old,
        new,
    )
