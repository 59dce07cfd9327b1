"""Held-out images with fixed masks: figures and pictures of a generator as it learns."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jax_inpaint.config import Config
from jax_inpaint.data.stream import validation_images
from jax_inpaint.masks import sample_masks
from jax_inpaint.metrics import hole_l1, hole_psnr, hole_ssim
from jax_inpaint.models import build_generator
from jax_inpaint.ops.edges import sobel_edges
from jax_inpaint.ops.flow import flow_to_color
from jax_inpaint.training.state import Params
from jax_inpaint.training.step import from_uint8


class Validation:
    """The same images and holes at every call, whatever the run's seed.

    Attributes:
        images: float32 (N, H, W, 3) in [-1, 1].
        masks: float32 (N, H, W, 1), drawn as in training, an own one for each image.
    """

    def __init__(self, config: Config):
        count = config.train.validation_images
        height, width = config.data.size
        self.images = from_uint8(jnp.asarray(validation_images(config.data, count)))
        self.masks = jax.jit(sample_masks, static_argnums=(1, 2, 3, 4))(
            jax.random.key(0), count, height, width, config.masks
        )
        generator = build_generator(config.generator)

        @jax.jit
        def fill(params: Params, images: jax.Array, masks: jax.Array) -> dict[str, jax.Array]:
            sketch = sobel_edges(images) * masks if config.generator.sketch else None
            outputs: Any = generator.apply({"params": params}, images, masks, sketch)
            return outputs

        self._fill = fill
        self._batch = min(config.train.batch_size, count)

    def outputs(self, params: Params, count: int | None = None) -> dict[str, np.ndarray]:
        """What the generator makes of the first ``count`` images, or of all."""
        count = len(self.images) if count is None else min(count, len(self.images))
        parts = []
        for start in range(0, count, self._batch):
            # The last batch is filled up with the images before it, so that one program does all.
            first = max(0, min(start, len(self.images) - self._batch))
            batch = slice(first, first + self._batch)
            outputs = jax.device_get(self._fill(params, self.images[batch], self.masks[batch]))
            parts.append({name: value[start - first :] for name, value in outputs.items()})
        return {name: np.concatenate([part[name] for part in parts])[:count] for name in parts[0]}

    def figures(self, composites: np.ndarray) -> dict[str, float]:
        """Mean over the images of L1 (in [0, 1]), PSNR (dB) and SSIM inside the holes."""
        parts = []
        for start in range(0, len(composites), self._batch):
            batch = slice(start, start + self._batch)
            parts.append(_figures(composites[batch], self.images[batch], self.masks[batch]))
        return {name: float(np.concatenate([p[name] for p in parts]).mean()) for name in parts[0]}

    def __call__(self, params: Params) -> dict[str, float]:
        """:meth:`figures` of a generator's parameters."""
        return self.figures(self.outputs(params)["composite"])

    def grid(self, params: Params, rows: int = 6) -> np.ndarray:
        """A picture, float32 in [-1, 1]: a row for each image, columns as in ``COLUMNS``."""
        rows = min(rows, len(self.images))
        outputs = self.outputs(params, rows)
        images, masks = np.asarray(self.images[:rows]), np.asarray(self.masks[:rows])
        flow = np.asarray(flow_to_color(jnp.asarray(outputs["offset_flow"])))
        columns = [
            images,
            images * (1 - masks) + masks,  # the hole in white
            outputs["coarse"],
            outputs["refined"],
            outputs["composite"],
            flow.repeat(8, axis=1).repeat(8, axis=2),
        ]
        return np.concatenate([np.concatenate(list(column)) for column in columns], axis=1)


COLUMNS = ("original", "masked", "coarse", "refined", "composite", "offset flow")


@jax.jit
def _figures(output: jax.Array, target: jax.Array, mask: jax.Array) -> dict[str, jax.Array]:
    return {
        "hole_l1": hole_l1(output, target, mask),
        "hole_psnr": hole_psnr(output, target, mask),
        "hole_ssim": hole_ssim(output, target, mask),
    }
