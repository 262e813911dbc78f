"""Decodes RVL, a lossless codec for depth images that compressedDepth offers besides PNG.

Source: A. D. Wilson, Fast lossless depth image compression, ISS 2017. The stream alternates the
length of a run of zeros and the length of a run of depth, followed by the depth values, each as its
difference from the previous one. All numbers have variable length: nibbles of 3 bits each, the
lowest first, and a continuation bit. 8 nibbles make a little-endian word, with the first nibble in
the highest bits.
"""

from __future__ import annotations

import struct

import numpy as np

from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.images import check_size

# Width and height, which image_transport puts before the stream.
SIZE = struct.Struct("<II")
# A difference of two uint16 takes 17 bits; the length of a run at most 24.
MAX_NIBBLES = 8
DAMAGED = "its RVL data is damaged or cut off"


def read_rvl_size(data: bytes) -> tuple[int, int]:
    """Width and height.

    Raises:
        RecordingError: the data is cut off, or claims more pixels than any camera has.
    """
    if len(data) < SIZE.size:
        raise RecordingError(DAMAGED)
    return check_size(*SIZE.unpack_from(data))


def decode_rvl(data: bytes) -> np.ndarray:
    """The image, [H, W] uint16.

    Args:
        data: the size, then the stream.

    Raises:
        RecordingError: the data is damaged.
    """
    width, height = read_rvl_size(data)
    numbers = _read_numbers(data[SIZE.size :])
    pixels = np.zeros(width * height, np.uint16)
    filled = place = 0
    before = 0
    while filled < len(pixels):
        if place + 2 > len(numbers):
            raise RecordingError(DAMAGED)
        zeros, count = int(numbers[place]), int(numbers[place + 1])
        filled, place = filled + zeros, place + 2
        if filled + count > len(pixels) or place + count > len(numbers):
            raise RecordingError(DAMAGED)
        zigzag = numbers[place : place + count]
        depths = before + np.cumsum((zigzag >> 1) ^ -(zigzag & 1))
        pixels[filled : filled + count] = depths & 0xFFFF
        filled, place = filled + count, place + count
        before = int(depths[-1]) if count else before
    return pixels.reshape(height, width)


def _read_numbers(stream: bytes) -> np.ndarray:
    """All numbers of the stream, int64."""
    words = np.frombuffer(stream[: len(stream) // 4 * 4], "<u4")
    nibbles = ((words[:, None] >> np.arange(28, -1, -4, dtype=np.uint32)) & 15).ravel()
    ends = np.flatnonzero(nibbles < 8)
    if not len(ends):
        return np.zeros(0, np.int64)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends + 1 - starts
    if lengths.max() > MAX_NIBBLES:
        raise RecordingError(DAMAGED)
    position = np.arange(ends[-1] + 1) - np.repeat(starts, lengths)
    parts = (nibbles[: ends[-1] + 1].astype(np.int64) & 7) << (3 * position)
    return np.add.reduceat(parts, starts)
