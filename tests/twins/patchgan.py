"""The multi-scale patch discriminator, with pix2pixHD's names; one scale is LaMa's."""

import torch
from torch import nn


class MultiscaleDiscriminator(nn.Module):
    def __init__(self, width=64, layers=3, scales=1, norm=nn.BatchNorm2d, padding=2):
        super().__init__()
        self.layers, self.scales = layers, scales
        for scale in range(scales):
            channels = 3
            for layer in range(layers + 2):
                features = 1 if layer > layers else min(width * 2**layer, 512)
                stride = 2 if layer < layers else 1
                block: list[nn.Module] = [nn.Conv2d(channels, features, 4, stride, padding)]
                if 0 < layer <= layers:
                    block.append(norm(features))
                if layer <= layers:
                    block.append(nn.LeakyReLU(0.2))
                setattr(self, f"scale{scale}_layer{layer}", nn.Sequential(*block))
                channels = features
        self.downsample = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

    def forward(self, x: torch.Tensor) -> list[list[torch.Tensor]]:
        """All layers' maps of every scale; the last scale by name sees the whole image."""
        result = []
        for scale in reversed(range(self.scales)):
            maps = [x]
            for layer in range(self.layers + 2):
                maps.append(getattr(self, f"scale{scale}_layer{layer}")(maps[-1]))
            result.append(maps[1:])
            x = self.downsample(x)
        return result
