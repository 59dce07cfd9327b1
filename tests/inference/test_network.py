import re
import threading
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.inference import network
from jax_inpaint.inference.inpainter import Inpainter
from jax_inpaint.inference.network import FillError, Network, find_devices, padded_size
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.models.gated_unet import GatedUNetConfig
from jax_inpaint.models.lama import LaMaConfig
from tests.inference.test_inpainter import make, noise, random_hole


@pytest.mark.parametrize("multiple", [1, 8, 32])
def test_sizes_are_few_and_hardly_larger(multiple):
    sides = range(1, 5000)
    padded = [padded_size((side, 1), multiple)[0] for side in sides]
    assert all(large - side >= 0 for side, large in zip(sides, padded, strict=True))
    assert all(large % multiple == 0 for large in padded)
    for side, large in zip(sides, padded, strict=True):
        assert large - side < max(multiple, side / 16)
    assert len({large for large in padded if 512 < large <= 1024}) <= 16
    for power in (64, 256, 512, 1024, 2048, 4096):
        assert padded_size((power, power), multiple) == (power, power)


def count_compilations(monkeypatch):
    compiled = []
    compile_one = Network._compile

    def counting(self, outputs, arguments, size):
        compiled.append((outputs, arguments["image"].shape))
        return compile_one(self, outputs, arguments, size)

    monkeypatch.setattr(Network, "_compile", counting)
    return compiled


def test_threads_share_programs_and_fill_as_one_would(monkeypatch):
    compiled = count_compilations(monkeypatch)
    inpainter = Inpainter(*make(DeepFillV2Config(width=4)))
    tasks = [
        (noise(*size, seed=seed), random_hole(*size))
        for seed in range(3)
        for size in ((20, 30), (24, 32), (40, 40))
    ]
    results = [None] * len(tasks)
    start = threading.Barrier(len(tasks))

    def fill(number):
        start.wait()
        results[number] = inpainter(*tasks[number]).pixels

    threads = [threading.Thread(target=fill, args=(number,)) for number in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(shape for _, shape in compiled) == [(1, 24, 32, 3), (1, 40, 40, 3)]
    for task, result in zip(tasks, results, strict=True):
        np.testing.assert_array_equal(result, inpainter(*task).pixels)


def test_warming_up_compiles_what_is_needed_later(monkeypatch):
    compiled = count_compilations(monkeypatch)
    inpainter = Inpainter(*make(DeepFillV2Config(width=4)), working_size=32)
    inpainter.warm_up((20, 30), (60, 100))
    before = list(compiled)
    inpainter(noise(19, 29), random_hole(19, 29))
    hole = np.zeros((60, 100), bool)
    hole[30:35, 40:50] = True
    inpainter(noise(60, 100), hole)
    assert compiled == before
    assert [shape for _, shape in compiled] == [(1, 24, 32, 3), (1, 32, 32, 3)]


def test_bfloat16_is_close(monkeypatch):
    config, variables = make(DeepFillV2Config(width=4))
    small = jax.tree.map(lambda leaf: leaf / 3, variables)
    picture, hole = noise(16, 24), random_hole(16, 24)
    exact = Inpainter(config, small)(picture, hole).pixels.astype(int)
    rounded = Inpainter(config, small, dtype="bfloat16")(picture, hole).pixels
    assert 0 < np.abs(exact - rounded).max() < 16
    with pytest.raises(FillError, match="float32 or bfloat16, got 'float16'"):
        Inpainter.__init__.__wrapped__(  # as without a type checker
            object.__new__(Inpainter), config, small, dtype="float16"
        )


def test_devices_have_names():
    devices = jax.local_devices()
    assert find_devices() == find_devices("cpu") == devices[:1]
    assert find_devices("cpu:3") == devices[3:4]
    assert find_devices("cpu:3", 5) == devices[3:]
    for count, most, name in ((9, 8, None), (0, 8, "cpu"), (6, 5, "cpu:3")):
        message = f"spatial must be from 1 to {most}, .*, got {count}; there is cpu:0, cpu:1"
        with pytest.raises(FillError, match=message):
            find_devices(name, count)
    for name in ("cpu:99", "abacus", "cpu:x"):
        with pytest.raises(FillError, match=f"there is no device '{name}'; there is cpu:0, cpu:1"):
            find_devices(name)


def test_a_device_of_one_s_choice_fills(monkeypatch):
    config, variables = make(DeepFillV2Config(width=4))
    picture, hole = noise(16, 24), random_hole(16, 24)
    there = Inpainter(config, variables, device="cpu:5")
    assert jax.tree.leaves(there._network.variables)[0].devices() == {jax.local_devices()[5]}
    expected = Inpainter(config, variables)(picture, hole)
    np.testing.assert_array_equal(there(picture, hole).pixels, expected.pixels)


def test_both_stages_and_the_flow_are_to_be_had():
    config, variables = make(DeepFillV2Config(width=4))
    network = Network(config, variables, find_devices())
    image, hole = noise(20, 30).rgb(), random_hole(20, 30)
    (made,) = network([image], [hole], outputs=("coarse", "final", "composite", "offset_flow"))
    assert made["coarse"].shape == made["final"].shape == (20, 30, 3)
    assert made["offset_flow"].shape == (3, 4, 2)
    np.testing.assert_array_equal(made["composite"][~hole], image[~hole])
    np.testing.assert_array_equal(made["composite"][hole], made["final"][hole])


def test_a_guess_stands_in_for_the_first_stage():
    config, variables = make(DeepFillV2Config(width=4))
    network = Network(config, jax.tree.map(lambda leaf: leaf / 1.5, variables), find_devices())
    image, hole = noise(16, 32).rgb(), random_hole(16, 32)
    (made,) = network([image], [hole], outputs=("coarse", "final"))
    (guided,) = network([image], [hole], guesses=[made["coarse"]])
    np.testing.assert_allclose(guided["final"], made["final"], atol=1e-5)
    (other,) = network([image], [hole], guesses=[made["coarse"] * 0])
    assert np.abs(other["final"] - made["final"])[hole].max() > 1e-4


def test_a_network_of_one_stage_refines_too_and_has_no_coarse_picture():
    config = GatedUNetConfig(width=4)
    image, mask = jnp.zeros((1, 32, 32, 3)), jnp.zeros((1, 32, 32, 1))
    variables = config.build().init(jax.random.key(0), image, mask)
    inpainter = Inpainter(config, {"batch_stats": {}, **variables})
    picture, hole = noise(64, 96), random_hole(64, 96)
    filled = inpainter(picture, hole, strategy="refine", working_size=32)
    np.testing.assert_array_equal(filled.pixels[~hole], picture.pixels[~hole])
    with pytest.raises(FillError, match="gated_unet has one stage, and no coarse picture"):
        inpainter(picture, hole, coarse=True)


def make_deepfillv2():
    config, variables = make(DeepFillV2Config(width=4))
    return config, jax.tree.map(lambda leaf: leaf / 1.5, variables)


def make_lama():
    config = LaMaConfig(width=4, blocks=2)
    image, mask = jnp.zeros((1, 32, 32, 3)), jnp.zeros((1, 32, 32, 1))
    return config, config.build().init(jax.random.key(0), image, mask)


@pytest.mark.parametrize(
    ("make", "size", "devices"),
    [
        (make_deepfillv2, (288, 256), 4),  # ten tiles of attention
        pytest.param(make_lama, (128, 64), 2, marks=pytest.mark.slow),
        # A row of features a device.
        pytest.param(make_deepfillv2, (32, 48), 4, marks=pytest.mark.slow),
        pytest.param(make_lama, (32, 48), 4, marks=pytest.mark.slow),
    ],
)
def test_devices_that_share_rows_fill_as_one(make, size, devices):
    config, variables = make()
    image, hole = noise(*size).rgb(), np.zeros(size, bool)
    hole[size[0] // 4 : size[0] // 2 + 8, size[1] // 3 : size[1] // 2] = True
    one = Network(config, variables, find_devices(), once=True)
    several = Network(config, variables, find_devices(None, devices))
    assert several.padded(size) == one.padded(size) == size
    (expected,), (found,) = (network([image], [hole]) for network in (one, several))
    within = 1e-4 * expected["final"][hole].std()
    np.testing.assert_allclose(found["final"], expected["final"], rtol=0, atol=within)


@pytest.mark.slow
@pytest.mark.parametrize(("make", "share"), [(make_deepfillv2, 0.55), (make_lama, 0.4)])
def test_each_of_several_devices_needs_a_share_of_the_memory(make, share):
    config, variables = make()

    def needed(devices):
        network = Network(config, variables, find_devices(None, devices), once=True)
        images = {
            name: jax.device_put(np.zeros((1, 512, 512, channels), np.float32), network._rows)
            for name, channels in (("image", 3), ("mask", 1))
        }
        return network._compile(("final",), images, (512, 512)).memory_analysis().temp_size_in_bytes

    assert needed(4) < share * needed(1)


@pytest.mark.slow
def test_rows_are_padded_to_what_devices_can_share():
    config, variables = make_deepfillv2()
    picture, hole = noise(33, 30), random_hole(33, 30)
    inpainter = Inpainter(config, variables, spatial=4)
    assert inpainter.padded((33, 30)) == (64, 32)
    filled = inpainter(picture, hole)
    np.testing.assert_array_equal(filled.pixels[~hole], picture.pixels[~hole])
    padding = ((0, 31), (0, 2))
    alone = Inpainter(config, variables)(
        np.pad(picture.pixels, (*padding, (0, 0)), "reflect"), np.pad(hole, padding, "reflect")
    )
    difference = filled.pixels.astype(int) - alone[:33, :30]
    assert np.abs(difference).max() <= 1


def test_memory_is_that_of_all_cpus_together_and_of_each_accelerator(monkeypatch):
    config, variables = make_deepfillv2()
    monkeypatch.setattr(network, "memory_of", lambda device: 100_000)
    monkeypatch.setattr(network, "compile_for", lambda devices, run, **options: jax.jit(run))

    def refusal(platform, end):
        generator = Network(config, variables, find_devices(None, 4), once=True)
        generator.devices = [SimpleNamespace(platform=platform)] * 4
        with pytest.raises(FillError, match=f"{end}$") as caught:
            generator([noise(64, 64).rgb()], [random_hole(64, 64)])
        needed, has = re.search("needs (.*) GiB at once, (.*) has", str(caught.value)).groups()
        return float(needed), has

    needed, has = refusal("gpu", "or split it over more devices with spatial")
    assert has == "each device"
    needed_by_all, has = refusal("cpu", "strategy crop or resize")
    assert has == "this machine"
    assert needed_by_all == pytest.approx(4 * needed, rel=0.01)
