"""``jax-inpaint fill``: one picture, all of a folder, or a clip."""

import contextlib
import itertools
import os
import signal
import time
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO, get_args

import jax
import numpy as np
import tyro
from tqdm import tqdm

from jax_inpaint.config import DrawnKind, MaskConfig, check_seed
from jax_inpaint.images import (
    ImageFileError,
    MaskOptions,
    Picture,
    check_output,
    check_writable,
    is_lossless,
    read_hole,
    read_picture,
    write_picture,
)
from jax_inpaint.inference.drawing import row
from jax_inpaint.inference.files import FileTask, file_tasks, fill_files
from jax_inpaint.inference.inpainter import FillWarning, Inpainter, Task, check_hole
from jax_inpaint.inference.network import FillError
from jax_inpaint.inference.options import FillOptions
from jax_inpaint.inference.video import (
    VIDEO_SUFFIXES,
    VideoOptions,
    clip_holes,
    fill_video,
    import_av,
    output_codec,
)
from jax_inpaint.masks import sample_masks
from jax_inpaint.stopping import StopRequest

DRAWN = "draw:"  # how a mask that is to be drawn is named

_EIGHT_BITS = Picture(np.zeros((1, 1, 3), np.uint8), "RGB")


@dataclass(frozen=True)
class Fill:
    """Fill the hole of a picture, of all pictures below a folder, or of each frame of a clip.

    Pixels outside the hole come back bit for bit where the output format is lossless (PNG, WebP,
    TIFF, BMP); grey, alpha, 16 bits, CMYK, colour profile, EXIF and XMP are kept.

    A folder is filled into another one. What is there already is skipped, so the same command goes
    on after it was stopped; a file that can't be filled is reported, and the rest goes on.

    A clip (MP4, MOV, MKV, WebM; needs the extra video) keeps its times and sound.
    """

    # picture to fill: JPEG, PNG, WebP, TIFF or BMP; or a folder of such; or a clip
    picture: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PICTURE")]
    # of the same size; white (over mid-grey) is the hole; or a JSON file of LabelMe or COCO; or
    # draw:KIND, such as draw:thick; for a folder, one for all, or a folder of masks with the
    # pictures' names; for a clip, one for all frames, or another clip
    mask: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MASK")]
    # where to write; its suffix is the format; a folder for a folder
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    weights: Path  # a weights file, or the workdir of a training run
    # how to fill
    options: Annotated[FillOptions, tyro.conf.arg(name="")] = field(default_factory=FillOptions)
    # how a clip is written
    video: Annotated[VideoOptions, tyro.conf.arg(name="")] = field(default_factory=VideoOptions)
    # what in the mask is the hole
    reading: Annotated[MaskOptions, tyro.conf.arg(name="")] = field(default_factory=MaskOptions)
    sketch: Path | None = None  # white lines to follow in the hole, as a picture of the same size
    comparison: Path | None = None  # where to write original, hole and result side by side
    format: Literal["png", "jpg", "webp", "tif"] | None = None  # of a folder's outputs; the inputs'
    quality: int = 95  # of JPEG, from 1 to 100
    seed: int = 0  # of masks that are drawn
    dtype: Literal["float32", "bfloat16"] | None = None  # what to compute in; as trained without it
    device: str | None = None  # cpu, gpu, gpu:1; without it the one that JAX prefers
    spatial: int = 1  # devices from there on that share a picture's rows, for very large ones
    force: bool = False  # replace outputs that exist

    def run(self) -> int:
        """Fills; returns the exit status."""
        if not 1 <= self.quality <= 100:
            raise ImageFileError(f"--quality must be from 1 to 100, got {self.quality}")
        check_seed("--seed", self.seed)
        if self._drawn_kind is not None and self._drawn_kind not in get_args(DrawnKind):
            raise FillError(f"{self.mask}: known kinds are {', '.join(get_args(DrawnKind))}")
        with quiet_decoders() as messages:
            if self.picture.suffix.lower() in VIDEO_SUFFIXES:
                return self._fill_clip(messages)
            fill = self._fill_folder if self.picture.is_dir() else self._fill_one
            return fill(messages)

    @property
    def _drawn_kind(self) -> str | None:
        return self.mask.removeprefix(DRAWN) if self.mask.startswith(DRAWN) else None

    @property
    def _mask_path(self) -> Path | None:
        return None if self._drawn_kind is not None else Path(self.mask)

    def _fill_one(self, messages: TextIO) -> int:
        """Checks all it can before the network is loaded."""
        files = FileTask(self.picture, self._mask_path, self.sketch, self.output)
        task = self._read(files)
        check_writable(self.output, task.picture, self.force)
        if self.comparison is not None:
            check_writable(self.comparison, _EIGHT_BITS, self.force)
        inpainter = self._load(once=True)
        with (
            tqdm(total=100, unit="%", leave=False, file=messages, disable=None) as bar,
            warnings_shown(messages),
        ):
            (filled,) = inpainter.fill(
                [task], self.options, lambda share: bar.update(round(100 * share) - bar.n)
            )
        self._write(files, task, filled)
        share = task.hole.mean()
        print(f"{self.output}: filled {task.hole.sum()} of {task.hole.size} pixels ({share:.1%})")
        if not is_lossless(self.output):
            print("JPEG changes every pixel a little; name a .png to keep all outside the hole")
        return 0

    def _fill_folder(self, messages: TextIO) -> int:
        suffix = f".{self.format}" if self.format else None
        apart = [] if self.comparison is None else [self.comparison]
        every = file_tasks(self.picture, self._mask_path, self.sketch, self.output, suffix, apart)
        tasks = [task for task in every if self.force or not os.path.lexists(task.output)]
        if skipped := len(every) - len(tasks):
            print(f"{skipped} of {len(every)} are there already; --force fills them anew")
        if not tasks:
            return 0
        inpainter, failed, begin = self._load(), 0, time.perf_counter()
        with (
            StopRequest() as stop,
            tqdm(total=len(tasks), unit="image", file=messages) as bar,
            warnings_shown(messages),
        ):
            outcomes = fill_files(inpainter, tasks, self._read, self._write, self.options)
            with contextlib.closing(outcomes):
                for outcome in outcomes:
                    bar.update()
                    if outcome.error is not None:
                        failed += 1
                        bar.write(f"jax-inpaint: {_line(outcome.error)}", file=messages)
                    if stop.signal is not None:
                        break
            done = bar.n - failed
        seconds = time.perf_counter() - begin
        print(f"{self.output}: {done} filled, {failed} failed, {done / seconds:.3g} images/s")
        if stop.signal is not None:
            print(f"stopped by {stop.signal.name}; the same command goes on from here")
            return 128 + stop.signal
        return 1 if failed else 0

    def _fill_clip(self, messages: TextIO) -> int:
        import_av()
        output_codec(self.output, self.video.lossless)
        check_output(self.output, self.force)
        if self.sketch is not None or self.comparison is not None:
            raise FillError("--sketch and --comparison are for pictures, not for clips")
        inpainter = self._load()
        with (
            StopRequest() as stop,
            tqdm(unit="frame", file=messages) as bar,
            warnings_shown(messages, once=True),
        ):

            def report(done: int, of: int) -> None:
                bar.total = of or None
                bar.update(done - bar.n)
                if stop.signal is not None:
                    raise KeyboardInterrupt

            try:
                count = fill_video(
                    inpainter,
                    self.picture,
                    self._holes,
                    self.output,
                    self.options,
                    self.video,
                    report,
                )
            except KeyboardInterrupt:
                print(f"stopped; {self.output} wasn't written")
                return 128 + (stop.signal or signal.SIGINT)
        print(f"{self.output}: {count} frames filled")
        return 0

    def _holes(self, size: tuple[int, int]) -> Iterator[np.ndarray]:
        """The hole of each frame of a clip."""
        name = self.picture.name
        if self._mask_path is None:
            return itertools.repeat(self._drawn(size, name))
        if self._mask_path.suffix.lower() in VIDEO_SUFFIXES:
            return clip_holes(self._mask_path, self.reading)(size)
        hole = read_hole(self._mask_path, self.reading, size, name)
        check_hole(hole, size)
        return itertools.repeat(hole)

    def _load(self, once: bool = False) -> Inpainter:
        return Inpainter.load(
            self.weights, dtype=self.dtype, device=self.device, once=once, spatial=self.spatial
        )

    def _read(self, files: FileTask) -> Task:
        """Reads what is to be filled, and finds out whether it can be."""
        picture = read_picture(files.picture)
        size, name = picture.size, files.picture.name
        if files.mask is None:
            hole = self._drawn(size, name)
        else:
            hole = read_hole(files.mask, self.reading, size, name)
        try:
            check_hole(hole, size)
        except FillError as error:
            raise FillError(f"{files.picture}: {error}") from None
        sketch = None if files.sketch is None else read_hole(files.sketch)
        return Task(picture, hole, sketch)

    def _drawn(self, size: tuple[int, int], name: str) -> np.ndarray:
        """A mask that is a function of seed, name and size."""
        config = MaskConfig(kind=self._drawn_kind)  # type: ignore[arg-type]
        key = jax.random.fold_in(jax.random.key(self.seed), zlib.crc32(name.encode()))
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            masks = jax.jit(sample_masks, static_argnums=(1, 2, 3, 4))(key, 1, *size, config)
        return np.asarray(masks)[0, ..., 0] > 0.5

    def _write(self, files: FileTask, task: Task, filled: Picture) -> None:
        comparison = self.comparison
        if self.picture.is_dir():
            if comparison is not None:
                comparison = comparison / files.output.relative_to(self.output).with_suffix(".png")
            for path in filter(None, (files.output, comparison)):
                _make_folder(path.parent)
        write_picture(files.output, filled, self.force, self.quality)
        if comparison is not None:
            write_picture(comparison, side_by_side(task, filled), self.force, self.quality)


def side_by_side(task: Task, filled: Picture) -> Picture:
    """What was given, the same with its hole in white, and the result, in 8 bits."""
    before = task.picture.rgb_uint8()
    masked = np.where(task.hole[..., None], np.uint8(255), before)
    return Picture(row([before, masked, filled.rgb_uint8()]), "RGB")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageFileError(f"{folder}: can't be made ({error.strerror})") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


@contextlib.contextmanager
def quiet_decoders() -> Iterator[TextIO]:
    """Keeps libtiff's own lines and Pillow's warnings off stderr: what matters is raised.

    Gives what still writes there.
    """
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    try:
        with os.fdopen(os.dup(stderr), "w") as messages:
            yield messages
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


@contextlib.contextmanager
def warnings_shown(messages: TextIO, once: bool = False) -> Iterator[None]:
    """Prints what the library warns of, every time or once, as lines of the command."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        tqdm.write(f"jax-inpaint: warning: {message}", file=messages)

    with warnings.catch_warnings():
        warnings.simplefilter("once" if once else "always", FillWarning)
        before, warnings.showwarning = warnings.showwarning, show
        try:
            yield
        finally:
            warnings.showwarning = before
