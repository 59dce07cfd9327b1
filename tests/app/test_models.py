import jax
import pytest

from jax_inpaint.app.models import Models
from jax_inpaint.inference.inpainter import Inpainter
from jax_inpaint.inference.network import FillError


def test_each_is_loaded_once_for_a_device():
    loaded = []

    def load(path, device):
        loaded.append((str(path), device))
        return Inpainter.__new__(Inpainter)

    models = Models(["runs/first", "weights/second.safetensors", "other/first"], load)
    assert models.names == ["first", "second", "other/first"]
    assert models.get("second", "cpu:0") is models.get("second", "cpu:0")
    models.get("first", "cpu:1")
    models.get("other/first", "cpu:1")
    assert loaded == [
        ("weights/second.safetensors", "cpu:0"),
        ("runs/first", "cpu:1"),
        ("other/first", "cpu:1"),
    ]


def test_devices_are_all_of_the_machine():
    assert Models(["a"]).devices == [f"cpu:{number}" for number in range(len(jax.devices()))]


def test_what_there_is_not():
    with pytest.raises(FillError, match="no weights: name a weights file"):
        Models([])
    with pytest.raises(FillError, match="no weights 'c', but a, b"):
        Models(["a", "b"]).get("c", "cpu")
