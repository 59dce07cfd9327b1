"""The step compiled for described arrays; here, for the CPUs of the tests."""

import dataclasses

import jax
import pytest

from jax_inpaint.compilation.memory import required_memory
from jax_inpaint.config import MaskConfig
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.models.sn_patchgan import SNPatchGANConfig
from jax_inpaint.planning.compilation import (
    Program,
    TooLarge,
    compile_step,
    described_arguments,
    next_batch,
)
from jax_inpaint.planning.layers import network_products
from jax_inpaint.training.mesh import device_mesh
from jax_inpaint.training.parallel import sharded_step
from jax_inpaint.training.state import init_state
from tests.small import SMALL, small
from tests.training.test_every_config import CONFIGS, shrunk

GIB = 2**30


def program(batch, memory, fixed=GIB):
    return Program(batch, fixed, memory - fixed, 0, 1e12, None, {})


def test_described_arguments_are_those_of_a_run():
    with_files = small(masks=MaskConfig(kind="folder", folder="masks"))
    state, batch, features = described_arguments(with_files, 6)
    real = init_state(SMALL)
    assert jax.tree.structure(state) == jax.tree.structure(real)
    for described, leaf in zip(jax.tree.leaves(state), jax.tree.leaves(real), strict=True):
        assert (described.shape, described.dtype) == (leaf.shape, leaf.dtype)
    assert {name: x.shape for name, x in batch.items()} == {
        "image": (6, 32, 32, 3),
        "mask": (6, 32, 32, 1),
    }
    assert features == {}


def test_feature_networks_are_described_too():
    path = next(path for path in CONFIGS if path.stem == "lama_places2")
    config = shrunk(path)
    arguments = described_arguments(config, 8)
    assert arguments[2].keys() == {"squeezenet"}
    step = sharded_step(config, config.objective.phases[-1], device_mesh())
    new, _ = jax.eval_shape(step, *arguments)
    assert jax.tree.structure(new) == jax.tree.structure(arguments[0])


def test_a_step_does_the_work_of_its_networks():
    """Three passes of the generator (forward and two gradients) and eight of the discriminator:
    forward for real and fake images, two gradients of each, then forward and one gradient.
    """
    config = small(generator=DeepFillV2Config(width=16), discriminator=SNPatchGANConfig(width=16))
    found = compile_step(config, device_mesh(devices=jax.devices()[:1]), 2)
    assert isinstance(found, Program)
    work = {
        name: sum(product.flops for product in products)
        for name, products in network_products(config).items()
    }
    expected = 2 * (3 * work["deepfillv2"] + 8 * work["sn_patchgan"])
    assert 0.8 * expected < found.flops < 1.3 * expected
    assert found.exchanges == {}
    assert found.cycles is None


@pytest.mark.slow
def test_a_step_on_eight_devices_sums_gradients():
    found = compile_step(SMALL, device_mesh(), 8)
    assert set(found.exchanges) == {"all-reduce"}
    state, batch, _ = described_arguments(SMALL, 1)
    gradients = sum(4 * x.size for x in jax.tree.leaves((state.generator, state.discriminator)))
    assert gradients <= found.exchanges["all-reduce"].bytes < 1.5 * gradients
    # Every device holds the whole state and its own image.
    sizes = sum(x.dtype.itemsize * x.size for x in jax.tree.leaves((state, batch)))
    assert found.arguments == pytest.approx(sizes, rel=0.05)


def test_pmap_is_planned_as_shard_map():
    train = [dataclasses.replace(SMALL.train, parallel=way) for way in ("shard_map", "pmap")]
    texts = [
        sharded_step(small(train=t), SMALL.objective.phases[0], device_mesh())
        .lower(*described_arguments(SMALL, 8))
        .as_text()
        for t in train
    ]
    assert texts[0] == texts[1]


def test_what_is_planned_does_not_depend_on_the_planning_machine(monkeypatch):
    arguments = described_arguments(SMALL, 8)
    step = sharded_step(SMALL, SMALL.objective.phases[0], device_mesh())

    def refuse():
        raise AssertionError("the step asks where it is traced")

    monkeypatch.setattr(jax, "default_backend", refuse)
    monkeypatch.setattr(jax, "devices", refuse)
    step.trace(*arguments)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm. Used 17.50G of 15.75G hbm.",
            17.5 * GIB,
        ),
        (
            "RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO "
            "temporaries (384.00M) exceeds available HBM (15.75G).",
            384 * 2**20,
        ),
        ("INTERNAL: something else. Used 3.00G", None),
    ],
)
def test_what_a_program_would_need_is_read_off_the_complaint(message, expected):
    assert required_memory(message) == expected


@pytest.mark.parametrize("per_image", [0.02, 0.2, 0.9, 3.0])
@pytest.mark.parametrize("start", [8, 40, 512])
def test_the_search_ends_soon_at_a_batch_that_nearly_fills_the_memory(per_image, start):
    available = 16 * GIB

    def attempt(batch):
        memory = int((1 + per_image * batch) * GIB)
        return program(batch, memory) if memory <= available else TooLarge(batch, memory)

    tried = [attempt(start)]
    while batch := next_batch(tried, available):
        tried.append(attempt(batch))
    largest = max(p.batch for p in tried if isinstance(p, Program))
    limit = 15 / per_image
    assert 0.85 * limit - 8 < largest <= limit or largest == int(limit)
    assert largest < 8 or largest % 8 == 0
    assert len(tried) <= 4


def test_the_search_goes_on_between_what_fits_and_what_does_not():
    # The rule of thumb promises 56, which turn out not to fit.
    tried = [program(16, int(4.2 * GIB)), TooLarge(56, 17 * GIB)]
    assert next_batch(tried, 16 * GIB) == 48
    assert next_batch([*tried, TooLarge(48, 17 * GIB)], 16 * GIB) == 40
    assert next_batch([*tried, program(48, 14 * GIB)], 16 * GIB) is None


@pytest.mark.parametrize("parts", [2, 3, 8])
def test_the_search_keeps_to_what_can_be_split_into_parts(parts):
    available, tried = 16 * GIB, [TooLarge(16 * parts, 100 * GIB)]
    while batch := next_batch(tried, available, parts):
        assert batch % parts == 0
        memory = GIB + batch * GIB
        tried.append(program(batch, memory) if memory < available else TooLarge(batch, memory))
    assert max(p.batch for p in tried if p.memory < available) == 14 // parts * parts


def test_the_search_gives_up_where_one_image_does_not_fit():
    assert next_batch([TooLarge(1, 20 * GIB)], 16 * GIB) is None
