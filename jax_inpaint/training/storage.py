"""What Orbax and TensorStore make of errors of a disk: read, and not told over and over."""

import errno
import functools
import logging
import os
import sys
import traceback

# Orbax raises errors of saving in words of the library that writes; and these are OSErrors there.
NOT_WRITTEN = (OSError, ValueError, RuntimeError)


def reason(error: Exception) -> str:
    """What the system said, out of one of :data:`NOT_WRITTEN`; else the error's first line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error)
    known = (os.strerror(number) for number in errno.errorcode)
    lines = text.splitlines() or [type(error).__name__]
    return next((said for said in known if said in text), lines[0])


@functools.cache
def tell_once() -> None:
    """Leaves out the tracebacks that are printed, one for each thread, of what Orbax raises, too.

    Some are logged; others are of callbacks for arrays that Orbax doesn't wait for any more once
    one of them couldn't be written.
    """
    for name in ("absl", "asyncio"):
        logging.getLogger(name).addFilter(_is_not_of_orbax)
    before = sys.unraisablehook

    def without_callbacks(unraisable: "sys.UnraisableHookArgs") -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            before(unraisable)

    sys.unraisablehook = without_callbacks


def _is_not_of_orbax(record: logging.LogRecord) -> bool:
    frames = traceback.walk_tb(record.exc_info[2] if record.exc_info else None)
    return not any("orbax" in frame.f_code.co_filename for frame, _ in frames)
