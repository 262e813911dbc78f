"""Recordings of the RealSense SDK: ROS 1 bags, and the format of librealsense 2.59 and newer."""

import struct
import time

import numpy as np
import pytest
from recordings.bags.example_bags import (
    HEIGHT,
    PERIOD_NS,
    START_NS,
    WIDTH,
    Ros,
    check,
    picture,
    right_picture,
)

from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.recording import open_recording

ROS = Ros(1)
SENSOR = "/device_0/sensor_0"


def stamp(k):
    return START_NS + k * PERIOD_NS


def old(unit_m=0.001, option_unit_m=None, infrared="Infrared_1", separator="_", count=5):
    """The messages of librealsense's ros_writer up to 2.58, with the bytes that it adds."""
    number, text = ROS.types["std_msgs/msg/Float32"], ROS.types["std_msgs/msg/String"]

    def option(name, value):
        topic = f"{SENSOR}/option/{name.replace('_', separator)}"
        yield f"{topic}/value", number(value)
        yield f"{topic}/description", text("Number of meters represented by a single depth unit")

    unit = struct.pack("<f", unit_m)
    yield f"{SENSOR}/Depth_0/info/camera_info", ROS.info(0)
    yield from option("Depth_Units", unit_m if option_unit_m is None else option_unit_m)
    yield from option("Stereo_Baseline", 55.0)
    for k in range(count):
        depth, grey = picture(k)
        for name, pixels, encoding, extra in (
            ("Depth_0", depth, "mono16", unit), (infrared, grey, "8UC1", bytes(4)),
            ("Infrared_2", right_picture(k), "8UC1", bytes(4)),
        ):  # fmt: skip
            topic = f"{SENSOR}/{name}/image"
            yield f"{topic}/data", ROS.image(pixels, encoding, stamp(k)), extra
            for key in ("system_time", "timestamp_domain", "Frame Counter"):
                yield f"{topic}/metadata", ROS.types["diagnostic_msgs/msg/KeyValue"](key, "1")


@pytest.mark.parametrize("infrared", ["Infrared_1", "Infrared_0"])
@pytest.mark.parametrize("separator", ["_", " "])
def test_old_recordings(tmp_path, infrared, separator):
    messages = old(infrared=infrared, separator=separator)
    recording = open_recording(ROS.write(tmp_path / "a.bag", messages))
    check(list(recording), right=True)
    assert not recording.skipped and not recording.notes


@pytest.mark.parametrize("unit_m, option_unit_m", [(1e-4, 1e-4), (1e-4, 1e-3), (0.0, 1e-4)])
def test_depth_units_of_old_recordings(tmp_path, unit_m, option_unit_m):
    """That of the image counts; where it has none, the option."""
    path = ROS.write(tmp_path / "a.bag", old(unit_m, option_unit_m))
    for k, frame in enumerate(open_recording(path)):
        assert frame.depth_mm.dtype == np.float32
        np.testing.assert_allclose(frame.depth_mm, picture(k)[0] / 10, rtol=1e-6)


def test_images_of_old_recordings_without_the_added_bytes(tmp_path):
    messages = [message[:2] for message in old()]
    check(list(open_recording(ROS.write(tmp_path / "a.bag", messages))))


def test_the_right_infrared_alone_is_not_taken_for_the_left_one(tmp_path):
    messages = [m for m in old() if "Infrared_1" not in m[0]]
    recording = open_recording(ROS.write(tmp_path / "a.bag", messages))
    frames = list(recording)
    assert [frame.infrared for frame in frames] == [None] * 5
    for k, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.infrared_right, right_picture(k))
    assert "no infrared" in recording.notes[0]


def test_a_recording_without_depth(tmp_path):
    messages = [m for m in old() if "Depth_0/image" not in m[0]]
    with pytest.raises(RecordingError, match="no topic of depth"):
        open_recording(ROS.write(tmp_path / "a.bag", messages))


def record(path, rs, unit_m=0.001, compressed=True, late_ms=0.0):
    """What librealsense's recorder writes of a software device."""

    def stream(kind, form, index, uid):
        made, of = rs.video_stream(), rs.intrinsics()
        of.width, of.height, of.fx, of.fy = WIDTH, HEIGHT, 425.0, 425.0
        of.ppx, of.ppy, of.model, of.coeffs = 39.5, 31.5, rs.distortion.none, [0.0] * 5
        made.type, made.fmt, made.index, made.uid, made.fps = kind, form, index, uid, 30
        made.width, made.height, made.bpp = WIDTH, HEIGHT, 2 if form == rs.format.z16 else 1
        made.intrinsics = of
        return made

    device = rs.software_device()
    sensor = device.add_sensor("Stereo Module")
    streams = [
        stream(rs.stream.depth, rs.format.z16, 0, 1), stream(rs.stream.infrared, rs.format.y8, 1, 2)
    ]  # fmt: skip
    profiles = [sensor.add_video_stream(made) for made in streams]
    sensor.add_read_only_option(rs.option.depth_units, unit_m)
    sensor.add_read_only_option(rs.option.stereo_baseline, 55.0)
    recorder = rs.recorder(str(path), device, compressed)
    (recorded,) = recorder.query_sensors()
    recorded.open(recorded.get_stream_profiles())
    recorded.start(rs.frame_queue(1))
    for k in range(5):
        for profile, pixels in zip(profiles, picture(k), strict=True):
            frame = rs.software_video_frame()
            frame.pixels = np.ascontiguousarray(pixels)
            frame.bpp, frame.stride = pixels.itemsize, WIDTH * pixels.itemsize
            frame.timestamp, frame.frame_number = stamp(k) / 1e6, k + 1
            frame.domain = rs.timestamp_domain.hardware_clock
            frame.profile, frame.depth_units = profile.as_video_stream_profile(), unit_m
            sensor.on_video_frame(frame)
            time.sleep(late_ms / 1000)
    recorder.pause()
    recorded.stop()
    recorded.close()


@pytest.mark.parametrize("compressed", [True, False])
def test_new_recordings(tmp_path, compressed):
    rs = pytest.importorskip("pyrealsense2", reason="librealsense writes these recordings")
    record(tmp_path / "a.db3", rs, compressed=compressed)
    recording = open_recording(tmp_path / "a.db3")
    check(list(recording))
    assert not recording.skipped and not recording.notes


def test_new_recordings_are_paired_by_the_cameras_clock_however_late_an_image_came(tmp_path):
    rs = pytest.importorskip("pyrealsense2", reason="librealsense writes these recordings")
    record(tmp_path / "a.db3", rs, late_ms=12.0)
    check(list(open_recording(tmp_path / "a.db3")))


def test_depth_units_of_new_recordings(tmp_path):
    rs = pytest.importorskip("pyrealsense2", reason="librealsense writes these recordings")
    record(tmp_path / "a.db3", rs, unit_m=1e-4)
    for k, frame in enumerate(open_recording(tmp_path / "a.db3")):
        assert frame.depth_mm.dtype == np.float32
        np.testing.assert_allclose(frame.depth_mm, picture(k)[0] / 10, rtol=1e-6)
