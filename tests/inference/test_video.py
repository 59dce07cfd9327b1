"""Clips: every frame filled, everything else kept."""

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from scipy import ndimage

from jax_inpaint.images import MaskOptions, Picture
from jax_inpaint.inference import video as module
from jax_inpaint.inference.inpainter import Inpainter
from jax_inpaint.inference.network import FillError
from jax_inpaint.inference.options import FillOptions
from jax_inpaint.inference.video import (
    Filler,
    VideoError,
    VideoOptions,
    clip_holes,
    fill_video,
    output_codec,
    still_hole,
)
from tests.inference.fakes import noisy_inpainter

SIZE = (48, 64)
TIMES = [0, 1, 3, 6, 7, 12, 13, 20]  # in 24ths of a second


@pytest.fixture(scope="module")
def inpainter():
    with noisy_inpainter() as inpainter:
        yield inpainter


def hole(*box):
    mask = np.zeros(SIZE, bool)
    top, left, bottom, right = box or (10, 21, 31, 40)
    mask[top:bottom, left:right] = True
    return mask


def picture(number):
    y, x = np.indices(SIZE)
    channels = ((3 * x + 5 * number) % 256, (4 * y) % 256, (x + y + number) % 256)
    return np.stack(channels, axis=-1).astype(np.uint8)


def write_clip(path, codec="ffv1", pixel_format="yuv420p", frames=None, sound=None):
    frames = [picture(number) for number in range(len(TIMES))] if frames is None else frames
    with av.open(str(path), "w") as clip:
        stream = clip.add_stream(codec, rate=24)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixel_format
        track = clip.add_stream(sound, rate=48000) if sound else None
        for time, pixels in zip(TIMES, frames, strict=False):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 24)
            clip.mux(stream.encode(frame))
        clip.mux(stream.encode(None))
        if track:
            for number in range(20):
                wave = np.sin(np.arange(960) * 0.05, dtype=np.float32)[None]
                chunk = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
                chunk.rate, chunk.pts = 48000, number * 960
                clip.mux(track.encode(chunk))
            clip.mux(track.encode(None))
    return path


def decoded(path, pixel_format="rgb24"):
    with av.open(str(path)) as clip:
        return [frame.to_ndarray(format=pixel_format) for frame in clip.decode(video=0)]


def planes(path):
    """Of each frame, its planes as arrays (height, width), with no detour."""
    with av.open(str(path)) as clip:
        frames = []
        for frame in clip.decode(video=0):
            deep = frame.format.components[0].bits > 8
            frames.append(
                [
                    np.frombuffer(plane, np.uint16 if deep else np.uint8)
                    .reshape(plane.height, -1)[:, : plane.width]
                    .copy()
                    for plane in frame.planes
                ]
            )
        return frames


def times(path):
    """Seconds from the first frame on: formats differ in where sound's lead-in puts the zero."""
    with av.open(str(path)) as clip:
        found = np.array([float(frame.time) for frame in clip.decode(video=0)])
        return found - found[0]


KINDS = {
    "a.mp4": ("libx264", "yuv420p", "aac"),
    "b.mkv": ("ffv1", "yuv444p", "aac"),
    "c.mkv": ("libx264", "yuv420p10le", "aac"),
    "d.webm": ("libvpx-vp9", "yuv420p", "libopus"),
    "e.mov": ("libx264", "yuv422p", None),
}


@pytest.mark.parametrize("name", KINDS)
def test_what_is_not_hole_is_kept_as_it_was_decoded(inpainter, tmp_path, name):
    codec, pixel_format, sound = KINDS[name]
    source = write_clip(tmp_path / name, codec, pixel_format, sound=sound)
    out = tmp_path / "out.mkv"
    lossless = VideoOptions(lossless=True)
    shares = []
    count = fill_video(
        inpainter,
        source,
        still_hole(hole()),
        out,
        video=lossless,
        progress=lambda done, of: shares.append((done, of)),
    )
    assert count == len(TIMES)
    assert [done for done, _ in shares] == list(range(1, 9))
    before, after = planes(source), planes(out)
    assert len(before) == len(after) == len(TIMES)
    for old, new in zip(before, after, strict=True):
        for a, b in zip(old, new, strict=True):
            size = a.shape[0] / SIZE[0], a.shape[1] / SIZE[1]
            inside = ndimage.zoom(hole().astype(float), size, order=1) > 0
            inside = ndimage.binary_dilation(inside)
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a[~inside], b[~inside])
            assert (a != b)[ndimage.binary_erosion(inside, iterations=2)].mean() > 0.5
    np.testing.assert_allclose(times(source), times(out), atol=1e-3)  # .mkv counts milliseconds
    with av.open(str(source)) as a, av.open(str(out)) as b:
        assert len(b.streams.audio) == (1 if sound else 0)
        if sound:
            both = [[bytes(p) for p in clip.demux(audio=0) if p.size] for clip in (a, b)]
            assert both[0] == both[1]


@pytest.mark.parametrize("name", KINDS)
def test_clips_keep_their_format(inpainter, tmp_path, name):
    codec, pixel_format, sound = KINDS[name]
    source = write_clip(tmp_path / name, codec, pixel_format, sound=sound)
    out = tmp_path / f"out_{name}"
    fill_video(inpainter, source, still_hole(hole()), out, video=VideoOptions(crf=10))
    np.testing.assert_allclose(times(source), times(out), atol=1e-3)
    for before, after in zip(decoded(source), decoded(out), strict=True):
        difference = np.abs(before.astype(int) - after)
        assert difference[~ndimage.binary_dilation(hole(), iterations=3)].mean() < 4
        assert difference[hole()].mean() > 10
    with av.open(str(out)) as clip:
        assert bool(clip.streams.audio) == bool(sound)


def test_colours_are_those_of_filling_a_picture(inpainter, tmp_path):
    source = write_clip(tmp_path / "a.mkv", pixel_format="yuv444p")
    out = tmp_path / "out.mkv"
    fill_video(inpainter, source, still_hole(hole()), out, video=VideoOptions(lossless=True))
    for before, after in zip(decoded(source), decoded(out), strict=True):
        filled = inpainter(before, hole())
        assert np.abs(filled.astype(int) - after)[hole()].mean() < 2


def test_a_mask_clip_has_a_hole_for_each_frame(inpainter, tmp_path):
    source = write_clip(tmp_path / "a.mkv")
    holes = [hole(5, 5 + 4 * n, 20, 20 + 4 * n) for n in range(len(TIMES))]
    holes[3] &= False
    frames = [np.repeat(h[..., None], 3, axis=-1).astype(np.uint8) * 255 for h in holes]
    masks = write_clip(tmp_path / "mask.mkv", frames=frames)
    read = clip_holes(masks, MaskOptions())
    for expected, found in zip(holes, read(SIZE), strict=False):
        np.testing.assert_array_equal(found, expected)
    out = tmp_path / "out.mkv"
    fill_video(inpainter, source, read, out, video=VideoOptions(lossless=True))
    for number, (old, new) in enumerate(zip(planes(source), planes(out), strict=True)):
        changed = old[0] != new[0]
        assert not changed[~holes[number]].any()
        assert changed.any() == (number != 3)


class Flickering(Inpainter):
    """An inpainter whose fills change from frame to frame by a colour."""

    def __init__(self):
        self.number = 0

    def fill(self, tasks, options):
        (task,) = tasks
        self.number += 1
        shade = np.float32(0.3 if self.number % 2 else -0.3)
        return [task.picture.filled(np.full((*SIZE, 3), shade), task.hole)]


def flicker(smoothing, frames):
    fill = Filler(Flickering(), FillOptions(), smoothing)
    results = [fill(Picture(frame, "RGB"), hole())[0].rgb() for frame in frames]
    for frame, result in zip(frames, results, strict=True):
        np.testing.assert_array_equal(result[~hole()], Picture(frame, "RGB").rgb()[~hole()])
    inner = ndimage.binary_erosion(hole(), iterations=4)
    return np.array([result[inner].mean() for result in results])


def test_smoothing_calms_flicker():
    frames = [picture(0)] * 6
    wild, calm = flicker(0.0, frames), flicker(0.8, frames)
    assert np.abs(np.diff(wild)).mean() > 0.55
    assert np.abs(np.diff(calm))[1:].mean() < 0.2


def test_a_new_scene_begins_anew():
    frames = [picture(0)] * 3 + [255 - picture(0)] * 3
    shades = flicker(0.8, frames)
    assert shades[3] == pytest.approx(-0.3, abs=0.01)
    assert abs(shades[2]) < 0.29


def test_smoothing_follows_what_moves():
    """A fill that moves with a panning picture stays sharp."""
    wide = np.random.default_rng(0).random((48, 120))
    wide = ndimage.gaussian_filter(wide, 1.5)
    wide = (255 * (wide - wide.min()) / np.ptp(wide)).astype(np.uint8)[..., None].repeat(3, -1)

    class Knowing(Inpainter):
        def __init__(self):
            pass

        def fill(self, tasks, options):
            (task,) = tasks
            return [task.picture]

    frames = [wide[:, 2 * n : 2 * n + 64] for n in range(6)]
    fill = Filler(Knowing(), FillOptions(), 0.8)
    for frame in frames:
        result, _ = fill(Picture(np.ascontiguousarray(frame), "RGB"), hole())
    error = np.abs(result.rgb() - Picture(np.ascontiguousarray(frames[-1]), "RGB").rgb())
    unmoved = np.abs(frames[-1].astype(float) - frames[-2])[hole()].mean() / 127.5
    assert error[hole()].mean() < 0.3 * unmoved


# What can't be


def contents(folder):
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "can't be read as a clip"), (b"no clip" * 100, "can't be read as a clip")],
)
def test_what_is_no_clip_is_named(inpainter, tmp_path, data, message):
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    with pytest.raises(VideoError, match=rf"a\.mp4: {message}"):
        fill_video(inpainter, path, still_hole(hole()), tmp_path / "out.mp4")
    with pytest.raises(VideoError, match=rf"a\.mp4: {message}"):
        next(clip_holes(path, MaskOptions())(SIZE))
    with pytest.raises(VideoError, match=r"b\.mp4: can't be read as a clip \(No such file"):
        fill_video(inpainter, tmp_path / "b.mp4", still_hole(hole()), tmp_path / "out.mp4")
    assert contents(tmp_path) == {"a.mp4"}


def test_a_clip_without_pictures_is_refused(inpainter, tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as clip:
        track = clip.add_stream("aac", rate=48000)
        chunk = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        chunk.rate = 48000
        clip.mux(track.encode(chunk))
        clip.mux(track.encode(None))
    with pytest.raises(VideoError, match="can't be read as a clip"):
        fill_video(inpainter, tmp_path / "a.mkv", still_hole(hole()), tmp_path / "out.mkv")


def test_masks_that_do_not_fit_leave_nothing_behind(inpainter, tmp_path):
    source = write_clip(tmp_path / "a.mkv")
    short = write_clip(tmp_path / "short.mkv", frames=[picture(0)] * 3)
    small = write_clip(tmp_path / "small.mkv", frames=[picture(0)[:40, :40]] * 8)
    out = tmp_path / "out.mkv"
    before = contents(tmp_path)
    for holes, error, message in (
        (clip_holes(short, MaskOptions()), VideoError, "has fewer frames than the clip to fill"),
        (clip_holes(small, MaskOptions()), VideoError, "is 40x40, the clip to fill is 64x48"),
        (still_hole(np.ones(SIZE, bool)), FillError, "covers the whole picture"),
        (still_hole(np.ones((9, 9), bool)), FillError, "the mask is 9x9 but the picture is 64x48"),
    ):
        with pytest.raises(error, match=message):
            fill_video(inpainter, source, holes, out)
        assert contents(tmp_path) == before


def test_an_interruption_leaves_nothing_behind(inpainter, tmp_path):
    source = write_clip(tmp_path / "a.mkv")

    def stop(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_video(inpainter, source, still_hole(hole()), tmp_path / "out.mp4", progress=stop)
    assert contents(tmp_path) == {"a.mkv"}


def test_names_and_options_that_can_t_be():
    assert output_codec(Path("a.MP4"), False) == "libx264"
    with pytest.raises(VideoError, match=r"must end in one of \.mp4"):
        output_codec(Path("a.avi"), False)
    with pytest.raises(VideoError, match=r"lossless clips are \.mkv"):
        output_codec(Path("a.mp4"), True)
    for options, message in (
        ({"smoothing": 1.0}, "smoothing must be in"),
        ({"smoothing": float("nan")}, "smoothing must be in"),
        ({"crf": 52}, "crf must be from 0 to 51, got 52"),
    ):
        with pytest.raises(VideoError, match=message):
            VideoOptions(**options)


def test_without_pyav_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(VideoError, match=r"pip install 'jax_inpaint\[video\]' brings it"):
        module.import_av()


def test_a_clip_whose_codec_isn_t_known_is_refused(tmp_path, inpainter):
    path = write_clip(tmp_path / "in.mkv")
    path.write_bytes(path.read_bytes().replace(b"V_FFV1", b"V_FFV9"))
    with pytest.raises(VideoError, match=r"in\.mkv: can't be read as a clip \(its codec isn't"):
        fill_video(inpainter, path, still_hole(hole()), tmp_path / "out.mkv")
    with pytest.raises(VideoError, match="its codec isn't known"):
        next(clip_holes(path, MaskOptions())(SIZE))


def test_a_clip_without_frames_is_refused(tmp_path, inpainter):
    path = write_clip(tmp_path / "in.mkv", frames=[picture(0)])
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\x1f\x43\xb6\x75") + 12])  # in its first cluster
    with pytest.raises(VideoError, match=r"in\.mkv: "):
        fill_video(inpainter, path, still_hole(hole()), tmp_path / "out.mkv")
    assert [file.name for file in tmp_path.iterdir()] == ["in.mkv"]


def test_titles_in_no_known_encoding_are_no_obstacle(tmp_path, inpainter):
    path = write_clip(tmp_path / "in.mkv")
    path.write_bytes(path.read_bytes().replace(b"Lavf", b"\x80avf"))
    assert fill_video(inpainter, path, still_hole(hole()), tmp_path / "out.mkv") == len(TIMES)
