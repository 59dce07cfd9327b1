"""What is compared: DeepFillv2 as in configs/deepfillv2_places2.py, its inputs, and the machine."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jax_inpaint.config import Config, load_config

CONFIGS = Path(__file__).parent.parent / "configs"
Device = Literal["cpu", "gpu"]


def deepfillv2(batch_size: int, dtype: Literal["float32", "bfloat16"] = "float32") -> Config:
    """The published DeepFillv2; first kernels are larger, so that pictures aren't mid-grey."""
    config = load_config(CONFIGS / "deepfillv2_places2.py")
    return dataclasses.replace(
        config,
        generator=dataclasses.replace(config.generator, **{"compute_dtype": dtype}),
        train=dataclasses.replace(config.train, batch_size=batch_size, initial_gain=2.4),
    )


def example(batch_size: int, size: int) -> dict[str, np.ndarray]:
    """A batch of noise with a box and a bar for a hole: a quarter and a bit of the picture."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (batch_size, size, size, 3), np.uint8)
    mask = np.zeros((batch_size, size, size, 1), np.uint8)
    mask[:, size // 4 : 3 * size // 4, size // 4 : 3 * size // 4] = 1
    mask[:, size // 8 : size // 6] = 1
    return {"image": image, "mask": mask}


def picture(batch_size: int, size: int) -> tuple[jax.Array, jax.Array]:
    """The same as float32 in [-1, 1], and the mask as float32."""
    batch = example(batch_size, size)
    return jnp.asarray(batch["image"] / 127.5 - 1, jnp.float32), jnp.asarray(batch["mask"], float)


def to_torch(array: Any, device: Device) -> Any:
    """NHWC as PyTorch's NCHW, on the device."""
    import torch

    tensor = torch.from_numpy(np.array(array)).permute(0, 3, 1, 2).contiguous()
    return tensor.to("cuda" if device == "gpu" else "cpu")


def torch_forms(device: Device, compiled: bool) -> list[Any]:
    """Eager and, if asked for, compiled; both layouts; bfloat16 too on a GPU."""
    from benchmarks.twin import Form

    return [
        Form(compiled=c, channels_last=layout, bfloat16=bfloat16)
        for bfloat16 in ([False, True] if device == "gpu" else [False])
        for c in ([False, True] if compiled else [False])
        for layout in (False, True)
    ]


def count_torch(function: Callable[[], Any]) -> float:
    """Multiplications and additions of a call in PyTorch, 2 for a product and its sum."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()
