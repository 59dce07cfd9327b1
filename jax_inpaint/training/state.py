"""All that a training run carries from step to step, as one pytree."""

from functools import partial
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from jax_inpaint.config import Config, OptimizerConfig
from jax_inpaint.ops.spectral import init_spectral

Params = Any  # a tree of arrays; of shapes or shardings where a state is only described


@flax.struct.dataclass
class TrainState:
    """Parameters, optimiser states and the rest; everything float32 but the step."""

    step: Any  # steps done, an int32 scalar
    generator: Params
    statistics: Params  # the generator's running batch statistics; empty without batch norm
    discriminator: Params  # empty without one
    spectral: Params  # the power iteration's vectors, one for each normalised kernel
    generator_optimizer: Any  # optax states
    discriminator_optimizer: Any
    ema: Params  # running averages of "params" and "batch_stats": variables of a generator


def init_state(config: Config) -> TrainState:
    """The state before the first step: a function of the configuration alone."""
    # Runs once: optimising it would take several times as long as all the rest of it.
    quick = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    options = quick if jax.default_backend() == "cpu" else None
    init = jax.jit(partial(_init_state, config), compiler_options=options)
    return init(jax.random.key(config.train.seed))


def describe_state(config: Config) -> TrainState:
    """Shapes and dtypes of the state, without computing it."""
    return jax.eval_shape(partial(_init_state, config), jax.random.key(config.train.seed))


def _init_state(config: Config, key: Array) -> TrainState:
    height, width = config.data.size
    image = jnp.zeros((1, height, width, 3))
    mask = jnp.zeros((1, height, width, 1))
    sketch = mask if config.generator.takes_sketch else None
    generator = config.generator.build()

    def init_discriminator(key: Array) -> Params:
        if config.discriminator is None:
            return {}
        network = config.discriminator.build(jnp.float32)
        return network.init(key, image, mask, sketch)["params"]

    keys = jax.random.split(key, 3)
    variables = generator.init(keys[0], image, mask, sketch)
    params = jax.tree.map_with_path(
        lambda path, leaf: leaf * (config.train.initial_gain if "kernel" in str(path) else 1),
        variables["params"],
    )
    statistics = variables.get("batch_stats", {})
    discriminator = init_discriminator(keys[1])
    normalizes = config.discriminator.normalizes if config.discriminator else None
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        generator=params,
        statistics=statistics,
        discriminator=discriminator,
        spectral=init_spectral(keys[2], discriminator, normalizes),
        generator_optimizer=build_optimizer(config.generator_optimizer).init(params),
        discriminator_optimizer=build_optimizer(config.discriminator_optimizer).init(discriminator),
        ema=jax.tree.map(jnp.copy, {"params": params, "batch_stats": statistics}),
    )


def build_optimizer(config: OptimizerConfig) -> optax.GradientTransformation:
    """Adam's direction of a gradient; the step multiplies it by the learning rate."""
    # The chain has the same length whatever is switched on, so that a run may change its clipping
    # and still resume.
    clip = optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity()
    return optax.chain(clip, optax.scale_by_adam(config.beta1, config.beta2))
