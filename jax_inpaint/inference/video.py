"""Fill a hole in every frame of a clip. Needs PyAV, the extra ``video``."""

import contextlib
import itertools
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16

from jax_inpaint.errors import UserError
from jax_inpaint.images import MaskOptions, Picture, grow_hole, hole_of
from jax_inpaint.inference.inpainter import Inpainter, Task
from jax_inpaint.inference.network import Hole
from jax_inpaint.inference.options import FillOptions

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm")

_CUT = 0.15  # mean difference of known pixels, of their range, from which on a frame is a new scene


class VideoError(UserError):
    """A clip that can't be read, filled or written; the message names it and says why."""


@dataclass(frozen=True)
class VideoOptions:
    """How a clip is filled and written; raises VideoError if a value can't be."""

    smoothing: float = 0.0  # in [0, 1); how much of the frame before, moved along, joins each fill
    crf: int = 18  # of H.264 and VP9: 0 is best, 51 worst
    lossless: bool = False  # FFV1, into .mkv: what isn't filled stays as it was decoded

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise VideoError(f"smoothing must be in [0, 1), got {self.smoothing}")
        if not 0 <= self.crf <= 51:
            raise VideoError(f"crf must be from 0 to 51, got {self.crf}")


def fill_video(
    inpainter: Inpainter,
    source: Path,
    holes: Callable[[tuple[int, int]], Iterator[Hole]],
    output: Path,
    options: FillOptions | None = None,
    video: VideoOptions | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> int:
    """Fills each frame, keeping times, sound and subtitles, and returns the number of frames.

    What isn't hole is encoded as it was decoded, without a detour through RGB. The output appears
    when it is whole.

    Args:
        inpainter: fills them.
        source: the clip; its first video stream counts.
        holes: given height and width, the hole of each frame in turn; a frame with an empty hole
            stays as it is.
        output: where to write; the suffix is the format. An existing file is replaced.
        options: how to fill.
        video: smoothing and encoding.
        progress: called with the number of frames that are done, and that there are (0: unknown).

    Raises:
        VideoError: if a clip can't be read or written, or has an unsupported kind of frames.
        FillError: as :class:`~jax_inpaint.inference.inpainter.Inpainter`.
    """
    av = import_av()
    options, video = options or FillOptions(), video or VideoOptions()
    codec = output_codec(output, video.lossless)
    temporary = output.with_name(f".{secrets.token_hex(8)}{output.suffix}")
    try:
        with contextlib.ExitStack() as stack:
            clip, stream = stack.enter_context(_opened(source))
            try:
                written = stack.enter_context(av.open(str(temporary), "w"))
                target = _add_video(written, stream, codec, video)
                others = {
                    other.index: written.add_stream_from_template(other)
                    for other in clip.streams
                    if other.type in ("audio", "subtitle")
                }
                written.metadata.update(clip.metadata)
                count = _copy(
                    clip,
                    stream,
                    written,
                    target,
                    others,
                    Filler(inpainter, options, video.smoothing),
                    holes,
                    progress,
                )
            except (av.FFmpegError, OSError) as error:
                raise VideoError(
                    f"{output}: can't be made of {source} ({_reason(error)})"
                ) from error
        if not count:
            raise VideoError(f"{source}: not a single frame can be decoded")
        temporary.replace(output)
        return count
    finally:
        temporary.unlink(missing_ok=True)


@dataclass
class Filler:
    """Fills frames one after the other, against flicker if ``smoothing`` isn't 0.

    The frame before is moved along the optical flow between the two filled pictures; where both
    have a hole, so much of it joins the fill. A new scene begins anew.
    """

    inpainter: Inpainter
    options: FillOptions
    smoothing: float = 0.0
    before: Any = None  # the last result, and its hole

    def __call__(self, picture: Picture, hole: Hole) -> tuple[Picture, Hole]:
        """The picture with its hole, grown as the options say, filled; and that hole."""
        if not hole.any():
            self.before = None
            return picture, hole
        (filled,) = self.inpainter.fill([Task(picture, hole)], self.options)
        hole = grow_hole(hole, self.options.grow)
        if self.smoothing:
            if self.before is not None:
                filled = picture.filled(self._smoothed(filled, hole), hole)
            self.before = filled, hole
        return filled, hole

    def _smoothed(self, filled: Picture, hole: Hole) -> np.ndarray:
        previous, its_hole = self.before
        now, then = filled.rgb(), previous.rgb()
        if np.abs(now - then)[~(hole | its_hole)].mean() > 2 * _CUT:
            return now
        here, there = (
            cv2.cvtColor(one.rgb_uint8(), cv2.COLOR_RGB2GRAY) for one in (filled, previous)
        )
        flow: Any = np.zeros((*hole.shape, 2), np.float32)
        cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(here, there, flow)
        y, x = np.indices(hole.shape, np.float32)
        where = x + flow[..., 0], y + flow[..., 1]
        moved = cv2.remap(then, *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        both = cv2.remap(its_hole.astype(np.float32), *where, cv2.INTER_LINEAR)
        share = self.smoothing * both[..., None]
        return (1 - share) * now + share * moved


def still_hole(hole: Hole) -> Callable[[tuple[int, int]], Iterator[Hole]]:
    """The same hole in every frame."""
    return lambda size: itertools.repeat(hole)


def clip_holes(source: Path, options: MaskOptions) -> Callable[[tuple[int, int]], Iterator[Hole]]:
    """The hole that each frame of another clip shows; raises VideoError if it ends too early."""

    def read(size: tuple[int, int]) -> Iterator[Hole]:
        av = import_av()
        try:
            with _opened(source) as (clip, stream):
                for frame in clip.decode(stream):
                    if (frame.height, frame.width) != size:
                        raise VideoError(
                            f"{source} is {frame.width}x{frame.height}, the clip to fill is "
                            f"{size[1]}x{size[0]}; they must be the same"
                        )
                    yield hole_of(Picture(frame.to_ndarray(format="rgb24"), "RGB"), options)
        except (av.FFmpegError, OSError) as error:
            raise VideoError(f"{source}: can't be read as a clip ({_reason(error)})") from error
        raise VideoError(f"{source} has fewer frames than the clip to fill")

    return read


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[tuple[Any, Any]]:
    """A clip and its first video stream; raises VideoError if there is none that can be decoded."""
    av = import_av()
    with contextlib.ExitStack() as stack:
        try:
            clip = stack.enter_context(av.open(str(source), metadata_errors="replace"))
            stream = clip.streams.video[0]
        except (av.FFmpegError, IndexError, OSError) as error:
            raise VideoError(f"{source}: can't be read as a clip ({_reason(error)})") from error
        if stream.codec_context is None:
            raise VideoError(f"{source}: can't be read as a clip (its codec isn't known)")
        yield clip, stream


def import_av() -> Any:
    """PyAV, or a VideoError that says how to get it."""
    try:
        import av
    except ImportError as error:
        raise VideoError(
            "clips need PyAV, which isn't installed; pip install 'jax_inpaint[video]' brings it"
        ) from error
    return av


def output_codec(output: Path, lossless: bool) -> str:
    """The encoder for a name. Raises VideoError if there is none."""
    suffix = output.suffix.lower()
    if suffix not in VIDEO_SUFFIXES:
        raise VideoError(f"{output}: the name must end in one of {', '.join(VIDEO_SUFFIXES)}")
    if lossless and suffix != ".mkv":
        raise VideoError(f"{output}: lossless clips are .mkv")
    return "ffv1" if lossless else "libvpx-vp9" if suffix == ".webm" else "libx264"


def _add_video(written: Any, stream: Any, codec: str, video: VideoOptions) -> Any:
    """The output's stream, with size, times and colours of the input's."""
    source = stream.codec_context
    target = written.add_stream(codec, rate=stream.average_rate or Fraction(25))
    context = target.codec_context
    context.width, context.height = source.width, source.height
    context.time_base = stream.time_base
    known = {pixel_format.name for pixel_format in context.codec.video_formats}
    context.pix_fmt = source.pix_fmt if source.pix_fmt in known else "yuv420p"
    for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
        setattr(context, name, getattr(source, name))
    if source.sample_aspect_ratio:
        context.sample_aspect_ratio = source.sample_aspect_ratio
    if codec != "ffv1":
        context.options = {"crf": str(video.crf)}
    if codec == "libvpx-vp9":
        context.bit_rate = 0
    return target


def _copy(
    clip: Any,
    stream: Any,
    written: Any,
    target: Any,
    others: dict[int, Any],
    fill: Filler,
    holes: Callable[[tuple[int, int]], Iterator[Hole]],
    progress: Callable[[int, int], None],
) -> int:
    size = stream.codec_context.height, stream.codec_context.width
    each = holes(size)
    count = 0
    for packet in clip.demux(stream, *(clip.streams[index] for index in others)):
        if packet.stream.index != stream.index:
            if packet.dts is not None:
                packet.stream = others[packet.stream.index]
                written.mux(packet)
            continue
        for frame in packet.decode():
            written.mux(target.encode(_filled_frame(frame, next(each), fill, target.pix_fmt)))
            count += 1
            progress(count, stream.frames)
    written.mux(target.encode(None))
    return count


def _filled_frame(frame: Any, hole: Hole, fill: Filler, pixel_format: str) -> Any:
    """A frame in the output's pixel format with its hole filled; the rest keeps its numbers."""
    if frame.rotation:
        raise VideoError(
            f"the clip is stored turned by {frame.rotation} degrees; turn it for good first, as "
            "`ffmpeg -i CLIP UPRIGHT` does"
        )
    av = import_av()
    deep = frame.format.components[0].bits > 8
    picture = Picture(frame.to_ndarray(format="rgb48le" if deep else "rgb24"), "RGB")
    filled, hole = fill(picture, hole)
    kept = frame.reformat(format=pixel_format)
    drawn = av.VideoFrame.from_ndarray(filled.pixels, format="rgb48le" if deep else "rgb24")
    drawn = drawn.reformat(
        format=pixel_format, dst_colorspace=frame.colorspace, dst_color_range=frame.color_range
    )
    # A frame of its own: the decoder still needs what it gave.
    result = av.VideoFrame(frame.width, frame.height, pixel_format)
    for target, before, after in zip(result.planes, kept.planes, drawn.planes, strict=True):
        size = (target.width, target.height)
        # A sample of colour that belongs to hole pixels as well as others is the hole's.
        inside = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        deep = result.format.components[0].bits > 8
        values = _samples(target, deep)
        values[:, : target.width] = np.where(
            inside,
            _samples(after, deep)[:, : target.width],
            _samples(before, deep)[:, : target.width],
        )
        target.update(values.tobytes())
    result.pts, result.time_base = frame.pts, frame.time_base
    return result


def _samples(plane: Any, deep: bool) -> UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]:
    """A copy of a plane's lines, with the bytes that fill them up."""
    values = np.frombuffer(plane, np.uint16 if deep else np.uint8)
    return values.reshape(plane.height, -1).copy()


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
