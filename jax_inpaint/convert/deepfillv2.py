"""DeepFillv2: the official TensorFlow checkpoint, and the two families of its public PyTorch port.

The port is nipponjo's deepfillv2-pytorch. Its ``states_tf`` are the official weights in PyTorch's
layout, its ``states_pt`` were trained further with the padding and sampling of PyTorch.
"""

import numpy as np

from jax_inpaint.config import GeneratorConfig
from jax_inpaint.convert.kinds import Kind, Source, TensorPath, Tensors, torch_source
from jax_inpaint.models.deepfillv2 import DeepFillV2Config

# Layers that see the three colours, first of all channels; and those that give them.
_FIRST = ("conv1", "xconv1", "pmconv1")
_LAST = ("conv17", "allconv17")

# The official layer names, which are ours, and what the states_pt call them.
_PORT = {
    "conv1": "stage1.conv1",
    "conv2_downsample": "stage1.down_block1.conv1_downsample",
    "conv3": "stage1.down_block1.conv2",
    "conv4_downsample": "stage1.down_block2.conv1_downsample",
    "conv5": "stage1.down_block2.conv2",
    "conv6": "stage1.conv_bn1",
    "conv7_atrous": "stage1.conv_bn2",
    "conv8_atrous": "stage1.conv_bn3",
    "conv9_atrous": "stage1.conv_bn4",
    "conv10_atrous": "stage1.conv_bn5",
    "conv11": "stage1.conv_bn6",
    "conv12": "stage1.conv_bn7",
    "conv13_upsample": "stage1.up_block1.conv1_upsample",
    "conv14": "stage1.up_block1.conv2",
    "conv15_upsample": "stage1.up_block2.conv1_upsample",
    "conv16": "stage1.up_block2.conv2",
    "conv17": "stage1.conv_to_rgb",
    "xconv1": "stage2.conv_conv1",
    "xconv2_downsample": "stage2.conv_down_block1.conv1_downsample",
    "xconv3": "stage2.conv_down_block1.conv2",
    "xconv4_downsample": "stage2.conv_down_block2.conv1_downsample",
    "xconv5": "stage2.conv_down_block2.conv2",
    "xconv6": "stage2.conv_conv_bn1",
    "xconv7_atrous": "stage2.conv_conv_bn2",
    "xconv8_atrous": "stage2.conv_conv_bn3",
    "xconv9_atrous": "stage2.conv_conv_bn4",
    "xconv10_atrous": "stage2.conv_conv_bn5",
    "pmconv1": "stage2.ca_conv1",
    "pmconv2_downsample": "stage2.ca_down_block1.conv1_downsample",
    "pmconv3": "stage2.ca_down_block1.conv2",
    "pmconv4_downsample": "stage2.ca_down_block2.conv1_downsample",
    "pmconv5": "stage2.ca_down_block2.conv2",
    "pmconv6": "stage2.ca_conv_bn1",
    "pmconv9": "stage2.ca_conv_bn4",
    "pmconv10": "stage2.ca_conv_bn5",
    "allconv11": "stage2.conv_bn6",
    "allconv12": "stage2.conv_bn7",
    "allconv13_upsample": "stage2.up_block1.conv1_upsample",
    "allconv14": "stage2.up_block1.conv2",
    "allconv15_upsample": "stage2.up_block2.conv1_upsample",
    "allconv16": "stage2.up_block2.conv2",
    "allconv17": "stage2.conv_to_rgb",
}


def _official_config(tensors: Tensors) -> DeepFillV2Config:
    _, _, channels, filters = tensors["inpaint_net/conv1/kernel"].shape
    return DeepFillV2Config(width=filters // 2, sketch=channels == 6)


def _official_source(path: TensorPath, _: GeneratorConfig) -> Source:
    layer, leaf = path[2], path[-1]
    inner = f"{layer}/{layer}_conv" if layer.endswith("_upsample") else layer
    return Source(f"inpaint_net/{inner}/{leaf}")


def _port_tf_config(tensors: Tensors) -> DeepFillV2Config:
    filters, channels, _, _ = tensors["conv1.conv.weight"].shape
    return DeepFillV2Config(width=filters // 2, sketch=channels == 6, mask_steps=1, fuse=False)


def _port_tf_source(path: TensorPath, _: GeneratorConfig) -> Source:
    return _port_source(path[2], path)


def _port_pt_config(tensors: Tensors) -> DeepFillV2Config:
    filters, channels, _, _ = tensors["stage1.conv1.conv.weight"].shape
    return DeepFillV2Config(
        width=filters // 2,
        sketch=channels == 6,
        padding="symmetric",
        resampling="strided",
        mask_steps=1,
    )


def _port_pt_source(path: TensorPath, _: GeneratorConfig) -> Source:
    return _port_source(_PORT[path[2]], path)


def _port_source(module: str, path: TensorPath) -> Source:
    inner = ".conv.conv" if path[2].endswith("_upsample") else ".conv"
    return torch_source(module + inner, path[-1])


def _reverse_colors(path: TensorPath, array: np.ndarray) -> np.ndarray:
    if path[2] in _FIRST and path[-1] == "kernel":
        return np.concatenate([array[:, :, 2::-1], array[:, :, 3:]], axis=2)
    return array[..., ::-1] if path[2] in _LAST else array


KINDS = (
    Kind(
        name="DeepFillv2's official TensorFlow checkpoint",
        mark=r"inpaint_net/",
        unused=r"discriminator/|.*/Adam(_\d+)?$|(.*/)?beta[12]_power(_\d+)?$|(global_step|lr)$",
        read_config=_official_config,
        source=_official_source,
        color_order="bgr",  # its pictures were read with OpenCV
        reverse_colors=_reverse_colors,
    ),
    Kind(
        name="states_pt of DeepFillv2's PyTorch port",
        mark=r"stage[12]\.",
        unused=r"stage2\.contextual_attention\.fuse_weight$",
        read_config=_port_pt_config,
        source=_port_pt_source,
        reverse_colors=_reverse_colors,
    ),
    Kind(
        name="states_tf of DeepFillv2's PyTorch port",
        mark=r"(x|pm|all)?conv\d+(_\w+)?\.conv\.",
        unused=r"contextual_attention\.fuse_weight$",
        read_config=_port_tf_config,
        source=_port_tf_source,
        reverse_colors=_reverse_colors,
    ),
)
