"""Real librealsense, with its player and its software device as cameras."""

import time
from dataclasses import replace

import numpy as np
import pytest

from rs_denoise.librealsense import SoftwareCamera
from rs_denoise.live import camera_stream
from rs_denoise.live.camera_stream import CameraStream, LiveError, Request
from rs_denoise.live.devices import live_camera, sdk_playback, software_camera
from rs_denoise.pipeline.synchronizer import SyncedImages
from rs_denoise.recordings.bags.sdk_writer import write_sdk_recording
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.recording import open_recording
from scenes import camera, noisy_wall

rs = pytest.importorskip("pyrealsense2", reason="pyrealsense2 or its libusb is not installed")

CAMERA = camera(96, 64, baseline_m=0.055)


def frames(count, infrared=True, period_ns=33_333_000):
    for k in range(count):
        depth, grey = noisy_wall(96, 64, seed=k)
        left = grey if infrared else None
        right = 255 - grey if infrared else None
        stamp_ns = 10**9 + k * period_ns
        yield Frame(f"{k}", CAMERA, depth, left, infrared_right=right, stamp_ns=stamp_ns)


def assert_same(found, expected):
    assert found.stamp_ns == expected.stamp_ns and found.camera == expected.camera
    np.testing.assert_array_equal(found.depth_mm, expected.depth_mm)
    np.testing.assert_array_equal(found.infrared, expected.infrared)
    np.testing.assert_array_equal(found.infrared_right, expected.infrared_right)


def test_a_recording_as_a_camera_gives_its_frames_in_order():
    with software_camera(frames(12)) as stream:
        found = list(stream)
    # A busy machine may drop some; what comes is right, and all of it is counted.
    assert stream.received == 12 and len(found) == 12 - stream.dropped > 3
    by_stamp = {f.stamp_ns: f for f in frames(12)}
    for frame in found:
        assert_same(frame, by_stamp[frame.stamp_ns])
    stamps = [frame.stamp_ns for frame in found]
    assert stamps == sorted(stamps) and stamps[-1] == max(by_stamp)


def test_without_right_infrared_frames_come_with_the_left_one():
    source = (replace(f, infrared_right=None) for f in frames(8))
    with software_camera(source) as stream:
        found = list(stream)
    assert not stream.has_infrared_right and stream.received == 8
    assert all(f.infrared is not None and f.infrared_right is None for f in found)


def test_a_frame_whose_right_infrared_is_missing_goes_on_without_it():
    source = (replace(f, infrared_right=f.infrared_right if k < 4 else None)
              for k, f in enumerate(frames(8)))  # fmt: skip
    with software_camera(source) as stream:
        found = list(stream)
    assert stream.has_infrared_right and stream.received == 8
    assert found[-1].infrared is not None and found[-1].infrared_right is None


def test_who_is_slow_gets_the_newest():
    started = time.monotonic()
    with software_camera(frames(30)) as stream:
        first = next(iter(stream))
        time.sleep(0.5)
        second = next(iter(stream))
        assert stream.rate_hz == pytest.approx(30, rel=0.3)
    assert second.stamp_ns - first.stamp_ns > 300_000_000 and stream.dropped >= 8
    assert time.monotonic() - started < 3


def test_a_recording_of_the_sdk_plays_as_our_reader_reads_it(tmp_path):
    path = tmp_path / "out.db3"
    write_sdk_recording(path, frames(15))
    read = {frame.stamp_ns: frame for frame in open_recording(path)}
    with sdk_playback(path) as stream:
        played = list(stream)
    assert len(read) == 15 and len(played) > 4
    for frame in played:
        assert_same(frame, read[frame.stamp_ns])


def test_depth_without_infrared_comes_at_once():
    with software_camera(frames(5, infrared=False)) as stream:
        found = list(stream)
    assert not stream.has_infrared
    assert stream.received == 5 and all(frame.infrared is None for frame in found)


def test_depth_goes_on_alone_when_infrared_breaks_off(monkeypatch):
    monkeypatch.setattr(camera_stream, "INFRARED_TIMEOUT_NS", 200_000_000)
    source = (replace(f, infrared=f.infrared if k < 5 else None) for k, f in enumerate(frames(30)))
    with software_camera(source) as stream:
        found = list(stream)
    assert found[0].infrared is not None and found[-1].infrared is None


def test_depth_is_in_millimetres_whatever_the_unit_of_the_camera(monkeypatch):
    monkeypatch.setattr("rs_denoise.librealsense.MILLIMETRE_M", 0.0001)  # as a D405
    tenths = np.array([[0, 1234, 1236, 65535]], np.uint16).repeat(64, 0).repeat(24, 1)
    with software_camera([Frame("a", CAMERA, tenths)]) as stream:
        (frame,) = stream
    np.testing.assert_allclose(sorted(set(frame.depth_mm.flat)), [0, 123.4, 123.6, 6553.5])
    assert frame.depth_mm.dtype == np.float32


def test_gaps_of_a_recording_are_not_waited_out():
    started = time.monotonic()
    with software_camera(frames(3, period_ns=3_600_000_000_000)) as stream:
        assert len(list(stream)) == 3
    assert time.monotonic() - started < 4


def test_a_silent_camera_is_an_error(monkeypatch):
    monkeypatch.setattr(camera_stream, "SILENCE_S", 0.2)
    software = SoftwareCamera(CAMERA)
    stream = CameraStream(software.device, Request(96, 64, 30))
    with pytest.raises(LiveError, match="no frame for .* USB 3.*realsense2_camera"):
        next(iter(stream))
    stream.close()


def test_a_camera_that_goes_away_is_an_error_after_what_it_gave():
    with software_camera(frames(30)) as stream:
        iterator = iter(stream)
        next(iterator)
        stream.end(LiveError("the camera was unplugged, or lost its power"))
        with pytest.raises(LiveError, match="unplugged"):
            for _ in iterator:
                pass


def test_the_last_frame_is_not_lost_if_it_comes_right_after_a_wait():
    stream = CameraStream(SoftwareCamera(CAMERA).device)
    last = SyncedImages(10**9, np.ones((64, 96), np.uint16), None)

    def arrive(_):
        """Called between the wait for a frame and the check for the end."""
        del stream._put_complete
        stream._put(last)
        stream.end()

    stream._put_complete = arrive
    assert [frame.stamp_ns for frame in stream] == [last.stamp_ns]
    stream.close()


def two_cameras():
    yield from frames(2)
    yield replace(next(frames(1)), camera=camera(128, 96), stamp_ns=2 * 10**9)


def broken_off():
    yield from frames(40)
    raise RecordingError("the file is cut off")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (lambda: (), "there is no frame to play"),
        (two_cameras, "from another camera"),
        (broken_off, "the file is cut off"),
    ],
)
def test_a_recording_that_cannot_be_played_says_so(source, said):
    with pytest.raises((LiveError, RecordingError), match=said), software_camera(source()) as s:
        list(s)


def test_a_profile_that_the_camera_lacks_is_answered_with_those_it_has():
    software = SoftwareCamera(CAMERA)
    with pytest.raises(LiveError, match="no depth of 848x480 at 30 Hz; it offers 96x64 at 30 Hz"):
        CameraStream(software.device, Request())
    with pytest.raises(LiveError, match="has no emitter"):
        CameraStream(software.device, Request(96, 64, 30, emitter=False))
    stream = CameraStream(software.device, Request(96, 64, 30), baseline_m=0.095)
    assert stream.camera == replace(CAMERA, baseline_m=0.095)


def test_without_a_camera_it_says_what_to_check():
    if len(rs.context().query_devices()):
        pytest.skip("a camera is plugged in")
    with (
        pytest.raises(LiveError, match="cable.*udev.*realsense2_camera"),
        live_camera(None, Request()),
    ):
        pass
