import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings.bags.example_bags import Ros, driver, picture

from rs_denoise.recordings.bags.messages import DEPTH_HEADER
from rs_denoise.recordings.bags.rvl import decode_rvl
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.recording import open_recording


def encode(pixels):
    """The encoder of Wilson 2017, value by value."""
    out, nibbles = bytearray(), []

    def put(value):
        while True:
            value, low = value >> 3, value & 7
            nibbles.append(low | (8 if value else 0))
            if not value:
                return

    flat, place, before = pixels.ravel().tolist(), 0, 0
    while place < len(flat):
        zeros = place
        while place < len(flat) and not flat[place]:
            place += 1
        put(place - zeros)
        start = place
        while place < len(flat) and flat[place]:
            place += 1
        put(place - start)
        for value in flat[start:place]:
            delta, before = value - before, value
            put(2 * delta if delta >= 0 else -2 * delta - 1)
    nibbles += [0] * (-len(nibbles) % 8)
    for k in range(0, len(nibbles), 8):
        word = 0
        for nibble in nibbles[k : k + 8]:
            word = word << 4 | nibble
        out += struct.pack("<I", word)
    height, width = pixels.shape
    return struct.pack("<II", width, height) + bytes(out)


@given(st.lists(st.sampled_from([0, 0, 1, 1500, 1501, 65535]), min_size=12, max_size=12))
def test_what_was_encoded_is_decoded(values):
    image = np.array(values, np.uint16).reshape(3, 4)
    np.testing.assert_array_equal(decode_rvl(encode(image)), image)


@given(st.binary(max_size=60), st.integers(0, 40))
def test_damaged_data_is_an_error_or_an_image(noise, length):
    whole = encode(picture(0)[0][:8, :8])
    for data in (struct.pack("<II", 8, 8) + noise, whole[:length], whole[:20] + noise):
        with contextlib.suppress(RecordingError):
            assert decode_rvl(data).dtype == np.uint16


def test_a_size_beyond_any_camera_is_refused():
    with pytest.raises(RecordingError, match="claims 100000x100000"):
        decode_rvl(struct.pack("<II", 100_000, 100_000) + bytes(8))


@pytest.mark.parametrize("form", ["16UC1; compressedDepth rvl"])
def test_a_bag_of_rvl_is_read(tmp_path, form):
    ros = Ros(2)

    def messages():
        for topic, message in driver(ros, 3):
            if topic.endswith("depth/image_rect_raw"):
                stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
                image = message.data.view(np.uint16).reshape(message.height, message.width)
                message = ros.compressed(DEPTH_HEADER + encode(image), form, stamp)
                topic += "/compressedDepth"
            yield topic, message

    frames = list(open_recording(ros.write(tmp_path / "bag", messages())))
    assert len(frames) == 3
    for k, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.depth_mm, picture(k)[0])


@pytest.mark.parametrize("form", ["png", "", "16UC1; compressedDepth"])
@pytest.mark.parametrize("header", [b"", DEPTH_HEADER])
def test_a_png_of_16_bit_is_depth_whatever_its_format_is_called(tmp_path, form, header):
    from recordings.bags.example_bags import png

    from rs_denoise.recordings.bags.messages import read_depth_mm

    depth, ros = picture(0)[0], Ros(2)
    message = ros.compressed(header + png(depth), form, 0)
    np.testing.assert_array_equal(read_depth_mm(message), depth)


@pytest.mark.parametrize("form", ["png", "32FC1; compressedDepth png"])
def test_quantised_metric_depth_is_refused_for_what_its_header_says(form):
    from recordings.bags.example_bags import png

    from rs_denoise.recordings.bags.messages import read_depth_mm

    data = struct.pack("<iff", 0, 10100.0, -1009.0) + png(picture(0)[0])
    with pytest.raises(RecordingError, match="quantised"):
        read_depth_mm(Ros(2).compressed(data, form, 0))


@pytest.mark.parametrize("form", ["16UC1; compressedDepth png", "16UC1; compressedDepth"])
def test_what_the_header_of_16_bit_depth_happens_to_hold_is_ignored(form):
    """ROS 2 does not set its parameters where they are not used."""
    from recordings.bags.example_bags import png

    from rs_denoise.recordings.bags.messages import read_depth_mm

    depth = picture(0)[0]
    data = struct.pack("<iff", 0, 1.2e-38, 4.5e-41) + png(depth)
    np.testing.assert_array_equal(read_depth_mm(Ros(2).compressed(data, form, 0)), depth)
