"""What changes over a run: phases, who learns at a step, and learning rates."""

import dataclasses

import optax

from jax_inpaint.config import Config, ObjectiveConfig, OptimizerConfig, Phase


def phase_at(objective: ObjectiveConfig, step: int) -> Phase:
    """What learns at a step; steps that do the same work give equal phases.

    Args:
        objective: phases and ``n_critic``.
        step: steps done before it.

    Example:
        >>> from jax_inpaint.losses.terms import L1
        >>> wasserstein = ObjectiveConfig(terms=(L1(),), n_critic=5)
        >>> [phase_at(wasserstein, step).generator for step in range(6)]
        [False, False, False, False, True, False]
    """
    began = 0
    for phase in objective.phases:
        if phase.until == 0 or step < phase.until:
            break
        began = phase.until
    learns = phase.generator and (
        not phase.discriminator or (step - began + 1) % objective.n_critic == 0
    )
    return dataclasses.replace(phase, until=0, generator=learns)


def steps_in_a_call(config: Config, step: int, most: int) -> int:
    """How many steps to do at once: ``most``, or 1 where that would pass over something.

    All must be of one phase and stage, and a checkpoint or picture may only be due after the last.

    Args:
        config: the experiment.
        step: steps done.
        most: how many to do at best.
    """
    train = config.train
    until = [config.stage_at(step)[0].until, train.steps]
    until += [(step // every + 1) * every for every in (train.checkpoint_every, train.image_every)]
    phases = {phase_at(config.objective, number) for number in range(step, step + most)}
    return most if step + most <= min(until) and len(phases) == 1 else 1


def learning_rate(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """Learning rate as a function of the steps done, for a run of ``steps``."""
    warmup = config.warmup_steps
    if config.schedule == "cosine":
        main = optax.cosine_decay_schedule(config.learning_rate, max(steps - warmup, 1))
    else:
        main = optax.constant_schedule(config.learning_rate)
    # The first step already learns: it takes the first rung of the ladder, not 0.
    rise = optax.linear_schedule(config.learning_rate / (warmup + 1), config.learning_rate, warmup)
    return optax.join_schedules([rise, main], [warmup]) if warmup else main
