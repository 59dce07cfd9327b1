"""What goes on in a generator: its gates, what its layers know, where its attention looks."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import flax.struct
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int

from jax_inpaint.config import GeneratorConfig
from jax_inpaint.inference.network import padded_size, saying_where_memory_ends
from jax_inpaint.layers.partial import PartialConv
from jax_inpaint.weights import Variables

STAGES = ("coarse", "refined", "output", "composite")


@flax.struct.dataclass
class LayerMap:
    """A map in [0, 1] of a layer's size, and its means in the hole and outside.

    ``values`` is (p, q); each of them stands for a block of ``stride`` x ``stride`` pixels.
    """

    values: Any
    in_hole: Any
    outside: Any
    stride: int = flax.struct.field(pytree_node=False)


@flax.struct.dataclass
class Gates:
    """The gates of a layer; 1 lets a feature through, 0 stops it.

    ``mean`` is over the layer's channels. ``strongest`` is one of them, number ``channel``: the one
    whose mean differs most between the hole and the rest.
    """

    layer: str = flax.struct.field(pytree_node=False)
    mean: LayerMap
    strongest: LayerMap
    channel: Any


@flax.struct.dataclass
class Known:
    """Where a layer of partial convolution knows something: 1 there, 0 in what is left of holes."""

    layer: str = flax.struct.field(pytree_node=False)
    known: LayerMap


@dataclass(frozen=True)
class Attention:
    """Where contextual attention looks; it works on blocks of ``rate`` x ``rate`` pixels.

    Attributes:
        offsets: for each block, how many blocks away (rows, columns) the one is that it looks at
            most; 0 for none.
        sources: for each pixel, row and column of the pixel at the same place in that block. What
            lies in the padding is the pixel that it mirrors.
        found: pixels of the hole that look elsewhere. A pixel whose block looks nowhere isn't one:
            nothing around was free of holes, or the hole is too thin to be seen at this size.
    """

    rate: int
    offsets: Int[np.ndarray, "p q 2"]
    sources: Int[np.ndarray, "h w 2"]
    found: Bool[np.ndarray, "h w"]


@dataclass(frozen=True)
class Explanation:
    """What a generator made of a picture, and how; ``image`` and ``stages`` are in [-1, 1].

    ``stages`` are the generator's pictures in order, by name, the composite last. A generator
    without gates, partial convolutions or attention leaves the respective part empty.
    """

    architecture: str
    image: Float32[np.ndarray, "h w 3"]
    hole: Bool[np.ndarray, "h w"]
    stages: dict[str, Float32[np.ndarray, "h w 3"]]
    gates: tuple[Gates, ...]
    known: tuple[Known, ...]
    attention: Attention | None


def explain(
    config: GeneratorConfig,
    variables: Variables,
    image: Float32[np.ndarray, "h w 3"],
    hole: Bool[np.ndarray, "h w"],
    sketch: Bool[np.ndarray, "h w"] | None = None,
) -> Explanation:
    """Fills a picture and looks at what happens in the generator.

    It is padded as :class:`~jax_inpaint.inference.inpainter.Inpainter` does, so the composite is
    the same. The first call for a generator and a size compiles.

    Args:
        config: the generator's.
        variables: its weights.
        image: in [-1, 1], of any size. Pixels in the hole aren't looked at.
        hole: True where to fill; neither empty nor everything.
        sketch: True on lines wanted in the hole, for a generator that takes them.

    Raises:
        FillError: if the device has too little memory.
    """
    height, width = hole.shape
    full = padded_size(hole.shape, config.multiple)
    padding = [(0, full[axis] - hole.shape[axis]) for axis in (0, 1)]
    padded = np.pad(image, (*padding, (0, 0)), mode="reflect")
    mask = np.pad(hole, padding, mode="reflect").astype(np.float32)[..., None]
    lines = np.zeros_like(hole) if sketch is None else sketch
    guide = np.pad(lines, padding, mode="reflect").astype(np.float32)[..., None]
    real = np.pad(np.ones_like(hole), padding).astype(np.float32)[..., None]
    with saying_where_memory_ends(height, width):
        outputs, gates, known = jax.device_get(_look(config, variables, padded, mask, guide, real))
    flow = outputs.pop("offset_flow", None)
    return Explanation(
        architecture=config.architecture,
        image=image,
        hole=hole,
        stages={name: outputs[name][:height, :width] for name in STAGES if name in outputs},
        gates=gates,
        known=known,
        attention=None if flow is None else trace_attention(flow, padded.shape[0], hole),
    )


@partial(jax.jit, static_argnums=0)
def _look(
    config: GeneratorConfig,
    variables: Variables,
    image: Array,
    mask: Array,
    sketch: Array,
    real: Array,
) -> tuple[dict[str, Array], tuple[Gates, ...], tuple[Known, ...]]:
    """Outputs for one padded image; gates and known positions of the layers, in their order.

    ``real`` is 0 in the padding, 1 elsewhere.
    """
    outputs, state = config.build().apply(
        variables,
        image[None],
        mask[None],
        sketch[None] if config.takes_sketch else None,
        mutable=["intermediates"],
        capture_intermediates=lambda module, _: isinstance(module, PartialConv),
    )
    gates, known = [], []
    intermediates = flax.traverse_util.flatten_dict(state.get("intermediates", {}))
    for (*path, kind), (value,) in intermediates.items():
        # The convolution within a gated upsampling is all there is to it.
        layer = "/".join(path).removesuffix("/gated_conv")
        if kind == "gate":
            gates.append(_gates(layer, value[0].astype(jnp.float32), mask, real))
        elif kind == "__call__":  # of a PartialConv
            _, valid = value
            known.append(Known(layer, _layer_map(valid[0, :, :, 0], mask, real)))
    outputs = {name: value[0] for name, value in outputs.items()}
    return outputs, tuple(gates), tuple(known)


def _gates(layer: str, gate: Float[Array, "p q c"], mask: Array, real: Array) -> Gates:
    hole, rest = _weights(gate.shape, mask, real)
    difference = jnp.einsum("pqc,pq->c", gate, hole) - jnp.einsum("pqc,pq->c", gate, rest)
    channel = jnp.argmax(jnp.abs(difference))
    return Gates(
        layer,
        _layer_map(jnp.mean(gate, axis=-1), mask, real),
        _layer_map(gate[..., channel], mask, real),
        channel,
    )


def _layer_map(values: Float[Array, "p q"], mask: Array, real: Array) -> LayerMap:
    hole, rest = _weights(values.shape, mask, real)
    stride = mask.shape[0] // values.shape[0]
    return LayerMap(values, jnp.sum(values * hole), jnp.sum(values * rest), stride)


def _weights(shape: tuple[int, ...], mask: Array, real: Array) -> tuple[Array, Array]:
    """Weights (p, q) of means over the hole and over the rest, both without the padding."""
    p, q = shape[:2]
    blocks = (p, mask.shape[0] // p, q, mask.shape[1] // q)
    parts = (mask * real, (1 - mask) * real)
    sums = [jnp.sum(part.reshape(blocks), axis=(1, 3)) for part in parts]
    return sums[0] / jnp.sum(sums[0]), sums[1] / jnp.sum(sums[1])


def trace_attention(
    offsets: Int[np.ndarray, "p q 2"], padded_height: int, hole: Bool[np.ndarray, "h w"]
) -> Attention:
    """Follows the offset flow of a padded picture back to pixels of the picture.

    Args:
        offsets: rows and columns from each block to the one that it looks at most.
        padded_height: pixels; with the flow's height it says how large a block is.
        hole: of the picture, which is padded by reflection.
    """
    rate = padded_height // offsets.shape[0]
    height, width = hole.shape
    rows, columns = np.indices(hole.shape)
    reach = offsets[rows // rate, columns // rate]
    # Rows and columns of the padded picture, as those that they mirror.
    mirrored = [
        np.pad(np.arange(side), (0, rate * blocks - side), mode="reflect")
        for side, blocks in zip(hole.shape, offsets.shape[:2], strict=True)
    ]
    sources = np.stack(
        [mirrored[0][rows + rate * reach[..., 0]], mirrored[1][columns + rate * reach[..., 1]]],
        axis=-1,
    )
    shown = offsets[: -(-height // rate), : -(-width // rate)]
    return Attention(rate, shown, sources, hole & reach.any(axis=-1))


def summary(explanation: Explanation) -> dict[str, Any]:
    """The figures of an explanation, to be written as JSON; gates and shares are in [0, 1].

    ``gates`` and ``known`` have an entry for each layer with its means in the hole and outside.
    ``attention`` is None without any; otherwise it counts the blocks that touch the hole, those of
    them that look elsewhere, and the different blocks that these look at, and has the median
    distance in pixels.
    """

    def means(layer_map: LayerMap) -> dict[str, float]:
        return {
            "hole": round(float(layer_map.in_hole), 4),
            "outside": round(float(layer_map.outside), 4),
        }

    height, width = explanation.hole.shape
    attention = explanation.attention
    return {
        "architecture": explanation.architecture,
        "picture": {"width": width, "height": height, "hole": float(explanation.hole.mean())},
        "gates": [
            {
                "layer": gates.layer,
                **means(gates.mean),
                "strongest": {"channel": int(gates.channel), **means(gates.strongest)},
            }
            for gates in explanation.gates
        ],
        "known": [{"layer": layer.layer, **means(layer.known)} for layer in explanation.known],
        "attention": None if attention is None else _attention_figures(attention, explanation.hole),
    }


def _attention_figures(attention: Attention, hole: np.ndarray) -> dict[str, Any]:
    touching, looking = (blocks_of(pixels, attention.rate) for pixels in (hole, attention.found))
    offsets = attention.offsets[tuple(looking.T)]
    lengths = attention.rate * np.hypot(*offsets.T)
    return {
        "block": attention.rate,
        "blocks_in_hole": len(touching),
        "looking_elsewhere": len(looking),
        "different_sources": len(np.unique(looking + offsets, axis=0)),
        "median_distance": float(np.median(lengths)) if len(lengths) else None,
    }


def blocks_of(pixels: Bool[np.ndarray, "h w"], rate: int) -> Int[np.ndarray, "n 2"]:
    """Rows and columns of the blocks of ``rate`` x ``rate`` pixels in which any is True."""
    return np.unique(np.argwhere(pixels) // rate, axis=0).reshape(-1, 2)
