import zlib

import numpy as np
import pytest
from recordings.bags.example_bags import Ros, picture, png

from rs_denoise.recordings.bags import messages
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.images import PNG_SIGNATURE

ROS = Ros(2)
DEPTH = np.array([[0, 1, 300], [1000, 40000, 65535]], np.uint16)


def test_step_byte_order_and_trailing_bytes_are_honoured():
    padded = np.full((2, 10), 7, np.uint8)
    padded[:, :6] = DEPTH.astype(">u2").view(np.uint8)
    data = np.append(padded.ravel(), np.arange(4, dtype=np.uint8))
    message = ROS.image(DEPTH, "16UC1", 0, step=10, is_bigendian=1, data=data)
    read = messages.read_depth_mm(message)
    np.testing.assert_array_equal(read, DEPTH)
    assert read.dtype == np.uint16 and read.dtype.isnative
    # The last row needs no padding.
    cut = ROS.image(DEPTH, "mono16", 0, step=10, is_bigendian=1, data=data[:16])
    np.testing.assert_array_equal(messages.read_depth_mm(cut), DEPTH)


def test_metres_are_rounded_and_what_is_no_depth_or_too_far_is_invalid():
    metres = [0.0012, 0.0016, 2.0004, 65.535, 65.536, 70, 1e36, np.inf, -np.inf, np.nan, -1, 0]
    message = ROS.image(np.array([metres], np.float32), "32FC1", 0)
    expected = [1, 2, 2000, 65535, 0, 0, 0, -np.inf, -np.inf, 0, -np.inf, 0]
    assert messages.read_depth_mm(message).tolist() == [expected]


def test_millimetres_that_claim_to_be_metres_are_refused():
    millimetres = np.full((2, 3), 1500, np.float32)
    with pytest.raises(RecordingError, match="are millimetres stored as 32FC1"):
        messages.read_depth_mm(ROS.image(millimetres, "32FC1", 0))
    sky = np.array([[1.5, 1000, 1000]], np.float32)
    assert messages.read_depth_mm(ROS.image(sky, "32FC1", 0)).tolist() == [[1500, 0, 0]]
    unknown = np.full((2, 3), np.nan, np.float32)
    assert not messages.read_depth_mm(ROS.image(unknown, "32FC1", 0)).any()


@pytest.mark.parametrize("unit_m, expected", [
    (0.001, [0, 1, 300, 1000, 40000, 65535]),
    (0.0001, [0, 0.1, 30, 100, 4000, 6553.5]),
    (0.002, [0, 2, 600, 2000, 0, 0]),
])  # fmt: skip
def test_other_units_of_depth_become_millimetres(unit_m, expected):
    depth_mm = messages.read_depth_mm(ROS.image(DEPTH, "mono16", 0), unit_m)
    np.testing.assert_allclose(depth_mm.ravel(), expected, rtol=1e-6)
    assert depth_mm.dtype == (np.float32 if unit_m < 0.001 else np.uint16)


@pytest.mark.parametrize("unit_m", [float("nan"), -0.001, 1e9])
def test_a_unit_that_no_camera_has_is_refused(unit_m):
    with pytest.raises(RecordingError, match="its depth unit is"):
        messages.read_depth_mm(ROS.image(DEPTH, "mono16", 0), unit_m)


def test_compressed_depth_with_and_without_its_header():
    depth, _ = picture(0)
    for message in (
        ROS.compressed_depth(depth, 0),
        ROS.compressed_depth(depth, 0, "16UC1; compressedDepth"),
        ROS.compressed(png(depth), "16UC1; png compressed ", 0),
    ):
        np.testing.assert_array_equal(messages.read_depth_mm(message), depth)
        assert messages.read_image_size(message) == (80, 64)


def test_infrared_raw_as_png_and_as_jpeg():
    import cv2

    grey = np.tile(np.arange(80, dtype=np.uint8), (64, 1))
    jpeg = cv2.imencode(".jpg", grey)[1].tobytes()
    np.testing.assert_array_equal(messages.read_infrared(ROS.image(grey, "8UC1", 0)), grey)
    form = "mono8; png compressed mono8"
    np.testing.assert_array_equal(messages.read_infrared(ROS.compressed(png(grey), form, 0)), grey)
    of_jpeg = ROS.compressed(jpeg, "mono8; jpeg compressed mono8", 0)
    assert np.abs(messages.read_infrared(of_jpeg).astype(int) - grey).max() < 6
    assert messages.read_image_size(of_jpeg) == (80, 64)


@pytest.mark.parametrize("changes, reason", [
    ({"step": 5}, "has a step of 5 bytes, but 3 pixels of '16UC1' take 6"),
    ({"data": np.zeros(11, np.uint8)}, "cut off: 3x2 with a step of 6 needs 12 bytes, got 11"),
    ({"height": 0}, "claims 3x0 pixels"),
    ({"width": 100_000, "height": 100_000, "step": 200_000}, "claims 100000x100000 pixels"),
    ({"width": 2**32 - 1, "height": 2**32 - 1, "step": 2**32 - 1}, "claims"),
    ({"encoding": "rgb8"}, "its encoding is 'rgb8', expected '16UC1' or 'mono16' or '32FC1'"),
    ({"encoding": ""}, "its encoding is ''"),
])  # fmt: skip
def test_a_raw_image_that_cannot_be_is_told_before_it_is_made(changes, reason):
    with pytest.raises(RecordingError, match=reason):
        messages.read_depth_mm(ROS.image(DEPTH, "16UC1", 0, **changes))


def claims(width, height):
    """A PNG of a few bytes that says it is large."""
    data = bytearray(png(DEPTH))
    data[16:24] = np.array([width, height], ">u4").tobytes()
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def jpeg_claims(width, height):
    import cv2

    data = bytearray(cv2.imencode(".jpg", picture(0)[1])[1].tobytes())
    start_of_frame = data.index(b"\xff\xc0")
    data[start_of_frame + 5 : start_of_frame + 9] = np.array([height, width], ">u2").tobytes()
    return bytes(data)


@pytest.mark.parametrize("data, reason", [
    (b"", "neither PNG nor JPEG"),
    (b"GIF89a" + bytes(50), "neither PNG nor JPEG"),
    (PNG_SIGNATURE, "neither PNG nor JPEG"),
    (claims(100_000, 100_000), "claims 100000x100000 pixels"),
    (claims(4000, 4000), "cannot be decoded"),
    (png(picture(0)[0])[:4000], "cannot be decoded"),
    (png(picture(0)[1]), "is not a depth image of 16 bit"),
    (b"\xff\xd8" + bytes(60), "its header is damaged"),
    # Pillow 13 reads this broken header, 12 refuses it; either way nothing is decoded.
    (
        b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x01" + bytes(60),
        "claims 65535x65535 pixels|its header is damaged",
    ),
    (jpeg_claims(65535, 65535), "claims 65535x65535 pixels"),
])  # fmt: skip
def test_a_compressed_image_that_cannot_be_is_told(data, reason):
    for prefix in (b"", bytes(12)):
        message = ROS.compressed(prefix + data, "16UC1; compressedDepth png", 0)
        if prefix and not data.startswith(PNG_SIGNATURE):
            reason = "neither PNG nor JPEG"
        with pytest.raises(RecordingError, match=reason):
            messages.read_depth_mm(message)


def test_a_colour_image_is_no_infrared():
    colour = ROS.compressed(png(np.zeros((4, 4, 3), np.uint8)), "bgr8; png compressed bgr8", 0)
    with pytest.raises(RecordingError, match=r"not a grey image .*'bgr8; png compressed bgr8'"):
        messages.read_infrared(colour)
