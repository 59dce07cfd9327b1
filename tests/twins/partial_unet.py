"""The partial U-Net with the PyTorch port's parameter names and masks of as many channels."""

import jax.numpy as jnp
import torch
from flax import traverse_util
from torch import nn
from torch.nn import functional

from tests.twins import torch_arrays


class PartialConv(nn.Module):
    """NVIDIA's layer for multi-channel masks, in which 1 is known.

    ``count_window=False`` is the port's bug: sums are divided by the number of known values, but
    not multiplied by the size of the window.
    """

    def __init__(self, inputs, outputs, size, stride=1, bias=False, count_window=True):
        super().__init__()
        self.input_conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=bias)
        self.mask_conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        self.window = inputs * size**2
        self.count_window = count_window

    def forward(self, x, mask):
        known = self.mask_conv(mask)
        valid = known.clamp(0, 1)
        ratio = (self.window if self.count_window else 1) / (known + 1e-8) * valid
        bias = self.input_conv.bias
        bias = 0 if bias is None else bias.view(1, -1, 1, 1)
        return ((self.input_conv(x * mask) - bias) * ratio + bias) * valid, valid


class Block(nn.Module):
    def __init__(self, inputs, outputs, size, stride, norm, activation, count_window):
        super().__init__()
        bias = activation is None
        self.conv = PartialConv(inputs, outputs, size, stride, bias, count_window)
        self.bn = nn.BatchNorm2d(outputs) if norm else nn.Identity()
        self.activation = activation or nn.Identity()

    def forward(self, x, mask):
        x, mask = self.conv(x, mask)
        return self.activation(self.bn(x)), mask


class Network(nn.Module):
    """Takes colours and a mask of three channels; returns colours."""

    def __init__(self, width: int = 64, levels: int = 7, count_window: bool = True):
        super().__init__()
        self.levels = levels
        widths = [3] + [width * min(2**level, 8) for level in range(levels)]
        for i in range(1, levels + 1):
            before, after, size = widths[i - 1], widths[i], {1: 7, 2: 5, 3: 5}.get(i, 3)
            down = Block(before, after, size, 2, i > 1, nn.ReLU(), count_window)
            activation = nn.LeakyReLU(0.2) if i > 1 else None
            up = Block(after + before, before, 3, 1, i > 1, activation, count_window)
            setattr(self, f"enc_{i}", down)
            setattr(self, f"dec_{i}", up)

    def forward(self, x, mask):
        skips = [(x, mask)]
        for i in range(1, self.levels + 1):
            skips.append(getattr(self, f"enc_{i}")(*skips[-1]))
        part = skips.pop()
        for i in range(self.levels, 0, -1):
            large = [functional.interpolate(a, scale_factor=2, mode="nearest") for a in part]
            joined = [torch.cat(pair, 1) for pair in zip(large, skips.pop(), strict=True)]
            part = getattr(self, f"dec_{i}")(*joined)
        return part[0]


def randomize(twin: nn.Module) -> None:
    """Random parameters and statistics that keep activations near 1; mask kernels stay ones."""
    torch_arrays.randomize(twin)
    with torch.no_grad():
        for module in twin.modules():
            if isinstance(module, PartialConv):
                module.mask_conv.weight.fill_(1)
                module.input_conv.weight.mul_(1.4 if module.count_window else 1.4 * module.window)


def variables_of(twin: nn.Module) -> dict:
    """Our variables; kernels take up the size of a window that the twin doesn't count."""
    flat = {}
    for key, value in twin.state_dict().items():
        block, _, rest = key.partition(".")
        layer = block.replace("_", "")
        if rest == "conv.input_conv.weight":
            conv = twin.get_submodule(block).conv
            scale = 1 if conv.count_window else 1 / conv.window
            flat["params", layer, "conv", "kernel"] = torch_arrays.kernel(value) * scale
        elif rest == "conv.input_conv.bias":
            flat["params", layer, "bias"] = jnp.asarray(value.numpy())
        elif rest.startswith("bn.running_"):
            statistic = rest.removeprefix("bn.running_")
            flat["batch_stats", layer, "norm", statistic] = jnp.asarray(value.numpy())
        elif rest in ("bn.weight", "bn.bias"):
            name = {"bn.weight": "scale", "bn.bias": "bias"}[rest]
            flat["params", layer, "norm", name] = jnp.asarray(value.numpy())
    return traverse_util.unflatten_dict(flat)
