"""Memory that a process keeps; it is for good, hence other processes."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import jax, jax.numpy as jnp
from jax_inpaint.compilation import memory
if sys.argv[1] == "plugin":
    memory.entry_points = lambda group: [group]
if sys.argv[1] != "as it is":
    memory.keep_memory()
run = jax.jit(lambda x: (jnp.sin(x) @ x[:, :8]).sum())
x = jnp.ones((5000, 5000))
faults = []
for _ in range(6):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    run(x).block_until_ready()
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(faults[1:]) * resource.getpagesize())
"""


def cleared(how):
    """Bytes that the system gives to a run of a program that needs more than 64 MB."""
    command = [sys.executable, "-c", PROGRAM, how]
    environment = {"JAX_PLATFORMS": "cpu", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}
    return int(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be told to")
def test_a_program_gets_the_memory_of_its_last_run():
    assert cleared("as it is") > 2**26
    assert cleared("kept") < 2**22


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be told to")
def test_where_there_is_an_accelerator_nothing_changes():
    assert cleared("plugin") > 2**26
