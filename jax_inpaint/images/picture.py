"""A picture in memory, and values of pixels in other ranges."""

import os
from dataclasses import dataclass, field, replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Integer, Shaped, UInt8
from PIL import Image

from jax_inpaint.images.metadata import Metadata


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright.

    ``pixels`` has shape (H, W, C), uint8 or uint16, or floating in [0, 1], which no file takes.
    ``mode`` names the channels as Pillow does: L, LA, RGB, RGBA or CMYK (of 8 bits only).
    ``metadata`` is carried along for writing.
    """

    pixels: Integer[np.ndarray, "h w c"] | Float[np.ndarray, "h w c"]
    mode: str
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def top(self) -> int:
        """The value of a pixel that is white, or opaque."""
        return _top(self.pixels.dtype)

    def rgb(self) -> Float32[np.ndarray, "h w 3"]:
        """The colours as float32 (H, W, 3) in [-1, 1]; transparency is left out."""
        colours = self.colours()
        half_range = np.float32(_top(colours.dtype) / 2)
        values = (colours / half_range - 1).astype(np.float32, copy=False)
        return np.repeat(values, 3 // colours.shape[-1], axis=-1)

    def rgb_uint8(self) -> UInt8[np.ndarray, "h w 3"]:
        """The same as uint8: colours of 8 bits as they are, others rounded."""
        colours = self.colours()
        if colours.dtype != np.uint8:
            return to_uint8(self.rgb())
        return np.ascontiguousarray(np.broadcast_to(colours, (*self.size, 3)))

    def save(self, path: str | os.PathLike[str], force: bool = False, quality: int = 95) -> None:
        """:func:`~jax_inpaint.images.write_picture` of this picture."""
        from jax_inpaint.images.writing import write_picture

        write_picture(path, self, force, quality)

    def colours(self) -> Shaped[np.ndarray, "h w c"]:
        """Grey or red, green and blue, as the pixels have them; transparency is left out."""
        if self.mode == "CMYK":
            return np.asarray(to_pillow(self.pixels, "CMYK").convert("RGB"))
        return self.pixels[..., : 3 if self.mode.startswith("RGB") else 1]

    def filled(self, rgb: Float[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"]) -> "Picture":
        """This picture with the pixels of ``hole`` (H, W) replaced by ``rgb`` (H, W, 3) in [-1, 1].

        All other pixels, and transparency everywhere, stay as they are, bit for bit.
        """
        if self.mode == "CMYK":
            colours = np.asarray(to_pillow(to_uint8(rgb), "RGB").convert("CMYK"))
        elif self.mode.startswith("RGB"):
            colours = _to_range(rgb, self.pixels.dtype)
        else:
            luma = rgb @ np.array([[0.299], [0.587], [0.114]], rgb.dtype)  # ITU-R BT.601
            colours = _to_range(luma, self.pixels.dtype)
        pixels = self.pixels.copy()
        pixels[..., : colours.shape[-1]][hole] = colours[hole]
        return replace(self, pixels=pixels)


def from_uint8(image: UInt8[Array, "*b h w c"]) -> Float32[Array, "*b h w c"]:
    """uint8 in [0, 255] to float32 in [-1, 1]."""
    return image.astype(jnp.float32) / 127.5 - 1


def to_uint8(image: Float[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """Values in [-1, 1] to uint8, rounded and clipped."""
    return _to_range(image, np.dtype(np.uint8))


def _to_range(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values in [-1, 1] as those of pixels of another type."""
    top = _top(dtype)
    values = (image + 1) * (top / 2)
    return np.clip(values if dtype.kind == "f" else np.rint(values), 0, top).astype(dtype)


def _top(dtype: np.dtype) -> int:
    return 1 if dtype.kind == "f" else np.iinfo(dtype).max


def as_pillow(picture: Picture) -> Image.Image:
    """A picture as Pillow holds it, with what it carries in its ``info``.

    Colours of 16 bits, which Pillow doesn't hold, and floating values are rounded to 8.
    """
    if picture.mode == "L" and picture.pixels.dtype == np.uint16:
        image = Image.fromarray(picture.pixels[..., 0])
    else:
        eight_bits = np.rint(picture.pixels * (255 / picture.top)).astype(np.uint8)
        image = to_pillow(eight_bits, picture.mode)
    carried = picture.metadata
    info = {
        "icc_profile": carried.icc_profile,
        "exif": carried.exif,
        "xmp": carried.xmp,
        "dpi": carried.dpi,
    }
    image.info |= {name: value for name, value in info.items() if value is not None}
    return image


def to_pillow(pixels: UInt8[np.ndarray, "h w c"], mode: str) -> Image.Image:
    """Pixels of 8 bits as Pillow holds them."""
    return Image.frombytes(mode, (pixels.shape[1], pixels.shape[0]), pixels.tobytes())
