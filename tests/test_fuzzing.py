"""``python -m benchmarks.fuzz`` in small: its inputs, and that it notices what goes wrong."""

import os
import re
import sys
import textwrap
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from benchmarks.fuzz import __main__ as fuzz
from benchmarks.fuzz.reader import accepts
from benchmarks.fuzz.readers import READERS

EXAMPLES = int(os.environ.get("JAX_INPAINT_EXAMPLES", "120"))


@pytest.mark.parametrize("name", READERS)
def test_damaged_input_is_read_right_or_refused(tmp_path, name):
    reader = READERS[name]

    @settings(
        max_examples=round(EXAMPLES * reader.share),
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(reader.drawn)
    def attempt(drawn: Any) -> None:
        accepts(reader, tmp_path, reader.make(drawn))

    attempt()


DYING = '''
    """A reader that does everything that none should do."""

    import os, signal, sys, time, warnings
    from pathlib import Path
    from hypothesis import strategies as st
    from benchmarks.fuzz import child
    from benchmarks.fuzz.reader import Input, Reader
    from jax_inpaint.errors import UserError

    def read(folder, way):
        if way == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif way == "hang":
            time.sleep(60)
        elif way == "memory":
            bytearray(2**33)
        elif way == "error":
            raise KeyError(way)
        elif way == "warning":
            warnings.warn("of ours", stacklevel=1)
        elif way == "refusal":
            raise UserError(way)

    child.SECONDS = 1
    name, seed, count, folder = sys.argv[1:]
    make = lambda name: Input({"file": b"content"}, {"way": name})
    child.main(Reader(name, st.just(name), make, read), int(seed), 1, Path(folder))
'''


@pytest.mark.parametrize(
    ("way", "outcome", "told"),
    [
        ("error", "f", "KeyError: 'error'"),
        ("crash", "f", "status -11"),
        ("memory", "f", "MemoryError"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("right", "a", ""),
                ("refusal", "r", ""),
                ("warning", "f", "warnings: .*of ours"),
                ("hang", "f", r"Timeout \(0:00:01\)"),
            )
        ),
    ],
)
def test_what_goes_wrong_is_a_finding_with_its_input(tmp_path, monkeypatch, way, outcome, told):
    (tmp_path / "dying.py").write_text(textwrap.dedent(DYING))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setattr(fuzz, "CHILD", "dying")
    row = fuzz.tried(way, 1, 0, tmp_path / "folder")
    assert row.outcomes == {outcome: 1}
    findings = list((tmp_path / "folder" / "findings").iterdir())
    assert len(findings) == (outcome == "f")
    for finding in findings:
        assert (finding / "file").read_bytes() == b"content"
        assert way in (finding / "options.json").read_text()
        assert re.search(told, (finding / "traceback.txt").read_text())
