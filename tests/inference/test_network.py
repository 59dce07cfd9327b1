import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_inpaint.inference.inpainter import Inpainter
from jax_inpaint.inference.network import FillError, Network, find_device, padded_size
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.models.gated_unet import GatedUNetConfig
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
    assert find_device() == jax.local_devices()[0]
    assert find_device("cpu") == jax.local_devices()[0]
    assert find_device("cpu:3") == jax.local_devices()[3]
    for name in ("cpu:99", "abacus", "cpu:x"):
        with pytest.raises(FillError, match=f"there is no device '{name}'; there is cpu:0, cpu:1"):
            find_device(name)


def test_a_device_of_one_s_choice_fills(monkeypatch):
    config, variables = make(DeepFillV2Config(width=4))
    picture, hole = noise(16, 24), random_hole(16, 24)
    there = Inpainter(config, variables, device="cpu:5")
    assert jax.tree.leaves(there._network.variables)[0].devices() == {jax.local_devices()[5]}
    expected = Inpainter(config, variables)(picture, hole)
    np.testing.assert_array_equal(there(picture, hole).pixels, expected.pixels)


def test_both_stages_and_the_flow_are_to_be_had():
    config, variables = make(DeepFillV2Config(width=4))
    network = Network(config, variables, find_device())
    image, hole = noise(20, 30).rgb(), random_hole(20, 30)
    (made,) = network([image], [hole], outputs=("coarse", "final", "composite", "offset_flow"))
    assert made["coarse"].shape == made["final"].shape == (20, 30, 3)
    assert made["offset_flow"].shape == (3, 4, 2)
    np.testing.assert_array_equal(made["composite"][~hole], image[~hole])
    np.testing.assert_array_equal(made["composite"][hole], made["final"][hole])


def test_a_guess_stands_in_for_the_first_stage():
    config, variables = make(DeepFillV2Config(width=4))
    network = Network(config, jax.tree.map(lambda leaf: leaf / 1.5, variables), find_device())
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
