"""The stream of batches: crops of photographs as a function of (seed, step), fed by Grain."""

import multiprocessing
import os
import signal
import threading
from functools import partial

import grain
import numpy as np
from absl import flags
from PIL import Image

from jax_inpaint.config import ConfigError, DataConfig
from jax_inpaint.data.augmentation import jitter_color
from jax_inpaint.data.sources import open_source


def training_batches(
    config: DataConfig,
    batch_size: int,
    seed: int,
    first_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
) -> grain.DatasetIterator[np.ndarray]:
    """Endless batches of images, uint8 (batch_size / process_count, height, width, 3).

    Photographs are shuffled anew each time round. Batch ``n`` is the same whether the stream
    started at 0 or at ``n``, however many workers read it; the processes' batches side by side are
    the batch of a single process. ``close()`` ends the threads and workers.

    Args:
        config: source, size and augmentation.
        batch_size: images a step over all processes.
        seed: decides order, crops and flips.
        first_step: batches to leave out, without reading them.
        process_index, process_count: which share of every batch to give.

    Raises:
        DataError: if the source can't be used; from ``next`` if none of its images can.
        ConfigError: if the processes can't share a batch evenly.
    """
    if batch_size % process_count:
        raise ConfigError(
            f"train.batch_size {batch_size} must be a multiple of the {process_count} processes"
        )
    batches = (
        grain.MapDataset.source(open_source(config, "train"))
        .seed(seed)
        .shuffle()
        .repeat()
        .random_map(partial(training_image, config=config))
        # Nothing endless has a remainder; counting one overflows for batches of one.
        .batch(batch_size // process_count, drop_remainder=True)
    )
    mine = batches[first_step * process_count + process_index :: process_count]
    ahead = 2 * config.threads
    stream = mine.to_iter_dataset(grain.ReadOptions(config.threads, prefetch_buffer_size=ahead))
    if config.workers:
        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()  # Grain's workers read absl flags
        stream = stream.mp_prefetch(
            grain.MultiprocessingOptions(config.workers, per_worker_buffer_size=2),
            worker_init_fn=_follow_main_process,
        )
    return iter(stream)


def _follow_main_process(worker: int, workers: int) -> None:
    """Makes a worker process live as long as the main process wants it to.

    Ctrl-C and preemption reach the whole process group, yet the run goes on to its checkpoint; and
    without a watch, Grain's workers would outlive a main process that was killed.
    """
    del worker, workers
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_exit_with_main_process, daemon=True).start()


def _exit_with_main_process() -> None:
    main = multiprocessing.parent_process()
    if main is not None:
        main.join()
        os._exit(1)


def validation_images(config: DataConfig, count: int) -> np.ndarray:
    """The held-out images, uint8 (count, height, width, 3): always the same ones.

    Taken from all over the source; where it has fewer than ``count``, several crops of each.
    """
    source = open_source(config, "validation")
    order = np.random.default_rng(0).permutation(len(source))
    return np.stack(
        [
            random_crop(
                source[int(order[i % len(source)])],
                config.size,
                config.min_area if config.crop == "random" else None,
                np.random.default_rng(i),
            )
            for i in range(count)
        ]
    )


def training_image(
    photograph: np.ndarray, rng: np.random.Generator, config: DataConfig
) -> np.ndarray:
    """A crop of the photograph at the training size, perhaps mirrored, perhaps in other colours."""
    min_area = config.min_area if config.crop == "random" else None
    image = random_crop(photograph, config.size, min_area, rng)
    if config.flip and rng.random() < 0.5:
        image = image[:, ::-1]
    return jitter_color(image, config.color_jitter, rng) if config.color_jitter else image


def random_crop(
    photograph: np.ndarray,
    size: tuple[int, int],
    min_area: float | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """A random resized crop, bilinear with antialiasing.

    Args:
        photograph: uint8 (H, W, 3).
        size: height and width of the result.
        min_area: the crop covers between this share and all of the largest rectangle of the
            result's proportions; nothing is distorted. None squeezes the whole photograph.
        rng: draws the size and place.
    """
    height, width = photograph.shape[:2]
    box = (0.0, 0.0, float(width), float(height))
    if min_area is not None:
        largest = min(height / size[0], width / size[1])
        side = rng.uniform(np.sqrt(min_area), 1.0) * largest
        crop_height, crop_width = side * size[0], side * size[1]
        # Rounding can make the largest crop a hair larger than the photograph.
        top = rng.uniform(0, max(height - crop_height, 0))
        left = rng.uniform(0, max(width - crop_width, 0))
        box = (left, top, min(left + crop_width, width), min(top + crop_height, height))
    resized = Image.fromarray(photograph).resize(
        (size[1], size[0]), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0
    )
    return np.asarray(resized)
