"""DeepFillv2's fill and training step in PyTorch: equal to ours, and what ours are timed against.

Importing this needs PyTorch, which comes with the extra ``test``.
"""

from benchmarks.twin.forms import Form, build_fill
from benchmarks.twin.training_step import TrainingStep, build_step

__all__ = ["Form", "TrainingStep", "build_fill", "build_step"]
