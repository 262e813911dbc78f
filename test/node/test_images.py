import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sensor_msgs.msg", reason="ROS 2 is not installed")
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from rs_denoise.node import images
from rs_denoise.node.images import (
    ImageError,
    depth_message,
    image_message,
    read_depth,
    read_infrared,
)


def message(pixels, encoding, step=None, big_endian=False, padding=0):
    """An Image from rows of pixels, with any step and byte order."""
    dtype = pixels.dtype.newbyteorder(">" if big_endian else "<")
    rows = [row.astype(dtype).tobytes() + bytes(padding) for row in pixels]
    data = array.array("B", b"".join(rows))
    step = step if step is not None else pixels.shape[1] * pixels.itemsize + padding
    return Image(
        height=pixels.shape[0], width=pixels.shape[1], encoding=encoding, step=step,
        is_bigendian=int(big_endian), data=data,
    )  # fmt: skip


sizes = st.tuples(st.integers(1, 20), st.integers(1, 20))


@given(sizes, st.sampled_from(["16UC1", "mono16"]), st.booleans(), st.integers(0, 7), st.randoms())
def test_depth_survives_any_step_and_byte_order(size, encoding, big_endian, padding, random):
    pixels = np.array([[random.randint(0, 65535) for _ in range(size[1])] for _ in range(size[0])])
    pixels = pixels.astype(np.uint16)
    read = read_depth(message(pixels, encoding, big_endian=big_endian, padding=padding))
    np.testing.assert_array_equal(read, pixels)


@given(sizes, st.booleans(), st.integers(0, 7), st.sampled_from(["mono8", "8UC1"]), st.randoms())
def test_infrared_survives_any_step(size, big_endian, padding, encoding, random):
    pixels = np.array([[random.randint(0, 255) for _ in range(size[1])] for _ in range(size[0])])
    pixels = pixels.astype(np.uint8)
    read = read_infrared(message(pixels, encoding, big_endian=big_endian, padding=padding))
    np.testing.assert_array_equal(read, pixels)


@given(st.binary(max_size=64), st.integers(0, 9), st.integers(0, 9), st.integers(0, 40),
       st.sampled_from(["16UC1", "32FC1", "mono8", "rgb8", ""]))  # fmt: skip
def test_any_bytes_give_an_image_or_a_clear_error(data, height, width, step, encoding):
    anything = Image(height=height, width=width, step=step, encoding=encoding,
                     data=array.array("B", data))  # fmt: skip
    for read in (read_depth, read_infrared):
        try:
            assert read(anything).shape == (height, width)
        except ImageError as error:
            assert str(error)


@given(sizes, st.randoms())
def test_depth_messages_round_trip(size, random):
    depth = np.array([[random.choice([0, random.uniform(1, 65535)]) for _ in range(size[1])]
                      for _ in range(size[0])], np.float32)  # fmt: skip
    exact = read_depth(depth_message(depth, "16UC1", Header()))
    np.testing.assert_array_equal(exact, np.rint(depth).astype(np.uint16))
    metres = depth_message(depth, "32FC1", Header())
    read = read_depth(metres)
    np.testing.assert_array_equal(np.isnan(read), depth == 0)
    np.testing.assert_allclose(np.nan_to_num(read), depth, rtol=1e-6)


def test_metres_beyond_float32_in_mm_are_invalid_and_not_beyond_range():
    metres = np.array([[1.5, 1e36, np.inf]], np.float32)
    assert read_depth(message(metres, "32FC1")).tolist() == [[1500, 0, np.inf]]


def test_plain_images_are_views():
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    plain = message(pixels, "16UC1")
    read = read_depth(plain)
    plain.data[0] = 77
    assert read[0, 0] == 77


def test_colour_on_the_depth_topic_names_the_colorizer():
    with pytest.raises(ImageError, match="encoding 'rgb8', expected '16UC1'.*colorizer"):
        read_depth(message(np.zeros((4, 12), np.uint8), "rgb8"))


def test_a_step_too_small_for_its_width():
    with pytest.raises(ImageError, match="step of 7 bytes, but 4 pixels of '16UC1' take 8"):
        read_depth(message(np.zeros((4, 4), np.uint16), "16UC1", step=7))


def test_short_data_says_how_short():
    short = message(np.zeros((4, 4), np.uint16), "16UC1")
    short.data = short.data[:-1]
    with pytest.raises(ImageError, match="cut off: 4x4 with a step of 8 needs 32 bytes, got 31"):
        read_depth(short)


def test_an_empty_image():
    with pytest.raises(ImageError, match="depth is 0x0"):
        read_depth(Image(encoding="16UC1"))


@pytest.mark.skipif(images.CvBridge is not None, reason="cv_bridge is installed and converts it")
def test_other_infrared_without_cv_bridge_names_the_fix():
    with pytest.raises(ImageError, match="encoding 'rgb8'.*Y8.*install cv_bridge"):
        read_infrared(message(np.zeros((4, 12), np.uint8), "rgb8"))


def test_header_and_layout():
    header = Header(frame_id="camera_depth_optical_frame")
    built = image_message(np.zeros((3, 5), np.float32), "32FC1", header)
    assert (built.height, built.width, built.step, built.is_bigendian) == (3, 5, 20, 0)
    assert len(built.data) == 60 and built.header is header
