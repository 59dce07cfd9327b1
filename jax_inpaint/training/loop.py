"""The loop: step, look, log, validate, save; until done, asked to stop, or not finite."""

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jax_inpaint.config import Config
from jax_inpaint.errors import UserError
from jax_inpaint.inference.sheets import explanation_pictures
from jax_inpaint.processes import (
    LostProcessError,
    SharedStop,
    is_first,
    noticing_lost_processes,
)
from jax_inpaint.stopping import StopRequest
from jax_inpaint.training.checkpoint import Checkpoints
from jax_inpaint.training.logs import RunLog
from jax_inpaint.training.mesh import HostBatch, whole
from jax_inpaint.training.parallel import Steps, StepsMetrics
from jax_inpaint.training.schedule import steps_in_a_call
from jax_inpaint.training.state import Params, TrainState
from jax_inpaint.training.validation import Validation
from jax_inpaint.training.workdir import writing
from jax_inpaint.weights import FILE_NAME, save_weights


class NotFiniteError(UserError):
    """A loss, a gradient or what the generator makes of held-out images became NaN or infinite."""


def train(
    config: Config,
    mesh: Mesh,
    state: TrainState,
    step_function: Steps,
    batches: Iterator[HostBatch],
    validation: Validation,
    checkpoints: Checkpoints,
    workdir: Path,
    stop: StopRequest,
) -> TrainState:
    """Runs from ``state.step`` to ``train.steps``, or until a stop is requested.

    Either way the last state is saved; on a stop at once, without validation. Metrics of a step are
    read while the next one computes.

    Raises:
        NotFiniteError: names the step and the quantity; the last good checkpoint stays.
        NotWrittenError: names what can't be written to the workdir.
    """
    settings = config.train
    first = int(state.step)
    log = RunLog(workdir, first, settings.steps) if is_first() else None
    shared_stop = SharedStop(stop, mesh)
    window: list[dict[str, float]] = []
    left_out = 0  # steps in a row
    # Loops slow convolutions down on CPUs.
    most = 1 if mesh.devices.flat[0].platform == "cpu" else settings.steps_per_call

    def require_finite(step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                saved = checkpoints.latest_step()
                kept = f"step {saved} is saved" if saved is not None else "nothing was saved yet"
                raise NotFiniteError(
                    f"step {step}: {name} is {value}; stopped, {kept} in {workdir}. "
                    "A lower learning rate or clip_norm may help."
                )

    def look(first_step: int, metrics: StepsMetrics, asked: Any) -> None:
        """Reads metrics of steps, which waits for them; logs their means over the last steps."""
        shared_stop.hear(asked)
        columns = {name: np.atleast_1d(value) for name, value in jax.device_get(metrics).items()}
        for number, row in enumerate(zip(*columns.values(), strict=True)):
            look_at_step(first_step + number, dict(zip(columns, map(float, row), strict=True)))

    def look_at_step(step: int, values: dict[str, float]) -> None:
        nonlocal left_out
        finite = all(map(math.isfinite, values.values()))
        left_out = 0 if finite else left_out + 1
        if left_out > settings.skip_not_finite:
            require_finite(step, values)
        if log is None:
            return
        log.progress(values, config.stage_at(step - 1)[0].batch_size)
        if finite:
            window.append(values)
        else:
            bad = ", ".join(name for name in values if not math.isfinite(values[name]))
            log.say(f"step {step}: {bad} not finite; the step is left out ({left_out} in a row)")
        if step % settings.log_every == 0 and window:
            log.scalars(step, means(window))
            window.clear()

    def save(step: int, state: TrainState, validate: bool) -> None:
        ema = whole(state.ema, mesh)
        figures = validation(ema) if validate else None
        if figures:
            # PSNR may rightly be infinite: a black hole can be filled without any error.
            require_finite(step, {"hole_l1": figures["hole_l1"]})
        if figures and log:
            log.scalars(step, figures)
            log.say(
                f"step {step}: held-out hole L1 {100 * figures['hole_l1']:.2f} %, "
                f"PSNR {figures['hole_psnr']:.2f} dB, SSIM {figures['hole_ssim']:.3f}"
            )
        checkpoints.save(step, state, config, figures)
        if is_first():
            with writing(workdir / FILE_NAME):
                save_weights(workdir / FILE_NAME, config.generator, ema, config.data.size)

    def show(log: RunLog, step: int, ema: Params) -> None:
        log.grid(step, validation.columns(ema))
        if settings.explain:
            image, hole = validation.images[0], validation.masks[0, ..., 0] > 0.5
            log.explanation(
                step,
                explanation_pictures(config.generator, ema, np.asarray(image), np.asarray(hole)),
            )

    pending: tuple[int, StepsMetrics, Any] | None = None
    step = saved_step = first
    alone = False
    try:
        with noticing_lost_processes("the last complete checkpoint"):
            while step < settings.steps and shared_stop.signal is None:
                count = steps_in_a_call(config, step, most)
                state, metrics = step_function(state, list(islice(batches, count)), step)
                if pending:
                    look(*pending)
                pending = (step + 1, metrics, shared_stop.ask())
                step += count
                last = step == settings.steps
                checkpoint_due = last or step % settings.checkpoint_every == 0
                picture_due = last or step % settings.image_every == 0
                if checkpoint_due or picture_due:
                    look(*pending)  # nothing that isn't finite is ever saved or shown
                    pending = None
                if checkpoint_due:
                    save(step, state, validate=last or shared_stop.signal is None)
                    saved_step = step
                if picture_due and (last or shared_stop.signal is None):
                    ema = whole(state.ema, mesh)
                    if log:
                        show(log, step, ema)
            if pending:
                look(*pending)
            if step > saved_step:  # asked to stop: save at once, without validation
                save(step, state, validate=False)
    except LostProcessError:
        alone = True
        raise
    finally:
        try:
            if log:
                log.close()
        finally:
            if not alone:  # checkpoints are closed together
                checkpoints.close()
    return state


def means(entries: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each quantity over the steps that have it: not all learn the same."""
    names = dict.fromkeys(name for entry in entries for name in entry)
    values = {name: [entry[name] for entry in entries if name in entry] for name in names}
    return {name: sum(some) / len(some) for name, some in values.items()}


def describe(state: TrainState, config: Config) -> str:
    """A line on what is about to train, for the console."""

    def millions(params: Any) -> str:
        return f"{sum(leaf.size for leaf in jax.tree.leaves(params)) / 1e6:.2f} M"

    height, width = config.data.size
    unreached = [p.until for p in config.objective.phases if p.until >= config.train.steps]
    if unreached:
        note = f"\nphases after step {unreached[0]} aren't reached in {config.train.steps} steps"
    else:
        note = ""
    discriminator = (
        f"{config.discriminator.architecture} {millions(state.discriminator)}"
        if config.discriminator
        else "none"
    )
    return (
        f"generator {config.generator.architecture} {millions(state.generator)} parameters, "
        f"discriminator {discriminator}; {config.data.source} at {height}x{width}, "
        f"batch {config.train.batch_size}; {jax.device_count()} x {jax.devices()[0].device_kind}"
        f"{note}"
    )
