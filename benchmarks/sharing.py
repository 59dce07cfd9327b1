"""Memory of a fill whose rows several devices share, by the compiler's account.

python -m benchmarks.sharing deepfillv2 2048 1 2 4 8

Nothing runs: virtual CPU devices are compiled for. Prints GiB of intermediate results on each.
"""

import os
from typing import Literal

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jax_inpaint.compilation import compile_for
from jax_inpaint.models import final_output
from jax_inpaint.models.deepfillv2 import DeepFillV2Config
from jax_inpaint.models.lama import LaMaConfig
from jax_inpaint.ops.sharding import SPATIAL

CONFIGS = {"deepfillv2": DeepFillV2Config(), "lama": LaMaConfig()}


def working_memory(network: str, size: int, devices: int) -> int:
    """Bytes on each device."""
    generator = CONFIGS[network].build_to_fill()
    image, mask = (jax.ShapeDtypeStruct((1, size, size, c), jnp.float32) for c in (3, 1))
    small = [jax.ShapeDtypeStruct((1, 64, 64, c), jnp.float32) for c in (3, 1)]
    variables = jax.eval_shape(generator.init, jax.random.key(0), *small)
    mesh = Mesh(np.array(jax.devices()[:devices]), (SPATIAL,))
    rows = NamedSharding(mesh, PartitionSpec(None, SPATIAL))
    fill = compile_for(
        list(mesh.devices.flat),
        lambda variables, image, mask: final_output(generator.apply(variables, image, mask)),
        code_level=0,
        rewritten=False,
        in_shardings=(NamedSharding(mesh, PartitionSpec()), rows, rows),
        out_shardings=rows,
    )
    with jax.set_mesh(mesh):
        compiled = fill.lower(variables, image, mask).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def main(
    network: tyro.conf.Positional[Literal["deepfillv2", "lama"]],
    size: tyro.conf.Positional[int],
    devices: tyro.conf.Positional[tuple[int, ...]],
) -> None:
    """Prints a line for each number of devices.

    Args:
        network: with the widths of its paper.
        size: height and width of the picture.
        devices: that share its rows, up to 8.
    """
    for count in devices:
        memory = working_memory(network, size, count)
        print(f"{network} {size}x{size}, {count} devices: {memory / 2**30:.2f} GiB", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
