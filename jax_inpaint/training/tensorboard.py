"""What TensorBoard shows, in its files of events."""

import socket
import struct
import time
from pathlib import Path

import numpy as np
from tensorboardX import summary
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import masked_crc32c


class EventFile:
    """Scalars and pictures of one session of a run.

    Written at once: the writers of TensorBoard's libraries leave it to a thread, which a full disk
    ends without a word to the run, and then the run waits for it for ever.

    Args:
        folder: where TensorBoard looks, with the files of earlier sessions.
        first_step: what they have after this step isn't shown any more.

    Raises:
        OSError: from all methods, if the file can't be written.
    """

    def __init__(self, folder: Path, first_step: int):
        folder.mkdir(exist_ok=True)
        name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}"
        self._file = (folder / name).open("ab")
        self._write(Event(file_version="brain.Event:2"))
        started = SessionLog(status=SessionLog.START)
        self._write(Event(step=first_step + 1, session_log=started))

    def scalar(self, name: str, value: float, step: int) -> None:
        """A point of a curve."""
        self._write(Event(step=step, summary=summary.scalar(name, value)))

    def picture(self, name: str, pixels: np.ndarray, step: int) -> None:
        """A picture, uint8 (H, W, 3)."""
        self._write(Event(step=step, summary=summary.image(name, pixels, dataformats="HWC")))

    def _write(self, event: Event) -> None:
        """Appends a record: length and data, each with its checksum."""
        event.wall_time = time.time()
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        checksums = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
        self._file.write(length + checksums[0] + data + checksums[1])
        self._file.flush()

    def close(self) -> None:
        """Ends the file."""
        self._file.close()
