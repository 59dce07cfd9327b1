"""Between PyTorch's arrays and ours."""

import jax
import jax.numpy as jnp
import numpy as np
import torch


def to_torch(x) -> torch.Tensor:
    """(B, H, W, C) to (B, C, H, W)."""
    return torch.from_numpy(np.asarray(x).transpose(0, 3, 1, 2).copy())


def from_torch(x: torch.Tensor) -> np.ndarray:
    """(B, C, H, W) to (B, H, W, C)."""
    return x.detach().numpy().transpose(0, 2, 3, 1)


def kernel(weight: torch.Tensor) -> jax.Array:
    """The kernel of a Conv2d, (out, in, height, width), as (height, width, in, out)."""
    return jnp.array(weight.detach().numpy().transpose(2, 3, 1, 0))


def transposed_kernel(weight: torch.Tensor) -> jax.Array:
    """The kernel of a ConvTranspose2d, (in, out, height, width), mirrored."""
    return jnp.array(weight.detach().numpy()[:, :, ::-1, ::-1].transpose(2, 3, 0, 1))


def randomize(module: torch.nn.Module, seed: int = 0) -> None:
    """Random parameters and running statistics that keep activations near 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if not value.is_floating_point():
                continue
            noise = torch.randn(value.shape, generator=generator)
            if name.endswith("running_var"):
                value.copy_(0.5 + noise.abs())
            elif value.dim() > 1:
                value.copy_(noise * (value[0].numel() ** -0.5))
            else:
                value.copy_(0.2 * noise + (1.0 if name.endswith("weight") else 0.0))
