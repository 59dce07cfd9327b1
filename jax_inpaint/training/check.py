"""Whether the parts of an experiment fit together, found out before anything is written."""

from typing import Any

import jax
import jax.numpy as jnp

from jax_inpaint.config import Config, ConfigError, Size
from jax_inpaint.features import check_layers, extract_features
from jax_inpaint.features.files import random_feature_params
from jax_inpaint.losses.terms import Adversarial, FeatureMatching, feature_layers
from jax_inpaint.metrics.structure import SMALLEST_MS_SSIM


def check_experiment(config: Config) -> None:
    """Follows shapes, without computing anything, through all networks at all sizes of a run.

    Raises:
        ConfigError: if a term looks at an image, judgement or layer that there isn't, a size is too
            small for a network or for the figure that decides, or sizes change what a
            discriminator's parameters look like.
    """
    if config.train.best_by == "ms_ssim" and min(config.data.size) < SMALLEST_MS_SSIM:
        raise ConfigError(
            f"train.best_by ms_ssim needs sides of {SMALLEST_MS_SSIM} pixels or more, but "
            f"data.size is {config.data.size}"
        )
    sizes = [stage.size for stage in config.train.stages] + [config.data.size]
    for size in sizes:
        _check_outputs(config, size)
        _check_features(config, size)
        if config.discriminator:
            _check_judgements(config, size)
        if discriminator_shapes(config, size) != discriminator_shapes(config, config.data.size):
            kind = config.discriminator and config.discriminator.architecture
            raise ConfigError(
                f"train.stages has the size {size}, but a {kind} for {config.data.size} has "
                "parameters of other shapes; train at one size"
            )


def discriminator_shapes(config: Config, size: Size) -> Any:
    """Shapes of the discriminator's parameters for images of a size; empty without one."""
    if config.discriminator is None:
        return {}
    network = config.discriminator.build(jnp.float32)
    return jax.eval_shape(network.init, jax.random.key(0), *_inputs(config, size))["params"]


def _inputs(config: Config, size: Size) -> tuple[Any, Any, Any]:
    image, mask = (jax.ShapeDtypeStruct((1, *size, c), jnp.float32) for c in (3, 1))
    return image, mask, mask if config.generator.takes_sketch else None


def _check_outputs(config: Config, size: Size) -> None:
    network = config.generator.build()
    outputs, _ = jax.eval_shape(network.init_with_output, jax.random.key(0), *_inputs(config, size))
    images = [name for name, value in outputs.items() if value.shape == (1, *size, 3)]
    for term in config.objective.terms:
        if term.output not in images:
            raise ConfigError(
                f"the term {term.name} looks at {term.output!r}, but a "
                f"{config.generator.architecture} makes {', '.join(images)}"
            )


def _check_judgements(config: Config, size: Size) -> None:
    assert config.discriminator is not None
    network = config.discriminator.build(jnp.float32)
    judgement, _ = jax.eval_shape(
        network.init_with_output, jax.random.key(0), *_inputs(config, size)
    )
    kind = config.discriminator.architecture
    for logits in judgement["logits"]:
        if 0 in logits.shape:
            raise ConfigError(
                f"images of {size} are too small for this {kind}: nothing is left of them where it "
                "judges; fewer layers or scales would do"
            )
    maps = all(logits.ndim == 4 for logits in judgement["logits"])
    for term in config.objective.terms:
        if isinstance(term, Adversarial) and term.region == "hole" and not maps:
            raise ConfigError(
                f"the adversarial term counts the hole's logits, but a {kind} has one for the image"
            )
        if isinstance(term, FeatureMatching) and not judgement["features"]:
            raise ConfigError(f"the term {term.name} needs features, but a {kind} gives none")


def _check_features(config: Config, size: Size) -> None:
    for network, layers in feature_layers(config.objective.terms).items():
        if not layers:
            raise ConfigError(f"the terms on {network} name no layers")
        try:
            check_layers(network, layers)
            jax.eval_shape(
                lambda key, image, network=network, layers=layers: extract_features(
                    network, random_feature_params(network, key), image, layers
                ),
                jax.random.key(0),
                jax.ShapeDtypeStruct((1, *size, 3), jnp.float32),
            )
        except ValueError as error:
            raise ConfigError(f"objective.terms: {error}") from error
