"""One step of GAN training, as a pure function."""

from collections.abc import Callable
from enum import IntEnum
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, UInt8

from jax_inpaint.config import Config
from jax_inpaint.losses.adversarial import hinge_discriminator, hinge_generator
from jax_inpaint.losses.reconstruction import l1
from jax_inpaint.masks import sample_masks
from jax_inpaint.models import build_discriminator, build_generator
from jax_inpaint.ops.edges import sobel_edges
from jax_inpaint.ops.spectral import spectral_normalize
from jax_inpaint.training.state import TrainState, build_optimizers

Metrics = dict[str, Float[Array, ""]]
TrainStep = Callable[[TrainState, UInt8[Array, "b h w 3"]], tuple[TrainState, Metrics]]


class Purpose(IntEnum):
    """What a random key is for; see :func:`random_key`."""

    MASKS = 0


def random_key(seed: int, step: int | Array, purpose: Purpose) -> Array:
    """The key for one purpose in one step: a resumed run draws what it would have drawn."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), step), purpose)


def from_uint8(image: UInt8[Array, "*b h w c"]) -> Float[Array, "*b h w c"]:
    """uint8 in [0, 255] to float32 in [-1, 1]."""
    return image.astype(jnp.float32) / 127.5 - 1


def make_train_step(config: Config, axis_name: str | None = None) -> TrainStep:
    """The step ``(state, images) -> (state, metrics)``.

    The discriminator is updated first, the generator against the updated discriminator, both from
    one forward pass of the generator and on the same images and masks. (The official code draws
    others for the second update.)

    Args:
        config: the experiment.
        axis_name: the mapped axis over which to average gradients, where the step runs inside
            ``shard_map`` or ``pmap``; None where a batch is one (perhaps sharded) array.
    """
    generator = build_generator(config.generator)
    discriminator = build_discriminator(config.discriminator, config.generator)
    generator_optimizer, discriminator_optimizer = build_optimizers(config)
    weights = config.objective

    def mean_over_devices(tree: Any) -> Any:
        return tree if axis_name is None else jax.lax.pmean(tree, axis_name)

    def train_step(
        state: TrainState, images: UInt8[Array, "b h w 3"]
    ) -> tuple[TrainState, Metrics]:
        batch, height, width, _ = images.shape
        image = from_uint8(images)
        first = 0 if axis_name is None else jax.lax.axis_index(axis_name) * batch
        key = random_key(config.train.seed, state.step, Purpose.MASKS)
        mask = sample_masks(key, batch, height, width, config.masks, first)
        sketch = sobel_edges(image) * mask if config.generator.sketch else None

        def generate(params: Any) -> tuple[Array, Array]:
            outputs: Any = generator.apply({"params": params}, image, mask, sketch)
            return outputs["coarse"], outputs["refined"]

        (coarse, refined), generator_gradient = jax.vjp(generate, state.generator)

        def composite(refined: Array) -> Array:
            return refined * mask + image * (1 - mask)

        def logits(params: Any, image: Array) -> Array:
            seen = [image, mask] if sketch is None else [image, mask, sketch]
            result: Any = discriminator.apply({"params": params}, jnp.concatenate(seen, axis=-1))
            return result

        # The discriminator learns to tell photographs from composites.
        def discriminator_loss(params: Any) -> tuple[Array, tuple[Any, Metrics]]:
            normalized, spectral = spectral_normalize(
                params, state.spectral, config.discriminator.spectral_gradient
            )
            real, fake = logits(normalized, image), logits(normalized, composite(refined))
            loss = jnp.mean(hinge_discriminator(real, fake))
            return loss, (
                spectral,
                {
                    "discriminator_loss": loss,
                    "real_logits": jnp.mean(real),
                    "fake_logits": jnp.mean(fake),
                },
            )

        gradient, (spectral, metrics) = jax.grad(discriminator_loss, has_aux=True)(
            state.discriminator
        )
        gradient = mean_over_devices(gradient)
        metrics["discriminator_gradient_norm"] = optax.tree.norm(gradient)
        updates, discriminator_state = discriminator_optimizer.update(
            gradient, state.discriminator_optimizer, state.discriminator
        )
        discriminator_params = optax.apply_updates(state.discriminator, updates)

        # The generator learns to rebuild the photograph and to pass for one.
        normalized, _ = spectral_normalize(discriminator_params, spectral)

        def generator_loss(coarse: Array, refined: Array) -> tuple[Array, Metrics]:
            coarse_l1 = jnp.mean(l1(coarse, image))
            refined_l1 = jnp.mean(l1(refined, image))
            adversarial = jnp.mean(hinge_generator(logits(normalized, composite(refined))))
            loss = (
                weights.coarse_l1 * coarse_l1
                + weights.refined_l1 * refined_l1
                + weights.adversarial * adversarial
            )
            return loss, {
                "generator_loss": loss,
                "coarse_l1": coarse_l1,
                "refined_l1": refined_l1,
                "adversarial_loss": adversarial,
            }

        image_gradients, generator_metrics = jax.grad(generator_loss, argnums=(0, 1), has_aux=True)(
            coarse, refined
        )
        (gradient,) = generator_gradient(image_gradients)
        gradient = mean_over_devices(gradient)
        metrics |= generator_metrics
        metrics["generator_gradient_norm"] = optax.tree.norm(gradient)
        updates, generator_state = generator_optimizer.update(
            gradient, state.generator_optimizer, state.generator
        )
        generator_params = optax.apply_updates(state.generator, updates)

        # Finite gradients don't make finite parameters; the loop looks at this before it saves.
        metrics["parameter_norm"] = optax.tree.norm((generator_params, discriminator_params))

        # Early on, a long average would remember little but the random start.
        decay = jnp.minimum(config.train.ema_decay, (1 + state.step) / (10 + state.step))
        ema = jax.tree.map(
            lambda old, new: decay * old + (1 - decay) * new, state.ema, generator_params
        )
        new_state = TrainState(
            step=state.step + 1,
            generator=generator_params,
            discriminator=discriminator_params,
            spectral=spectral,
            generator_optimizer=generator_state,
            discriminator_optimizer=discriminator_state,
            ema=ema,
        )
        return new_state, mean_over_devices(metrics)

    return train_step
