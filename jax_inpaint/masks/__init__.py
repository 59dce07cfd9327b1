"""Random holes, drawn on the device inside the compiled step. 1 is hole, 0 is known.

``sample_masks`` draws a batch, the other functions one mask; all are jittable. Image ``i`` of a
batch uses ``fold_in(key, first + i)``, so a batch split over devices draws the same masks as on one
device.

========================  ==========================================================================
kind                      what is drawn
========================  ==========================================================================
brush, box, union         DeepFillv2's strokes, its rectangle, and both at once
boxes                     one to five rectangles of an eighth to half of the image's sides
thin, medium, thick       LaMa's test sets: wandering strokes, or some rectangles
wide                      what LaMa trains with: thick, but as many rectangles as strokes
irregular                 mmagic's wandering strokes; published with bounds of 15 to 65 %
walk                      a random walk of as many steps as there are pixels
scratches, fragments      thin lines; pieces torn off at the border
graffiti, text            loops of a thick pen, with drips; blocks of capital letters
outpainting               bands along the border
center                    a box of half the sides in the middle
mixture                   one of the kinds above for each image, by weights
folder                    masks of one's own: data/mask_files.py reads them
========================  ==========================================================================
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
