"""What a training run would need on TPUs, found out on a machine that has none.

libtpu, the TPUs' compiler, compiles the real training step for a described slice. The files here
describe the slice, compile the step, read the compiled program, and tell what was found.
"""

from jax_inpaint.planning.compilation import (
    Program,
    TooLarge,
    compile_step,
    described_batch,
    next_batch,
)
from jax_inpaint.planning.layers import network_products
from jax_inpaint.planning.scaling import SIZES, Assumptions, Scale, simulate
from jax_inpaint.planning.topology import (
    Chip,
    PlanError,
    Topology,
    described_mesh,
    parse_topology,
    without_tpu,
)

__all__ = [
    "SIZES",
    "Assumptions",
    "Chip",
    "PlanError",
    "Program",
    "Scale",
    "TooLarge",
    "Topology",
    "compile_step",
    "described_batch",
    "described_mesh",
    "network_products",
    "next_batch",
    "parse_topology",
    "simulate",
    "without_tpu",
]
