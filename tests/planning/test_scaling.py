"""The simulation of more chips against what can be said without one."""

import numpy as np
import pytest

from jax_inpaint.planning import Assumptions, Program, simulate
from jax_inpaint.planning.program import Exchange
from jax_inpaint.planning.scaling import exchange_time
from jax_inpaint.planning.topology import CHIPS

V4, V5E = CHIPS["v4"], CHIPS["v5e"]
STEADY = Assumptions(readers=10**6, ahead=8, utilization=0.5, jitter=0.0, reading=1e6, stalls=0.0)
PROGRAM = Program(8, 0, 0, 0, 0.1 * 0.5 * V4.peak, None, {"all-reduce": Exchange(3, 10**8)})
IMAGE = 256 * 256 * 3


def run(chips, program=PROGRAM, chip=V4, **changes):
    assumed = Assumptions(**{**vars(STEADY), **changes})
    return simulate(program, chip, chips, IMAGE, assumed)


def test_alone_and_steady_a_chip_only_computes():
    scale = run(1)
    assert (scale.compute, scale.slowest, scale.exchange) == (pytest.approx(0.1), 0, 0)
    # But for the images of the first step.
    assert scale.step == pytest.approx(0.1, rel=1e-6)
    assert (scale.hosts, scale.images, scale.host_bytes) == (1, 8, 8 * IMAGE)
    assert scale.limit == "computing"


def test_more_chips_take_longer_by_their_sums():
    one, eight, many = run(1), run(8), run(1024)
    assert eight.step - one.step == pytest.approx(exchange_time(V4, 8, 3, 10**8), rel=1e-3)
    assert (many.hosts, many.images, many.host_bytes) == (256, 8192, 32 * IMAGE)
    assert eight.exchange < many.exchange < 0.01


def test_sums_take_as_long_as_rings_need():
    # 256 chips each send all but 1/256 of the bytes twice.
    size = 10**9
    assert exchange_time(V4, 256, 0, size) == pytest.approx(2 * 255 / 256 * size / 270e9)
    # 1024 of v5e are four slices of 16x16, and each chip sums up 1/256 with those of the others.
    within = 2 * 255 / 256 * size / 200e9
    between = 2 * 3 / 4 * size / 256 / 3.1e9
    assert exchange_time(V5E, 1024, 0, size) == pytest.approx(within + between)
    # A message goes round in each direction of 4x8x8 chips.
    assert exchange_time(V4, 256, 1, 0) == pytest.approx(20e-6)
    assert exchange_time(V4, 1, 5, 0) == 0


def test_hosts_that_read_too_slowly_decide():
    # 8 images for each of 4 chips, and 240 virtual CPUs that read one in ten seconds
    scale = run(64, reading=0.1)
    assert scale.step == pytest.approx(32 / 24, rel=0.02)
    assert scale.limit == "reading images"


def test_no_more_are_read_at_once_than_there_are_readers():
    # 32 images of a host by 20 threads, of 240 virtual CPUs
    scale = run(64, reading=0.1, readers=20)
    assert scale.step == pytest.approx(32 / 2, rel=0.02)


def test_chips_wait_for_the_slowest():
    few, many = run(2, jitter=0.05), run(512, jitter=0.05)
    # The expected greatest of two normal numbers is 1/sqrt(pi); of 512, about 3.04.
    assert few.slowest == pytest.approx(0.1 * 0.05 / np.pi**0.5, rel=0.1)
    assert many.slowest == pytest.approx(0.1 * 0.05 * 3.04, rel=0.02)


def test_stalls_are_hidden_by_what_was_read_ahead():
    # One step in four has a stall of a second somewhere: 0.25 s for each of 256 hosts' steps.
    shown = run(1024, stalls=1e-3, stall=1.0, ahead=1)
    hidden = run(1024, stalls=1e-3, stall=1.0, ahead=16)
    assert hidden.input < 0.001 < 0.1 < shown.input
    assert shown.limit == "reading images"
