"""Convolutions of the network, one by one: forward, gradients of the input and of the kernel."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax

from benchmarks import ceiling
from benchmarks.experiments import Device
from benchmarks.measure import OURS, Figure, compare
from jax_inpaint.compilation import compile_for


class Layer(NamedTuple):
    """A convolution padded 'SAME'."""

    window: int
    channels: int
    features: int
    size: int
    stride: int = 1
    dilation: int = 1

    def __str__(self) -> str:
        window, size = f"{self.window}x{self.window}", f"{self.size}x{self.size}"
        text = f"{window}, {self.channels} to {self.features}, {size}"
        text += f", stride {self.stride}" if self.stride > 1 else ""
        return text + (f", dilation {self.dilation}" if self.dilation > 1 else "")


LAYERS = [
    Layer(5, 5, 48, 256),
    Layer(3, 24, 24, 256),
    Layer(3, 24, 96, 256, stride=2),
    Layer(3, 48, 96, 128),
    Layer(3, 96, 192, 64),
    *(Layer(3, 96, 192, 64, dilation=d) for d in (2, 4, 8, 16)),
    Layer(3, 192, 192, 64),
    Layer(5, 64, 128, 128, stride=2),
]


def figures(device: Device, repeats: int, compiled: bool) -> Iterator[Figure]:
    """GFLOP/s of us, of XLA as it comes, and of PyTorch; batch 2, or 32 on a GPU."""
    del compiled
    dtype = "bfloat16" if device == "gpu" else "float32"
    most = ceiling.best(ceiling.matrix_product(device, repeats, dtype))
    for layer in LAYERS:
        yield from _layer(layer, device, dtype, repeats, most)


def _layer(layer: Layer, device: Device, dtype: str, repeats: int, most: float) -> Iterator[Figure]:
    import torch

    batch = 32 if device == "gpu" else 2
    out = layer.size // layer.stride
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (batch, layer.size, layer.size, layer.channels), dtype)
    kernel = jax.random.normal(
        keys[1], (layer.window, layer.window, layer.channels, layer.features), dtype
    )
    gradient = jax.random.normal(keys[2], (batch, out, out, layer.features), dtype)

    def convolve(x: Any, kernel: Any) -> Any:
        return jax.lax.conv_general_dilated(
            x,
            kernel,
            (layer.stride,) * 2,
            "SAME",
            rhs_dilation=(layer.dilation,) * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    passes = {
        "forward": lambda x, kernel, gradient: convolve(x, kernel),
        "input gradient": lambda x, kernel, g: jax.vjp(lambda x: convolve(x, kernel), x)[1](g),
        "kernel gradient": lambda x, kernel, g: jax.vjp(lambda k: convolve(x, k), kernel)[1](g),
    }

    def in_torch(array: Any, order: tuple[int, ...], layout: Any) -> Any:
        tensor = torch.tensor(jax.device_get(array.astype("float32"))).permute(order)
        tensor = tensor.to("cuda" if device == "gpu" else "cpu", getattr(torch, dtype))
        return tensor.contiguous(memory_format=layout)

    border = (
        layer.dilation * (layer.window - 1) // 2
    )  # before and behind: nearly 'SAME' at stride 2
    settings = [layer.stride] * 2, [border] * 2, [layer.dilation] * 2
    work = 2 * batch * out**2 * layer.window**2 * layer.channels * layer.features / 1e9
    for name, function in passes.items():
        ours = compile_for(jax.local_devices()[:1], function)
        ways = {
            OURS: partial(ours, x, kernel, gradient),
            "XLA as it comes": partial(jax.jit(function), x, kernel, gradient),
        }
        for layout in (torch.channels_last, torch.contiguous_format):
            tensors = [
                in_torch(x, (0, 3, 1, 2), layout),
                in_torch(kernel, (3, 2, 0, 1), layout),
                in_torch(gradient, (0, 3, 1, 2), layout),
            ]
            title = "channels_last" if layout == torch.channels_last else "contiguous"
            ways[f"PyTorch, {title}"] = partial(_in_torch, name, *tensors, settings)
        yield from compare("layers", f"{layer}: {name}", ways, repeats, work, "GFLOP/s", most)


def _in_torch(name: str, x: Any, kernel: Any, gradient: Any, settings: Any) -> Any:
    import torch

    if name == "forward":
        return torch.conv2d(x, kernel, None, *settings)
    wanted = [name == "input gradient", name == "kernel gradient", False]
    return torch.ops.aten.convolution_backward(
        gradient, x, kernel, None, *settings, False, [0, 0], 1, wanted
    )
