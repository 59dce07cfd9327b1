"""Free-form image inpainting with GANs in JAX: DeepFillv2 as pure-functional Flax modules."""

__version__ = "0.1.0"
