"""Compiling a function for the machine it runs on.

What is chosen for a platform is chosen here, and nowhere else: models and steps are written with
plain operations. docs/performance.md tells what was measured.
"""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax

from jax_inpaint.compilation.rewriting import rewrite

# XLA's YNNPACK fusions make convolutions and small matrix products slower than its older paths.
CPU_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": ""}


def compile_for(
    devices: Sequence[jax.Device],
    function: Callable[..., Any],
    *,
    code_level: int = 3,
    rewritten: bool = True,
    **options: Any,
) -> Callable[..., Any]:
    """``jax.jit(function, **options)`` with what makes it fast on the devices it will run on.

    Operations are rewritten (:func:`~jax_inpaint.compilation.rewriting.rewrite`) for one CPU or
    any number of GPUs, and XLA's options are set for CPUs, but for those that ``XLA_FLAGS`` names.
    Other devices compile as XLA does. Results differ by rounding.

    Args:
        devices: all that share the work, of one platform.
        function: takes arrays, or trees of them.
        code_level: how hard LLVM tries to make a CPU's code fast, from 0 to 3.
        rewritten: whether operations are; without it a program compiles several times as fast.
        options: of ``jax.jit``; no static arguments.

    Example:
        >>> compile_for(jax.devices("cpu")[:1], jax.numpy.sum)(jax.numpy.ones(3)).item()
        3.0
    """
    platform = devices[0].platform
    if rewritten and (platform == "gpu" or (platform == "cpu" and len(devices) == 1)):
        function = rewrite(function, platform)
    if platform == "cpu":
        chosen = {"xla_backend_optimization_level": code_level, **_known_options()}
        by_user = os.environ.get("XLA_FLAGS", "")
        options["compiler_options"] = {
            name: value for name, value in chosen.items() if f"--{name}=" not in by_user
        }
    return jax.jit(function, **options)


@functools.cache
def _known_options() -> dict[str, str]:
    """:data:`CPU_OPTIONS`, or none where this version of XLA no longer has them."""
    try:
        jax.jit(lambda x: x, compiler_options=CPU_OPTIONS).lower(0).compile()
    except jax.errors.JaxRuntimeError as error:
        if "No such compile option" not in str(error):
            raise
        return {}
    return CPU_OPTIONS
