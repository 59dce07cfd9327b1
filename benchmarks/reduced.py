"""Experiments shrunk to a size at which tests and quick comparisons on a CPU can run them."""

import dataclasses
from typing import Any

from jax_inpaint.config import Config, DataConfig, Phase, TrainConfig
from jax_inpaint.losses.terms import FeatureTerm


def reduced(
    config: Config,
    generator_width: int,
    discriminator_width: int,
    size: int = 64,
    batch_size: int = 4,
    steps: int = 200,
) -> Config:
    """The same system with narrower networks, on small crops of the embedded photographs.

    Depth, masks, losses and weights stay; what can't fit small images does not: partial U-Nets keep
    as many levels as the size allows, residual networks two blocks.
    """
    generator: dict[str, Any] = {"width": generator_width}
    if hasattr(config.generator, "levels"):
        generator["levels"] = min(config.generator.levels, size.bit_length() - 2)
    if hasattr(config.generator, "blocks"):
        generator["blocks"] = min(config.generator.blocks, 2)
    discriminator = config.discriminator and dataclasses.replace(
        config.discriminator, **{"width": discriminator_width}
    )
    return dataclasses.replace(
        config,
        generator=dataclasses.replace(config.generator, **generator),
        discriminator=discriminator,
        data=DataConfig(source="photographs", size=(size, size), min_area=0.03, threads=2),
        train=TrainConfig(steps=steps, batch_size=batch_size, validation_images=8),
    )


def with_phases(config: Config, ends: tuple[int, ...]) -> Config:
    """The same phases, ending at other steps."""
    phases: list[Phase] = [
        dataclasses.replace(phase, until=end)
        for phase, end in zip(config.objective.phases, (*ends, 0), strict=True)
    ]
    objective = dataclasses.replace(config.objective, phases=tuple(phases))
    return dataclasses.replace(config, objective=objective)


def through_network(config: Config, network: str | None, layers: tuple[str, ...] = ()) -> Config:
    """Feature terms look through another network; without one they are left out."""
    terms = [
        dataclasses.replace(term, **{"network": network, "layers": layers})
        if isinstance(term, FeatureTerm)
        else term
        for term in config.objective.terms
        if network or not isinstance(term, FeatureTerm)
    ]
    objective = dataclasses.replace(config.objective, terms=tuple(terms))
    return dataclasses.replace(config, objective=objective)
