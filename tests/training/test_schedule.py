import dataclasses

import pytest

from jax_inpaint.config import ObjectiveConfig, Phase
from jax_inpaint.losses.terms import L1
from jax_inpaint.training.schedule import phase_at


def learners(objective, steps):
    phases = [phase_at(objective, step) for step in range(steps)]
    return [(phase.generator, phase.discriminator) for phase in phases]


def test_without_phases_both_learn_at_every_step():
    assert learners(ObjectiveConfig(terms=(L1(),)), 3) == [(True, True)] * 3


def test_the_generator_learns_at_every_nth_step():
    found = learners(ObjectiveConfig(terms=(L1(),), n_critic=3), 7)
    assert [generator for generator, _ in found] == [False, False, True, False, False, True, False]
    assert all(discriminator for _, discriminator in found)


def test_phases_follow_one_another():
    phases = (
        Phase(until=2, discriminator=False),
        Phase(until=3, generator=False),
        Phase(until=0, learning_rate_scale=0.5),
    )
    objective = ObjectiveConfig(terms=(L1(),), phases=phases)
    assert learners(objective, 5) == [
        (True, False),
        (True, False),
        (False, True),
        (True, True),
        (True, True),
    ]
    assert phase_at(objective, 1000).learning_rate_scale == 0.5


def test_a_phase_without_discriminator_ignores_n_critic_and_the_count_begins_with_the_phase():
    phases = (Phase(until=4, discriminator=False), Phase(until=0))
    objective = ObjectiveConfig(terms=(L1(),), phases=phases, n_critic=2)
    assert [generator for generator, _ in learners(objective, 8)] == [True] * 4 + [
        False,
        True,
    ] * 2


def test_steps_of_equal_work_share_one_program():
    objective = ObjectiveConfig(terms=(L1(),), phases=(Phase(until=3), Phase(until=0)), n_critic=2)
    assert len({phase_at(objective, step) for step in range(20)}) == 2


@pytest.mark.parametrize("ends", [(0, 5), (5, 3, 0), (5, 5, 0), (5,), ()])
def test_phases_must_rise_and_reach_the_end(ends):
    with pytest.raises(ValueError, match=r"objective\.phases"):
        ObjectiveConfig(terms=(L1(),), phases=tuple(Phase(until=end) for end in ends))


def test_a_phase_in_which_nothing_learns_is_refused():
    with pytest.raises(ValueError, match="something learns"):
        dataclasses.replace(Phase(until=0), generator=False, discriminator=False)
