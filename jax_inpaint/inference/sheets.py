"""Sheets of pictures that show an explanation to a person."""

import math

import jax
import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from PIL import Image, ImageDraw

from jax_inpaint.config import GeneratorConfig
from jax_inpaint.images import to_uint8
from jax_inpaint.inference.drawing import (
    Pixels,
    fitted_size,
    grid,
    heat,
    heat_legend,
    labelled,
    outlined,
    resized,
    row,
    sheet,
    stack,
)
from jax_inpaint.inference.explanation import (
    Attention,
    Explanation,
    LayerMap,
    blocks_of,
    explain,
)
from jax_inpaint.ops.flow import color_wheel, flow_to_color
from jax_inpaint.weights import Variables

SHEETS = ("stages", "gates", "known", "offset_flow", "sources")

PICTURE, THUMBNAIL, WIDTH = 320, 128, 1640  # longest side of a picture, of a map; of a sheet

# Colours of a picture's corners, from left to right and top to bottom; places between are blends.
_CORNERS = np.array([[[25, 90, 240], [230, 40, 165]], [[10, 190, 115], [255, 205, 25]]])
_ARROWS = ("#e6194b", "#3cb44b", "#ffe119", "#4f8dff", "#f58231", "#c05aff", "#42d4f4", "#ff7de9")


def explanation_pictures(
    config: GeneratorConfig,
    variables: Variables,
    image: Float32[np.ndarray, "h w 3"],
    hole: Bool[np.ndarray, "h w"],
) -> dict[str, Pixels]:
    """:func:`explanation_sheets` for a generator's variables and a picture in [-1, 1].

    Empty where there is no hole, or nothing else.
    """
    if hole.all() or not hole.any():
        return {}
    return explanation_sheets(explain(config, variables, image, hole))


def explanation_sheets(explanation: Explanation) -> dict[str, Pixels]:
    """All sheets that there is something to show on, uint8, by name.

    ``stages``: masked, every stage, composite. ``gates``: two maps for each gated layer.
    ``known``: what is left of the hole in each layer of partial convolution. ``offset_flow`` and
    ``sources``: where attention looks, and what the hole would get from there.
    """
    sheets = {"stages": _stages(explanation)}
    if explanation.gates:
        sheets["gates"] = _gates(explanation)
    if explanation.known:
        sheets["known"] = _known(explanation)
    if explanation.attention is not None:
        sheets["offset_flow"] = _offset_flow(explanation, explanation.attention)
        sheets["sources"] = _sources(explanation, explanation.attention)
    return sheets


def masked(explanation: Explanation) -> Pixels:
    """The picture with its hole in white."""
    return np.where(explanation.hole[..., None], np.uint8(255), to_uint8(explanation.image))


def _stages(explanation: Explanation) -> Pixels:
    pictures = {"masked": masked(explanation)}
    pictures |= {name: to_uint8(image) for name, image in explanation.stages.items()}
    return sheet(row([_titled(title, pixels) for title, pixels in pictures.items()]))


def _gates(explanation: Explanation) -> Pixels:
    means = np.concatenate([gates.mean.values.ravel() for gates in explanation.gates])
    low, high = np.percentile(means, (1, 99))
    scale = (math.floor(10 * low) / 10, (math.floor(10 * high) + 1) / 10)
    cells = [
        labelled(
            row([_map(explanation, gates.mean, scale), _map(explanation, gates.strongest)], 2),
            gates.layer,
            f"{_means(gates.mean)}     #{gates.channel}: {_means(gates.strongest)}",
        )
        for gates in explanation.gates
    ]
    first = row(
        [
            _legend("masked", masked(explanation), "left maps", scale),
            _legend("filled", to_uint8(explanation.stages["composite"]), "right maps"),
        ],
        2,
    )
    return sheet(
        grid([first, *cells], WIDTH),
        "Gates, layer by layer: 1 lets features through, 0 stops them. Left: the mean over a "
        "layer's channels. Right: the channel whose gate differs most between the hole (outlined) "
        "and the rest, # and its number. Below: mean in the hole | mean outside.",
    )


def _known(explanation: Explanation) -> Pixels:
    cells = [
        labelled(_map(explanation, layer.known, outline="red"), layer.layer, _means(layer.known))
        for layer in explanation.known
    ]
    return sheet(
        grid([_legend("masked", masked(explanation), "known"), *cells], WIDTH // 2),
        "Partial convolutions, layer by layer: where a layer knows something (1), and what is left "
        "of the hole (0). Below: known share of the hole (outlined) | of the rest.",
    )


def _legend(title: str, pixels: Pixels, of: str, scale: tuple[float, float] = (0.0, 1.0)) -> Pixels:
    """The picture as it is on maps, and what their colours mean."""
    picture = resized(pixels, fitted_size(pixels.shape[:2], THUMBNAIL))
    legend = heat_legend(max(picture.shape[1], 100), of, scale)
    return labelled(stack([picture, legend], 2), title)


def _map(
    explanation: Explanation,
    layer_map: LayerMap,
    scale: tuple[float, float] = (0.0, 1.0),
    outline: str = "white",
) -> Pixels:
    """The colours of a layer's values, as large as the picture beside them."""
    size, stride = explanation.hole.shape, layer_map.stride
    values = np.repeat(np.repeat(layer_map.values, stride, axis=0), stride, axis=1)
    values = resized(values[: size[0], : size[1]], fitted_size(size, THUMBNAIL))
    return outlined(heat(values, scale), explanation.hole, outline)


def _means(layer_map: LayerMap) -> str:
    return f"{layer_map.in_hole:.2f} | {layer_map.outside:.2f}"


def _offset_flow(explanation: Explanation, attention: Attention) -> Pixels:
    rate, hole = attention.rate, explanation.hole
    colours = to_uint8(np.asarray(jax.jit(flow_to_color)(attention.offsets[None]))[0])
    colours = colours.repeat(rate, axis=0).repeat(rate, axis=1)[: hole.shape[0], : hole.shape[1]]
    filled = to_uint8(explanation.stages["composite"])
    wheel = to_uint8(np.asarray(jax.jit(color_wheel, static_argnums=0)(160)))
    longest = rate * np.hypot(*np.moveaxis(attention.offsets, -1, 0)).max()
    panels = [
        _titled("filled", filled, hole),
        _titled("offset flow", colours, hole),
        _titled(
            "offset flow in the hole",
            np.where(attention.found[..., None], colours, _faded(filled)),
        ),
        labelled(wheel, "looks from the centre", f"rim: {longest:.0f} pixels away"),
    ]
    return sheet(
        row(panels),
        f"Attention rebuilds each block of {rate}x{rate} pixels from others. Its colour says where "
        "the one lies that it looks at most: direction is hue, distance is saturation, as on the "
        "wheel; white looks nowhere else. It rebuilds the features of the whole picture; in the "
        "hole (outlined) this tells where the fill comes from.",
    )


def _sources(explanation: Explanation, attention: Attention) -> Pixels:
    hole, found = explanation.hole, attention.found[..., None]
    rows, columns = np.moveaxis(attention.sources, -1, 0)
    places, known = place_colours(hole.shape), masked(explanation)
    outside = np.where(hole[..., None], 255, 0.7 * places + 0.3 * known.mean(axis=-1)[..., None])
    panels = [
        _titled(
            "the hole in the colours of its sources",
            np.where(found, places[rows, columns], outside).astype(np.uint8),
            hole,
        ),
        _titled("pixels of the sources", np.where(found, known[rows, columns], known)),
        labelled(_arrows(explanation, attention), "some sources, and what they fill"),
    ]
    return sheet(
        row(panels),
        "Left: each place has its own colour; in the hole it is that of the place that attention "
        "looks at most, white where it looks nowhere else. Middle: the pixels of those places. "
        "Right: lines from places in the hole (dots) to those that they look at (squares). "
        "Attention mixes features, those of this place most of all, and the layers behind it turn "
        "them into pixels: the fill isn't a copy.",
    )


def _arrows(explanation: Explanation, attention: Attention) -> Pixels:
    """Numbered dots in the filled hole, each with a line to the square that it looks at."""
    filled = to_uint8(explanation.stages["composite"])
    size = fitted_size(filled.shape[:2], PICTURE)
    hole = explanation.hole
    picture = Image.fromarray(outlined(resized(_faded(filled), size), hole, "black"))
    draw = ImageDraw.Draw(picture)
    scale = np.array(size) / filled.shape[:2]
    half = max(4, attention.rate * scale[0] / 2)
    blocks = spread(blocks_of(attention.found, attention.rate), len(_ARROWS))
    for number, (block, colour) in enumerate(zip(blocks, _ARROWS, strict=False), 1):
        pixel = np.minimum(attention.rate * block + attention.rate // 2, np.array(hole.shape) - 1)
        (y, x), (v, u) = pixel * scale, attention.sources[tuple(pixel)] * scale
        for width, ink in ((4, "black"), (2, colour)):
            draw.line((u, v, x, y), ink, width)
        for side, ink in ((half, "black"), (half - 1, colour), (half - 2, colour)):
            draw.rectangle((u - side, v - side, u + side, v + side), outline=ink)
        draw.ellipse((x - 8, y - 8, x + 8, y + 8), colour, "black")
        draw.text((x, y), str(number), "black", anchor="mm", font_size=11)
    return np.asarray(picture)


def place_colours(size: tuple[int, int]) -> Float[np.ndarray, "h w 3"]:
    """A colour for each place of a picture, in [0, 255]."""
    down, right = (np.linspace(0, 1, side)[:, None] for side in size)
    return np.einsum(
        "hi,wj,ijc->hwc", np.hstack([1 - down, down]), np.hstack([1 - right, right]), _CORNERS
    )


def spread(points: Int[np.ndarray, "n 2"], count: int) -> Int[np.ndarray, "m 2"]:
    """Up to ``count`` of the points: the most central, then each as far from all as can be."""
    if len(points) == 0:
        return points
    chosen = [int(np.hypot(*(points - points.mean(axis=0)).T).argmin())]
    distance = np.full(len(points), np.inf)
    while len(chosen) < min(count, len(points)):
        distance = np.minimum(distance, np.hypot(*(points - points[chosen[-1]]).T))
        chosen.append(int(distance.argmax()))
    return points[chosen]


def _titled(title: str, pixels: Pixels, hole: Bool[np.ndarray, "p q"] | None = None) -> Pixels:
    pixels = resized(pixels, fitted_size(pixels.shape[:2], PICTURE))
    return labelled(pixels if hole is None else outlined(pixels, hole, "black"), title)


def _faded(pixels: Pixels) -> Pixels:
    """Grey and bright, for coloured things on top."""
    grey = 0.45 * pixels.mean(axis=-1, keepdims=True) + 140
    return grey.repeat(3, axis=-1).astype(np.uint8)
