"""Picture files as people have them: read upright, written atomically, channels and depth kept."""

from jax_inpaint.images.holes import MaskOptions, grow_hole, hole_of, read_hole
from jax_inpaint.images.metadata import Metadata
from jax_inpaint.images.picture import Picture, as_pillow, from_uint8, to_uint8
from jax_inpaint.images.reading import (
    MOST_PIXELS,
    ImageFileError,
    decode_picture,
    from_pillow,
    picture_size,
    read_picture,
)
from jax_inpaint.images.writing import (
    SUFFIXES,
    check_output,
    check_writable,
    is_lossless,
    write_picture,
)

__all__ = [
    "MOST_PIXELS",
    "SUFFIXES",
    "ImageFileError",
    "MaskOptions",
    "Metadata",
    "Picture",
    "as_pillow",
    "check_output",
    "check_writable",
    "decode_picture",
    "from_pillow",
    "from_uint8",
    "grow_hole",
    "hole_of",
    "is_lossless",
    "picture_size",
    "read_hole",
    "read_picture",
    "to_uint8",
    "write_picture",
]
