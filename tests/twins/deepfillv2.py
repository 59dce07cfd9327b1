"""DeepFillv2 as it is published: the official network, and both networks of its PyTorch port.

``SameNetwork`` has the layers, names and padding of the official code and of the port's
``networks_tf.py``, which differ in how the attention is fed; ``SymmetricNetwork`` is the port's
``networks.py``. ``cnum`` is theirs, twice our width. All take one picture at a time, since the
attention is written as they write it: a convolution whose filters are the picture's patches.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.twin.network import GatedConv, GatedUpsample, Generator


def shrink(x, divisor: int, align_corners: bool):
    """Nearest neighbour; positions with aligned corners in float32, as TensorFlow's kernel."""
    for axis in (2, 3):
        size = x.shape[axis]
        count = size // divisor
        if align_corners:
            scale = np.float32(size - 1) / np.float32(count - 1) if count > 1 else np.float32(0)
            index = np.floor(np.arange(count, dtype=np.float32) * scale + np.float32(0.5))
        else:
            index = np.arange(count) * divisor
        x = x.index_select(axis, torch.as_tensor(index.astype(np.int64)))
    return x


class ContextualAttention(nn.Module):
    """Convolutions whose filters are patches of the picture itself."""

    def __init__(self, align_corners: bool, fuse: bool, two_steps: bool, buffer: bool = False):
        super().__init__()
        self.align_corners, self.fuse, self.two_steps = align_corners, fuse, two_steps
        identity = torch.eye(3).view(1, 1, 3, 3)
        self.register_buffer("fuse_weight", identity, persistent=buffer)

    def forward(self, x, mask):
        assert len(x) == 1
        channels, h, w = x.shape[1], x.shape[2] // 2, x.shape[3] // 2
        count = h * w
        pasted = functional.unfold(x, 4, padding=1, stride=2)[0].T.reshape(count, channels, 4, 4)
        small = shrink(x, 2, self.align_corners)
        keys = functional.unfold(small, 3, padding=1)[0].T.reshape(count, channels, 3, 3)
        norms = keys.square().sum((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-4)
        scores = functional.conv2d(small, keys / norms, padding=1)
        if self.fuse:
            grid = scores.reshape(1, 1, count, count)
            grid = functional.conv2d(grid, self.fuse_weight, padding=1)
            grid = grid.reshape(1, h, w, h, w).permute(0, 2, 1, 4, 3)
            grid = functional.conv2d(grid.reshape(1, 1, count, count), self.fuse_weight, padding=1)
            grid = grid.reshape(1, w, h, w, h).permute(0, 2, 1, 4, 3)
            scores = grid.reshape(1, count, h, w)
        if self.two_steps:
            mask = shrink(shrink(mask, 4, self.align_corners), 2, self.align_corners)
        else:
            mask = shrink(mask, 8, self.align_corners)
        holes = functional.unfold(mask, 3, padding=1).mean(dim=1).view(1, count, 1, 1)
        usable = (holes == 0).float()
        weights = functional.softmax(scores * usable * 10, dim=1) * usable
        return functional.conv_transpose2d(weights, pasted, stride=2, padding=1) / 4


class SameNetwork(Generator):
    """Official: ``fuse=True, two_steps=True``; the port's ``networks_tf.py``: both False."""

    def __init__(self, cnum=48, channels=5, fuse=True, two_steps=True):
        super().__init__(cnum // 2, channels)
        self.contextual_attention = ContextualAttention(True, fuse, two_steps)

    def tensorflow_variables(self) -> dict[str, np.ndarray]:
        """The official checkpoint's tensors: filters as height, width, in, out."""
        variables = {}
        for layer, module in self.named_children():
            if isinstance(module, ContextualAttention):
                continue
            scope, conv = f"inpaint_net/{layer}", module.conv
            if isinstance(module, GatedUpsample):
                scope, conv = f"{scope}/{layer}_conv", module.conv.conv
            variables[f"{scope}/kernel"] = conv.weight.detach().permute(2, 3, 1, 0).numpy().copy()
            variables[f"{scope}/bias"] = conv.bias.detach().numpy().copy()
        return variables


class Down(nn.Module):
    def __init__(self, inputs, outputs, hidden):
        super().__init__()
        self.conv1_downsample = GatedConv(inputs, hidden, stride=2)
        self.conv2 = GatedConv(hidden, outputs)

    def forward(self, x):
        return self.conv2(self.conv1_downsample(x))


class Up(nn.Module):
    def __init__(self, inputs, outputs, hidden):
        super().__init__()
        self.conv1_upsample = GatedUpsample(inputs, hidden)
        self.conv2 = GatedConv(hidden, outputs)

    def forward(self, x):
        return self.conv2(self.conv1_upsample(x))


class Stage(nn.Module):
    def add_decoder(self, inputs, cnum):
        self.conv_bn6 = GatedConv(inputs, 2 * cnum)
        self.conv_bn7 = GatedConv(2 * cnum, 2 * cnum)
        self.up_block1 = Up(2 * cnum, cnum, cnum)
        self.up_block2 = Up(cnum, cnum // 4, cnum // 2)
        self.conv_to_rgb = GatedConv(cnum // 4, 3, activation=None)

    def decode(self, x):
        x = self.up_block2(self.up_block1(self.conv_bn7(self.conv_bn6(x))))
        return torch.tanh(self.conv_to_rgb(x))


class Coarse(Stage):
    def __init__(self, channels, cnum):
        super().__init__()
        double = 2 * cnum
        self.conv1 = GatedConv(channels, cnum // 2, 5)
        self.down_block1 = Down(cnum // 2, cnum, cnum)
        self.down_block2 = Down(cnum, double, double)
        self.conv_bn1 = GatedConv(double, double)
        for number, rate in ((2, 2), (3, 4), (4, 8), (5, 16)):
            self.add_module(f"conv_bn{number}", GatedConv(double, double, dilation=rate))
        self.add_decoder(double, cnum)

    def forward(self, x):
        x = self.conv_bn1(self.down_block2(self.down_block1(self.conv1(x))))
        x = self.conv_bn5(self.conv_bn4(self.conv_bn3(self.conv_bn2(x))))
        return self.decode(x)


class Fine(Stage):
    def __init__(self, cnum, buffer):
        super().__init__()
        half, double = cnum // 2, 2 * cnum
        self.conv_conv1 = GatedConv(3, half, 5)
        self.conv_down_block1 = Down(half, cnum, half)
        self.conv_down_block2 = Down(cnum, double, cnum)
        self.conv_conv_bn1 = GatedConv(double, double)
        for number, rate in ((2, 2), (3, 4), (4, 8), (5, 16)):
            self.add_module(f"conv_conv_bn{number}", GatedConv(double, double, dilation=rate))
        self.ca_conv1 = GatedConv(3, half, 5)
        self.ca_down_block1 = Down(half, cnum, half)
        self.ca_down_block2 = Down(cnum, double, double)
        self.ca_conv_bn1 = GatedConv(double, double, activation=functional.relu)
        self.contextual_attention = ContextualAttention(False, True, False, buffer)
        self.ca_conv_bn4 = GatedConv(double, double)
        self.ca_conv_bn5 = GatedConv(double, double)
        self.add_decoder(4 * cnum, cnum)

    def forward(self, image, mask):
        x = self.conv_conv1(image)
        x = self.conv_conv_bn1(self.conv_down_block2(self.conv_down_block1(x)))
        x = self.conv_conv_bn3(self.conv_conv_bn2(x))
        dilated = self.conv_conv_bn5(self.conv_conv_bn4(x))
        x = self.ca_down_block2(self.ca_down_block1(self.ca_conv1(image)))
        x = self.contextual_attention(self.ca_conv_bn1(x), mask)
        attended = self.ca_conv_bn5(self.ca_conv_bn4(x))
        return self.decode(torch.cat([dilated, attended], dim=1))


class SymmetricNetwork(nn.Module):
    """The port's ``networks.py``; ``buffer``: its later state dicts hold the identity kernel."""

    def __init__(self, cnum=48, channels=5, buffer=True):
        super().__init__()
        self.stage1 = Coarse(channels, cnum)
        self.stage2 = Fine(cnum, buffer)
        for module in self.modules():
            if isinstance(module, GatedConv):
                c = module.conv
                (size, _), (rate, _) = c.kernel_size, c.dilation
                module.conv = nn.Conv2d(
                    c.in_channels,
                    c.out_channels,
                    size,
                    c.stride,
                    padding=rate * (size - 1) // 2,
                    dilation=rate,
                )

    def forward(self, image, mask):
        known = image * (1 - mask)
        coarse = self.stage1(torch.cat([known, torch.ones_like(mask), mask], dim=1))
        return coarse, self.stage2(coarse * mask + known, mask)
