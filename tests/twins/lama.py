"""LaMa's generator with the official code's parameter names, and their counterparts here."""

import re

import jax.numpy as jnp
import torch
from flax import traverse_util
from torch import nn

from tests.twins.torch_arrays import kernel, transposed_kernel


class FourierUnit(nn.Module):
    def __init__(self, channels: int, features: int):
        super().__init__()
        self.conv_layer = nn.Conv2d(2 * channels, 2 * features, 1, bias=False)
        self.bn = nn.BatchNorm2d(2 * features)

    def forward(self, x):
        spectrum = torch.fft.rfftn(x, dim=(-2, -1), norm="ortho")
        parts = torch.stack([spectrum.real, spectrum.imag], dim=2)
        y = torch.relu(self.bn(self.conv_layer(parts.flatten(1, 2))))
        y = torch.complex(y[:, 0::2], y[:, 1::2])
        return torch.fft.irfftn(y, s=x.shape[-2:], dim=(-2, -1), norm="ortho")


class SpectralTransform(nn.Module):
    def __init__(self, channels: int, features: int):
        super().__init__()
        half = features // 2
        self.conv1 = nn.Sequential(
            nn.Conv2d(channels, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU()
        )
        self.fu = FourierUnit(half, half)
        self.conv2 = nn.Conv2d(half, features, 1, bias=False)

    def forward(self, x):
        x = self.conv1(x)
        return self.conv2(x + self.fu(x))


class FFC(nn.Module):
    def __init__(self, inputs: tuple[int, int], outputs: tuple[int, int], size, stride, padding):
        super().__init__()
        for i, source in enumerate("lg"):
            for o, target in enumerate("lg"):
                if not inputs[i] or not outputs[o]:
                    path: nn.Module = nn.Identity()
                elif i == o == 1:
                    path = SpectralTransform(inputs[1], outputs[1])
                else:
                    path = nn.Conv2d(
                        inputs[i],
                        outputs[o],
                        size,
                        stride,
                        padding,
                        bias=False,
                        padding_mode="reflect",
                    )
                setattr(self, f"conv{source}2{target}", path)
        self.has_global = bool(outputs[1])

    def forward(self, x):
        local, distant = x
        local_out = self.convl2l(local) + self.convg2l(distant)
        return local_out, self.convl2g(local) + self.convg2g(distant) if self.has_global else 0


class FFCNormRelu(nn.Module):
    def __init__(self, inputs, outputs, size=3, stride=1, padding=1):
        super().__init__()
        self.ffc = FFC(inputs, outputs, size, stride, padding)
        self.bn_l = nn.BatchNorm2d(outputs[0])
        self.bn_g = nn.BatchNorm2d(outputs[1]) if outputs[1] else nn.Identity()

    def forward(self, x):
        local, distant = self.ffc(x if isinstance(x, tuple) else (x, 0))
        local = torch.relu(self.bn_l(local))
        return local, torch.relu(self.bn_g(distant)) if torch.is_tensor(distant) else 0


class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = FFCNormRelu(channels, channels)
        self.conv2 = FFCNormRelu(channels, channels)

    def forward(self, x):
        local, distant = self.conv2(self.conv1(x))
        return x[0] + local, x[1] + distant


class Concatenate(nn.Module):
    def forward(self, x):
        return torch.cat(x, dim=1)


class Generator(nn.Module):
    """Takes masked colours in [0, 1] and the mask; returns colours in [0, 1]."""

    def __init__(self, width: int = 64, blocks: int = 9):
        super().__init__()
        w, inner = width, (2 * width, 6 * width)
        model = [
            nn.ReflectionPad2d(3),
            FFCNormRelu((4, 0), (w, 0), 7, padding=0),
            FFCNormRelu((w, 0), (2 * w, 0), stride=2),
            FFCNormRelu((2 * w, 0), (4 * w, 0), stride=2),
            FFCNormRelu((4 * w, 0), inner, stride=2),
            *[ResidualBlock(inner) for _ in range(blocks)],
            Concatenate(),
        ]
        for c in (8 * w, 4 * w, 2 * w):
            up = nn.ConvTranspose2d(c, c // 2, 3, stride=2, padding=1, output_padding=1)
            model += [up, nn.BatchNorm2d(c // 2), nn.ReLU()]
        model += [nn.ReflectionPad2d(3), nn.Conv2d(w, 3, 7), nn.Sigmoid()]
        self.model = nn.Sequential(*model)

    def forward(self, x):
        return self.model(x)


def variables_of(twin: nn.Module) -> dict:
    """Our variables, from the state dict of the twin (or of a part of it)."""
    transposed = {
        name for name, module in twin.named_modules() if isinstance(module, nn.ConvTranspose2d)
    }
    flat = {}
    for key, value in twin.state_dict().items():
        module, _, leaf = key.rpartition(".")
        if leaf == "num_batches_tracked":
            continue
        path = tuple(re.sub(r"\.(\d+)", r"_\1", module).split("."))
        if leaf.startswith("running_"):
            statistic = leaf.removeprefix("running_")
            flat["batch_stats", *path, statistic] = jnp.array(value.numpy())
            continue
        is_convolution = isinstance(twin.get_submodule(module), (nn.Conv2d, nn.ConvTranspose2d))
        if is_convolution and re.fullmatch(r"model_\d+", "/".join(path)):
            path += ("conv",)
        if leaf == "weight" and is_convolution:
            array = transposed_kernel(value) if module in transposed else kernel(value)
            flat["params", *path, "kernel"] = array
        else:
            name = {"weight": "scale", "bias": "bias"}[leaf]
            flat["params", *path, name] = jnp.array(value.numpy())
    return traverse_util.unflatten_dict(flat)
