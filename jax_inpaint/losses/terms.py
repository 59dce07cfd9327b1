"""Terms that an objective may list, and the scene that they look at.

A term is its weight and settings, readable in a config file; calling it with a :class:`Scene` gives
one value per image, unweighted. A new one is a class here and a line in ``TERMS``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from jax_inpaint.config import FeatureConfig, GanConfig, Term, require
from jax_inpaint.features import (
    FeatureName,
    extract_features,
    load_feature_params,
)
from jax_inpaint.losses.adversarial import fakeness, generator_loss, per_image
from jax_inpaint.losses.perceptual import perceptual, style
from jax_inpaint.losses.reconstruction import discounted_l1, l1, mse
from jax_inpaint.losses.smoothness import total_variation
from jax_inpaint.ops.morphology import dilate

Images = Float[Array, "b h w c"]
PerImage = Float[Array, " b"]
Judge = Callable[[Images], dict[str, Any]]


class Scene:
    """What a generator made of a batch, and what other networks see in it, worked out once.

    Args:
        image: photographs in [-1, 1].
        mask: 1 in the hole.
        outputs: the generator's images by name.
        gan: what adversarial terms mean.
        judge: the discriminator; None where there is none.
        terms: all terms of the objective, so that networks are run once for all of them.
        feature_params: parameters of feature networks by name.
        dtype: what feature networks compute in.
    """

    def __init__(
        self,
        image: Images,
        mask: Float[Array, "b h w 1"],
        outputs: Mapping[str, Images],
        gan: GanConfig,
        judge: Judge | None = None,
        terms: Sequence[Term] = (),
        feature_params: Mapping[str, Any] | None = None,
        dtype: DTypeLike = jnp.float32,
    ):
        self.image, self.mask, self.gan = image, mask, gan
        self._images = {**outputs, "photograph": image}
        self._judge = judge
        self._params, self._dtype = feature_params or {}, dtype
        self._seen: dict[Any, Any] = {}
        self._layers = feature_layers(terms)

    def __getitem__(self, name: str) -> Images:
        """One of the generator's images, or ``"photograph"``."""
        return self._images[name]

    def region(self, name: str) -> Float[Array, "b h w 1"] | None:
        """Where a term counts: ``all`` (None), ``hole``, ``known`` or ``dilated_hole``."""
        regions: dict[str, Callable[[], Any]] = {
            "all": lambda: None,
            "hole": lambda: self.mask,
            "known": lambda: 1 - self.mask,
            "dilated_hole": lambda: dilate(self.mask),
        }
        return regions[name]()

    def judged(self, name: str) -> dict[str, Any]:
        """The discriminator's logits and features of an image."""
        assert self._judge is not None
        if ("judged", name) not in self._seen:
            self._seen["judged", name] = self._judge(self[name])
        return self._seen["judged", name]

    def features(self, name: str, network: FeatureName) -> dict[str, Array]:
        """A feature network's maps of an image, by layer."""
        if (network, name) not in self._seen:
            params, layers = self._params[network], self._layers[network]
            self._seen[network, name] = extract_features(
                network, params, self[name], layers, self._dtype
            )
        return self._seen[network, name]


def feature_layers(terms: Sequence[Term]) -> dict[FeatureName, tuple[str, ...]]:
    """The layers of feature networks that terms look at."""
    layers: dict[FeatureName, tuple[str, ...]] = {}
    for term in terms:
        if isinstance(term, FeatureTerm):
            asked = (*layers.get(term.network, ()), *term.layers)
            layers[term.network] = tuple(dict.fromkeys(asked))
    return layers


def load_feature_networks(terms: Sequence[Term], files: FeatureConfig) -> dict[str, Any]:
    """Parameters of the feature networks that terms look through, from the files named.

    Raises:
        TensorFileError: if a file is missing, with where to get it, or isn't that network's.
    """
    params: dict[str, Any] = {}
    for network in feature_layers(terms):
        params[network] = load_feature_params(network, getattr(files, network))
    return params


@dataclass(frozen=True)
class RegionTerm(Term):
    """A term on the difference from the photograph in a region."""

    region: Literal["all", "hole", "known"] = "all"  # pixels that count
    mean: Literal["image", "region"] = "image"  # divide their sum by all pixels, or by theirs

    @property
    def name(self) -> str:
        """Such as ``refined_hole_l1``."""
        region = "" if self.region == "all" else f"{self.region}_"
        return f"{self.output}_{region}{self.term}"


@dataclass(frozen=True)
class L1(RegionTerm):
    """Mean absolute difference; images are in [-1, 1]."""

    term: ClassVar[str] = "l1"

    def __call__(self, scene: Scene) -> PerImage:
        """In [0, 2]."""
        return l1(scene[self.output], scene.image, scene.region(self.region), self.mean)


@dataclass(frozen=True)
class MSE(RegionTerm):
    """Mean squared difference; images are in [-1, 1]."""

    term: ClassVar[str] = "mse"

    def __call__(self, scene: Scene) -> PerImage:
        """In [0, 4]."""
        return mse(scene[self.output], scene.image, scene.region(self.region), self.mean)


@dataclass(frozen=True)
class DiscountedL1(Term):
    """Mean absolute difference in a window around the hole, less far from its border."""

    term: ClassVar[str] = "discounted_l1"
    gamma: float = 0.9  # factor for each pixel of distance from the window's border
    size: float = 0.5  # side of the window over the side of the image

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.size <= 1, "discounted_l1.size", self.size, "in (0, 1]")
        require(0 < self.gamma <= 1, "discounted_l1.gamma", self.gamma, "in (0, 1]")

    def __call__(self, scene: Scene) -> PerImage:
        """In [0, 2]."""
        return discounted_l1(scene[self.output], scene.image, scene.mask, self.size, self.gamma)


@dataclass(frozen=True)
class TotalVariation(Term):
    """Differences of neighbouring pixels."""

    term: ClassVar[str] = "total_variation"
    output: str = "composite"  # as elsewhere; of the composite, the hole's edge counts too
    power: Literal[1, 2] = 1  # of the differences
    region: Literal["all", "dilated_hole"] = "dilated_hole"  # both pixels of a pair lie in it

    def __call__(self, scene: Scene) -> PerImage:
        """At least 0."""
        return total_variation(scene[self.output], scene.region(self.region), self.power)


@dataclass(frozen=True)
class FeatureTerm(Term):
    """A term on what a trained network sees; config section ``features`` names its file."""

    network: FeatureName = "vgg16"  # that looks
    layers: tuple[str, ...] = ("pool1", "pool2", "pool3")  # whose maps are compared

    @property
    def name(self) -> str:
        """Such as ``composite_vgg16_style``."""
        return f"{self.output}_{self.network}_{self.term}"


@dataclass(frozen=True)
class Perceptual(FeatureTerm):
    """Difference of feature maps."""

    term: ClassVar[str] = "perceptual"
    distance: Literal["l1", "l2"] = "l1"  # mean absolute, or mean squared difference

    def __call__(self, scene: Scene) -> PerImage:
        """At least 0."""
        output = scene.features(self.output, self.network)
        target = scene.features("photograph", self.network)
        return perceptual(
            {layer: output[layer] for layer in self.layers},
            {layer: target[layer] for layer in self.layers},
            self.distance,
        )


@dataclass(frozen=True)
class Style(FeatureTerm):
    """Difference of Gram matrices of feature maps."""

    term: ClassVar[str] = "style"

    def __call__(self, scene: Scene) -> PerImage:
        """At least 0."""
        output = scene.features(self.output, self.network)
        target = scene.features("photograph", self.network)
        return style(
            {layer: output[layer] for layer in self.layers},
            {layer: target[layer] for layer in self.layers},
        )


@dataclass(frozen=True)
class Adversarial(Term):
    """The generator's part of the GAN loss."""

    term: ClassVar[str] = "adversarial"
    judged: ClassVar[bool] = True
    output: str = "composite"  # what the discriminator judges, here and when it learns
    region: Literal["all", "hole"] = "all"  # logits that count: all, or those that see the hole

    @property
    def name(self) -> str:
        """There is one."""
        return "adversarial"

    def __call__(self, scene: Scene) -> PerImage:
        """Depends on the kind; lower where the discriminator is fooled."""
        logits = scene.judged(self.output)["logits"]
        weights: list[Array] = [jnp.ones(())] * len(logits)
        if self.region == "hole":
            holes = [fakeness("hole", scene.mask, x) for x in logits]
            # Each image counts the same, however small its hole.
            weights = [
                hole / jnp.maximum(jnp.mean(hole, axis=(1, 2), keepdims=True), 1e-6)
                for hole in holes
            ]
        return generator_loss(scene.gan.loss, logits, weights)


@dataclass(frozen=True)
class FeatureMatching(Term):
    """Difference between the discriminator's feature maps of a composite and of the photograph.

    Source: Wang et al., pix2pixHD (2018), equation 4.
    """

    term: ClassVar[str] = "feature_matching"
    judged: ClassVar[bool] = True
    output: str = "composite"  # what the discriminator judges
    distance: Literal["l1", "l2"] = "l1"  # mean absolute, or mean squared difference

    def __call__(self, scene: Scene) -> PerImage:
        """Mean over the maps, at least 0."""
        fake = scene.judged(self.output)["features"]
        real = jax.lax.stop_gradient(scene.judged("photograph")["features"])
        power = 1 if self.distance == "l1" else 2
        maps = [per_image(jnp.abs(f - r) ** power) for f, r in zip(fake, real, strict=True)]
        return sum(maps[1:], start=maps[0]) / len(maps)


TERMS: dict[str, type[Term]] = {
    kind.term: kind
    for kind in (
        L1,
        MSE,
        DiscountedL1,
        TotalVariation,
        Perceptual,
        Style,
        Adversarial,
        FeatureMatching,
    )
}
