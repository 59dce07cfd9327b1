"""Damaged and made-up files for everything that reads a user's: ``python -m benchmarks.fuzz``."""
