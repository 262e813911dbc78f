"""Unpacking what recorders packed, never to more than it may be: few bytes can claim gigabytes."""

from __future__ import annotations

import bz2

import lz4.frame
import zstandard


class PackedError(ValueError):
    """Bytes that cannot be unpacked, or would become too many."""


def unpack(data: bytes, compression: str, most_bytes: int) -> bytes:
    """The bytes within.

    Args:
        data: packed, all of it.
        compression: "zstd", "lz4" (of frames), "bz2", or "" or "none".
        most_bytes: that may come out.

    Raises:
        PackedError: it is damaged, of another kind, or says that it is larger than that.
    """
    try:
        if compression == "zstd":
            return _unpack_zstd(data, most_bytes)
        if compression == "lz4":
            return lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=most_bytes)
        if compression == "bz2":
            return bz2.BZ2Decompressor().decompress(data, max_length=most_bytes)
    except (zstandard.ZstdError, RuntimeError, OSError, EOFError) as error:
        raise PackedError(str(error)) from error
    if compression in ("", "none"):
        return data
    raise PackedError(f"unknown compression '{compression}'")


def _unpack_zstd(data: bytes, most_bytes: int) -> bytes:
    # The library allocates what the data itself claims, if it does claim something.
    claimed = zstandard.frame_content_size(data)
    if claimed > most_bytes:
        raise PackedError(f"it claims {claimed} bytes, expected at most {most_bytes}")
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=most_bytes)
