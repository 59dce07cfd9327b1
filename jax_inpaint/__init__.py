"""Free-form image inpainting with GANs in JAX: DeepFillv2 as pure-functional Flax modules."""

from jax_inpaint.inference.inpainter import Inpainter, load

__version__ = "0.1.0"

__all__ = ["Inpainter", "load"]
