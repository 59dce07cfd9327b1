"""AOT-GAN's generator with the official code's parameter names, and their counterparts here."""

import re

import jax.numpy as jnp
import torch
from flax import traverse_util
from torch import nn

from tests.twins.torch_arrays import kernel


class UpConv(nn.Module):
    def __init__(self, channels: int, features: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, features, 3, padding=1)

    def forward(self, x):
        large = nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        return self.conv(large)


class AOTBlock(nn.Module):
    def __init__(self, channels: int):
        super().__init__()

        def mirrored(features: int, rate: int) -> list[nn.Module]:
            return [nn.ReflectionPad2d(rate), nn.Conv2d(channels, features, 3, dilation=rate)]

        for i, rate in enumerate((1, 2, 4, 8)):
            branch = nn.Sequential(*mirrored(channels // 4, rate), nn.ReLU())
            setattr(self, f"block0{i}", branch)
        self.fuse = nn.Sequential(*mirrored(channels, 1))
        self.gate = nn.Sequential(*mirrored(channels, 1))

    def forward(self, x):
        fused = self.fuse(torch.cat([getattr(self, f"block0{i}")(x) for i in range(4)], dim=1))
        gate = self.gate(x)
        deviation, mean = torch.std_mean(gate, (2, 3), keepdim=True)
        gate = torch.sigmoid(5 * (2 * (gate - mean) / (deviation + 1e-9) - 1))
        return x * (1 - gate) + fused * gate


class Generator(nn.Module):
    """Takes colours in [-1, 1] with a white hole, and the mask."""

    def __init__(self, width: int = 64, blocks: int = 8):
        super().__init__()
        w = width
        self.encoder = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(4, w, 7),
            nn.ReLU(),
            nn.Conv2d(w, 2 * w, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * w, 4 * w, 4, stride=2, padding=1),
            nn.ReLU(),
        )
        self.middle = nn.Sequential(*[AOTBlock(4 * w) for _ in range(blocks)])
        self.decoder = nn.Sequential(
            UpConv(4 * w, 2 * w),
            nn.ReLU(),
            UpConv(2 * w, w),
            nn.ReLU(),
            nn.Conv2d(w, 3, 3, padding=1),
        )

    def forward(self, image, mask):
        x = self.middle(self.encoder(torch.cat([image, mask], dim=1)))
        return torch.tanh(self.decoder(x))


def variables_of(twin: nn.Module) -> dict:
    """Our variables, from the state dict of the twin (or of a part of it)."""
    flat = {}
    for key, value in twin.state_dict().items():
        module, _, leaf = key.rpartition(".")
        path = re.sub(r"\.(\d+)", r"_\1", module.removesuffix(".conv")).split(".")
        if leaf == "weight":
            flat["params", *path, "conv", "kernel"] = kernel(value)
        else:
            flat["params", *path, "conv", "bias"] = jnp.array(value.numpy())
    return traverse_util.unflatten_dict(flat)
