"""``jax-inpaint plan``: what training would need on TPUs, without having any."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import jax
from jax.sharding import Mesh

from jax_inpaint.config import Config, ConfigError, load_config
from jax_inpaint.planning import (
    SIZES,
    Assumptions,
    Chip,
    Program,
    Topology,
    compile_step,
    described_batch,
    described_mesh,
    network_products,
    next_batch,
    parse_topology,
    report,
    simulate,
    without_tpu,
)
from jax_inpaint.training.check import check_experiment
from jax_inpaint.training.mesh import check_mesh


@dataclass(frozen=True)
class Plan:
    """Compile an experiment's training step for TPUs, without having any, and show what it needs.

    Shows whether it fits into a chip's memory and with what batch, how much it computes, what chips
    send one another, how well its channels fill a TPU, and how many steps a run would take. A
    compilation takes minutes.
    """

    config: Path  # a file such as those in configs/
    topology: str  # a slice of v4, v5e, v5p or v6e chips, such as v5e:16x16
    # images a chip, or, with mesh.spatial, for the chips that share them; the config's batch,
    # shared, without it
    batch_per_chip: int | None = None
    search: int = 3  # compilations, at most, in search of the largest batch; 0: none
    images: int = 1_803_460  # photographs in the training set; Places2 has so many
    # settings whose memory is to be compared, such as remat accumulate=2 fsdp=4 spatial=4; each
    # takes a compilation
    compare: tuple[str, ...] = ()
    # share of a chip's peak that many are taken to reach; the compiler's estimate without it
    utilization: float | None = None
    reading: float = 100.0  # photographs a virtual CPU is taken to read and crop in a second

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
        if self.utilization is not None and not 0 < self.utilization <= 1:
            raise ConfigError(f"--utilization must be in (0, 1], got {self.utilization}")
        if not 0 < self.reading < math.inf:
            raise ConfigError(f"--reading must be > 0 and finite, got {self.reading}")
        return load_config(self.config)

    def _lines(self, config: Config, topology: Topology) -> Iterator[str]:
        others = [(text, changed(config, text)) for text in self.compare]
        mesh, chip = described_mesh(topology, config.mesh), topology.chip
        parts, rows = config.train.accumulate, config.mesh.spatial
        owners = topology.chips // rows
        left_over = config.train.batch_size % (owners * parts)
        own = 8 * parts if left_over else config.train.batch_size // owners
        batch = self.batch_per_chip or own
        whose = "a chip" if rows == 1 else f"for {rows} chips that share their rows"
        yield (
            f"{self.config}: {config.generator.architecture} in {config.generator.compute_dtype} "
            f"at {config.data.size[0]}x{config.data.size[1]}"
        )
        yield f"{topology.name}: {owners} x {batch} images {whose} = {batch * owners:,} in a step"
        if left_over and not self.batch_per_chip:
            yield f"(the config's batch of {config.train.batch_size} can't be shared evenly)"
        for setting in (config, *(other for _, other in others)):
            train = replace(setting.train, batch_size=batch * owners, stages=())
            check_mesh(replace(setting, train=train), described_mesh(topology, setting.mesh))
        yield f"compiling for {batch} images {whose} ..."
        first = compile_step(config, mesh, batch * owners)
        sections = [
            report.about_padding(network_products(config), chip),
            report.about_run(config, batch * owners, self.images),
        ]
        if isinstance(first, Program):
            sections = [
                report.about_memory(first, chip),
                report.about_work(first, topology),
                report.about_exchanges(first),
                self._scaling(first, config, mesh, chip),
                *sections,
            ]
        for section in sections:
            yield ""
            yield from section
        yield ""
        if others:
            compiled = [("as configured", first)]
            for text, other in others:
                yield f"compiling with {text} ..."
                devices = described_mesh(topology, other.mesh)
                compiled.append((text, compile_step(other, devices, batch * owners)))
            yield from report.about_settings(compiled, chip)
            yield ""
        tried = [first]
        while len(tried) <= self.search and (another := next_batch(tried, chip.memory, parts)):
            yield f"compiling for {another} images {whose} ..."
            tried.append(compile_step(config, mesh, another * owners))
        yield from report.about_batches(tried, chip, whose)

    def _scaling(self, program: Program, config: Config, mesh: Mesh, chip: Chip) -> Iterator[str]:
        reason = ""
        if program.parts > 1:
            reason = "what a loop does is counted once, as that of train.accumulate"
        elif mesh.size == 1:
            reason = "one chip's program doesn't say what several send one another"
        elif config.mesh.fsdp * config.mesh.spatial > 1:
            reason = "what mesh.fsdp and mesh.spatial send isn't only sums of gradients"
        utilization = self.utilization or program.estimated_utilization(chip)
        if utilization is None:
            reason = "the compiler estimates no cycles; --utilization would do"
        if reason or utilization is None:
            yield f"more chips can't be simulated: {reason}"
            return
        readers = config.data.threads * max(1, config.data.workers)
        assumed = Assumptions(readers, 2 * readers, utilization, reading=self.reading)
        image_bytes = sum(prod(array.shape) for array in described_batch(config, 1).values())
        scales = [simulate(program, chip, chips, image_bytes, assumed) for chips in SIZES]
        yield from report.about_scaling(scales, assumed, program, config, self.images)


def changed(config: Config, setting: str) -> Config:
    """The experiment with another setting: ``remat``, or ``accumulate``, ``fsdp`` or ``spatial``.

    Raises:
        ConfigError: if the text is none of them, such as ``accumulate=2``.
    """
    name, _, value = setting.partition("=")
    if setting == "remat":
        return replace(config, train=replace(config.train, remat=True))
    if name not in ("accumulate", "fsdp", "spatial") or not re.fullmatch("[1-9][0-9]{0,5}", value):
        raise ConfigError(
            "--compare takes remat, accumulate=N, fsdp=N and spatial=N, with a number N, "
            f"got {setting!r}"
        )
    if name == "accumulate":
        return replace(config, train=replace(config.train, accumulate=int(value)))
    return replace(config, mesh=replace(config.mesh, **{name: int(value)}))
