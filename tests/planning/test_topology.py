import importlib.util
import os

import jax
import pytest

from jax_inpaint.planning import topology as module
from jax_inpaint.planning.topology import (
    CHIPS,
    PlanError,
    described_mesh,
    parse_topology,
    without_tpu,
)


@pytest.mark.parametrize(
    ("name", "chips"),
    [("v5e:1x1", 1), ("v5e:16x16", 256), ("v6e:2x4", 8), ("v4:2x2x1", 4), ("v5p:4x4x8", 128)],
)
def test_a_slice_has_as_many_chips_as_its_shape_says(name, chips):
    topology = parse_topology(name)
    assert (topology.name, topology.chips) == (name, chips)
    assert topology.chip is CHIPS[name.partition(":")[0]]


@pytest.mark.parametrize("name", ["v5e:3x3", "v5e:32x32", "v5e", "v5e:", "v5e:2x2x1", "v5e:banana"])
def test_a_shape_that_there_is_not_lists_those_of_the_chip(name):
    with pytest.raises(PlanError) as error:
        parse_topology(name)
    assert f"'{name}'" in str(error.value)
    for shape in CHIPS["v5e"].shapes:
        assert f"v5e:{shape}" in str(error.value)
    assert "v4:" not in str(error.value)


@pytest.mark.parametrize("name", ["", "v3:2x2", "h100", "V5E:2x2", "2x2"])
def test_a_chip_that_there_is_not_lists_all_slices(name):
    with pytest.raises(PlanError) as error:
        parse_topology(name)
    for slice_name in ("v4:2x2x1", "v5e:16x16", "v5p:16x16x24", "v6e:1x1"):
        assert slice_name in str(error.value)


def test_every_listed_slice_can_be_parsed():
    for kind, chip in CHIPS.items():
        for shape in chip.shapes:
            assert parse_topology(f"{kind}:{shape}").chips >= 1


def test_without_libtpu_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PlanError, match=r"pip install 'jax_inpaint\[tpu-plan\]'"):
        described_mesh(parse_topology("v5e:2x2"))


def test_a_libtpu_that_does_not_fit_is_named_with_its_version(monkeypatch):
    def refuse(*_, **__):
        raise jax.errors.JaxRuntimeError("INTERNAL: PJRT API version is too old")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(module.importlib.metadata, "version", lambda name: "0.0.7")
    monkeypatch.setattr(module.topologies, "get_topology_desc", refuse)
    with pytest.raises(PlanError, match=r"libtpu 0\.0\.7 with jax .* v6e:4x4: .*too old"):
        described_mesh(parse_topology("v6e:4x4"))


def test_the_environment_is_as_it_was_afterwards(monkeypatch):
    monkeypatch.setenv("TPU_SKIP_MDS_QUERY", "mine")
    before, platforms = dict(os.environ), jax.config.jax_platforms

    def plan():
        with without_tpu():
            assert os.environ["TPU_SKIP_MDS_QUERY"] == "1"
            assert jax.config.jax_platforms == "cpu"
            raise PlanError("it failed")

    with pytest.raises(PlanError):
        plan()
    assert dict(os.environ) == before
    assert jax.config.jax_platforms == platforms
