"""The stream of batches: crops of photographs as a function of (seed, step)."""

import itertools
import math
from collections.abc import Generator
from functools import partial

import cv2
import grain
import numpy as np
from PIL import Image

from jax_inpaint.config import ConfigError, DataConfig, MaskConfig
from jax_inpaint.data.errors import DataError
from jax_inpaint.data.mask_files import MaskFiles, training_mask
from jax_inpaint.data.read_ahead import read_ahead, read_within
from jax_inpaint.data.sources import ReadableImages, open_source
from jax_inpaint.data.workers import read_in_workers


def training_batches(
    config: DataConfig,
    batch_size: int,
    seed: int,
    first_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    masks: MaskConfig | None = None,
) -> Generator[dict[str, np.ndarray], None, None]:
    """Endless batches ``{"image": uint8 (batch_size / process_count, height, width, 3)}``.

    With masks of kind ``folder`` there is also ``"mask"``, uint8 (..., 1): 1 in the hole, else 0.

    Photographs are shuffled anew each time round; masks are drawn one by one. Batch ``n`` is the
    same whether the stream started at 0 or at ``n``, however many workers read it; the processes'
    batches side by side are the batch of a single process. ``close()`` ends the threads and
    workers.

    Args:
        config: source, size and augmentation.
        batch_size: images a step over all processes.
        seed: decides order, crops, flips and masks.
        first_step: batches to leave out, without reading them.
        process_index, process_count: which share of every batch to give.
        masks: where masks come from; those of other kinds are drawn in the step.

    Raises:
        DataError: if a folder or another source can't be used; from ``next`` if too many images or
            masks can't be read, reading one takes too long, or a worker dies.
        ConfigError: if the processes can't share a batch evenly.
    """
    if batch_size % process_count:
        raise ConfigError(
            f"train.batch_size {batch_size} must be a multiple of the {process_count} processes"
        )
    photographs = open_source(config, "train")
    if config.workers:
        photographs.count_together()
    examples = (
        grain.MapDataset.source(photographs)
        .seed(seed)
        .shuffle()
        .repeat()
        .random_map(partial(training_example, config=config))
    )
    share = batch_size // process_count
    shapes = {"image": (share, *config.size, 3)}
    if masks is not None and masks.kind == "folder":
        sharing = 1 if masks.per_image else batch_size
        files = _open_masks(masks.folder, config)
        if config.workers:
            files.count_together()
        shapes["mask"] = (share, *config.size, 1)
        examples = examples.map_with_index(
            partial(_with_mask, files=files, size=config.size, seed=seed, sharing=sharing)
        )
    # Nothing endless has a remainder; counting one overflows for batches of one.
    batches = examples.batch(share, drop_remainder=True)
    mine = batches[first_step * process_count + process_index :: process_count]
    if config.workers:
        return read_in_workers(
            mine.__getitem__, shapes, config.workers, config.threads, config.timeout
        )
    return read_ahead(mine.__getitem__, itertools.count(), config.threads, config.timeout)


def _open_masks(folder: str, config: DataConfig) -> ReadableImages:
    name = f"folder:{folder}"
    files = read_within(config.timeout, name, lambda: MaskFiles(folder))
    return ReadableImages(files, name, config.bad_percent)


def validation_images(config: DataConfig, count: int) -> np.ndarray:
    """The held-out images, uint8 (count, height, width, 3): always the same ones.

    Taken from all over the source; where it has fewer than ``count``, several crops of each.
    """
    source = open_source(config, "validation")
    order = np.random.default_rng(0).permutation(len(source))

    def crop(number: int) -> np.ndarray:
        return random_crop(
            source[int(order[number % len(source)])],
            config.size,
            config.min_area if config.crop == "random" else None,
            np.random.default_rng(number),
        )

    return np.stack([*read_ahead(crop, range(count), config.threads, config.timeout)])


def validation_masks(
    folder: str, size: tuple[int, int], count: int, config: DataConfig | None = None
) -> np.ndarray:
    """Masks from a folder for :func:`validation_images`, uint8 (count, height, width, 1), 1 hole.

    Always the same ones, from all over the folder; where it has fewer than ``count``, several
    times. ``config`` says how they are read, not which.

    Raises:
        DataError: if the folder or too many of its masks can't be read, or none has a hole.
    """
    config = config or DataConfig()
    files = _open_masks(folder, config)
    order = np.random.default_rng(0).permutation(len(files))

    def mask(number: int) -> np.ndarray:
        return training_mask(files[int(order[number % len(files)])], size)

    masks = np.stack([*read_ahead(mask, range(count), config.threads, config.timeout)])
    if not masks.any():
        raise DataError(
            f"none of {count} masks of {folder} has a hole; holes are what is brighter than "
            "mid-grey: is there any, and isn't it 0 and 1 of 255?"
        )
    return masks


def training_example(
    photograph: np.ndarray, rng: np.random.Generator, config: DataConfig
) -> dict[str, np.ndarray]:
    """What a batch is made of."""
    return {"image": training_image(photograph, rng, config)}


def _with_mask(
    index: int,
    example: dict[str, np.ndarray],
    files: ReadableImages,
    size: tuple[int, int],
    seed: int,
    sharing: int,
) -> dict[str, np.ndarray]:
    """Example ``index`` of the stream with a random mask; ``sharing`` in a row have the same."""
    rng = np.random.default_rng((seed, index // sharing))
    mask = training_mask(files[int(rng.integers(len(files)))], size, rng)
    return {**example, "mask": mask}


def training_image(
    photograph: np.ndarray, rng: np.random.Generator, config: DataConfig
) -> np.ndarray:
    """A crop of the photograph at the training size, perhaps turned, stretched and mirrored."""
    min_area = config.min_area if config.crop == "random" else None
    image = random_crop(photograph, config.size, min_area, rng, config.rotation, config.stretch)
    # OpenCV's copy is mirrored; NumPy's view would take a hundred times as long to copy.
    return cv2.flip(image, 1) if config.flip and rng.random() < 0.5 else image


def random_crop(
    photograph: np.ndarray,
    size: tuple[int, int],
    min_area: float | None,
    rng: np.random.Generator,
    rotation: float = 0.0,
    stretch: float = 0.0,
) -> np.ndarray:
    """A random resized crop, bilinear with antialiasing; all of it is inside the photograph.

    Args:
        photograph: uint8 (H, W, 3).
        size: height and width of the result.
        min_area: the crop covers between this share and all of the largest one that fits the
            photograph, turned and stretched as it is. None squeezes the whole photograph.
        rng: draws the size and place, and before them angle and stretch.
        rotation: the crop is turned by up to this angle to either side, degrees.
        stretch: the photograph's proportions change by a factor of up to 1 + ``stretch``, either
            way; its logarithm is uniform. The crop is turned in the stretched photograph.
    """
    height, width = map(float, photograph.shape[:2])
    if min_area is None:
        return _resize(photograph, (0.0, 0.0, width, height), size)
    angle = math.radians(rng.uniform(-rotation, rotation)) if rotation else 0.0
    widening = math.exp(rng.uniform(-0.5, 0.5) * math.log1p(stretch)) if stretch else 1.0
    # An upright box around the turned result, in its pixels.
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    box_size = size[0] * cos + size[1] * sin, size[1] * cos + size[0] * sin
    largest = min(height * widening / box_size[0], width / widening / box_size[1])
    side = rng.uniform(np.sqrt(min_area), 1.0) * largest
    box_height, box_width = side * box_size[0] / widening, side * box_size[1] * widening
    # Rounding can make the largest crop a hair larger than the photograph.
    top = rng.uniform(0, max(height - box_height, 0))
    left = rng.uniform(0, max(width - box_width, 0))
    box = (left, top, min(left + box_width, width), min(top + box_height, height))
    if not angle:
        return _resize(photograph, box, size)
    whole = math.ceil(box_size[0]), math.ceil(box_size[1])
    scale = whole[0] / box_size[0], whole[1] / box_size[1]
    return _turned(_resize(photograph, box, whole), angle, scale, size)


def central_crop(photograph: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The largest part of the middle with the proportions of ``size``, at that size.

    Args:
        photograph: uint8 (H, W, 3).
        size: height and width of the result.
    """
    height, width = map(float, photograph.shape[:2])
    scale = min(height / size[0], width / size[1])
    # Rounding can make it a hair larger than the photograph.
    box_height, box_width = min(scale * size[0], height), min(scale * size[1], width)
    left, top = (width - box_width) / 2, (height - box_height) / 2
    return _resize(photograph, (left, top, left + box_width, top + box_height), size)


def _resize(
    photograph: np.ndarray, box: tuple[float, float, float, float], size: tuple[int, int]
) -> np.ndarray:
    """The box (left, top, right, bottom) of a photograph at another size (height, width)."""
    if box == (0, 0, size[1], size[0]) and photograph.shape[:2] == size:
        return photograph
    resized = Image.fromarray(photograph).resize(
        (size[1], size[0]), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0
    )
    return np.asarray(resized)


def _turned(
    image: np.ndarray, angle: float, scale: tuple[float, float], size: tuple[int, int]
) -> np.ndarray:
    """A turned rectangle from the middle of an image.

    Args:
        image: uint8 (H, W, 3); the rectangle must fit.
        angle: radians.
        scale: vertical and horizontal pixels of the image for one of the result.
        size: height and width of the result.
    """
    cos, sin = math.cos(angle), math.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]]) * np.array([[scale[1]], [scale[0]]])
    # OpenCV counts from the centre of the first pixel.
    middle = (np.array([image.shape[1], image.shape[0]]) - 1) / 2
    shift = middle - linear @ ((np.array([size[1], size[0]]) - 1) / 2)
    return cv2.warpAffine(
        image,
        np.column_stack([linear, shift]),
        (size[1], size[0]),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        # Nothing beyond the edges is looked at, but for a rounding error.
        borderMode=cv2.BORDER_REPLICATE,
    )
