"""What anyone can do without a network; images as float32 NumPy arrays in [-1, 1]."""

import cv2
import numpy as np

from jax_inpaint.images import to_uint8


def fill_mean_color(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Holes filled with the mean colour of each image's known pixels.

    Args:
        images: (N, H, W, 3).
        masks: (N, H, W, 1), 1 in the hole.
    """
    known = 1 - masks
    total = np.maximum(known.sum(axis=(1, 2), keepdims=True), 1)
    mean = (images * known).sum(axis=(1, 2), keepdims=True) / total
    return images * known + mean * masks


def fill_telea(images: np.ndarray, masks: np.ndarray, radius: float = 3.0) -> np.ndarray:
    """Holes filled by OpenCV's fast-marching inpainting, on 8-bit images.

    Source: Telea, An Image Inpainting Technique Based on the Fast Marching Method (2004).
    """
    filled = []
    for image, mask in zip(images, masks, strict=True):
        hole = (mask[..., 0] > 0.5).astype(np.uint8)
        result = cv2.inpaint(to_uint8(image), hole, radius, cv2.INPAINT_TELEA)
        filled.append(result.astype(np.float32) / 127.5 - 1)
    return images * (1 - masks) + np.stack(filled) * masks
