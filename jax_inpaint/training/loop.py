"""The loop: step, look, log, validate, save; until done, asked to stop, or not finite."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jax_inpaint.config import Config
from jax_inpaint.inference.sheets import explanation_pictures
from jax_inpaint.stopping import StopRequest
from jax_inpaint.training.checkpoint import Checkpoints
from jax_inpaint.training.logs import RunLog
from jax_inpaint.training.parallel import HostBatch
from jax_inpaint.training.state import TrainState
from jax_inpaint.training.step import Metrics
from jax_inpaint.training.validation import Validation
from jax_inpaint.weights import FILE_NAME, save_weights


class NotFiniteError(RuntimeError):
    """A loss or gradient became NaN or infinite."""


def train(
    config: Config,
    state: TrainState,
    step_function: Callable[[TrainState, HostBatch, int], tuple[TrainState, Metrics]],
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
    """
    settings = config.train
    first = int(state.step)
    log = RunLog(workdir, first, settings.steps)
    window: list[dict[str, float]] = []

    def require_finite(step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                saved = checkpoints.latest_step()
                kept = f"step {saved} is saved" if saved is not None else "nothing was saved yet"
                raise NotFiniteError(
                    f"step {step}: {name} is {value}; stopped, {kept} in {workdir}. "
                    "A lower learning rate or clip_norm may help."
                )

    def look(step: int, metrics: Metrics) -> None:
        """Reads a step's metrics, which waits for it; logs their mean over the last steps."""
        values = {name: float(value) for name, value in jax.device_get(metrics).items()}
        require_finite(step, values)
        log.progress(values, config.stage_at(step - 1)[0].batch_size)
        window.append(values)
        if step % settings.log_every == 0:
            log.scalars(step, means(window))
            window.clear()

    def save(step: int, state: TrainState, validate: bool) -> None:
        figures = validation(state.ema) if validate else None
        if figures:
            # PSNR may rightly be infinite: a black hole can be filled without any error.
            require_finite(step, {"hole_l1": figures["hole_l1"]})
            log.scalars(step, figures)
            log.say(
                f"step {step}: held-out hole L1 {100 * figures['hole_l1']:.2f} %, "
                f"PSNR {figures['hole_psnr']:.2f} dB, SSIM {figures['hole_ssim']:.3f}"
            )
        checkpoints.save(step, state, config, figures)
        save_weights(workdir / FILE_NAME, config.generator, state.ema, config.data.size)

    pending: tuple[int, Metrics] | None = None
    step = saved_step = first
    try:
        while step < settings.steps and stop.signal is None:
            state, metrics = step_function(state, next(batches), step)
            step += 1
            if pending:
                look(*pending)
            pending = (step, metrics)
            last = step == settings.steps
            checkpoint_due = last or step % settings.checkpoint_every == 0
            picture_due = last or step % settings.image_every == 0
            if checkpoint_due or picture_due:
                look(*pending)  # nothing that isn't finite is ever saved or shown
                pending = None
            if checkpoint_due:
                save(step, state, validate=last or stop.signal is None)
                saved_step = step
            if picture_due and (last or stop.signal is None):
                log.grid(step, validation.columns(state.ema))
                if settings.explain:
                    image, hole = validation.images[0], validation.masks[0, ..., 0] > 0.5
                    log.explanation(
                        step,
                        explanation_pictures(
                            config.generator, state.ema, np.asarray(image), np.asarray(hole)
                        ),
                    )
        if pending:
            look(*pending)
        if step > saved_step:  # asked to stop: save at once, without validation
            save(step, state, validate=False)
    finally:
        log.close()
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
