import json
import struct
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from flax import traverse_util

from jax_inpaint.config import to_dict
from jax_inpaint.errors import UserError
from jax_inpaint.inference.inpainter import Inpainter
from jax_inpaint.models import GENERATORS
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.weights import (
    FILE_NAME,
    WeightsError,
    _collection,
    load_weights,
    save_weights,
    trained_size,
    variable_shapes,
)

CONFIG = DeepFillV2Config(width=4)
HEADER = {"format": "jax_inpaint", "architecture": "deepfillv2"}


def random_params(config, seed=0):
    """Parameters of the right shapes, without running the network's initialisation."""
    image, mask = jnp.zeros((1, 16, 16, 3)), jnp.zeros((1, 16, 16, 1))
    sketch = mask if config.sketch else None
    shapes = jax.eval_shape(config.build().init, jax.random.key(0), image, mask, sketch)
    random = np.random.default_rng(seed)
    params = jax.tree.map(
        lambda leaf: random.normal(size=leaf.shape).astype(np.float32), shapes["params"]
    )
    return {"params": params, "batch_stats": {}}


@pytest.fixture(scope="module")
def params():
    return random_params(CONFIG)


@pytest.fixture
def tensors(params):
    return traverse_util.flatten_dict(params["params"], sep=".")


@pytest.fixture
def save(tmp_path):
    """Writes a file as someone else might, with anything in it."""

    def write(tensors, config=CONFIG, **changes):
        values = {} if isinstance(config, str) else to_dict(config)
        values.pop("architecture", None)
        text = config if isinstance(config, str) else json.dumps(values)
        header = {**HEADER, "config": text, **changes}
        present = {name: value for name, value in header.items() if value is not None}
        path = tmp_path / "other.safetensors"
        safetensors.numpy.save_file(tensors, path, present)
        return path

    return write


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        DeepFillV2Config(width=6, sketch=True),
        DeepFillV2Config(width=2, compute_dtype="bfloat16"),
    ],
)
def test_round_trip_is_bit_exact(tmp_path, config):
    params = random_params(config)
    params["params"]["coarse"]["conv1"]["conv"]["bias"][:2] = [
        -0.0,
        1e-45,
    ]  # a signed zero, a denormal
    save_weights(tmp_path / "w.safetensors", config, params)
    found_config, found = load_weights(str(tmp_path / "w.safetensors"))
    assert found_config == config
    assert jax.tree.structure(found) == jax.tree.structure(params)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(params), strict=True):
        assert a.dtype == np.float32
        assert a.tobytes() == b.tobytes()


def test_device_arrays_are_saved_and_the_file_opens_with_plain_safetensors(tmp_path, params):
    save_weights(tmp_path / "w.safetensors", CONFIG, jax.device_put(params))
    with safetensors.safe_open(tmp_path / "w.safetensors", framework="numpy") as file:
        header = file.metadata()
        kernel = file.get_tensor("coarse.conv1.conv.kernel")
    assert header.keys() == {"format", "architecture", "config"}
    assert {name: header[name] for name in HEADER} == HEADER
    assert {"architecture": "deepfillv2", **json.loads(header["config"])} == to_dict(CONFIG)
    assert kernel.shape == (5, 5, 5, 8)
    assert np.array_equal(kernel, params["params"]["coarse"]["conv1"]["conv"]["kernel"])


def test_transposed_arrays_are_saved_as_they_look(tmp_path, params):
    turned = jax.tree.map(lambda leaf: np.asfortranarray(leaf), params)
    save_weights(tmp_path / "w.safetensors", CONFIG, turned)
    _, found = load_weights(tmp_path / "w.safetensors")
    assert jax.tree.all(jax.tree.map(np.array_equal, found, params))


def test_the_folder_of_a_run_stands_for_its_file(tmp_path, params):
    with pytest.raises(
        WeightsError, match=rf"{tmp_path.name} holds no {FILE_NAME}; has a training"
    ):
        load_weights(tmp_path)
    save_weights(tmp_path / FILE_NAME, CONFIG, params)
    assert load_weights(tmp_path)[0] == CONFIG


def test_a_newer_file_replaces_the_older_with_ordinary_permissions(tmp_path, params):
    (tmp_path / "ordinary").touch()
    for scale in (1, 2):
        save_weights(tmp_path / FILE_NAME, CONFIG, jax.tree.map(lambda x, s=scale: s * x, params))
    kernel = load_weights(tmp_path)[1]["params"]["coarse"]["conv1"]["conv"]["kernel"]
    assert np.array_equal(kernel, 2 * params["params"]["coarse"]["conv1"]["conv"]["kernel"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ordinary", FILE_NAME]
    assert (tmp_path / FILE_NAME).stat().st_mode == (tmp_path / "ordinary").stat().st_mode


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt("Ctrl-C")])
def test_a_failure_in_mid_writing_keeps_the_older_file(tmp_path, monkeypatch, params, error):
    save_weights(tmp_path / FILE_NAME, CONFIG, params)
    before = (tmp_path / FILE_NAME).read_bytes()
    write = Path.write_bytes

    def write_half(self, data):
        write(self, data[: len(data) // 2])
        raise error

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(type(error), match=str(error)):
        save_weights(tmp_path / FILE_NAME, CONFIG, jax.tree.map(np.zeros_like, params))
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_what_isn_t_there_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"nowhere: there is no such file"):
        load_weights(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match=r"file/below .*\(Not a directory\)"):
        load_weights(tmp_path / "file" / "below")
    with pytest.raises(WeightsError, match=r"File name too long"):
        load_weights(tmp_path / ("x" * 300))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"this is a text file, not weights\n" * 50,
        lambda data: data + b"x",
        lambda data: data[:8] + b"\xff" * (len(data) - 8),
        lambda data: struct.pack("<Q", 9) + b'{"a": nul' + data,
        lambda data: data[:4],
        lambda data: data[:8],
        lambda data: data[:100],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
    ],
)
def test_damaged_and_foreign_bytes_are_named(tmp_path, params, damage):
    path = tmp_path / "w.safetensors"
    save_weights(path, CONFIG, params)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WeightsError, match=r"w\.safetensors can't be read as safetensors"):
        load_weights(path)


@pytest.mark.parametrize(
    "changes",
    [{"format": None}, {"format": "pt"}, {"architecture": None}, {"architecture": "unet"}],
)
def test_weights_of_others_are_refused(save, tensors, changes):
    with pytest.raises(WeightsError, match=r"holds no weights of jax_inpaint|isn't one of") as e:
        load_weights(save(tensors, **changes))
    assert all(str(value or "") in str(e.value) for value in changes.values())


def test_a_file_without_any_header_is_refused(tmp_path, tensors):
    safetensors.numpy.save_file(tensors, tmp_path / "w")
    with pytest.raises(WeightsError, match=r"w holds no weights of jax_inpaint"):
        load_weights(tmp_path / "w")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("", "Expecting value"),
        ("{'width': 4}", "property name"),
        ('{"width": 4', "delimiter"),
        ("[]", "isn't an object"),
        ("null", "isn't an object"),
        ('{"width": 4, "depth": 3}', "DeepFillV2Config has no field depth"),
        ('{"width": 3}', "generator.width must be even"),
        ('{"width": "4"}', "width"),
        ('{"width": 4.0}', "width"),
        ('{"width": [4]}', "width"),
        ('{"width": 4, "sketch": "no"}', "sketch"),
        ('{"width": 4, "sketch": 0}', "sketch"),
        ('{"width": 4, "compute_dtype": "int8"}', "compute_dtype is 'int8', not one of ('float32'"),
        ('{"width": 4, "compute_dtype": null}', "compute_dtype"),
    ],
)
def test_a_config_that_can_t_be_used_is_shown_with_the_reason(save, tensors, config, reason):
    with pytest.raises(WeightsError, match=r"other\.safetensors: the header's config ") as error:
        load_weights(save(tensors, config))
    assert reason in str(error.value)
    assert repr(config) in str(error.value)


def test_a_header_without_config_is_refused(save, tensors):
    path = save(tensors)
    safetensors.numpy.save_file(tensors, path, HEADER)
    with pytest.raises(WeightsError, match=r"the header's config can't be used: .*: ''$"):
        load_weights(path)


def test_fields_that_an_older_file_lacks_have_their_defaults(save, tensors):
    assert load_weights(save(tensors, '{"width": 4}'))[0] == DeepFillV2Config(width=4)


@pytest.mark.parametrize(
    ("architecture", "config", "reason"),
    [
        (
            "deepfillv2",
            '{"width": 1000000000000}',
            "width must be from 1 to 4096, got 1000000000000",
        ),
        ("lama", '{"blocks": 100000}', "blocks must be from 1 to 64"),
        ("partial_unet", '{"levels": 60}', "levels must be from 1 to 10"),
        ("deepfillv2", "[" * 100_000, "recursion"),
    ],
)
def test_no_network_is_built_that_none_could_be(save, tensors, architecture, config, reason):
    """Tracing one aborted the process, or took forever."""
    with pytest.raises(WeightsError, match=reason) as error:
        load_weights(save(tensors, config, architecture=architecture))
    assert len(str(error.value)) < 2100


@pytest.mark.parametrize(
    ("name", "dtype", "shape", "message"),
    [
        ("a", "F8_E4M3", [4], "a is F8_E4M3 instead of F32"),
        ("a", "F32", [1] * 100, "a has the shape"),
        ("a", "F32", [0, 2**62, 2**62], "a has the shape"),
        ("a" + ".b" * 5000, "F32", [1], "names of tensors that can't be"),
    ],
)
def test_tensors_that_no_array_can_be_made_of_are_named(tmp_path, name, dtype, shape, message):
    size = 0 if 0 in shape else 4
    header = {
        "__metadata__": {**HEADER, "config": "{}"},
        name: {"dtype": dtype, "shape": shape, "data_offsets": [0, size]},
    }
    text = json.dumps(header).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(size))
    with pytest.raises(WeightsError, match=message):
        load_weights(path, check_shapes=False)


KERNEL = "coarse.conv1.conv.kernel"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop(KERNEL), rf"{KERNEL}: missing instead of F32 \(5, 5, 5, 8\)"),
        (lambda t: t.update(more=np.zeros(3)), r"more: F64 \(3,\) instead of nothing"),
        (
            lambda t: t.update({KERNEL: t[KERNEL][:3]}),
            rf"{KERNEL}: F32 \(3, 5, 5, 8\) instead of F32 \(5, 5, 5, 8\)",
        ),
        (lambda t: t.update({KERNEL: t[KERNEL].astype(np.float16)}), rf"{KERNEL}: F16 .* of F32"),
        (lambda t: t.update({KERNEL: t[KERNEL].astype(np.int32)}), rf"{KERNEL}: I32 .* of F32"),
        (
            lambda t: t.update({KERNEL: t[KERNEL].astype(jnp.bfloat16)}),
            rf"{KERNEL}: BF16 .* of F32",
        ),
        (lambda t: [t.pop(name) for name in list(t)[1:]], r"missing .* and \d+ more"),
    ],
)
def test_tensors_that_don_t_fit_the_config_are_named(save, tensors, change, message):
    change(tensors)
    with pytest.raises(WeightsError, match=rf"doesn't fit its own config: .*{message}"):
        load_weights(save(tensors))


def test_another_width_in_the_config_doesn_t_fit(save, tensors):
    with pytest.raises(WeightsError, match=r"F32 .* instead of F32 .* and \d+ more"):
        load_weights(save(tensors, DeepFillV2Config(width=8)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_of_a_diverged_run_are_refused(save, tensors, value):
    tensors[KERNEL] = tensors[KERNEL].copy()
    tensors[KERNEL][1, 2, 3, 4] = value
    with pytest.raises(WeightsError, match=rf"{KERNEL} holds NaN or infinity"):
        load_weights(save(tensors))


# What the generator was trained on


def test_the_size_of_training_images_goes_along(tmp_path, params):
    path = tmp_path / "weights.safetensors"
    config, variables = CONFIG, params
    save_weights(path, config, variables)
    assert trained_size(path) is None
    save_weights(path, config, variables, (48, 64))
    assert trained_size(path) == trained_size(tmp_path) == (48, 64)
    assert load_weights(path)[0] == config


@pytest.mark.parametrize(
    "text",
    ["5", "[64]", "[64, 64, 3]", "[0, 64]", "[-1, 64]", '["a", 64]', "[64.0, 64]", "{", "[" * 9999],
)
def test_a_size_that_can_t_be_is_refused(tmp_path, text):
    path = tmp_path / "weights.safetensors"
    safetensors.numpy.save_file({"a": np.zeros(1, np.float32)}, path, {"size": text})
    with pytest.raises(WeightsError, match="the header's size"):
        trained_size(path)


@pytest.mark.parametrize("name", GENERATORS)
def test_where_a_tensor_belongs_can_be_told_from_its_name(name):
    for collection, shapes in variable_shapes(GENERATORS[name]()).items():
        assert {_collection(tensor) for tensor in shapes} <= {collection}


def test_shapes_need_not_be_checked(save, tensors):
    path = save(tensors)
    checked, unchecked = load_weights(path), load_weights(path, check_shapes=False)
    assert jax.tree.structure(unchecked) == jax.tree.structure(checked)
    assert jax.tree.all(jax.tree.map(np.array_equal, unchecked, checked))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop(KERNEL), "the weights don't fit their own config: .*kernel"),
        (
            lambda t: t.update({KERNEL: t[KERNEL][:3]}),
            r"the weights don't fit their own config: .*\(3, 5, 5, 8\)",
        ),
        (lambda t: t.clear(), "the weights don't fit their own config"),
        (
            lambda t: t.update({KERNEL: t[KERNEL].astype(np.float16)}),
            f"{KERNEL} is F16 instead of F32",
        ),
        (
            lambda t: t.update({f"{KERNEL}.more": np.zeros(3, np.float32)}),
            "names of tensors that can't be",
        ),
    ],
)
def test_what_is_wrong_then_is_found_by_filling(save, tensors, change, message):
    change(tensors)
    path = save(tensors)
    mask = np.eye(16, dtype=bool)
    with pytest.raises(UserError, match=message):
        Inpainter.load(path, once=True)(np.zeros((16, 16, 3), np.uint8), mask)
