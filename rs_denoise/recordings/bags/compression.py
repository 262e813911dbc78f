"""Decompression with a limit on the output size: a few bytes can expand to gigabytes."""

from __future__ import annotations

import bz2

import lz4.frame
import zstandard


class DecompressionError(ValueError):
    """Data that cannot be decompressed, or that would become too large."""


def decompress(data: bytes, compression: str, max_bytes: int) -> bytes:
    """Decompresses a complete block of data.

    Args:
        data: all of it.
        compression: "zstd", "lz4" (frames), "bz2", or "" or "none".
        max_bytes: limit of the output.

    Raises:
        DecompressionError: the data is damaged, the compression is unknown, or the data claims to
            be larger than the limit.
    """
    try:
        if compression == "zstd":
            return _decompress_zstd(data, max_bytes)
        if compression == "lz4":
            return lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=max_bytes)
        if compression == "bz2":
            return bz2.BZ2Decompressor().decompress(data, max_length=max_bytes)
    except (zstandard.ZstdError, RuntimeError, OSError, EOFError) as error:
        raise DecompressionError(str(error)) from error
    if compression in ("", "none"):
        return data
    raise DecompressionError(f"unknown compression '{compression}'")


def _decompress_zstd(data: bytes, max_bytes: int) -> bytes:
    # The library allocates the size that the data claims, if it claims one.
    claimed = zstandard.frame_content_size(data)
    if claimed > max_bytes:
        raise DecompressionError(f"it claims {claimed} bytes, expected at most {max_bytes}")
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=max_bytes)
