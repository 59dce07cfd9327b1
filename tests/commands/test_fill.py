import os
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

import cv2
import jax
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from jax_inpaint import cli
from jax_inpaint.images import Metadata, Picture, read_picture, write_picture
from jax_inpaint.inference import network
from jax_inpaint.inference.inpainter import Inpainter
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.weights import load_weights, save_weights

HEIGHT, WIDTH = 13, 22
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(channels, dtype=np.uint8, height=HEIGHT, width=WIDTH):
    top = np.iinfo(dtype).max + 1
    return np.random.default_rng(0).integers(0, top, (height, width, channels), dtype)


def pillow(pixels, mode):
    return Image.frombytes(mode, (pixels.shape[1], pixels.shape[0]), pixels.tobytes())


def grey():
    return pillow(noise(1), "L")


def colours():
    return pillow(noise(3), "RGB")


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """The folder of a run with the weights of a tiny generator."""
    config = DeepFillV2Config(width=4)
    image, mask = np.zeros((1, 16, 16, 3), np.float32), np.zeros((1, 16, 16, 1), np.float32)
    shapes = jax.eval_shape(config.build().init, jax.random.key(0), image, mask)
    random = np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: random.normal(0, 0.3, leaf.shape).astype(np.float32), shapes["params"]
    )
    folder = tmp_path_factory.mktemp("run")
    save_weights(folder / "weights.safetensors", config, {"params": params})
    return folder


def load_anew(path, **settings):
    return Inpainter(*load_weights(path), **settings)


compiled_once = cache(load_anew)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a mask; the network is compiled once for all tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Inpainter, "load", compiled_once)
    hole = np.zeros((HEIGHT, WIDTH), np.uint8)
    hole[3:9, 5:12] = 255
    Image.fromarray(hole).save("mask.png")
    return tmp_path


@pytest.fixture
def fill(folder, run_folder, monkeypatch, capfd):
    """Runs ``jax-inpaint fill``; gives exit status, stdout and stderr."""

    def run(*arguments, weights=None):
        words = ["fill", *map(str, arguments), "--weights", str(weights or run_folder)]
        monkeypatch.setattr(sys, "argv", ["jax-inpaint", *words])
        status = cli.main()
        return status, *capfd.readouterr()

    return run


def mask():
    with Image.open("mask.png") as image:
        return np.asarray(image) > 127


def check(before, after):
    """All but the hole is the same, and the hole isn't; pixels are (H, W, ...) arrays."""
    hole = mask()
    assert after.shape == before.shape
    assert after.dtype == before.dtype
    assert np.array_equal(after[~hole], before[~hole])
    assert not np.array_equal(after[hole], before[hole])


# What it fills


def test_it_fills_with_a_file_or_a_folder_of_weights(fill, run_folder):
    colours().save("in.png")
    status, out, err = fill("in.png", "mask.png", "-o", "a.png")
    assert (status, err) == (0, "")
    assert out == "a.png: filled 42 of 286 pixels (14.7%)\n"
    weights = run_folder / "weights.safetensors"
    assert fill("in.png", "mask.png", "--output", "b.png", weights=weights)[0] == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    check(noise(3), np.asarray(Image.open("a.png")))


def palette():
    return colours().quantize(40)


PICTURES = {
    "grey": ("in.png", grey, {}, "L"),
    "grey, alpha": ("in.png", lambda: pillow(noise(2), "LA"), {}, "LA"),
    "colour": ("in.png", colours, {}, "RGB"),
    "colour, alpha": ("in.png", lambda: pillow(noise(4), "RGBA"), {}, "RGBA"),
    "palette": ("in.png", palette, {}, "RGB"),
    "palette bmp": ("in.bmp", palette, {}, "RGB"),
    "gif": ("in.gif", palette, {}, "RGB"),
    "palette, transparent": ("in.png", palette, {"transparency": 3}, "RGBA"),
    "palette, alpha": ("in.png", palette, {"transparency": bytes(range(40))}, "RGBA"),
    "black and white": ("in.png", lambda: grey().convert("1"), {}, "L"),
    "black and white tiff": ("in.tif", lambda: grey().convert("1"), {}, "L"),
    "cmyk jpeg": ("in.jpg", lambda: pillow(noise(4), "CMYK"), {}, "CMYK"),
    "cmyk tiff": ("in.tif", lambda: pillow(noise(4), "CMYK"), {}, "CMYK"),
    "jpeg": ("in.jpg", colours, {}, "RGB"),
    "webp": ("in.webp", colours, {"lossless": True}, "RGB"),
}


@pytest.mark.parametrize("output", ["out.png", "out.tif", "out.webp", "out.bmp"])
@pytest.mark.parametrize("kind", PICTURES)
def test_every_kind_of_picture_keeps_its_known_pixels(fill, kind, output):
    name, make, options, mode = PICTURES[kind]
    make().save(name, **options)
    status, _, err = fill(name, "mask.png", "-o", output)
    if (mode == "CMYK" and output != "out.tif") or (mode.endswith("A") and output == "out.bmp"):
        assert status == 1
        assert ("CMYK" if mode == "CMYK" else "transparency") in err
        assert not Path(output).exists()
        return
    assert (status, err) == (0, "")
    seen = mode if output != "out.webp" else {"L": "RGB", "LA": "RGBA"}.get(mode, mode)
    with Image.open(name) as before, Image.open(output) as after:
        assert after.mode == seen
        check(np.asarray(before.convert(seen)), np.asarray(after))
        if mode.endswith("A"):
            alpha = np.asarray(before.convert("RGBA"))[..., 3]
            assert np.array_equal(np.asarray(after)[..., -1], alpha)


@pytest.mark.parametrize("output", ["out.png", "out.tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("name", ["in.png", "in.tif"])
def test_16_bits_are_kept(fill, name, channels, output):
    assert cv2.imwrite(name, noise(channels, np.uint16))
    status, _, err = fill(name, "mask.png", "-o", output)
    assert (status, err) == (0, "")
    before, after = (cv2.imread(path, cv2.IMREAD_UNCHANGED) for path in (name, output))
    check(before, after)
    if channels == 4:
        assert np.array_equal(before[..., 3], after[..., 3])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["in.jpg", "in.png", "in.webp", "in.tif"])
def test_a_turned_picture_takes_a_mask_of_its_upright_size(fill, name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = colours() if orientation < 5 else pillow(noise(3, height=WIDTH, width=HEIGHT), "RGB")
    stored.save(name, exif=exif)
    assert fill(name, "mask.png", "-o", "out.png")[::2] == (0, "")
    with Image.open(name) as before, Image.open("out.png") as after:
        check(np.asarray(ImageOps.exif_transpose(before)), np.asarray(after))
        assert 0x0112 not in after.getexif()


def test_a_mask_of_the_size_before_turning_is_refused_with_both_sizes(fill):
    exif = Image.Exif()
    exif[0x0112] = 6
    colours().save("in.jpg", exif=exif)
    status, _, err = fill("in.jpg", "mask.png", "-o", "out.png")
    assert status == 1
    assert "the mask is 22x13 but the picture is 13x22 (width x height, upright)" in err


def test_a_turned_mask_is_turned_upright_too(fill):
    colours().save("in.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(np.rot90(np.asarray(Image.open("mask.png"))).copy())
    turned.save("turned.png", exif=exif)
    assert fill("in.png", "turned.png", "-o", "out.png")[::2] == (0, "")
    check(noise(3), np.asarray(Image.open("out.png")))


@pytest.mark.parametrize("name", ["mask.bmp", "mask.tif", "mask.gif", "mask.webp", "mask.jpg"])
@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P"])
def test_masks_of_every_kind_mean_the_same(fill, name, mode):
    colours().save("in.png")
    black_and_white = Image.open("mask.png").convert(mode)
    if name.endswith((".webp", ".jpg")):
        black_and_white = black_and_white.convert("RGB")
    black_and_white.save(name)
    assert fill("in.png", name, "-o", "out.png")[::2] == (0, "")
    check(noise(3), np.asarray(Image.open("out.png")))


@pytest.mark.parametrize("output", ["out.png", "out.tif", "out.webp", "out.jpg"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_colour_profile_goes_along(fill, dtype, output):
    if dtype == np.uint16 and output in ("out.webp", "out.jpg"):
        output = "out.png"
    write_picture("in.tif", Picture(noise(3, dtype), "RGB", Metadata(ICC)))
    assert fill("in.tif", "mask.png", "-o", output)[::2] == (0, "")
    with Image.open(output) as after:
        assert after.info["icc_profile"] == ICC


def test_a_jpeg_output_says_that_it_changes_the_rest_a_little(fill):
    colours().save("in.png")
    status, out, err = fill("in.png", "mask.png", "-o", "out.jpg")
    assert (status, err) == (0, "")
    assert "JPEG changes every pixel a little; name a .png" in out
    assert "JPEG changes" not in fill("in.png", "mask.png", "-o", "out.png")[1]


@pytest.mark.parametrize("size", [(1, 2), (3, 5), (8, 8), (1, 16), (16, 24)])
def test_small_and_thin_pictures(fill, size):
    pixels = noise(3, height=size[0], width=size[1])
    pillow(pixels, "RGB").save("in.png")
    hole = np.zeros(size, np.uint8)
    hole[:, : size[1] // 2] = 255
    Image.fromarray(hole).save("mask.png")
    assert fill("in.png", "mask.png", "-o", "out.png")[::2] == (0, "")
    check(pixels, np.asarray(Image.open("out.png")))


def test_force_replaces_the_output_even_if_it_is_the_input(fill):
    colours().save("in.png")
    assert fill("in.png", "mask.png", "-o", "in.png")[0] == 1
    assert np.array_equal(np.asarray(Image.open("in.png")), noise(3))
    assert fill("in.png", "mask.png", "-o", "in.png", "--force")[::2] == (0, "")
    check(noise(3), np.asarray(Image.open("in.png")))


# What it refuses: one line, exit status 1, nothing left behind


def save_grey_mask(value, height=HEIGHT, width=WIDTH):
    Image.new("L", (width, height), value).save("mask.png")


def spoil(name, change):
    Path(name).write_bytes(change(Path(name).read_bytes()))


FILL = "in.png mask.png -o out.png"
# What to do to a folder with a good in.png and mask.png, the arguments, the message.
REFUSED = {
    "missing picture": (list, "no.png mask.png -o out.png", "no.png: there is no such file"),
    "missing mask": (list, "in.png no.png -o out.png", "no.png: there is no such file"),
    "folder without pictures": (
        lambda: Path("f").mkdir(),
        "f mask.png -o out",
        "f: there are no pictures in this folder",
    ),
    "folder as mask": (
        lambda: Path("f").mkdir(),
        "in.png f -o out.png",
        "f: can't be read as a picture",
    ),
    "text": (
        lambda: Path("text.png").write_text("Not\na\npicture\n" * 99),
        "text.png mask.png -o out.png",
        "text.png: isn't a picture of a known format",
    ),
    "empty file": (
        lambda: Path("e.png").touch(),
        "e.png mask.png -o out.png",
        "e.png: isn't a picture",
    ),
    "truncated png": (
        lambda: spoil("in.png", lambda data: data[: len(data) // 2]),
        FILL,
        "in.png: can't be read as a picture (",
    ),
    "truncated jpeg": (
        lambda: (colours().save("in.jpg"), spoil("in.jpg", lambda data: data[:-50])),
        "in.jpg mask.png -o out.png",
        "in.jpg: can't be read as a picture (image file is truncated",
    ),
    "truncated 16 bits": (
        lambda: (cv2.imwrite("in.png", noise(3, np.uint16)), spoil("in.png", lambda d: d[:-500])),
        FILL,
        "in.png: can't be read as a picture (",
    ),
    "damaged tiff, of which libtiff complains itself": (
        lambda: (
            tifffile.imwrite("in.tif", noise(3), photometric="rgb", compression="zlib"),
            spoil("in.tif", lambda data: data.replace(b"x\x9c", b"xx").replace(b"x\xda", b"xx")),
        ),
        "in.tif mask.png -o out.png",
        "in.tif: can't be read as a picture (",
    ),
    "truncated mask": (
        lambda: spoil("mask.png", lambda data: data[:-30]),
        FILL,
        "mask.png: can't be read as a picture (",
    ),
    "floats": (
        lambda: tifffile.imwrite("in.tif", noise(1).astype(np.float32)[..., 0]),
        "in.tif mask.png -o out.png",
        "in.tif: TIFF pictures with F;32F pixels of over 8 bits aren't supported; save it as",
    ),
    "mask of another size": (
        lambda: save_grey_mask(255, 13, 21),
        FILL,
        "the mask is 21x13 but the picture is 22x13 (width x height, upright); they must be",
    ),
    "empty mask": (lambda: save_grey_mask(127), FILL, "no hole: paint white"),
    "full mask": (lambda: save_grey_mask(128), FILL, "covers the whole picture"),
    "no suffix": (list, "in.png mask.png -o out", "out: the name must end in one of .jpg,"),
    "unknown suffix": (list, "in.png mask.png -o out.gif", "out.gif: the name must end in"),
    "no output folder": (
        list,
        "in.png mask.png -o no/out.png",
        "no/out.png: the folder no doesn't exist",
    ),
    "output exists": (
        lambda: Path("out.png").write_text("precious"),
        FILL,
        "out.png: exists already; --force replaces it",
    ),
    "alpha as jpeg": (
        lambda: pillow(noise(4), "RGBA").save("in.png"),
        "in.png mask.png -o out.jpg",
        "out.jpg: transparency needs .png, .webp or .tif",
    ),
    "16 bits as jpeg": (
        lambda: cv2.imwrite("in.png", noise(3, np.uint16)),
        "in.png mask.png -o out.jpg",
        "out.jpg: 16 bits per channel need .png or .tif",
    ),
    "cmyk as png": (
        lambda: pillow(noise(4), "CMYK").save("in.tif"),
        "in.tif mask.png -o out.png",
        "out.png: CMYK colours need .tif or .jpg",
    ),
}


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check_refusal(result, message):
    status, out, err = result
    assert (status, out) == (1, "")
    assert err.startswith("jax-inpaint: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert message in err


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_t_be_filled_is_one_line_before_the_network_is_loaded(
    fill, folder, monkeypatch, case
):
    prepare, arguments, message = REFUSED[case]
    colours().save("in.png")
    prepare()
    before = contents(folder)
    monkeypatch.delattr(Inpainter, "load")
    check_refusal(fill(*arguments.split()), message)
    assert contents(folder) == before


def test_a_name_with_a_line_break_still_makes_one_line(fill):
    check_refusal(fill("a\nb.png", "mask.png", "-o", "out.png"), "a b.png: there is no such file")


def test_devices_that_share_rows_are_counted_before_anything_is_written(fill, monkeypatch):
    colours().save("in.png")
    monkeypatch.setattr(Inpainter, "load", load_anew)
    refused = fill("in.png", "mask.png", "-o", "out.png", "--spatial", "9")
    check_refusal(
        refused, "spatial must be from 1 to 8, the number of devices from cpu:0 on, got 9"
    )
    assert not Path("out.png").exists()
    assert fill("in.png", "mask.png", "-o", "out.png", "--spatial", "2")[0] == 0
    hole, before, after = (np.asarray(Image.open(f"{x}.png")) for x in ("mask", "in", "out"))
    np.testing.assert_array_equal(after[hole == 0], before[hole == 0])
    assert (after[hole > 0] != before[hole > 0]).any(axis=-1).mean() > 0.5


def test_too_large_a_picture_is_refused_before_the_network_runs(fill, folder, monkeypatch):
    colours().save("in.png")
    monkeypatch.setattr(network, "memory_of", lambda device: 64)
    monkeypatch.setattr(Inpainter, "load", load_anew)
    check_refusal(fill("in.png", "mask.png", "-o", "out.png"), "a picture of 22x13 needs")
    assert not Path("out.png").exists()


def test_a_picture_that_is_a_bomb_is_one_line_without_warnings(fill, monkeypatch):
    Image.new("L", (40, 40)).save("in.png")
    warnings.simplefilter("always")
    monkeypatch.setattr(warnings, "showwarning", lambda *_: os.write(2, b"a warning\n"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # a warning, and the wrong size
    check_refusal(fill("in.png", "mask.png", "-o", "out.png"), "the picture is 40x40")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    check_refusal(fill("in.png", "mask.png", "-o", "out.png"), "in.png: it claims to be very large")


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda path: None, "w: there is no such file"),
        (lambda path: path.mkdir(), "w holds no weights.safetensors; has a training run written"),
        (lambda path: path.write_text("text\n" * 99), "w can't be read as safetensors ("),
        (
            lambda path: path.write_bytes(Path("good").read_bytes()[:-1]),
            "w can't be read as",
        ),
    ],
)
def test_weights_that_can_t_be_used_are_one_line(
    fill, folder, run_folder, monkeypatch, prepare, message
):
    colours().save("in.png")
    Path("good").write_bytes((run_folder / "weights.safetensors").read_bytes())
    prepare(folder / "w")
    before = contents(folder)
    monkeypatch.setattr(Inpainter, "load", load_anew)
    check_refusal(fill("in.png", "mask.png", "-o", "out.png", weights="w"), message)
    assert contents(folder) == before


def test_a_full_disk_is_one_line_and_leaves_nothing(fill, folder, monkeypatch):
    colours().save("in.png")
    before = contents(folder)
    write = Path.write_bytes

    def write_half(self, data):
        write(self, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    check_refusal(
        fill("in.png", "mask.png", "-o", "out.png"),
        "out.png: can't be written (No space left on",
    )
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing subcommand"),
        (["fill"], "PICTURE"),
        (["fill", "in.png", "mask.png", "--weights", "w"], "--output"),
        (["fill", "in.png", "mask.png", "-o", "out.png"], "--weights"),
        (["fill", "in.png", "mask.png", "-o", "out.png", "--weihgts", "w"], "--weihgts"),
        (["fill", "in.png", "mask.png", "more.png", "-o", "out.png", "--weights", "w"], "more.png"),
    ],
)
def test_wrong_usage_exits_with_2(monkeypatch, capfd, arguments, message):
    monkeypatch.setattr(sys, "argv", ["jax-inpaint", *arguments])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    assert exit.value.code == 2
    assert message in capfd.readouterr().err


def test_help_names_every_argument(monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["jax-inpaint", "fill", "--help"])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    assert exit.value.code == 0
    out = capfd.readouterr().out
    for word in ("PICTURE", "MASK", "-o PATH, --output PATH", "--weights PATH", "--force", "hole"):
        assert word in out


def test_a_process_of_its_own_prints_nothing_but_the_result(folder, run_folder):
    colours().save("in.png")
    command = [sys.executable, "-m", "jax_inpaint.cli", "fill", "in.png", "mask.png"]
    command += ["-o", "out.png", "--weights", str(run_folder)]
    root = Path(cli.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("out.png: filled 42 of 286 pixels")
    check(noise(3), read_picture("out.png").pixels)
    again = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "jax-inpaint: out.png: exists already; --force replaces it\n"
