"""Figures of fills, in batches of one shape whatever the pictures' sizes."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jax_inpaint.compilation import compile_for
from jax_inpaint.config import FeatureConfig, LpipsNetwork
from jax_inpaint.evaluation.methods import Example, Pixels
from jax_inpaint.evaluation.records import content_digest
from jax_inpaint.features import inception_features, load_feature_params
from jax_inpaint.images import from_uint8
from jax_inpaint.metrics.figures import PICTURE_FIGURES, picture_figures
from jax_inpaint.metrics.lpips import load_lpips, lpips

STEP = 64  # pixels: padded sizes are multiples, so that few programs do for many sizes

SMALLEST_LPIPS = 32  # pixels


class Scorer:
    """Computes figures of a batch of fills.

    Args:
        lpips_params: of :func:`~jax_inpaint.metrics.lpips.lpips`, by network.
        inception_params: of :func:`~jax_inpaint.features.inception_features`, if they are there.
        batch: pictures at once; fewer are filled up.
    """

    def __init__(
        self, lpips_params: Mapping[LpipsNetwork, Any], inception_params: Any | None, batch: int
    ):
        devices = jax.local_devices()[:1]
        self._batch = batch
        self._lpips = {
            network: partial(compile_for(devices, partial(_lpips, network=network)), params)
            for network, params in lpips_params.items()
        }
        self._inception: Callable[..., Any] | None = None
        if inception_params is not None:
            self._inception = partial(compile_for(devices, _inception), inception_params)

    @property
    def names(self) -> list[str]:
        """Of the figures of pictures."""
        lpips_names = {name for name in PICTURE_FIGURES if name.startswith("lpips")}
        mine = {f"lpips_{network}" for network in self._lpips}
        return [name for name in PICTURE_FIGURES if name in mine or name not in lpips_names]

    @property
    def has_features(self) -> bool:
        """Whether :meth:`features` can be asked for."""
        return self._inception is not None

    def figures(
        self, examples: Sequence[Example], filled: Sequence[Pixels]
    ) -> dict[str, Float[np.ndarray, " n"]]:
        """All figures of fills by name, float32, NaN where one isn't defined.

        Args:
            examples: at most ``batch``, of any sizes.
            filled: the pictures; only the hole's pixels are looked at.
        """
        composites = [e.composite(fill) for e, fill in zip(examples, filled, strict=True)]
        outputs, sizes = self._padded(composites)
        targets, _ = self._padded([e.photograph for e in examples])
        holes, _ = self._padded([e.hole[..., None] for e in examples])
        figures = picture_figures(
            *(from_uint8(jnp.asarray(pixels)) for pixels in (outputs, targets)),
            jnp.asarray(holes, jnp.float32),
            jnp.asarray(sizes),
        )
        found = {
            name: np.asarray(values)[: len(examples)]
            for name, values in jax.device_get(figures).items()
        }
        for network, distance in self._lpips.items():
            photographs = [e.photograph for e in examples]
            found[f"lpips_{network}"] = self._by_size(distance, composites, photographs)
        return found

    def features(self, pictures: Sequence[Pixels]) -> Float[np.ndarray, "n d"]:
        """Inception's features of at most ``batch`` pictures, float32."""
        assert self._inception is not None
        padded, sizes = self._padded(pictures)
        return np.asarray(self._inception(padded, sizes))[: len(pictures)]

    def _padded(self, pictures: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """A whole batch of pictures of one shape, and their own sizes."""
        sizes = np.array([picture.shape[:2] for picture in pictures])
        height, width = -(-sizes.max(axis=0) // STEP) * STEP
        padded = [
            np.pad(p, ((0, height - p.shape[0]), (0, width - p.shape[1]), (0, 0)), "symmetric")
            for p in pictures
        ]
        more = self._batch - len(pictures)
        padded += padded[:1] * more
        return np.stack(padded), np.concatenate([sizes, sizes[:1].repeat(more, axis=0)])

    def _by_size(
        self,
        distance: Callable[..., Any],
        outputs: Sequence[Pixels],
        targets: Sequence[Pixels],
    ) -> Float[np.ndarray, " n"]:
        """For networks that see the border: together if all sizes are equal, else one by one.

        NaN for pictures so small that nothing of them is left in a network's last layers.
        """
        if len({picture.shape for picture in outputs}) > 1:
            pairs = zip(outputs, targets, strict=True)
            return np.concatenate([self._by_size(distance, [a], [b]) for a, b in pairs])
        if min(outputs[0].shape[:2]) < SMALLEST_LPIPS:
            return np.full(len(outputs), np.nan, np.float32)
        # One by itself isn't worth a whole batch.
        more = self._batch - len(outputs) if len(outputs) > 1 else 0
        batches = (np.stack([*pictures, *[pictures[0]] * more]) for pictures in (outputs, targets))
        return np.asarray(distance(*batches))[: len(outputs)]


def _lpips(
    params: Any, output: jax.Array, target: jax.Array, network: LpipsNetwork
) -> Float[jax.Array, " b"]:
    return lpips(params, from_uint8(output), from_uint8(target), network)


def _inception(params: Any, pictures: jax.Array, sizes: jax.Array) -> Float[jax.Array, "b 2048"]:
    return inception_features(params, from_uint8(pictures), sizes)


def load_scorer(config: FeatureConfig, batch: int) -> tuple[Scorer, dict[str, str], dict[str, str]]:
    """A scorer with the networks whose files are there.

    Returns:
        The scorer; why figures are missing, by title; and digests of the files, by field.

    Raises:
        TensorFileError: if a file is there but can't be used.
    """
    missing: dict[str, str] = {}
    digests: dict[str, str] = {}

    def there(title: str, *fields: str) -> list[str] | None:
        """The files, if all are there."""
        paths = [getattr(config, name) for name in fields]
        if lost := [path for path in paths if not os.path.exists(path)]:  # noqa: PTH110
            missing[title] = f"there is no {' and no '.join(lost)}"
            return None
        digests.update(zip(fields, map(content_digest, paths), strict=True))
        return paths

    networks: dict[LpipsNetwork, Any] = {}
    for network in get_args(LpipsNetwork):
        if files := there(f"LPIPS ({network})", network, f"lpips_{network}"):
            networks[network] = load_lpips(files[0], files[1], network)
    inception = None
    if files := there("FID, KID, P-IDS, U-IDS", "inception"):
        inception = load_feature_params("inception", files[0])
    return Scorer(networks, inception, batch), missing, digests
