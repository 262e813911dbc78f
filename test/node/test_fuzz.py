"""Fuzzed image messages: the reader returns the right image or raises an error that explains it."""

import array
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 is not installed")
from sensor_msgs.msg import Image

from rs_denoise.node.images import ImageError, read_depth, read_infrared

# Name: bytes of a pixel, what Python calls its type, and the factor to mm or grey levels.
DEPTH = {"16UC1": (2, "H", 1), "mono16": (2, "H", 1), "32FC1": (4, "f", np.float32(1000))}
INFRARED = {"mono8": (1, "B", 1), "8UC1": (1, "B", 1)}
ENCODINGS = [*DEPTH, *INFRARED, "rgb8", "16SC1", "64FC1", "", "\0", "ünknown", "16UC1 "]
# Small, and where fields of 32 bits end.
numbers = st.integers(0, 12) | st.sampled_from([2**16, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1])
messages = st.builds(
    lambda encoding, height, width, step, big, data: Image(
        encoding=encoding, height=height, width=width, step=step, is_bigendian=big,
        data=array.array("B", data),
    ),
    st.sampled_from(ENCODINGS), numbers, numbers, numbers | st.just(24), st.integers(0, 255),
    st.binary(max_size=600),
)  # fmt: skip


def by_hand(message, kinds):
    """The image, pixel by pixel; None where there is none."""
    size, kind, factor = kinds[message.encoding]
    height, width, step, data = message.height, message.width, message.step, bytes(message.data)
    if not height or not width or step < width * size:
        return None
    if len(data) < step * (height - 1) + width * size:
        return None
    order = ">" if message.is_bigendian else "<"
    rows = [
        [
            memoryview(data[at : at + size][:: -1 if order == ">" else 1]).cast(kind)[0]
            for at in range(row * step, row * step + width * size, size)
        ]
        for row in range(height)
    ]
    image = np.array(rows, np.dtype(kind))
    scaled = image * factor
    # Garbage that float32 cannot hold in mm is invalid, not infinity, which is beyond range.
    return np.where(np.isfinite(image) & np.isposinf(scaled), scaled.dtype.type(0), scaled)


@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value encountered")
@pytest.mark.parametrize(("read", "kinds"), [(read_depth, DEPTH), (read_infrared, INFRARED)])
@settings(max_examples=1000)
@given(message=messages)
def test_every_message_gives_the_right_image_or_an_image_error(read, kinds, message):
    try:
        image = read(message)
    except ImageError as error:
        assert str(error)
        assert message.encoding not in kinds or by_hand(message, kinds) is None, error
        return
    if message.encoding in kinds:
        expected = by_hand(message, kinds)
        assert expected is not None, "it read beyond the data"
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(image, expected)
    else:  # cv_bridge, where it is installed, converts others
        assert image.shape == (message.height, message.width) and image.dtype == np.uint8


sound = st.sampled_from([*DEPTH, *INFRARED]).flatmap(
    lambda encoding: st.builds(
        lambda height, width, padding, tail, big, seed: _sound(
            encoding, height, width, padding, tail, big, seed
        ),
        st.integers(1, 9), st.integers(1, 9), st.integers(0, 5), st.integers(0, 5),
        st.integers(0, 1), st.integers(0, 2**31),
    )
)  # fmt: skip


def _sound(encoding, height, width, padding, tail, big, seed):
    """A readable image of any bits, with rows of any length and bytes left over at the end."""
    size = (DEPTH | INFRARED)[encoding][0]
    step = width * size + padding
    length = step * (height - 1) + width * size + tail
    data = np.random.default_rng(seed).integers(0, 256, length, np.uint8).tobytes()
    return Image(encoding=encoding, height=height, width=width, step=step, is_bigendian=big,
                 data=array.array("B", data))  # fmt: skip


@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value encountered")
@settings(max_examples=500)
@given(message=sound)
def test_every_readable_image_is_read(message):
    read, kinds = (read_depth, DEPTH) if message.encoding in DEPTH else (read_infrared, INFRARED)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(read(message), by_hand(message, kinds))


@pytest.mark.parametrize("read", [read_depth, read_infrared])
@pytest.mark.parametrize("encoding", [*DEPTH, *INFRARED])
@pytest.mark.parametrize("size", [(2**32 - 1, 2**32 - 1), (1, 2**31), (2**31, 1), (50_000, 50_000)])
def test_a_claim_of_gigapixels_takes_no_memory(read, encoding, size):
    width, height = size
    claim = Image(encoding=encoding, width=width, height=height, data=array.array("B", bytes(99)))
    claim.step = min(2**32 - 1, 4 * width)
    tracemalloc.start()
    try:
        with pytest.raises(ImageError):
            read(claim)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
