import math
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from PIL import Image, ImageDraw

from jax_inpaint.config import MaskConfig
from jax_inpaint.masks import (
    box_mask,
    brush_mask,
    brush_strokes,
    draw_strokes,
    sample_masks,
    union_mask,
)

ABSOLUTE = MaskConfig(reference_size=0)

sample = jax.jit(sample_masks, static_argnames=("batch", "height", "width", "config"))


def keys(count, seed=0):
    return jax.random.split(jax.random.key(seed), count)


def each(function, *arguments):
    """``function(key, *arguments)`` for many keys, compiled."""
    return jax.jit(jax.vmap(lambda key: function(key, *arguments)))


@cache
def strokes(height, width, config=ABSOLUTE, count=4000):
    """Points (count, strokes, vertices, 2) and widths (count, strokes) of many masks."""
    arrays = each(brush_strokes, height, width, config)(keys(count))
    return tuple(np.asarray(array, np.float64) for array in arrays)


@partial(jax.jit, static_argnums=(2, 3))
@partial(jax.vmap, in_axes=(0, 0, None, None))
def draw(points, widths, height, width):
    return draw_strokes(points, widths, height, width)[..., 0] == 1


@cache
def drawn(size, count):
    """Masks of the first of ``strokes(*size)``, bool (count, height, width)."""
    points, widths = (array[:count].astype(np.float32) for array in strokes(*size))
    parts = (slice(start, start + 40) for start in range(0, count, 40))  # which fit the memory
    return np.concatenate([draw(points[part], widths[part], *size) for part in parts])


# The official generator in NumPy and PIL, height and width not swapped.


def official_strokes(rng, height, width):
    radius = math.hypot(height, width) / 8
    strokes = []
    for _ in range(rng.integers(1, 4)):
        segments = rng.integers(4, 12)
        least = 2 * math.pi / 5 - rng.uniform(0, 2 * math.pi / 15)
        most = 2 * math.pi / 5 + rng.uniform(0, 2 * math.pi / 15)
        vertices = [(int(rng.integers(0, width)), int(rng.integers(0, height)))]
        for i in range(segments):
            angle = rng.uniform(least, most)
            angle = 2 * math.pi - angle if i % 2 == 0 else angle
            length = min(max(rng.normal(radius, radius // 2), 0), 2 * radius)
            x, y = vertices[-1]
            x = min(max(x + length * math.cos(angle), 0), width)
            y = min(max(y + length * math.sin(angle), 0), height)
            vertices.append((int(x), int(y)))
        strokes.append((vertices, int(rng.uniform(12, 40))))
    return strokes


def pil_mask(strokes, height, width):
    image = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(image)
    for vertices, brush in strokes:
        draw.line(vertices, fill=1, width=brush)
        for x, y in vertices:
            r = brush // 2
            draw.ellipse((x - r, y - r, x + r, y + r), fill=1)
    return np.asarray(image).astype(bool)


def as_strokes(points, widths):
    """What brush_strokes returns for one mask, as the list that pil_mask takes."""
    return [
        ([(int(x), int(y)) for x, y in vertices], int(brush))
        for vertices, brush in zip(points, widths, strict=True)
        if brush > 0
    ]


def as_arrays(masks_strokes):
    """Lists of strokes, padded as brush_strokes does."""
    points = np.zeros((len(masks_strokes), 3, 12, 2))
    widths = np.full((len(masks_strokes), 3), -1.0)
    for i, strokes in enumerate(masks_strokes):
        for j, (vertices, brush) in enumerate(strokes):
            points[i, j] = vertices + [vertices[-1]] * (12 - len(vertices))
            widths[i, j] = brush
    return points, widths


def assert_same_distribution(first, second, what):
    """Two-sample Kolmogorov-Smirnov test at 1 in 100,000: there are a hundred of them."""
    first, second = np.sort(first), np.sort(second)
    values = np.concatenate([first, second])
    distance = np.abs(
        np.searchsorted(first, values, side="right") / len(first)
        - np.searchsorted(second, values, side="right") / len(second)
    ).max()
    limit = 2.47 * math.sqrt(1 / len(first) + 1 / len(second))
    assert distance < limit, f"{what}: {distance:.4f} apart, limit {limit:.4f}"


# Batches.


@pytest.fixture(scope="module", params=["union", "brush", "box"])
def sample_16(request):
    return partial(sample, batch=16, height=64, width=96, config=MaskConfig(kind=request.param))


def test_masks_are_binary_float32_with_holes_and_known_pixels(sample_16):
    masks = sample_16(jax.random.key(0))
    assert masks.shape == (16, 64, 96, 1)
    assert masks.dtype == jnp.float32
    assert set(np.unique(masks)) == {0, 1}
    assert np.all(np.max(masks, axis=(1, 2, 3)) == 1)
    assert np.all(np.min(masks, axis=(1, 2, 3)) == 0)


def test_the_key_decides_everything(sample_16):
    first, again, other = (np.asarray(sample_16(jax.random.key(seed))) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_masks_of_a_batch_differ(sample_16):
    masks = sample_16(jax.random.key(2))
    assert len(np.unique(masks.reshape(16, -1), axis=0)) == 16


def test_first_gives_rows_of_the_bigger_batch():
    whole = sample(jax.random.key(3), 16, 64, 96, MaskConfig())
    for first in (0, 5, 12):
        part = sample(jax.random.key(3), 4, 64, 96, MaskConfig(), first)
        np.testing.assert_array_equal(part, whole[first : first + 4])


def test_a_batch_can_share_one_mask():
    masks = sample(jax.random.key(0), 8, 64, 96, MaskConfig(kind="box", per_image=False))
    assert masks.shape == (8, 64, 96, 1)
    np.testing.assert_array_equal(masks, jnp.broadcast_to(masks[:1], masks.shape))
    assert set(np.unique(masks)) == {0, 1}


def test_the_smallest_images_get_strokes():
    masks = sample(jax.random.key(0), 64, 8, 8, MaskConfig(kind="brush"))
    assert set(np.unique(masks)) == {0, 1}
    assert np.all(np.max(masks, axis=(1, 2, 3)) == 1)
    assert np.all(np.min(masks, axis=(1, 2, 3)) == 0)


def test_union_is_the_larger_of_box_and_brush_strokes():
    @jax.jit
    def together(key):
        box_key, brush_key = jax.random.split(key)
        strokes = brush_strokes(brush_key, 64, 96, MaskConfig())
        return (
            union_mask(key, 64, 96, MaskConfig()),
            box_mask(box_key, 64, 96, MaskConfig()),
            brush_mask(brush_key, 64, 96, MaskConfig()),
            draw_strokes(*strokes, 64, 96),
        )

    union, box, brush, strokes = together(jax.random.key(5))
    np.testing.assert_array_equal(brush, strokes)
    np.testing.assert_array_equal(union, jnp.maximum(box, brush))
    assert jnp.any(box > brush)
    assert jnp.any(brush > box)


def test_a_batch_split_over_devices_gets_the_masks_of_one_device():
    devices = jax.device_count()
    assert devices > 1
    batch = 2 * devices
    expected = sample(jax.random.key(7), batch, 64, 96, MaskConfig())

    mesh = jax.make_mesh((devices,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    images = jax.device_put(jnp.ones((batch, 64, 96, 3)), NamedSharding(mesh, P("data")))

    @jax.jit
    def holes(key, images):
        return images[..., :1] * sample_masks(key, batch, 64, 96)

    @jax.jit
    @partial(jax.shard_map, mesh=mesh, in_specs=(P(), P("data")), out_specs=P("data"))
    def holes_by_shard(key, images):
        first = jax.lax.axis_index("data") * 2
        return images[..., :1] * sample_masks(key, 2, 64, 96, first=first)

    for function in (holes, holes_by_shard):
        masks = function(jax.random.key(7), images)
        assert len(masks.sharding.device_set) == devices
        np.testing.assert_array_equal(masks, expected)


# Boxes.


def boxes(count, height, width, config):
    """Top, bottom, left and right (exclusive) of many boxes, which are shown to be rectangles."""

    def edges(key):
        mask = box_mask(key, height, width, config)[..., 0] == 1
        rows, columns = mask.any(axis=1), mask.any(axis=0)
        top, left = jnp.argmax(rows), jnp.argmax(columns)
        bottom, right = top + rows.sum(), left + columns.sum()
        row, column = jnp.arange(height)[:, None], jnp.arange(width)
        box = (row >= top) & (row < bottom) & (column >= left) & (column < right)
        return jnp.stack([top, bottom, left, right]), jnp.array_equal(mask, box)

    positions, rectangular = each(edges)(keys(count))
    assert np.all(rectangular)
    return np.asarray(positions).T


def test_box_is_the_official_one_at_256():
    top, bottom, left, right = boxes(2000, 256, 256, MaskConfig())
    rng = np.random.default_rng(0)
    for start, end in ((top, bottom), (left, right)):
        inset = (128 - (end - start)) / 2
        # Every value of official randint(0, 128) and randint(0, 32 // 2 + 1), and no other.
        assert set(start - inset) == set(range(128))
        assert set(inset) == set(range(17))
        assert_same_distribution(start - inset, rng.integers(0, 128, 2000), "start")
        assert_same_distribution(inset, rng.integers(0, 17, 2000), "inset")
    assert abs(np.corrcoef(top, left)[0, 1]) < 0.08
    assert abs(np.corrcoef(bottom - top, right - left)[0, 1]) < 0.08


def test_box_and_its_margin_scale_with_the_side_of_the_image():
    config = MaskConfig(reference_size=64, box_size=(32, 32), box_jitter=8, box_margin=5)
    top, bottom, left, right = boxes(4000, 128, 64, config)
    for start, end, scale in ((top, bottom, 2), (left, right, 1)):
        inset = (32 * scale - (end - start)) / 2
        assert set(inset) == set(range(4 * scale + 1))
        assert set(start - inset) == set(range(5 * scale, 27 * scale))


def test_box_of_absolute_size_doesnt_scale():
    config = MaskConfig(reference_size=0, box_size=(32, 32), box_jitter=8)
    top, bottom, left, right = boxes(4000, 128, 24, config)
    # A box wider than the image becomes as wide, and has one place.
    for start, end, side, places in ((top, bottom, 32, 96), (left, right, 24, 1)):
        inset = (side - (end - start)) / 2
        assert set(inset) == set(range(5))
        assert set(start - inset) == set(range(places))


@pytest.mark.parametrize(
    ("size", "config"),
    [
        ((8, 8), MaskConfig()),
        ((8, 8), MaskConfig(box_size=(4, 9), box_jitter=3)),
        ((8, 640), MaskConfig(box_margin=100)),
        ((72, 40), MaskConfig(box_size=(500, 20), box_jitter=19)),
        ((72, 40), ABSOLUTE),
        ((8, 9), MaskConfig(reference_size=0, box_size=(1, 3), box_jitter=0, box_margin=30)),
    ],
)
def test_box_is_never_empty_nor_outside(size, config):
    top, bottom, left, right = boxes(200, *size, config)
    for start, end, side in ((top, bottom, size[0]), (left, right, size[1])):
        assert np.all(start >= 0)
        assert np.all(end > start)
        assert np.all(end <= side)


# Brush strokes.

DRAWN = [((256, 256), 200), ((96, 224), 600)]


@pytest.mark.parametrize(
    "size",
    # The small one shows that the deviation of the length is a whole number, as official.
    [(256, 256), (96, 224), (56, 24)],
)
def test_strokes_are_distributed_as_the_official_ones(size):
    height, width = size
    rng = np.random.default_rng(1)
    ours = strokes(*size)
    official = as_arrays([official_strokes(rng, *size) for _ in range(len(ours[0]))])
    for points, widths in (ours, official):
        assert set((widths > 0).sum(axis=1)) == {1, 2, 3}
        points, widths = points[widths > 0], widths[widths > 0]
        assert set(widths) == set(range(12, 40))
        np.testing.assert_array_equal(points, np.floor(points))
        assert points.min() == 0
        assert tuple(points.max(axis=(0, 1))) == (width, height)
        assert tuple(points[:, 0].max(axis=0)) == (width - 1, height - 1)
        # Truncation lengthens a move by less than a pixel each way.
        longest = np.linalg.norm(np.diff(points, axis=1), axis=-1).max()
        assert abs(longest - math.hypot(height, width) / 4) < 1.5

    def statistics(points, widths):
        yield "strokes", (widths > 0).sum(axis=1)
        points, widths = points[widths > 0], widths[widths > 0]
        yield "width", widths
        moves = np.diff(points, axis=1)
        moved = np.any(moves != 0, axis=-1)
        yield "segments", moved.shape[1] - np.argmax(moved[:, ::-1], axis=1)
        yield "length", np.linalg.norm(moves[:, 0], axis=-1)
        # Later vertices of a stroke depend on earlier ones, hence one statistic for each.
        for i in range(12):
            yield f"x of vertex {i}", points[:, i, 0]
            yield f"y of vertex {i}", points[:, i, 1]
        for i in range(3):
            angle = np.arctan2(moves[:, i, 1], moves[:, i, 0])
            yield f"direction {i}", angle[moved[:, i]]

    for (what, mine), (_, theirs) in zip(statistics(*ours), statistics(*official), strict=True):
        assert_same_distribution(mine, theirs, what)


@pytest.mark.parametrize(("size", "count"), DRAWN)
def test_coverage_is_distributed_as_official(size, count):
    rng = np.random.default_rng(2)
    ours = drawn(size, count).mean(axis=(1, 2))
    official = np.array(
        [pil_mask(official_strokes(rng, *size), *size).mean() for _ in range(count)]
    )
    assert_same_distribution(ours, official, "coverage")
    error = math.hypot(ours.std(), official.std()) / math.sqrt(count)
    assert abs(ours.mean() - official.mean()) < 3 * error
    assert abs(ours.std() / official.std() - 1) < 3 / math.sqrt(count)
    # Quantiles between 10 and 90 % scatter up to about twice as much as the mean.
    for share in (10, 25, 50, 75, 90):
        assert abs(np.percentile(ours, share) - np.percentile(official, share)) < 5 * error


@pytest.mark.parametrize(("size", "count"), DRAWN)
def test_pil_draws_the_same_strokes_alike(size, count):
    ours = drawn(size, count)
    points, widths = strokes(*size)
    theirs = [pil_mask(as_strokes(points[i], widths[i]), *size) for i in range(count)]
    overlap = [(a & b).sum() / (a | b).sum() for a, b in zip(ours, theirs, strict=True)]
    assert np.mean(overlap) > 0.97
    assert min(overlap) > 0.9
    assert abs(ours.mean() / np.mean(theirs) - 1) < 0.01


@pytest.mark.parametrize("brush", [3, 12, 13, 39])
def test_strokes_are_as_wide_as_asked_and_as_pils(brush):
    angles = np.radians(np.arange(0, 180, 4.5))
    half = 90 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    ends = np.round(128 + np.stack([-half, half], axis=1)).astype(np.float32)[:, None]
    masks = np.asarray(draw(ends, np.full((len(ends), 1), brush, np.float32), 256, 256))

    # Measured over the middle half of each stroke, where the round ends don't count.
    row, column = np.mgrid[:256, :256]
    direction = half / 90
    along = (column - 128) * direction[:, :1, None] + (row - 128) * direction[:, 1:, None]
    middle = np.abs(along) < 45
    theirs = np.stack([pil_mask(as_strokes(end, [brush]), 256, 256) for end in ends])
    ours, theirs = ((mask & middle).sum(axis=(1, 2)) / 90 for mask in (masks, theirs))
    assert np.all(np.abs(ours - brush) < 1)  # along an axis, an even width gets the odd one above
    assert abs(ours.mean() - brush) < 0.1
    assert abs(ours.mean() - theirs.mean()) < 0.7  # PIL rounds the corners of what it fills


def test_absent_strokes_and_repeated_vertices_add_nothing():
    stroke = jnp.array([[[10.0, 20.0], [40.0, 30.0]]])
    expected = draw_strokes(stroke, jnp.array([7.0]), 48, 64)
    padded = jnp.concatenate([stroke, jnp.broadcast_to(stroke[:, -1:], (1, 5, 2))], axis=1)
    padded = jnp.concatenate([padded, padded + 8, padded], axis=0)
    np.testing.assert_array_equal(
        draw_strokes(padded, jnp.array([7.0, -1.0, -1.0]), 48, 64), expected
    )
    dot = draw_strokes(jnp.full((1, 3, 2), 20.0), jnp.array([7.0]), 48, 64)
    assert dot.sum() == 37  # pixel centres at most 3.5 away from one


def test_brush_scales_with_the_shorter_side():
    _, reference = strokes(256, 256)
    points, widths = strokes(512, 768, MaskConfig())
    np.testing.assert_array_equal(np.where(widths > 0, widths // 2, -1), reference)
    assert (widths[widths > 0].min(), widths.max()) == (24, 79)
    assert tuple(points.max(axis=(0, 1, 2))) == (768, 512)


def test_brush_follows_its_configuration():
    config = MaskConfig(strokes=(2, 5), vertices=(1, 3), brush_width=(5.0, 5.0), reference_size=0)
    points, widths = strokes(64, 64, config, count=500)
    assert points.shape[1:] == (5, 4, 2)
    assert set((widths > 0).sum(axis=1)) == {2, 3, 4, 5}
    assert set(np.unique(widths)) == {-1, 5}


@pytest.mark.parametrize("size", [(96, 224), (56, 24)])
def test_brush_reaches_every_part_of_images_that_arent_square(size):
    reached = drawn(size, 600).mean(axis=0)
    assert reached.min() > 0
    # Strokes wander to the right, as official; still no quarter of the image is left out.
    quarters = [part for half in np.array_split(reached, 2) for part in np.array_split(half, 2, 1)]
    assert min(part.mean() for part in quarters) > reached.mean() / 2
