"""Does it learn? Every config in configs/, shrunk, for 200 generator steps on photographs at 64x64.

python -m benchmarks.learning [NAME ...] [--output FOLDER]

Networks are a quarter as wide as published, the generator's learning rate is 1e-3 so that 200 steps
show something, and terms that need a trained network are left out. Figures are means over the first
ten steps and the last fifty: the weighted sum of the objective's L1 and squared terms, which is
what the system is asked to lower, and L1 inside the hole in per cent of the range (LaMa isn't
asked for that). Both are of training images.
"""

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro

from benchmarks.reduced import reduced, through_network, with_phases
from jax_inpaint.config import Config, load_config
from jax_inpaint.images import Picture, write_picture
from jax_inpaint.losses.terms import DiscountedL1, RegionTerm
from jax_inpaint.training.logs import picture_grid
from jax_inpaint.training.mesh import device_mesh, place_state
from jax_inpaint.training.parallel import parallel_step
from jax_inpaint.training.stages import StagedBatches
from jax_inpaint.training.state import init_state
from jax_inpaint.training.validation import Validation

CONFIGS = Path(__file__).parent.parent / "configs"


@dataclass(frozen=True)
class Run:
    """One system's row of the table."""

    name: str
    parameters: int  # of the shrunk generator
    reconstruction: tuple[float, float]  # weighted, over the first ten steps and the last fifty
    hole: tuple[float, float]  # L1 in the hole, in [0, 1], over the same
    seconds: float  # compilation included


def shrunk(config: Config) -> Config:
    """The system as this benchmark runs it."""
    width = max(8, config.generator.width // 4)  # type: ignore[attr-defined]
    steps = 200 * config.objective.n_critic
    config = reduced(config, width, discriminator_width=16, steps=steps)
    if config.generator.architecture == "deepfillv2":
        # Gates let little through at first; see configs/quickstart.py.
        config = dataclasses.replace(
            config, train=dataclasses.replace(config.train, initial_gain=2.4)
        )
    phases = {2: (150,), 3: (120, 140)}.get(len(config.objective.phases), ())
    config = through_network(with_phases(config, phases), None)
    optimizer = dataclasses.replace(config.generator_optimizer, learning_rate=1e-3)
    return dataclasses.replace(config, generator_optimizer=optimizer)


def run(name: str, config: Config, output: Path | None) -> Run:
    """Trains it and writes a picture of what it fills."""
    started = time.perf_counter()
    mesh = device_mesh()
    state = place_state(init_state(config), mesh)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.generator))
    step = parallel_step(config, mesh)
    batches = StagedBatches(config, 0)
    weights = {
        term.name: term.weight
        for term in config.objective.terms
        if isinstance(term, (RegionTerm, DiscountedL1))
    }
    reconstruction, hole = [], []
    for number in range(config.train.steps):
        state, metrics = step(state, next(batches), number)
        hole.append(metrics["train_hole_l1"])
        if weights.keys() <= metrics.keys():  # else the generator doesn't learn at this step
            reconstruction.append(sum(w * metrics[name] for name, w in weights.items()))
    batches.close()
    seconds = time.perf_counter() - started
    if output:
        output.mkdir(parents=True, exist_ok=True)
        variables = {"params": state.generator, "batch_stats": state.statistics}
        pixels = picture_grid(Validation(config).columns(variables, rows=4))
        write_picture(output / f"{name}.png", Picture(pixels, "RGB"), force=True)
    return Run(name, parameters, ends(reconstruction), ends(hole), seconds)


def ends(losses: list) -> tuple[float, float]:
    """Means over the first ten and over the last fifty."""
    return float(np.mean(losses[:10])), float(np.mean(losses[-50:]))


def main(
    names: tyro.conf.Positional[tuple[str, ...]] = (),
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
) -> None:
    """Train every config a little and print how its reconstruction improves.

    Args:
        names: files in configs/ without their suffix; nothing named: all.
        output: folder for a picture of each.
    """
    print("| config | parameters | reconstruction loss | ratio | hole L1 % | ratio | seconds |")
    print("|---|---|---|---|---|---|---|")
    for path in sorted(CONFIGS.glob("*.py")):
        if names and path.stem not in names:
            continue
        result = run(path.stem, shrunk(load_config(path)), output)
        (first, last), (hole, filled) = result.reconstruction, result.hole
        print(
            f"| {result.name} | {result.parameters:,} | {first:.3f} -> {last:.3f} | "
            f"{last / first:.2f} | {100 * hole:.1f} -> {100 * filled:.1f} | {filled / hole:.2f} | "
            f"{result.seconds:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    tyro.cli(main)
