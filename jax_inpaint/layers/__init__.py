"""Flax Linen layers: thin shells with parameters over the functions in ops/."""
