"""Files of events are those of TensorBoard's own writer."""

import struct

import numpy as np
from tensorboardX import SummaryWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c

from jax_inpaint.training.tensorboard import EventFile


def events_of(folder):
    """What the only file in a folder holds, without times, once its checksums have been checked."""
    (path,) = folder.iterdir()
    data, events = path.read_bytes(), []
    while data:
        (size,) = struct.unpack("<Q", data[:8])
        assert struct.unpack("<I", data[8:12]) == (masked_crc32c(data[:8]),)
        content = data[12 : 12 + size]
        assert struct.unpack("<I", data[12 + size : 16 + size]) == (masked_crc32c(content),)
        event = Event.FromString(content)
        assert event.wall_time > 1e9
        event.ClearField("wall_time")
        events.append(event)
        data = data[16 + size :]
    return events


def test_events_are_those_of_the_usual_writer(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    ours = EventFile(tmp_path / "ours", first_step=6)
    ours.scalar("hole L1", 0.25, 7)
    ours.scalar("hole_psnr", float("inf"), 7)
    ours.picture("explanation/gates", pixels, 8)
    ours.close()
    theirs = SummaryWriter(str(tmp_path / "theirs"), purge_step=7)
    theirs.add_scalar("hole L1", 0.25, 7)
    theirs.add_scalar("hole_psnr", float("inf"), 7)
    theirs.add_image("explanation/gates", pixels, 8, dataformats="HWC")
    theirs.close()
    found, expected = events_of(tmp_path / "ours"), events_of(tmp_path / "theirs")
    assert [event.file_version for event in found].count("brain.Event:2") == 1
    # Theirs also repeats the version before the session begins.
    assert [event for event in found if not event.file_version] == [
        event for event in expected if not event.file_version
    ]
