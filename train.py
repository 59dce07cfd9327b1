"""Train an inpainting GAN. Without arguments: DeepFillv2, small, on photographs, in minutes.

python train.py [--config FILE] [--section.field value ...]
"""

import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jax_inpaint.compilation.cache import keep_compiled_programs
from jax_inpaint.config import Config, parse_command_line
from jax_inpaint.errors import UserError
from jax_inpaint.evaluation.baselines import BASELINES
from jax_inpaint.images import from_uint8, to_uint8
from jax_inpaint.losses.terms import load_feature_networks
from jax_inpaint.processes import (
    PROCESSES_HELP,
    first_does,
    is_first,
    join_processes,
    last_words,
    leave_at_once,
    parse_place,
)
from jax_inpaint.stopping import StopRequest
from jax_inpaint.training.check import check_experiment
from jax_inpaint.training.checkpoint import Checkpoints
from jax_inpaint.training.failures import KILLED, telling_what_helps
from jax_inpaint.training.loop import describe, train
from jax_inpaint.training.mesh import batch_share, device_mesh, place_state, whole
from jax_inpaint.training.parallel import parallel_steps
from jax_inpaint.training.stages import StagedBatches
from jax_inpaint.training.state import init_state
from jax_inpaint.training.validation import Validation
from jax_inpaint.training.workdir import changes, open_workdir
from jax_inpaint.weights import FILE_NAME

QUICKSTART = Path(__file__).parent / "configs" / "quickstart.py"


def main() -> int:
    """Trains as the command line says; returns the exit status."""
    try:
        place, arguments = parse_place(sys.argv[1:])
        config = parse_command_line(arguments, QUICKSTART, f"{__doc__}\n{PROCESSES_HELP}")
        keep_compiled_programs()
        with StopRequest() as stop, last_words(KILLED), telling_what_helps(config):
            join_processes(place)
            finished = run(config, stop)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        leave_at_once(1)
    except KeyboardInterrupt:
        print("stopped at once; the same command goes on from the last checkpoint")
        leave_at_once(128 + signal.SIGINT)
    if finished or stop.signal is None:
        return 0
    if is_first():
        print(f"stopped by {stop.signal.name}; the same command goes on from here")
    return 128 + stop.signal


def run(config: Config, stop: StopRequest) -> bool:
    """One run, told in order. Returns whether it came to its end."""
    # Devices, of one process or several: a batch is split over them.
    mesh = device_mesh(config.mesh)
    say = print if is_first() else lambda *_: None

    # Networks and objective: do they fit together, and are the files there that they need?
    check_experiment(config)
    networks = load_feature_networks(config.objective.terms, config.features)
    step_function = parallel_steps(config, mesh, networks)

    # Held-out images; a source that can't be used is found out before anything is written.
    validation = Validation(config, (jax.process_index(), jax.process_count()))

    # Workdir: a new one, or the one of a run that goes on.
    for line in changes(config):
        say(f"changed since this run began: {line}")
    with ExitStack() as held:  # by the first process; no other run can use it meanwhile
        first_does(lambda: held.enter_context(open_workdir(config)))
        workdir = Path(config.workdir).expanduser()
        checkpoints = Checkpoints(workdir, config.train.keep, config.train.best_by)

        # State: from the last complete checkpoint, or fresh.
        state = checkpoints.restore_latest(place_state(init_state(config), mesh))
        first_step = int(state.step)
        say(describe(state, config))
        if first_step:
            say(f"resuming {workdir} at step {first_step}")

        # Data: the stream begins where the state stands; each process loads its part of a batch.
        batches = StagedBatches(config, first_step, batch_share(mesh))

        # Loop.
        try:
            state = train(
                config, mesh, state, step_function, batches, validation, checkpoints, workdir, stop
            )
        finally:
            batches.close()
        if int(state.step) < config.train.steps:
            return False
        figures = validation(whole(state.ema, mesh))
        if is_first():
            print_comparison(validation, figures)
            for picture in sorted((workdir / "pictures").iterdir())[-1:]:
                print(f"\nlast picture: {picture}")
            print(f"weights: {workdir / FILE_NAME}")
        return True


def print_comparison(validation: Validation, model: dict[str, float]) -> None:
    """The trained model beside what needs no training, inside the holes of held-out images."""
    pictures = to_uint8(np.asarray(validation.images))
    holes = np.asarray(validation.masks)[..., 0] > 0.5
    rows = {"this model": model}
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
