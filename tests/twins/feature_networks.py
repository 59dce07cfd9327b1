"""Feature networks in PyTorch, with the parameter names of torchvision's and CSAIL's files."""

import torch
from torch import nn


class Fire(nn.Module):
    def __init__(self, channels: int, squeeze: int, expand: int):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1).relu()


def vgg(plan: str) -> nn.Sequential:
    """Such as ``"64 64 M 128 M"``: widths of convolutions, and poolings."""
    layers: list[nn.Module] = []
    channels = 3
    for word in plan.split():
        if word == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, int(word), 3, padding=1), nn.ReLU()]
            channels = int(word)
    return nn.Sequential(*layers)


class TorchvisionNetwork(nn.Module):
    """Its ``features``, and the beginning of a classifier that nobody here needs."""

    def __init__(self, name: str):
        super().__init__()
        plans = {
            "vgg16": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
            "vgg19": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
        }
        if name in plans:
            self.features = vgg(plans[name])
        elif name == "squeezenet":
            self.features = nn.Sequential(
                nn.Conv2d(3, 64, 3, stride=2),
                nn.ReLU(),
                nn.MaxPool2d(3, 2, ceil_mode=True),
                Fire(64, 16, 64),
                Fire(128, 16, 64),
                nn.MaxPool2d(3, 2, ceil_mode=True),
                Fire(128, 32, 128),
                Fire(256, 32, 128),
                nn.MaxPool2d(3, 2, ceil_mode=True),
                Fire(256, 48, 192),
                Fire(384, 48, 192),
                Fire(384, 64, 256),
                Fire(512, 64, 256),
            )
        elif name == "alexnet":
            self.features = nn.Sequential(
                nn.Conv2d(3, 64, 11, stride=4, padding=2),
                nn.ReLU(),
                nn.MaxPool2d(3, 2),
                nn.Conv2d(64, 192, 5, padding=2),
                nn.ReLU(),
                nn.MaxPool2d(3, 2),
                nn.Conv2d(192, 384, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(384, 256, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(256, 256, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(3, 2),
            )
        self.classifier = nn.Sequential(nn.Linear(2, 2))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """What comes out of every layer, of images in [-1, 1]."""
        return outputs(self.features, normalize(x))


class Bottleneck(nn.Module):
    def __init__(self, channels: int, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = None
        if channels != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)).relu()
        y = self.bn3(self.conv3(y))
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class DilatedResNet50(nn.Module):
    """An ordinary ResNet-50 with a stem of three convolutions, whose last strides are undone."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.conv3 = nn.Conv2d(64, 128, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(128)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        channels = 128
        for i, (width, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)], 1):
            stage = [Bottleneck(channels, width, 1 if i == 1 else 2)]
            stage += [Bottleneck(4 * width, width, 1) for _ in range(1, blocks)]
            setattr(self, f"layer{i}", nn.Sequential(*stage))
            channels = 4 * width
        undo_stride(self.layer3, dilation=2)
        undo_stride(self.layer4, dilation=4)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """What comes out of the four stages, of images in [-1, 1]."""
        x = self.bn1(self.conv1(normalize(x))).relu()
        x = self.bn2(self.conv2(x)).relu()
        x = self.maxpool(self.bn3(self.conv3(x)).relu())
        return outputs(nn.Sequential(self.layer1, self.layer2, self.layer3, self.layer4), x)


def undo_stride(stage: nn.Sequential, dilation: int) -> None:
    """As semantic segmentation does it: what had stride gets half the dilation of the rest."""
    for module in stage.modules():
        if isinstance(module, nn.Conv2d):
            strided = module.stride == (2, 2)
            module.stride = (1, 1)
            if module.kernel_size == (3, 3):
                reach = dilation // 2 if strided else dilation
                module.dilation = module.padding = (reach, reach)


def normalize(x: torch.Tensor) -> torch.Tensor:
    mean = torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    return ((x + 1) / 2 - mean) / deviation


def outputs(layers: nn.Sequential, x: torch.Tensor) -> list[torch.Tensor]:
    found = []
    for layer in layers:
        x = layer(x)
        found.append(x)
    return found
