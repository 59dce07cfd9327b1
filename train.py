"""Train an inpainting GAN. Without arguments: DeepFillv2, small, on photographs, in minutes.

python train.py [--config FILE] [--section.field value ...]
"""

import signal
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jax_inpaint.compilation.cache import keep_compiled_programs
from jax_inpaint.config import Config, ConfigError, parse_command_line
from jax_inpaint.data.sources import DataError
from jax_inpaint.evaluation.baselines import BASELINES
from jax_inpaint.images import from_uint8, to_uint8
from jax_inpaint.losses.terms import load_feature_networks
from jax_inpaint.stopping import StopRequest
from jax_inpaint.torch_files import TensorFileError
from jax_inpaint.training.check import check_experiment
from jax_inpaint.training.checkpoint import Checkpoints, WorkdirError, changes, open_workdir
from jax_inpaint.training.loop import NotFiniteError, describe, train
from jax_inpaint.training.parallel import device_mesh, parallel_step, replicate
from jax_inpaint.training.stages import StagedBatches
from jax_inpaint.training.state import Params, init_state
from jax_inpaint.training.validation import Validation
from jax_inpaint.weights import FILE_NAME

QUICKSTART = Path(__file__).parent / "configs" / "quickstart.py"


def main() -> int:
    """Trains as the command line says; returns the exit status."""
    config = parse_command_line(sys.argv[1:], QUICKSTART, __doc__)
    keep_compiled_programs()
    with StopRequest() as stop:
        try:
            finished = run(config, stop)
        except (
            ConfigError,
            DataError,
            TensorFileError,
            WorkdirError,
            NotFiniteError,
            OSError,
        ) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("stopped at once; the same command goes on from the last checkpoint")
            return 128 + signal.SIGINT
    if finished or stop.signal is None:
        return 0
    print(f"stopped by {stop.signal.name}; the same command goes on from here")
    return 128 + stop.signal


def run(config: Config, stop: StopRequest) -> bool:
    """One run, told in order. Returns whether it came to its end."""
    # Devices: one CPU, one GPU or several; a batch is split over them.
    if jax.process_count() > 1:
        raise ConfigError(f"train.py runs in one process, this is one of {jax.process_count()}")
    mesh = device_mesh()

    # Networks and objective: do they fit together, and are the files there that they need?
    check_experiment(config)
    networks = load_feature_networks(config.objective.terms, config.features)
    step_function = parallel_step(config, mesh, networks)

    # Held-out images; a source that can't be used is found out before anything is written.
    validation = Validation(config)

    # Workdir: a new one, or the one of a run that goes on.
    for line in changes(config):
        print(f"changed since this run began: {line}")
    workdir = open_workdir(config)
    checkpoints = Checkpoints(workdir, config.train.keep, config.train.best_by)

    # State: from the last complete checkpoint, or fresh.
    state = checkpoints.restore_latest(replicate(init_state(config), mesh))
    first_step = int(state.step)
    print(describe(state, config))
    if first_step:
        print(f"resuming {workdir} at step {first_step}")

    # Data: the stream begins where the state stands.
    batches = StagedBatches(config, first_step)

    # Loop.
    try:
        state = train(config, state, step_function, batches, validation, checkpoints, workdir, stop)
    finally:
        batches.close()
    if int(state.step) < config.train.steps:
        return False
    print_comparison(validation, state.ema)
    for picture in sorted((workdir / "pictures").iterdir())[-1:]:
        print(f"\nlast picture: {picture}")
    print(f"weights: {workdir / FILE_NAME}")
    return True


def print_comparison(validation: Validation, variables: Params) -> None:
    """The trained model beside what needs no training, inside the holes of held-out images."""
    pictures = to_uint8(np.asarray(validation.images))
    holes = np.asarray(validation.masks)[..., 0] > 0.5
    rows = {"this model": validation(variables)}
    for baseline in (BASELINES["telea"], BASELINES["mean-color"]):
        filled = np.stack([baseline.fill(*pair) for pair in zip(pictures, holes, strict=True)])
        rows[baseline.title] = validation.figures(np.asarray(from_uint8(jnp.asarray(filled))))
    print(f"\n{len(pictures)} held-out images, inside the hole:")
    print(f"{'':14}{'L1 %':>8}{'PSNR dB':>9}{'SSIM':>8}")
    for name, figures in rows.items():
        l1, psnr, ssim = (figures[key] for key in ("hole_l1", "hole_psnr", "hole_ssim"))
        print(f"{name:14}{100 * l1:8.2f}{psnr:9.2f}{ssim:8.3f}")


if __name__ == "__main__":
    sys.exit(main())
