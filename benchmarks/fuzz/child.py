"""Tries inputs in a process that they may take with them: ``child READER SEED COUNT FOLDER``.

``FOLDER/input`` holds what is being tried; ``FOLDER/outcomes`` gets a letter for each input: ``a``
accepted, ``r`` refused, ``f`` for a finding, whose input and traceback go to ``FOLDER/findings``.
"""

import faulthandler
import json
import os
import resource
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks.fuzz.reader import Reader, accepts

SECONDS = 30  # that an input may take
MEMORY = 4 * 2**30  # bytes of address space that may be taken beyond what the libraries need


def main(reader: Reader, first_seed: int, count: int, folder: Path) -> None:
    """Tries inputs one by one."""
    place, findings = folder / "input", folder / "findings"
    findings.mkdir(exist_ok=True)
    _limit_memory()
    with (folder / "outcomes").open("ab", buffering=0) as outcomes:

        @seed(first_seed)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(reader.drawn)
        def attempt(drawn: Any) -> None:
            chosen = reader.make(drawn)
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            (place / "options.json").write_text(json.dumps(dict(chosen.options)))
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            try:
                outcomes.write(b"a" if accepts(reader, place, chosen) else b"r")
            except Exception:
                faulthandler.cancel_dump_traceback_later()
                (place / "traceback.txt").write_text(traceback.format_exc(), errors="replace")
                place.rename(findings / f"{first_seed}-{len(list(findings.iterdir()))}")
                outcomes.write(b"f")
            faulthandler.cancel_dump_traceback_later()

        attempt()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    from benchmarks.fuzz.readers import READERS  # which takes a moment

    name, first, many, where = sys.argv[1:]
    main(READERS[name], int(first), int(many), Path(where))
