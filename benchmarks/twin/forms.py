"""The ways in which PyTorch may compute the same thing, and the fill in any of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from benchmarks.twin.network import Generator, load_generator

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Form:
    """How PyTorch computes."""

    compiled: bool = False  # torch.compile; else eager
    channels_last: bool = False  # layout of pictures, features and kernels
    bfloat16: bool = False  # autocast of convolutions and products of patches
    mode: Literal["default", "reduce-overhead", "max-autotune"] = "default"  # of torch.compile

    def __str__(self) -> str:
        words = [
            "eager" if not self.compiled else "compiled",
            *([self.mode] if self.mode != "default" else []),
            "channels_last" if self.channels_last else "contiguous",
            "bfloat16" if self.bfloat16 else "float32",
        ]
        return ", ".join(words)

    @property
    def layout(self) -> torch.memory_format:
        """Of pictures, features and kernels in memory."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def prepare(self, network: Network, device: str) -> Network:
        """The network on the device, in the layout."""
        # Shapes never change, so cuDNN may try all its algorithms once and keep the fastest.
        torch.backends.cudnn.benchmark = True
        return network.to(device=torch.device(device), memory_format=self.layout)

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, compiled in one piece for each shape that it meets."""
        if not self.compiled:
            return function
        # Every form and shape is another version of the same function; 8 of them are the default.
        torch._dynamo.config.recompile_limit = 256
        return torch.compile(function, fullgraph=True, dynamic=False, mode=self.mode)

    def autocast(self, device: str) -> torch.autocast:
        """What networks run under."""
        kind = torch.device(device).type
        return torch.autocast(kind, dtype=torch.bfloat16, enabled=self.bfloat16)


def generate(generator: Generator, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``coarse``, ``refined`` and ``composite``, float32."""
    coarse, refined = generator(image, mask)
    return coarse, refined, refined * mask + image * (1 - mask)


def build_fill(
    params: Mapping[str, Any], form: Form, device: str = "cpu"
) -> Callable[[Tensor, Tensor], Tensor]:
    """The function from pictures and masks to pictures without holes.

    It takes and gives float32 tensors on the device: pictures (B, 3, H, W) in [-1, 1] and masks
    (B, 1, H, W), 1 in the hole.

    Args:
        params: of a ``DeepFillV2`` of ours, without sketch.
        form: how it is computed.
        device: where.
    """
    generator = form.prepare(load_generator(params), device)
    if form.bfloat16:  # what autocast would do at every call
        generator.bfloat16()
    compute = form.compile(generate)

    @torch.inference_mode()
    def fill(image: Tensor, mask: Tensor) -> Tensor:
        with form.autocast(device):
            return compute(generator, image.contiguous(memory_format=form.layout), mask)[2]

    return fill
