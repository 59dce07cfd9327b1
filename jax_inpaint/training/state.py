"""All that a training run carries from step to step, as one pytree."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from jax_inpaint.config import Config, OptimizerConfig
from jax_inpaint.models import build_discriminator, build_generator
from jax_inpaint.ops.spectral import init_spectral

Params = Any  # a tree of arrays; of shapes or shardings where a state is only described


@flax.struct.dataclass
class TrainState:
    """Parameters, optimiser states and the rest; everything float32 but the step."""

    step: Any  # steps done, an int32 scalar
    generator: Params
    discriminator: Params
    spectral: Params  # the power iteration's vectors, one for each discriminator kernel
    generator_optimizer: Any  # optax states
    discriminator_optimizer: Any
    ema: Params  # running average of the generator's parameters


def init_state(config: Config) -> TrainState:
    """The state before the first step: a function of the configuration alone."""
    image = jnp.zeros((1, 64, 64, 3))
    mask = jnp.zeros((1, 64, 64, 1))
    sketch = mask if config.generator.sketch else None
    generator = build_generator(config.generator)
    discriminator = build_discriminator(config.discriminator, config.generator)
    discriminated = [image, mask] if sketch is None else [image, mask, sketch]

    def init(key: Array) -> TrainState:
        keys = jax.random.split(key, 3)
        generator_params = generator.init(keys[0], image, mask, sketch)["params"]
        generator_params = jax.tree.map_with_path(
            lambda path, leaf: leaf * (config.train.initial_gain if "kernel" in str(path) else 1),
            generator_params,
        )
        discriminator_params = discriminator.init(keys[1], jnp.concatenate(discriminated, -1))
        discriminator_params = discriminator_params["params"]
        generator_optimizer, discriminator_optimizer = build_optimizers(config)
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            generator=generator_params,
            discriminator=discriminator_params,
            spectral=init_spectral(keys[2], discriminator_params),
            generator_optimizer=generator_optimizer.init(generator_params),
            discriminator_optimizer=discriminator_optimizer.init(discriminator_params),
            ema=jax.tree.map(jnp.copy, generator_params),
        )

    # Runs once: optimising it would take several times as long as all the rest of it.
    quick = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    options = quick if jax.default_backend() == "cpu" else None
    return jax.jit(init, compiler_options=options)(jax.random.key(config.train.seed))


def build_optimizers(
    config: Config,
) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
    """The generator's and the discriminator's optimiser."""
    return (
        _optimizer(config.generator_optimizer, config.train.steps),
        _optimizer(config.discriminator_optimizer, config.train.steps),
    )


def _optimizer(config: OptimizerConfig, steps: int) -> optax.GradientTransformation:
    # The chain has the same length whatever is switched on, so that a run may change its schedule
    # or clipping and still resume.
    clip = optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity()
    return optax.chain(
        clip,
        optax.scale_by_adam(config.beta1, config.beta2),
        optax.scale_by_learning_rate(learning_rate(config, steps)),
    )


def learning_rate(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """Learning rate as a function of the steps done, for a run of ``steps``."""
    warmup = config.warmup_steps
    if config.schedule == "cosine":
        main = optax.cosine_decay_schedule(config.learning_rate, max(steps - warmup, 1))
    else:
        main = optax.constant_schedule(config.learning_rate)
    # The first step already learns: it takes the first rung of the ladder, not 0.
    rise = optax.linear_schedule(config.learning_rate / (warmup + 1), config.learning_rate, warmup)
    return optax.join_schedules([rise, main], [warmup]) if warmup else main
