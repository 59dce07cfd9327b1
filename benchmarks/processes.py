"""A measurement in a process of its own, where nothing is compiled or held in memory yet."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping


def measured_alone(module: str, *arguments: str, environment: Mapping[str, str] = {}) -> float:
    """What ``python -m benchmarks.MODULE ARGUMENTS`` prints on its last line, a number."""
    process = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(json.loads(process.stdout.splitlines()[-1]))
