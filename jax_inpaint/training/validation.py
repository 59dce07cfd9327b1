"""Held-out images with fixed masks: figures and pictures of a generator as it learns."""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jax_inpaint.compilation import compile_for
from jax_inpaint.config import Config
from jax_inpaint.data.sketches import sketches
from jax_inpaint.data.stream import validation_images, validation_masks
from jax_inpaint.images import from_uint8, to_uint8
from jax_inpaint.masks import sample_masks
from jax_inpaint.metrics import Mean
from jax_inpaint.metrics.figures import PICTURE_FIGURES, picture_figures
from jax_inpaint.metrics.lpips import load_lpips, lpips
from jax_inpaint.ops.flow import flow_to_color
from jax_inpaint.processes import gather
from jax_inpaint.training.state import Params

_NOT_FINITE = "not_finite"  # images of which the generator makes something that isn't


class Validation:
    """The same images and holes at every call, whatever the run's seed.

    Args:
        config: the experiment.
        share: which part of the work is this process's, and of how many.

    Raises:
        DataError: if images or masks can't be used, or no mask has a hole.

    Attributes:
        images: float32 (N, H, W, 3) in [-1, 1].
        masks: float32 (N, H, W, 1), of the kind trained with, an own one for each image.
    """

    def __init__(self, config: Config, share: tuple[int, int] = (0, 1)):
        self._share = share
        count = config.train.validation_images
        height, width = config.data.size
        self.images = from_uint8(jnp.asarray(validation_images(config.data, count)))
        if config.masks.kind == "folder":
            masks = validation_masks(config.masks.folder, config.data.size, count, config.data)
            self.masks = jnp.asarray(masks, jnp.float32)
        else:
            self.masks = jax.jit(sample_masks, static_argnums=(1, 2, 3, 4))(
                jax.random.key(0), count, height, width, config.masks
            )
        generator = config.generator.build()

        def fill(variables: Params, images: jax.Array, masks: jax.Array) -> dict[str, jax.Array]:
            sketch = None
            if config.generator.takes_sketch:
                sketch = sketches(images, masks, config.sketch)
            outputs: Any = generator.apply(variables, images, masks, sketch)
            return outputs

        devices = jax.local_devices()[:1]
        self._fill = compile_for(devices, fill)
        self._batch = min(config.train.batch_size, count)
        self._lpips = {
            network: partial(
                compile_for(devices, partial(lpips, network=network)),
                load_lpips(
                    getattr(config.features, network),
                    getattr(config.features, f"lpips_{network}"),
                    network,
                ),
            )
            for network in config.train.lpips
        }

    def outputs(self, variables: Params, count: int | None = None) -> dict[str, np.ndarray]:
        """What the generator makes of the first ``count`` images, or of all."""
        count = len(self.images) if count is None else min(count, len(self.images))
        parts = []
        for batch, new in self._batches(count):
            outputs = jax.device_get(self._fill(variables, self.images[batch], self.masks[batch]))
            parts.append({name: value[new] for name, value in outputs.items()})
        return {name: np.concatenate([part[name] for part in parts])[:count] for name in parts[0]}

    def figures(self, composites: np.ndarray) -> dict[str, float]:
        """Means over the images of all that ``jax-inpaint evaluate`` reports of pictures.

        Args:
            composites: of all images, in [-1, 1]; rounded to 8 bits, as a picture would be.

        Returns:
            Those of :data:`~jax_inpaint.metrics.figures.PICTURE_FIGURES` that can be had, without
            factors; NaN, all of them, if a composite isn't finite.
        """
        return _values(
            self._totals(
                (batch, new, composites[batch]) for batch, new in self._batches(len(self.images))
            )
        )

    def __call__(self, variables: Params) -> dict[str, float]:
        """:meth:`figures` of a generator's variables; the processes share the batches."""
        part, parts = self._share
        totals = self._totals(
            (batch, new, self._fill(variables, self.images[batch], self.masks[batch])["composite"])
            for batch, new in islice(self._batches(len(self.images)), part, None, parts)
        )
        if parts > 1:
            names = (*PICTURE_FIGURES, _NOT_FINITE)
            mine = [dataclasses.astuple(totals.get(name, Mean())) for name in names]
            totals = {
                name: sum((Mean(row[0], int(row[1]), int(row[2])) for row in rows), Mean())
                for name, rows in zip(names, gather(np.array(mine)).swapaxes(0, 1), strict=True)
            }
        return _values(totals)

    def _totals(self, batches: Iterable[tuple[slice, slice, Any]]) -> dict[str, Mean]:
        """Sums of all figures over batches of (which images, which of them are new, composites)."""
        totals: dict[str, Mean] = {}
        for batch, new, composites in batches:
            composites = np.asarray(composites)
            finite = np.isfinite(composites)
            rounded = to_uint8(np.where(finite, composites, 0))
            pair = from_uint8(jnp.asarray(rounded)), self.images[batch]
            figures = dict(picture_figures(*pair, self.masks[batch]))
            figures |= {f"lpips_{name}": distance(*pair) for name, distance in self._lpips.items()}
            figures[_NOT_FINITE] = np.float32(~finite.all((1, 2, 3)))
            for name, values in jax.device_get(figures).items():
                totals[name] = totals.get(name, Mean()) + Mean.of(values[new])
        return totals

    def _batches(self, count: int) -> Iterator[tuple[slice, slice]]:
        """Batches of one size that hold all of ``count`` images, and what is new in each.

        The last one is filled up with the images before it, so that one program does all.
        """
        for start in range(0, count, self._batch):
            first = max(0, min(start, len(self.images) - self._batch))
            yield slice(first, first + self._batch), slice(start - first, None)

    def columns(self, variables: Params, rows: int = 6) -> dict[str, np.ndarray]:
        """What to show, float32 (rows, H, W, 3) in [-1, 1], by title: inputs, stages, result."""
        rows = min(rows, len(self.images))
        outputs = self.outputs(variables, rows)
        images, masks = np.asarray(self.images[:rows]), np.asarray(self.masks[:rows])
        columns = {"original": images, "masked": images * (1 - masks) + masks}  # the hole in white
        for name in ("coarse", "refined", "output", "composite"):
            if name in outputs:
                columns[name] = np.clip(outputs[name], -1, 1)
        if "offset_flow" in outputs:
            flow = np.asarray(flow_to_color(jnp.asarray(outputs["offset_flow"])))
            rate = images.shape[1] // flow.shape[1]
            columns["offset flow"] = flow.repeat(rate, axis=1).repeat(rate, axis=2)
        return columns


def _values(totals: dict[str, Mean]) -> dict[str, float]:
    """The figures that can be had."""
    broken = totals.pop(_NOT_FINITE).total > 0
    return {
        name: math.nan if broken else total.value
        for name, total in totals.items()
        if total.count + total.infinite
    }
