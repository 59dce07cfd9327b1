"""Inference: fill holes in pictures of any size with released weights."""
