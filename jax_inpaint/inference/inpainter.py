"""Fill holes in pictures of any kind and size."""

import dataclasses
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Unpack

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from jax_inpaint.config import GeneratorConfig
from jax_inpaint.images import Picture, grow_hole
from jax_inpaint.inference.blending import blend
from jax_inpaint.inference.explanation import Explanation, explain
from jax_inpaint.inference.kinds import ImageLike, as_hole, as_picture, each, is_batch, like
from jax_inpaint.inference.network import (
    FillError,
    Hole,
    Image,
    Network,
    Sketch,
    find_devices,
)
from jax_inpaint.inference.options import SMALLEST_WORKING_SIZE, FillOptions, OptionFields
from jax_inpaint.inference.strategies import Canvas, Filling, with_details
from jax_inpaint.weights import Variables, load_weights, trained_size

WORKING_SIZE = 512  # pixels, for weights that don't tell: twice the size that most learn on
PREVIEW_SIZE = 256  # longest side, pixels, of what the network draws for a quick look
TOGETHER = 8  # pictures that pass the network at once, other than on CPUs
SUSPICIOUS = 0.9  # share of a picture from which on a hole is more likely what should be kept


class FillWarning(UserWarning):
    """What was asked for can be done, but hardly was meant."""


@dataclass(frozen=True)
class Task:
    """A picture to fill.

    Attributes:
        picture: of any size, channels and depth.
        hole: True where to fill.
        sketch: True on lines to follow in the hole, for a network that takes them.
    """

    picture: Picture
    hole: Bool[np.ndarray, "h w"]
    sketch: Bool[np.ndarray, "h w"] | None = None


class Inpainter:
    """A generator with its weights, ready for pictures. Threads may share it.

    Args:
        config: the generator's.
        variables: its weights.
        working_size: longest side, pixels, of what the network is shown at once, except where a
            strategy or the caller says otherwise.
        dtype: ``float32`` or ``bfloat16``, what convolutions compute in; None for the config's.
        device: where it runs: ``cpu``, ``gpu``, ``gpu:1``; None for what JAX prefers.
        once: for a single picture: spends less time on compiling, and more on running.
        spatial: how many devices, from ``device`` on, share the rows of a picture that the network
            is shown; for pictures that are too large for one's memory.

    Raises:
        FillError: if there are no such devices.

    Example:
        >>> inpainter = Inpainter.load("runs/quickstart")  # doctest: +SKIP
        >>> inpainter("photo.jpg", "mask.png").save("filled.png")  # doctest: +SKIP
    """

    def __init__(
        self,
        config: GeneratorConfig,
        variables: Variables,
        *,
        working_size: int = WORKING_SIZE,
        dtype: Literal["float32", "bfloat16"] | None = None,
        device: str | None = None,
        once: bool = False,
        spatial: int = 1,
    ):
        if dtype is not None:
            if dtype not in ("float32", "bfloat16"):
                raise FillError(f"dtype must be float32 or bfloat16, got {dtype!r}")
            config = dataclasses.replace(config, compute_dtype=dtype)
        self.config = config
        self.working_size = working_size
        devices = find_devices(device, spatial)
        self._network = Network(config, variables, devices, once)
        # Devices that share a picture have no room for more.
        alone = spatial > 1 or devices[0].platform == "cpu"
        self.together = 1 if alone else TOGETHER

    @classmethod
    def load(cls, path: str | os.PathLike[str], **settings: Any) -> "Inpainter":
        """Reads a weights file, or the one in the folder of a run.

        The working size is twice the size of the images that it was trained on.

        Args:
            path: the file or folder.
            settings: ``dtype``, ``device``, ``once`` and ``spatial``, as of the class.

        Raises:
            WeightsError: if it can't be used.
        """
        if (size := trained_size(path)) is not None:
            settings = {"working_size": max(SMALLEST_WORKING_SIZE, 2 * max(size)), **settings}
        return cls(*load_weights(path, check_shapes=not settings.get("once")), **settings)

    def __call__(
        self,
        image: ImageLike | Sequence[ImageLike],
        mask: ImageLike | Sequence[ImageLike],
        *,
        sketch: ImageLike | Sequence[ImageLike] | None = None,
        progress: Callable[[float], None] = lambda share: None,
        **options: Unpack[OptionFields],
    ) -> Any:
        """A picture with its hole filled, or several; all other pixels are the same, bit for bit.

        Args:
            image: a path, an image of Pillow, a Picture, or an array of NumPy or JAX, (H, W) or
                (H, W, channels), uint8, uint16 or floating in [0, 1]; or a list of such, of any
                sizes, or an array (N, H, W, channels). Pixels in the hole aren't looked at, and may
                be NaN.
            mask: where to fill, of the picture's size (upright): white, True or 1. One for each
                picture, or one for all.
            sketch: for a network that takes one, lines to follow in the hole: white, True or 1.
            progress: called with the share of the work that is done, in [0, 1].
            options: the fields of :class:`~jax_inpaint.inference.options.FillOptions`.

        Returns:
            What ``image`` is, with the same type, shape, channels and depth; a list for a list. For
            a path it is a :class:`~jax_inpaint.images.Picture`, whose ``save`` keeps what the file
            carries.

        Raises:
            FillError: if a picture or mask isn't one, they don't fit together, the hole is empty or
                everything, an option has no such value, or the memory doesn't suffice.
            ImageFileError: if a file can't be read.
        """
        several = is_batch(image)
        images: list[Any] = list(image) if several else [image]  # type: ignore[arg-type]
        tasks = list(_tasks(images, mask, sketch, several))
        filled = self.fill(tasks, FillOptions(**options), progress)
        results = [like(picture, kind) for picture, kind in zip(filled, images, strict=True)]
        if not several:
            return results[0]
        if isinstance(image, list | tuple):
            return results
        return (jnp if isinstance(image, jax.Array) else np).stack(results)

    def fill(
        self,
        tasks: Sequence[Task],
        options: FillOptions | None = None,
        progress: Callable[[float], None] = lambda share: None,
    ) -> list[Picture]:
        """What calling does, for pictures and holes of the library's own kinds.

        Pictures that are filled as they are pass the network together if they have nearly the same
        size, except on CPUs, which gain nothing from that.
        """
        options = options or FillOptions()
        if options.coarse and not self.config.refines_guesses:
            raise FillError(f"{self.config.architecture} has one stage, and no coarse picture")
        done = 0
        filling = Filling(
            partial(self._generate, stage="coarse" if options.coarse else "final"),
            partial(blend, kind=options.blend, band=options.band),
            options.working_size or self.working_size,
            lambda share: progress((done + share) / len(tasks)),
        )
        canvases = [self._prepare(task, options.grow) for task in tasks]
        holes = [canvas.hole.copy() for canvas in canvases]
        strategies = [filling.choose(hole, options.strategy) for hole in holes]
        whole = [canvases[i] for i, name in enumerate(strategies) if name == "original"]
        for group in self._groups(whole):
            filling.original(group)
            done += len(group)
            progress(done / len(tasks))
        for canvas, name in zip(canvases, strategies, strict=True):
            if name != "original":
                filling.fill(canvas, name)
                done += 1
        return [
            task.picture.filled(canvas.image, hole)
            for task, canvas, hole in zip(tasks, canvases, holes, strict=True)
        ]

    def preview(self, task: Task) -> Picture:
        """A quick look at a fill: the whole picture scaled down, filled, and scaled up again.

        The network is shown a square, whatever the picture's shape, so that one program does.
        """
        size = min(PREVIEW_SIZE, self.working_size)
        canvas = self._prepare(task, 0)
        generate = partial(self._generate, stage="final")
        Filling(generate, partial(blend, kind="none"), size).preview(canvas)
        return task.picture.filled(canvas.image, task.hole)

    def padded(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width that the network is shown for those of a picture."""
        return self._network.padded(size)

    def explain(
        self, image: ImageLike, mask: ImageLike, sketch: ImageLike | None = None
    ) -> Explanation:
        """What the network makes of a picture as it is: both stages, gates, attention."""
        (task,) = _tasks([image], mask, sketch, several=False)
        canvas = self._prepare(task, 0)
        return explain(
            self.config, self._network.variables, canvas.image, canvas.hole, canvas.sketch
        )

    def warm_up(self, *sizes: tuple[int, int], **options: Unpack[OptionFields]) -> None:
        """Compiles what pictures of these heights and widths will need, by filling grey ones."""
        for size in sizes:
            hole = np.zeros(size, bool)
            hole[size[0] // 2, size[1] // 2] = True
            self.fill(
                [Task(Picture(np.full((*size, 1), 0.5, np.float32), "L"), hole)],
                FillOptions(**options),
            )

    def _prepare(self, task: Task, grow: int) -> Canvas:
        hole = task.hole
        check_hole(hole, task.picture.size)
        if doubt := suspicion(hole):
            warnings.warn(doubt, FillWarning, stacklevel=2)
        if grow:
            hole = grow_hole(hole, grow)
            check_hole(hole, task.picture.size)
        image = task.picture.rgb()
        if np.isnan(image[~hole]).any():
            raise FillError("a picture holds NaN outside its hole; mark those pixels as hole, too")
        if task.sketch is not None and not self.config.takes_sketch:
            raise FillError(
                f"this {self.config.architecture} takes no sketch; train one as in "
                "configs/deepfillv2_sketch.py"
            )
        if task.sketch is not None and task.sketch.shape != task.picture.size:
            raise FillError(
                f"the sketch is {_name(task.sketch.shape)} but the picture is "
                f"{_name(task.picture.size)} (width x height, upright); they must be the same"
            )
        return Canvas(image, hole.copy(), task.sketch)

    def _groups(self, canvases: Sequence[Canvas]) -> Iterator[list[Canvas]]:
        """Canvases of one padded size, in numbers that are powers of two: few programs do."""
        by_size: dict[Any, list[Canvas]] = {}
        for canvas in canvases:
            size = self.padded(canvas.hole.shape)
            by_size.setdefault(size, []).append(canvas)
        for group in by_size.values():
            while group:
                count = min(self.together, 1 << (len(group).bit_length() - 1))
                yield group[:count]
                group = group[count:]

    def _generate(
        self,
        images: list[Image],
        holes: list[Hole],
        sketches: list[Sketch] | None,
        guesses: list[Image] | None,
        stage: str,
    ) -> list[Image]:
        """The network's pictures; guesses are followed as far as the network can."""
        refines = self.config.refines_guesses and stage == "final"
        outputs = self._network(
            images,
            holes,
            sketches=sketches,
            guesses=guesses if refines else None,
            outputs=(stage,),
        )
        pictures = [output[stage] for output in outputs]
        if guesses is None or refines:
            return pictures
        return [with_details(*pair) for pair in zip(guesses, pictures, strict=True)]


def load(path: str | os.PathLike[str], **settings: Any) -> Inpainter:
    """An :class:`Inpainter` from a weights file or the folder of a run.

    Args:
        path: the file or folder.
        settings: ``dtype`` (``float32`` or ``bfloat16``), ``device`` (``cpu``, ``gpu:1``),
            ``once`` for a single picture, which is compiled in less time and runs slower, and
            ``spatial`` for how many devices share a picture's rows.

    Raises:
        WeightsError: if the file can't be used.
        FillError: if there are no such devices.

    Example:
        >>> import jax_inpaint  # doctest: +SKIP
        >>> inpainter = jax_inpaint.load("runs/quickstart")  # doctest: +SKIP
        >>> inpainter("photo.jpg", "mask.png").save("filled.png")  # doctest: +SKIP
    """
    return Inpainter.load(path, **settings)


def check_hole(hole: Bool[np.ndarray, "h w"], size: tuple[int, int]) -> None:
    """Finds out before the work whether a picture of some height and width can be filled there.

    Raises:
        FillError: if the hole has another size, or is empty or everything.
    """
    if hole.shape != size:
        raise FillError(
            f"the mask is {_name(hole.shape)} but the picture is {_name(size)} "
            "(width x height, upright); they must be the same"
        )
    if not hole.any():
        raise FillError(
            "the mask has no hole: paint white (brighter than mid-grey) what is to be filled"
        )
    if hole.all():
        raise FillError("the mask covers the whole picture: black must mark what is to be kept")


def suspicion(hole: Bool[np.ndarray, "h w"]) -> str | None:
    """What to warn of, if a hole looks as if black and white were confused."""
    share = hole.mean()
    if share <= SUSPICIOUS:
        return None
    return (
        f"the hole is {share:.1%} of the picture; is the mask the wrong way round? White is what "
        "is filled"
    )


def _tasks(images: Sequence[Any], mask: Any, sketch: Any, several: bool) -> Iterator[Task]:
    pictures = [as_picture(image) for image in images]
    sizes = [picture.size for picture in pictures]
    masks = each(mask, sizes, "masks") if several else [mask]
    sketches = each(sketch, sizes, "sketches") if several else [sketch]
    for picture, one, lines in zip(pictures, masks, sketches, strict=True):
        yield Task(
            picture,
            as_hole(one, picture.size),
            None if lines is None else as_hole(lines, picture.size),
        )


def _name(size: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in reversed(size))
