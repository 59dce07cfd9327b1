"""DeepFillv2's generator and SN-PatchGAN in PyTorch, and our parameters in them.

Images are NCHW in [-1, 1]; masks 1 in the hole; float32. Layers carry the official names.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from flax import traverse_util
from torch import Tensor, nn
from torch.nn import functional


class Layer(NamedTuple):
    """A line of the tables below; a name that ends in ``_upsample`` doubles the size first."""

    name: str
    widths: float  # channels after gating, in widths of the network
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    activation: Callable[[Tensor], Tensor] = functional.elu


def atrous(prefix: str) -> list[Layer]:
    """The four layers that see far."""
    return [
        Layer(f"{prefix}conv{number}_atrous", 4, dilation=dilation)
        for number, dilation in ((7, 2), (8, 4), (9, 8), (10, 16))
    ]


def decoder(prefix: str) -> list[Layer]:
    """From features at a quarter of the size to what the layer of colours takes."""
    return [
        Layer(f"{prefix}conv11", 4),
        Layer(f"{prefix}conv12", 4),
        Layer(f"{prefix}conv13_upsample", 2),
        Layer(f"{prefix}conv14", 2),
        Layer(f"{prefix}conv15_upsample", 1),
        Layer(f"{prefix}conv16", 0.5),
    ]


COARSE = [
    Layer("conv1", 1, kernel=5),
    Layer("conv2_downsample", 2, stride=2),
    Layer("conv3", 2),
    Layer("conv4_downsample", 4, stride=2),
    Layer("conv5", 4),
    Layer("conv6", 4),
    *atrous(""),
    *decoder(""),
]
DILATED = [
    Layer("xconv1", 1, kernel=5),
    Layer("xconv2_downsample", 1, stride=2),
    Layer("xconv3", 2),
    Layer("xconv4_downsample", 2, stride=2),
    Layer("xconv5", 4),
    Layer("xconv6", 4),
    *atrous("x"),
]
BEFORE_ATTENTION = [
    Layer("pmconv1", 1, kernel=5),
    Layer("pmconv2_downsample", 1, stride=2),
    Layer("pmconv3", 2),
    Layer("pmconv4_downsample", 4, stride=2),
    Layer("pmconv5", 4),
    Layer("pmconv6", 4, activation=functional.relu),
]
AFTER_ATTENTION = [Layer("pmconv9", 4), Layer("pmconv10", 4)]
MERGED = decoder("all")


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Zeros before and behind by TensorFlow's rule."""
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def same_convolution(
    x: Tensor, kernel: Tensor, bias: Tensor | None, stride: int = 1, dilation: int = 1
) -> Tensor:
    """A convolution of a square kernel, padded by TensorFlow's rule."""
    rows, columns = (same_padding(s, kernel.shape[-1], stride, dilation) for s in x.shape[2:])
    padding = (rows[0], columns[0])
    if rows[0] != rows[1] or columns[0] != columns[1]:  # else the convolution pads without a copy
        x, padding = functional.pad(x, (*columns, *rows)), (0, 0)
    return functional.conv2d(x, kernel, bias, stride, padding, dilation)


class SameConv2d(nn.Conv2d):
    """A convolution padded by TensorFlow's rule."""

    def forward(self, x: Tensor) -> Tensor:
        """Features."""
        return same_convolution(x, self.weight, self.bias, self.stride[0], self.dilation[0])


class GatedConv(nn.Module):
    """``activation(features) * sigmoid(gate)``; without an activation a plain convolution."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
        activation: Callable[[Tensor], Tensor] | None = functional.elu,
    ):
        super().__init__()
        self.activation = activation
        filters = 2 * outputs if activation else outputs
        self.conv = SameConv2d(inputs, filters, kernel, stride, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """Gated features."""
        x = self.conv(x)
        if self.activation is None:
            return x
        features, gate = x.chunk(2, dim=1)
        return self.activation(features) * torch.sigmoid(gate)


class GatedUpsample(nn.Module):
    """Nearest-neighbour upsampling by two, then a gated convolution."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = GatedConv(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Gated features at twice the size."""
        return self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))


def downsample(x: Tensor, divisor: int) -> Tensor:
    """Nearest neighbour with aligned corners; halves round up, as in TensorFlow."""
    for axis in (2, 3):
        size = x.shape[axis]
        steps = max(size // divisor - 1, 1)
        index = torch.arange(size // divisor, device=x.device)
        x = x.index_select(axis, (2 * index * (size - 1) + steps) // (2 * steps))
    return x


def fuse(scores: Tensor, height: int, width: int) -> Tensor:
    """Adds up (B, N, N) scores of neighbouring pairs of positions, by rows and then by columns."""

    def add_diagonal_neighbours(x: Tensor) -> Tensor:
        total = x.clone()
        total[:, 1:, 1:] += x[:, :-1, :-1]
        total[:, :-1, :-1] += x[:, 1:, 1:]
        return total

    def other_numbering(x: Tensor, rows: int, columns: int) -> Tensor:
        grid = x.unflatten(2, (rows, columns)).unflatten(1, (rows, columns))
        return grid.transpose(1, 2).transpose(3, 4).reshape(x.shape)

    by_columns = other_numbering(add_diagonal_neighbours(scores), height, width)
    return other_numbering(add_diagonal_neighbours(by_columns), width, height)


class ContextualAttention(nn.Module):
    """The official contextual attention, as products of matrices of patches."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Rebuilds features from patches of them that hold no hole pixel.

        ``(B, C, H, W)`` with even height and width; the mask of any multiple of that size.
        """
        height, width = x.shape[2] // 2, x.shape[3] // 2
        queries = functional.unfold(downsample(x, 2), 3, padding=1)
        keys = queries.float()
        keys = keys / keys.square().sum(1, keepdim=True).clamp_min(1e-8).sqrt()
        scores = torch.bmm(queries.transpose(1, 2), keys.to(queries.dtype)).float()
        scores = fuse(scores, height, width)

        # The mask shrinks in two steps, as official: two roundings.
        hole = downsample(downsample(mask, mask.shape[2] // x.shape[2]), 2)
        usable = (functional.max_pool2d(hole, 3, stride=1, padding=1) == 0).flatten(2).float()
        attention = torch.softmax(scores * (10 * usable), dim=2) * usable

        values = functional.unfold(x, 4, padding=1, stride=2)
        pasted = torch.bmm(values, attention.to(values.dtype).transpose(1, 2))
        return functional.fold(pasted, x.shape[2:], 4, padding=1, stride=2) / 4


class Generator(nn.Module):
    """The official two-stage generator; ``width=24`` is the published one."""

    def __init__(self, width: int = 24, channels: int = 5):
        super().__init__()
        self._add(COARSE, channels, width)
        self.conv17 = GatedConv(width // 2, 3, activation=None)
        self._add(DILATED, 3, width)
        self._add(BEFORE_ATTENTION, 3, width)
        self.contextual_attention = ContextualAttention()
        self._add(AFTER_ATTENTION, 4 * width, width)
        self._add(MERGED, 8 * width, width)
        self.allconv17 = GatedConv(width // 2, 3, activation=None)

    def _add(self, layers: Sequence[Layer], inputs: int, width: int) -> None:
        for name, widths, *settings in layers:
            outputs = int(widths * width)
            upsamples = name.endswith("_upsample")
            layer = (
                GatedUpsample(inputs, outputs)
                if upsamples
                else GatedConv(inputs, outputs, *settings)
            )
            self.add_module(name, layer)
            inputs = outputs

    def _through(self, layers: Sequence[Layer], x: Tensor) -> Tensor:
        for layer in layers:
            x = getattr(self, layer.name)(x)
        return x

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The whole picture after either stage, float32 in [-1, 1]; sizes are multiples of 8."""
        known = image * (1 - mask)
        x = torch.cat([known, torch.ones_like(mask), mask], dim=1)
        coarse = torch.tanh(self.conv17(self._through(COARSE, x)).float())
        pasted = coarse * mask + known
        dilated = self._through(DILATED, pasted)
        attended = self.contextual_attention(self._through(BEFORE_ATTENTION, pasted), mask)
        attended = self._through(AFTER_ATTENTION, attended)
        x = self._through(MERGED, torch.cat([dilated, attended], dim=1))
        return coarse, torch.tanh(self.allconv17(x).float())


class SNPatchGAN(nn.Module):
    """Kernels and biases of the discriminator; it judges with normalised kernels."""

    def __init__(self, kernels: Sequence[Tensor], biases: Sequence[Tensor]):
        super().__init__()
        self.kernels = nn.ParameterList(kernels)
        self.biases = nn.ParameterList(biases)

    @staticmethod
    def forward(x: Tensor, kernels: Sequence[Tensor], biases: Sequence[Tensor]) -> Tensor:
        """Logits of images with their masks behind the colours, float32."""
        for kernel, bias in zip(kernels, biases, strict=True):
            x = functional.leaky_relu(same_convolution(x, kernel, bias, stride=2), 0.2)
        return x.float()


def from_flax(array: Any) -> Tensor:
    """Any of our parameters: kernels (height, width, in, out) as (out, in, height, width)."""
    array = np.asarray(array)
    return torch.tensor(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array)


def load_generator(params: Mapping[str, Any]) -> Generator:
    """The generator with the parameters of a ``DeepFillV2`` without sketch."""
    tensors = {}
    for (_, *path), array in traverse_util.flatten_dict(params).items():
        name = ".".join(path).replace("gated_conv", "conv").replace("kernel", "weight")
        tensors[name] = from_flax(array)
    generator = Generator(width=len(tensors["conv1.conv.bias"]) // 2)
    generator.load_state_dict(tensors)
    return generator


def load_discriminator(params: Mapping[str, Any]) -> SNPatchGAN:
    """The discriminator with the parameters of an ``SNPatchGAN``."""
    layers = [params[f"conv{number}"]["conv"] for number in range(1, len(params) + 1)]
    return SNPatchGAN(
        [from_flax(layer["kernel"]) for layer in layers],
        [from_flax(layer["bias"]) for layer in layers],
    )
