"""Picture files that claim more than they hold."""

import struct
import zlib


def grey_png(width: int, height: int, count: int = 1000) -> bytes:
    """An 8-bit grey PNG that claims to be of that size, with ``count`` bytes of pixels, all 0."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        length, checksum = struct.pack(">I", len(data)), zlib.crc32(kind + data)
        return length + kind + data + struct.pack(">I", checksum)

    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(bytes(1 << 24)) for _ in range(count >> 24))
    packed += packer.compress(bytes(count % (1 << 24))) + packer.flush()
    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    chunks = (chunk(b"IHDR", header), chunk(b"IDAT", packed), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
