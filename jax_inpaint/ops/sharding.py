"""Work for the devices that share an image's rows, where the compiler divides it badly by itself.

They are those along ``spatial`` of the mesh that the caller has set (``jax.set_mesh``). Without one
nothing is shared.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

SPATIAL = "spatial"  # the axis of a mesh along which devices share rows


def map_shared(function: Callable[[Any], Any], items: Any) -> Any:
    """``jax.lax.map(function, items)``, with every N-th item on each of the N devices.

    By itself the compiler would have every one do all. What the function uses besides its item is
    whole on every device.

    Args:
        function: of an item; gives arrays, or trees of them.
        items: arrays with a leading axis, one place for each item, or trees of them.
    """
    devices = _sharing()
    if devices == 1:
        return jax.lax.map(function, items)
    count = len(jax.tree.leaves(items)[0])
    # Items that take long often lie side by side: neighbours go to different devices. What is
    # missing to a whole number for each is filled up with the last one.
    dealt = np.arange(-(-count // devices) * devices).reshape(-1, devices).T.ravel()
    split = PartitionSpec(SPATIAL)
    results = jax.shard_map(
        lambda mine: jax.lax.map(function, mine), in_specs=split, out_specs=split, check_vma=False
    )(jax.tree.map(lambda x: x[np.minimum(dealt, count - 1)], items))

    def collected(x: jax.Array) -> jax.Array:
        by_device = x.reshape(devices, -1, *x.shape[1:])
        return by_device.swapaxes(0, 1).reshape(x.shape)[:count]

    return jax.tree.map(collected, results)


def with_mirrored_borders(
    function: Callable[[Array], Array],
    x: Float[Array, "b h w c"],
    width: int,
    stride: int = 1,
) -> Float[Array, "b p q f"]:
    """``function`` of an image with so many more pixels on every side, mirrored without the edge.

    Devices fetch the rows that they need from their neighbours. The compiler would make the larger
    image first, whose rows aren't split as before, and hold it several times.

    Args:
        function: a convolution without padding.
        x: the image.
        width: pixels on every side.
        stride: the function's.
    """
    devices, rows = _sharing(), x.shape[1]
    none, border = (0, 0), (width, width)
    if devices == 1 or rows % (devices * stride) or rows // devices <= width:
        return function(jnp.pad(x, [none, border, border, none], mode="reflect"))

    def own(x: Array) -> Array:
        x = jnp.pad(x, [none, none, border, none], mode="reflect")
        number = jax.lax.axis_index(SPATIAL)
        down = [(device, device + 1) for device in range(devices - 1)]
        up = [(below, above) for above, below in down]
        before = jax.lax.ppermute(x[:, -width:], SPATIAL, down)
        after = jax.lax.ppermute(x[:, :width], SPATIAL, up)
        before = jnp.where(number == 0, x[:, 1 : width + 1][:, ::-1], before)
        after = jnp.where(number == devices - 1, x[:, -width - 1 : -1][:, ::-1], after)
        return function(jnp.concatenate([before, x, after], axis=1))

    split = PartitionSpec(None, SPATIAL)
    return jax.shard_map(own, in_specs=split, out_specs=split, check_vma=False)(x)


def _sharing() -> int:
    return jax.sharding.get_abstract_mesh().shape.get(SPATIAL, 1)
