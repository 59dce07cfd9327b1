"""The single-stage generators in PyTorch, computed from our parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import traverse_util
from torch.nn import functional

from jax_inpaint.ops.attention import contextual_attention
from tests.twins.torch_arrays import from_torch, to_torch


def random_variables(model, image, mask):
    """Variables that no formula can do without: biases aren't 0, scales and variances aren't 1."""
    generator = np.random.default_rng(0)

    def draw(path, leaf):
        noise = generator.normal(size=leaf.shape).astype(np.float32)
        if path[-1] == "kernel":
            return noise * np.float32(np.prod(leaf.shape[:-1]) ** -0.5)
        return 1 + 0.3 * np.abs(noise) if path[-1] in ("scale", "var") else 0.1 * noise

    shapes = jax.eval_shape(model.init, jax.random.key(0), image, mask)
    return traverse_util.path_aware_map(draw, shapes)


def tensor(array) -> torch.Tensor | None:
    return None if array is None else torch.from_numpy(np.array(array))


def conv(x, layer, stride=1, dilation=1):
    weight = tensor(layer["conv"]["kernel"]).permute(3, 2, 0, 1)
    padding = dilation * (weight.shape[-1] - 1) // 2
    return functional.conv2d(
        x, weight, tensor(layer["conv"].get("bias")), stride, padding, dilation
    )


def transposed(x, layer):
    weight = tensor(layer["conv"]["kernel"]).flip(0, 1).permute(2, 3, 0, 1)
    return functional.conv_transpose2d(x, weight, tensor(layer["conv"].get("bias")), 2, 1)


def double(x):
    return functional.interpolate(x, scale_factor=2)


def gated_unet(params, x: torch.Tensor, upsampling: str) -> torch.Tensor:
    """``x``: masked colours and mask."""

    def gate(x, norm=True):
        features, gates = x.chunk(2, dim=1)
        x = functional.elu(features) * gates.sigmoid()
        return functional.instance_norm(x) if norm else x

    def up(x, layer):
        if upsampling == "transposed":
            return gate(transposed(x, layer["up"]))
        return gate(conv(double(x), layer["gated_conv"]))

    full = gate(conv(x, params["conv1"]), norm=False)
    half = gate(conv(full, params["conv2_downsample"], 2))
    x = gate(conv(half, params["conv3_downsample"], 2))
    for number, dilation in zip((4, 5, 6, 7), (2, 4, 8, 16), strict=True):
        x = gate(conv(x, params[f"conv{number}_atrous"], dilation=dilation))
    x = torch.cat([up(x, params["conv8_upsample"]), half], dim=1)
    x = torch.cat([up(gate(conv(x, params["conv9"])), params["conv10_upsample"]), full], dim=1)
    return conv(gate(conv(x, params["conv11"]), norm=False), params["conv12"]).tanh()


def attention_unet(params, x: torch.Tensor, mask) -> torch.Tensor:
    """``x``: masked colours and mask; attention itself is ours."""

    def block(x, layer, stride=1):
        x = conv(x, layer, stride)
        if "norm" in layer:
            scale, bias = tensor(layer["norm"]["scale"]), tensor(layer["norm"]["bias"])
            x = functional.instance_norm(x, weight=scale, bias=bias)
        return x.relu()

    skips = []
    for level in (1, 2, 3, 4):
        x = block(x, params[f"down{level}_conv1"], stride=1 if level == 1 else 2)
        x = block(x, params[f"down{level}_conv2"])
        skips.append(x)
    features = jnp.asarray(from_torch(x))
    attended, _ = jax.jit(contextual_attention)(features, features, mask)
    x = block(torch.cat([x, to_torch(attended)], dim=1), params["bottleneck"])
    for level in (3, 2, 1):
        x = block(double(x), params[f"up{level}_conv1"]["up"])
        x = block(torch.cat([x, skips[level - 1]], dim=1), params[f"up{level}_conv2"])
    return conv(x, params["to_image"]).tanh()


def context_encoder(variables, x: torch.Tensor, train: bool) -> torch.Tensor:
    """``x``: masked colours and mask."""
    params, statistics = variables["params"], variables["batch_stats"]

    def norm(x, name):
        running = statistics[name]["norm"]
        layer = params[name]["norm"]
        return functional.batch_norm(
            x,
            tensor(running["mean"]),
            tensor(running["var"]),
            tensor(layer["scale"]),
            tensor(layer["bias"]),
            training=train,
        )

    x = functional.leaky_relu(conv(x, params["conv1"], 2), 0.2)
    for name in ("conv2", "conv3", "conv4"):
        x = functional.leaky_relu(norm(conv(x, params[name], 2), name), 0.2)
    for name, dilation in (("bottleneck1", 1), ("bottleneck2", 2), ("bottleneck3", 4)):
        x = functional.leaky_relu(norm(conv(x, params[name], dilation=dilation), name), 0.2)
    for name in ("deconv4", "deconv3", "deconv2"):
        x = norm(transposed(x, params[name]), name).relu()
    return transposed(x, params["deconv1"]).tanh()
