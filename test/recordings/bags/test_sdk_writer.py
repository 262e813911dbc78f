"""Written by librealsense's recorder, read back by librealsense's player."""

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rs_denoise.recordings.bags.sdk_writer import write_sdk_recording
from rs_denoise.recordings.frame import Frame, RecordingError, add_missing_stamps
from rs_denoise.recordings.recording import open_recording
from scenes import camera

rs = pytest.importorskip("pyrealsense2", reason="pyrealsense2 or its libusb is not installed")

WIDTH, HEIGHT = 96, 64


def stamp_ns(k):
    """A camera's clock, in ns since 1970 and at no even rate."""
    return 1_760_000_000_123_456_000 + k * 33_366_000 + (k % 3) * 111_000


def frames(count=40, **missing):
    """Images without any pattern that could hide a lost or swapped one."""
    rng = np.random.default_rng(7)
    size = (HEIGHT, WIDTH)
    for k in range(count):
        depth = rng.integers(0, 2**16, size, np.uint16)
        depth.flat[:2] = 0, 65535
        truth = rng.integers(0, 2**16, size, np.uint16) if k % 5 == 0 else None
        left, right = (rng.integers(0, 256, size, np.uint8) for _ in range(2))
        frame = Frame(f"{k}", camera(WIDTH, HEIGHT), depth, left, truth, right, stamp_ns(k))
        yield replace(frame, **missing)


def halved(frame):
    return frame.depth_mm // 2


def played(path):
    """Everything that librealsense plays: (stamp_ns, image) of each stream, and the sensors."""
    device = rs.context().load_device(str(path)).as_playback()
    device.set_real_time(False)
    seen, ended = {}, threading.Event()

    def take(frame):
        profile = frame.profile
        stream = (profile.stream_type(), profile.stream_index())
        image = (round(frame.timestamp * 1e6), np.array(frame.get_data()))
        seen.setdefault(stream, []).append(image)

    device.set_status_changed_callback(
        lambda status: ended.set() if status == rs.playback_status.stopped else None
    )
    sensors = {s.get_info(rs.camera_info.name): s for s in device.query_sensors()}
    device.pause()  # else it plays while the later sensors are not started yet
    for sensor in sensors.values():
        sensor.open(sensor.get_stream_profiles())
        sensor.start(take)
    device.resume()
    assert ended.wait(20)
    return seen, sensors, device


def assert_same(found, expected):
    assert len(found) == len(expected)
    for (stamp, image), (expected_stamp, expected_image) in zip(found, expected, strict=True):
        assert abs(stamp - expected_stamp) < 1000
        np.testing.assert_array_equal(image, expected_image)


def test_every_image_comes_back_as_it_was_with_its_stamp(tmp_path):
    path = tmp_path / "out.db3"
    assert write_sdk_recording(path, frames(), halved) == 40
    seen, sensors, _ = played(path)
    written = list(frames())
    depth, infrared = rs.stream.depth, rs.stream.infrared
    expected = {
        (depth, 0): [(f.stamp_ns, f.depth_mm) for f in written],
        (infrared, 1): [(f.stamp_ns, f.infrared) for f in written],
        (infrared, 2): [(f.stamp_ns, f.infrared_right) for f in written],
        (depth, 1): [(f.stamp_ns, f.ground_truth_mm) for f in written[::5]],
        (depth, 2): [(f.stamp_ns, halved(f)) for f in written],
    }
    assert set(seen) == set(expected)
    for stream, images in expected.items():
        assert_same(seen[stream], images)
    assert list(sensors) == ["Stereo Module", "Ground Truth", "Denoised"]


def test_the_camera_comes_back_with_its_baseline_and_units(tmp_path):
    path = tmp_path / "out.db3"
    written = replace(camera(WIDTH, HEIGHT), fx=423.456, fy=422.5, cx=47.25, baseline_m=0.055)
    write_sdk_recording(path, frames(3, camera=written))
    sensor = rs.context().load_device(str(path)).first_depth_sensor()
    assert sensor.get_depth_scale() == pytest.approx(0.001)
    assert sensor.get_option(rs.option.stereo_baseline) == pytest.approx(55)
    profiles = {p.stream_name(): p for p in sensor.get_stream_profiles()}
    i = profiles["Depth"].as_video_stream_profile().get_intrinsics()
    assert (i.width, i.height) == (WIDTH, HEIGHT)
    assert [i.fx, i.fy, i.ppx, i.ppy] == pytest.approx([423.456, 422.5, 47.25, 31.5], rel=1e-5)
    shift = profiles["Infrared 1"].get_extrinsics_to(profiles["Infrared 2"]).translation
    assert shift == pytest.approx([-0.055, 0, 0], abs=1e-6)


def test_nothing_is_lost_of_frames_that_come_faster_than_they_are_written(tmp_path):
    count = 400
    assert write_sdk_recording(tmp_path / "out.db3", frames(count)) == count
    seen, _, _ = played(tmp_path / "out.db3")
    assert [len(seen[s]) for s in seen] == [count, count, count, count // 5]
    for (_, image), frame in zip(seen[rs.stream.depth, 0], frames(count), strict=True):
        np.testing.assert_array_equal(image, frame.depth_mm)


def test_it_plays_as_long_as_the_camera_saw_it_however_fast_it_was_written(tmp_path):
    write_sdk_recording(tmp_path / "out.db3", frames(30, stamp_ns=None))
    seen, _, device = played(tmp_path / "out.db3")
    assert device.get_duration().total_seconds() == pytest.approx(29 / 30, abs=0.01)
    steps = np.diff([stamp for stamp, _ in seen[rs.stream.depth, 0]])
    assert np.abs(steps - 1e9 / 30).max() < 1000


def test_our_own_reader_reads_the_same(tmp_path):
    path = tmp_path / "out.db3"
    write_sdk_recording(path, frames(), halved)
    seen, _, _ = played(path)
    found = list(open_recording(path))
    truths = [(f.stamp_ns, f.ground_truth_mm) for f in found if f.ground_truth_mm is not None]
    assert_same(truths, seen[rs.stream.depth, 1])
    assert_same([(f.stamp_ns, f.depth_mm) for f in found], seen[rs.stream.depth, 0])
    assert_same([(f.stamp_ns, f.infrared) for f in found], seen[rs.stream.infrared, 1])
    assert found[0].camera == camera(WIDTH, HEIGHT)


def test_depth_alone_is_a_recording_too(tmp_path):
    write_sdk_recording(
        tmp_path / "out.db3",
        frames(5, infrared=None, infrared_right=None, ground_truth_mm=None),
    )
    seen, sensors, _ = played(tmp_path / "out.db3")
    assert list(seen) == [(rs.stream.depth, 0)] and list(sensors) == ["Stereo Module"]


def late_truth():
    for k, frame in enumerate(frames(40)):
        yield replace(frame, ground_truth_mm=frame.depth_mm if k == 35 else None)


def two_cameras():
    yield from frames(2)
    yield from frames(1, camera=camera(WIDTH, HEIGHT, fx=99))


def broken_off():
    yield from frames(3)
    raise RecordingError("the file is cut off")


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("out.bag", frames, "librealsense's recordings end in .db3"),
        ("out.db3", lambda: (), "there is no frame to write"),
        ("out.db3", two_cameras, "a recording of the SDK has one camera"),
        ("out.db3", late_truth, "frame 35: the depth stream of 'Ground Truth' begins here"),
        ("out.db3", broken_off, "the file is cut off"),
    ],
)
def test_what_cannot_be_written_is_a_sentence_and_leaves_nothing(tmp_path, name, source, said):
    with pytest.raises(RecordingError, match=said):
        write_sdk_recording(tmp_path / name, source())
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "out.db3").write_text("mine")
    with pytest.raises(RecordingError, match="exists already"):
        write_sdk_recording(tmp_path / "out.db3", frames(1))
    assert (tmp_path / "out.db3").read_text() == "mine"


def test_a_full_disk_is_noticed(tmp_path):
    """The recorder itself only logs that it stopped."""
    program = f"""
import resource, signal, sys
sys.path[:0] = [".", *{sys.path!r}]
from pathlib import Path
from test_sdk_writer import frames
from rs_denoise.recordings.bags.sdk_writer import write_sdk_recording
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
write_sdk_recording(Path({str(tmp_path / "out.db3")!r}), frames())
"""
    out = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parent,
    )  # fmt: skip
    last = out.stderr.strip().splitlines()[-1]
    assert out.returncode == 1 and "RecordingError" in last and "is the disk full" in last
    assert not list(tmp_path.iterdir())


def test_what_has_no_stamp_follows_what_is_before_it():
    first, second, third = frames(3)
    stamps = [
        f.stamp_ns
        for f in add_missing_stamps(
            [replace(first, stamp_ns=5), replace(second, stamp_ns=None), third], 10
        )
    ]
    assert stamps == [5, 100_000_005, stamp_ns(2)]
