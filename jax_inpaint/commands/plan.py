"""``jax-inpaint plan``: what training would need on TPUs, without having any."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jax

from jax_inpaint.config import Config, ConfigError, load_config
from jax_inpaint.planning import (
    Program,
    Topology,
    compile_step,
    described_mesh,
    network_products,
    next_batch,
    parse_topology,
    report,
    without_tpu,
)
from jax_inpaint.training.check import check_experiment


@dataclass(frozen=True)
class Plan:
    """Compile an experiment's training step for TPUs, without having any, and show what it needs.

    Shows whether it fits into a chip's memory and with what batch, how much it computes, what chips
    send one another, how well its channels fill a TPU, and how many steps a run would take. A
    compilation takes minutes.
    """

    config: Path  # a file such as those in configs/
    topology: str  # a slice of v4, v5e, v5p or v6e chips, such as v5e:16x16
    batch_per_chip: int | None = None  # images a chip; the config's batch, shared, without it
    search: int = 3  # compilations, at most, in search of the largest batch; 0: none
    images: int = 1_803_460  # photographs in the training set; Places2 has so many

    def run(self) -> None:
        """Compiles and prints."""
        # Programs for TPUs that aren't there can be stored, but not read again.
        jax.config.update("jax_enable_compilation_cache", False)
        topology, config = parse_topology(self.topology), self._load()
        with without_tpu():
            check_experiment(config)
            for line in self._lines(config, topology):
                print(line, flush=True)

    def _load(self) -> Config:
        for name, least in (("batch_per_chip", 1), ("search", 0), ("images", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                option = name.replace("_", "-")
                raise ConfigError(f"--{option} must be >= {least}, got {value}")
        return load_config(self.config)

    def _lines(self, config: Config, topology: Topology) -> Iterator[str]:
        mesh, chip = described_mesh(topology), topology.chip
        own, left_over = divmod(config.train.batch_size, topology.chips)
        batch = self.batch_per_chip or (8 if left_over else own)
        yield (
            f"{self.config}: {config.generator.architecture} in {config.generator.compute_dtype} "
            f"at {config.data.size[0]}x{config.data.size[1]}"
        )
        yield (
            f"{topology.name}: {topology.chips} x {batch} images a chip = "
            f"{batch * topology.chips:,} in a step"
        )
        if left_over and not self.batch_per_chip:
            yield f"(the config's batch of {config.train.batch_size} can't be shared evenly)"
        yield f"compiling for {batch} images a chip ..."
        first = compile_step(config, mesh, batch)
        sections = [
            report.about_padding(network_products(config), chip),
            report.about_run(config, batch * topology.chips, self.images),
        ]
        if isinstance(first, Program):
            sections = [
                report.about_memory(first, chip),
                report.about_work(first, topology),
                report.about_exchanges(first),
                *sections,
            ]
        for section in sections:
            yield ""
            yield from section
        yield ""
        tried = [first]
        while len(tried) <= self.search and (another := next_batch(tried, chip.memory)):
            yield f"compiling for {another} images a chip ..."
            tried.append(compile_step(config, mesh, another))
        yield from report.about_batches(tried, chip)
