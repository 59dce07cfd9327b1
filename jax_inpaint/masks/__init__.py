"""Random holes, drawn on the device inside the compiled step. 1 is hole, 0 is known.

``sample_masks`` draws a batch, the other functions one mask; all are jittable. Image ``i`` of a
batch uses ``fold_in(key, first + i)``, so a batch split over devices draws the same masks as on one
device.
"""

from jax_inpaint.masks.boxes import box_mask
from jax_inpaint.masks.brush import brush_mask, brush_strokes, union_mask
from jax_inpaint.masks.drawing import draw_strokes
from jax_inpaint.masks.sampling import sample_masks

__all__ = [
    "box_mask",
    "brush_mask",
    "brush_strokes",
    "draw_strokes",
    "sample_masks",
    "union_mask",
]
