"""FID's Inception-v3 in PyTorch, with the parameter names of pytorch-fid's file."""

import torch
from torch import nn
from torch.nn import functional as F

from tests.twins.feature_networks import outputs
from tests.twins.torch_arrays import randomize


class Convolution(nn.Module):
    def __init__(self, channels: int, width: int, kernel: int | tuple[int, int] = 1, **options):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel, bias=False, **options)
        self.bn = nn.BatchNorm2d(width, eps=0.001)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn(self.conv(x)).relu()


class Block(nn.Module):
    """Parallel branches: modules are added as ``name=(channels, width, kernel, padding, stride)``.

    ``forward`` of each kind wires them.
    """

    def __init__(self, **layers: tuple):
        super().__init__()
        for name, (channels, width, *rest) in layers.items():
            kernel, padding, stride = (*rest, *(1, 0, 1)[len(rest) :])
            self.add_module(
                name, Convolution(channels, width, kernel, padding=padding, stride=stride)
            )

    def chain(self, x: torch.Tensor, *names: str) -> torch.Tensor:
        for name in names:
            x = self.get_submodule(name)(x)
        return x


def average(x: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class InceptionA(Block):
    def __init__(self, channels: int, pooled: int):
        super().__init__(
            branch1x1=(channels, 64),
            branch5x5_1=(channels, 48),
            branch5x5_2=(48, 64, 5, 2),
            branch3x3dbl_1=(channels, 64),
            branch3x3dbl_2=(64, 96, 3, 1),
            branch3x3dbl_3=(96, 96, 3, 1),
            branch_pool=(channels, pooled),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches = [
            self.chain(x, "branch1x1"),
            self.chain(x, "branch5x5_1", "branch5x5_2"),
            self.chain(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
            self.chain(average(x), "branch_pool"),
        ]
        return torch.cat(branches, dim=1)


class InceptionB(Block):
    def __init__(self, channels: int):
        super().__init__(
            branch3x3=(channels, 384, 3, 0, 2),
            branch3x3dbl_1=(channels, 64),
            branch3x3dbl_2=(64, 96, 3, 1),
            branch3x3dbl_3=(96, 96, 3, 0, 2),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches = [
            self.chain(x, "branch3x3"),
            self.chain(x, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
            F.max_pool2d(x, 3, stride=2),
        ]
        return torch.cat(branches, dim=1)


class InceptionC(Block):
    def __init__(self, channels: int, width: int):
        row, column = ((1, 7), (0, 3)), ((7, 1), (3, 0))
        super().__init__(
            branch1x1=(channels, 192),
            branch7x7_1=(channels, width),
            branch7x7_2=(width, width, *row),
            branch7x7_3=(width, 192, *column),
            branch7x7dbl_1=(channels, width),
            branch7x7dbl_2=(width, width, *column),
            branch7x7dbl_3=(width, width, *row),
            branch7x7dbl_4=(width, width, *column),
            branch7x7dbl_5=(width, 192, *row),
            branch_pool=(channels, 192),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches = [
            self.chain(x, "branch1x1"),
            self.chain(x, *(f"branch7x7_{i}" for i in (1, 2, 3))),
            self.chain(x, *(f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5))),
            self.chain(average(x), "branch_pool"),
        ]
        return torch.cat(branches, dim=1)


class InceptionD(Block):
    def __init__(self, channels: int):
        super().__init__(
            branch3x3_1=(channels, 192),
            branch3x3_2=(192, 320, 3, 0, 2),
            branch7x7x3_1=(channels, 192),
            branch7x7x3_2=(192, 192, (1, 7), (0, 3)),
            branch7x7x3_3=(192, 192, (7, 1), (3, 0)),
            branch7x7x3_4=(192, 192, 3, 0, 2),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches = [
            self.chain(x, "branch3x3_1", "branch3x3_2"),
            self.chain(x, *(f"branch7x7x3_{i}" for i in (1, 2, 3, 4))),
            F.max_pool2d(x, 3, stride=2),
        ]
        return torch.cat(branches, dim=1)


class InceptionE(Block):
    def __init__(self, channels: int, largest: bool):
        row, column = ((1, 3), (0, 1)), ((3, 1), (1, 0))
        super().__init__(
            branch1x1=(channels, 320),
            branch3x3_1=(channels, 384),
            branch3x3_2a=(384, 384, *row),
            branch3x3_2b=(384, 384, *column),
            branch3x3dbl_1=(channels, 448),
            branch3x3dbl_2=(448, 384, 3, 1),
            branch3x3dbl_3a=(384, 384, *row),
            branch3x3dbl_3b=(384, 384, *column),
            branch_pool=(channels, 192),
        )
        self.largest = largest

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        single = self.chain(x, "branch3x3_1")
        double = self.chain(x, "branch3x3dbl_1", "branch3x3dbl_2")
        pooled = F.max_pool2d(x, 3, stride=1, padding=1) if self.largest else average(x)
        branches = [
            self.chain(x, "branch1x1"),
            self.chain(single, "branch3x3_2a"),
            self.chain(single, "branch3x3_2b"),
            self.chain(double, "branch3x3dbl_3a"),
            self.chain(double, "branch3x3dbl_3b"),
            self.chain(pooled, "branch_pool"),
        ]
        return torch.cat(branches, dim=1)


class Inception(nn.Module):
    """With the classifier of 1008 classes that the file has and nobody here needs."""

    def __init__(self):
        super().__init__()
        self.Conv2d_1a_3x3 = Convolution(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Convolution(32, 32, 3)
        self.Conv2d_2b_3x3 = Convolution(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Convolution(64, 80)
        self.Conv2d_4a_3x3 = Convolution(80, 192, 3)
        self.Mixed_5b = InceptionA(192, 32)
        self.Mixed_5c = InceptionA(256, 64)
        self.Mixed_5d = InceptionA(288, 64)
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b = InceptionC(768, 128)
        self.Mixed_6c = InceptionC(768, 160)
        self.Mixed_6d = InceptionC(768, 160)
        self.Mixed_6e = InceptionC(768, 192)
        self.Mixed_7a = InceptionD(768)
        self.Mixed_7b = InceptionE(1280, largest=False)
        self.Mixed_7c = InceptionE(2048, largest=True)
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """What comes out of every layer and pooling, of images in [-1, 1]."""
        layers = list(self.children())[:-1]
        layers.insert(3, nn.MaxPool2d(3, stride=2))
        layers.insert(6, nn.MaxPool2d(3, stride=2))
        return outputs(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1)), x)


def random_inception() -> Inception:
    """Its kernels are large enough for images to differ at the last of its many layers."""
    network = Inception().eval()
    randomize(network)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.dim() == 4:
                value.mul_(2**0.5)
    return network
