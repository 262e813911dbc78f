"""Bags with unusable images: which frames are read, and what is listed as skipped."""

import dataclasses
import sqlite3
from functools import partial
from itertools import islice

import numpy as np
import pytest
from recordings.bags.example_bags import (
    DEPTH,
    INFO,
    INFRARED,
    PERIOD_NS,
    RIGHT,
    START_NS,
    Ros,
    check,
    driver,
    picture,
)
from rosbags.rosbag2 import StoragePlugin

from rs_denoise.recordings.bags import bag_reader
from rs_denoise.recordings.bags.bag_reader import read_bag
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.map_ahead import map_ahead
from rs_denoise.recordings.recording import open_recording

ROS = Ros(2)


def stamp(k):
    return START_NS + k * PERIOD_NS


def read(tmp_path, messages):
    recording = open_recording(ROS.write(tmp_path / "bag", messages))
    return list(recording), recording.skipped


def changed(topic, k, **changes):
    """The driver's messages, with one of `topic` changed."""
    for name, message in driver(ROS, 10):
        if name == topic and message.header == ROS.header(stamp(k)):
            message = dataclasses.replace(message, **changes)
        yield name, message


@pytest.mark.parametrize("changes, reason", [
    ({"data": np.zeros(100, np.uint8)}, "needs 10240 bytes, got 100"),
    ({"encoding": "rgb8"}, "its encoding is 'rgb8'"),
    ({"width": 100_000, "height": 100_000}, "claims 100000x100000 pixels"),
])  # fmt: skip
def test_one_bad_depth_image_costs_one_frame(tmp_path, changes, reason):
    frames, skipped = read(tmp_path, changed(DEPTH, 4, **changes))
    assert [f.stamp_ns for f in frames] == [stamp(k) for k in range(10) if k != 4]
    (name,) = skipped
    assert name == f"depth {stamp(4)}" and reason in skipped[name]


@pytest.fixture
def damaged(tmp_path):
    """Of 12 depth images four cannot be decoded; two infrared images between them are cut off."""
    messages = [
        (name, dataclasses.replace(m, encoding="rgb8") if k % 12 == 6 else m)
        for k, (name, m) in enumerate(driver(ROS, 12))
    ]
    path = ROS.write(tmp_path / "bag", messages, plugin=StoragePlugin.SQLITE3)
    (file,) = path.glob("*.db3")
    with sqlite3.connect(file) as database:
        for row in (12, 24):
            database.execute("UPDATE messages SET data = substr(data, 1, 60) WHERE id = ?", (row,))
    return path


@pytest.mark.parametrize("wanted", [3, None])
def test_decoding_ahead_changes_neither_frames_nor_what_is_skipped(damaged, monkeypatch, wanted):
    """One image at a time, and a whole bag ahead, also if the reader stops early."""
    results = []
    for ahead in (1, 5, 1000):
        monkeypatch.setattr(bag_reader, "map_ahead", partial(map_ahead, ahead=ahead))
        recording = open_recording(damaged)
        frames = list(islice(recording, wanted))
        results.append((frames, list(recording.skipped.items())))
    (expected, skipped), *others = results
    assert len(skipped) >= (2 if wanted else 4)
    for frames, also_skipped in others:
        assert also_skipped == skipped
        for one, other in zip(expected, frames, strict=True):
            assert (one.name, one.stamp_ns) == (other.name, other.stamp_ns)
            np.testing.assert_array_equal(one.depth_mm, other.depth_mm)
            np.testing.assert_array_equal(one.infrared, other.infrared)


def test_a_bad_infrared_image_leaves_a_frame_without_infrared(tmp_path):
    frames, skipped = read(tmp_path, changed(INFRARED, 4, encoding="bgr8"))
    assert [f.infrared is None for f in frames] == [k == 4 for k in range(10)]
    name, count = skipped
    assert name == f"infrared {stamp(4)}" and "its encoding is 'bgr8'" in skipped[name]
    assert count == "infrared of 1 of 10 frames"


@pytest.mark.parametrize("every", [2, 5])
def test_frames_that_go_without_infrared_are_counted(tmp_path, every):
    def messages():
        for k, (topic, message) in enumerate(driver(ROS, 10)):
            if topic != INFRARED or k // 4 % every == 0:
                yield topic, message

    frames, skipped = read(tmp_path, messages())
    without = sum(frame.infrared is None for frame in frames)
    assert without == 10 - 10 // every
    (said,) = skipped
    assert said == f"infrared of {without} of 10 frames" and "depth alone" in skipped[said]


def test_infrared_of_another_moment_is_counted(tmp_path):
    """Every third image is a frame late, as reported of drivers whose stamps drift."""

    def messages():
        for k, (topic, message) in enumerate(driver(ROS, 9)):
            if topic == INFRARED and k // 4 % 3 == 2:
                message = dataclasses.replace(
                    message, header=ROS.header(stamp(k // 4) + 16_000_000)
                )
            yield topic, message

    frames, skipped = read(tmp_path, messages())
    assert [f.infrared is None for f in frames] == [k % 3 == 2 for k in range(9)]
    assert list(skipped) == ["infrared of 3 of 9 frames"]


def test_a_message_that_is_damaged_costs_one_frame(tmp_path):
    ros = Ros(1)
    messages = [(t, m, b"more than it should have") if k == 18 else (t, m)
                for k, (t, m) in enumerate(driver(ros, 10))]  # fmt: skip
    recording = open_recording(ros.write(tmp_path / "a.bag", messages))
    assert len(list(recording)) == 9
    assert ["it cannot be deserialised" in reason for reason in recording.skipped.values()] == [
        True
    ]


def test_where_the_resolution_changes_each_image_gets_the_camera_of_its_size(tmp_path):
    small = np.full((32, 40), 900, np.uint16)

    def messages():
        yield from driver(ROS, 3)
        for k in range(3, 6):
            yield DEPTH, ROS.image(small, "16UC1", stamp(k))
            if k > 3:  # its camera_info comes a frame late, as from a driver that restarts
                yield INFO, ROS.info(stamp(k), 40, 32, fx=212.0)

    frames, skipped = read(tmp_path, messages())
    assert [f.camera.width for f in frames] == [80, 80, 80, 40, 40, 40]
    assert list(skipped) == ["infrared of 3 of 6 frames"]
    assert frames[3].camera.fx == 212.0


def messages_with_two_cameras(ahead_ns=0):
    """40 frames, with another camera_info from frame 20 on; its clock is ahead of the images'."""
    for k, (name, message) in enumerate(driver(ROS, 40)):
        if name == INFO:
            frame = k // 4
            message = ROS.info(stamp(frame) + ahead_ns, fx=425.0 if frame < 20 else 500.0)
        yield name, message


def test_where_camera_info_changes_each_image_gets_the_one_of_its_time(tmp_path):
    """Images wait a second for each other, while later messages are read."""
    frames, skipped = read(tmp_path, messages_with_two_cameras())
    assert [f.camera.fx for f in frames] == [425.0] * 20 + [500.0] * 20 and not skipped


def test_where_a_recording_starts_again_with_another_camera_each_image_gets_its_own(tmp_path):
    other = [(n, ROS.info(stamp(k // 4), fx=500.0) if n == INFO else m)
             for k, (n, m) in enumerate(driver(ROS, 40))]  # fmt: skip
    frames, skipped = read(tmp_path, [*driver(ROS, 40), *other])
    assert [f.camera.fx for f in frames] == [425.0] * 40 + [500.0] * 40 and not skipped


def test_a_camera_info_with_another_clock_is_used_as_it_arrives(tmp_path):
    frames, skipped = read(tmp_path, messages_with_two_cameras(ahead_ns=10**12))
    assert {f.camera.fx for f in frames[20:]} == {500.0} and not skipped


def test_depth_without_a_camera_info_of_its_size_is_named(tmp_path):
    def messages():
        yield from driver(ROS, 3)
        for k in range(3, 63):
            yield DEPTH, ROS.image(np.full((32, 40), 900, np.uint16), "16UC1", stamp(k))

    frames, skipped = read(tmp_path, messages())
    check(frames, 3)
    reason = (
        "no camera_info of 40x32, its size, came before it; it has 80x64: set the camera with "
        "--camera"
    )
    assert dict(skipped) == {f"60 from depth {stamp(3)} on": reason}


@pytest.mark.parametrize("topic, late_ms, said", [
    (INFRARED, 16, "16.0 ms): 3 frames are denoised from depth alone"),
    (INFRARED, 10_000, "more than a second): 3 frames are denoised from depth alone"),
    (RIGHT, 16, "16.0 ms): 3 frames are denoised with the left one alone"),
    (RIGHT, -50_000, "more than a second): 3 frames are denoised with the left one alone"),
])  # fmt: skip
def test_infrared_whose_stamps_never_match_is_named_with_the_difference(
    tmp_path, topic, late_ms, said
):
    def messages():
        for k, (name, message) in enumerate(driver(ROS, 3, right=True)):
            stamp_ns = stamp(k // 5) + 100 * 10**9 + (name == topic) * late_ms * 1_000_000
            yield name, dataclasses.replace(message, header=ROS.header(stamp_ns))

    frames, skipped = read(tmp_path, messages())
    assert len(frames) == 3
    assert all((f.infrared is None) == (topic == INFRARED) for f in frames)
    assert all((f.infrared_right is None) == (topic == RIGHT) for f in frames)
    start = "none of it is within 5 ms of depth (the nearest differs by "
    assert skipped[topic].startswith(start + said)


def test_ground_truth_whose_stamps_never_match_is_named_with_the_difference(tmp_path):
    """Without this, training and evaluation said that there is none."""
    depth = np.full((64, 80), 2000, np.uint16)
    topic = "/camera/ground_truth/image_rect_raw"
    truth = [(topic, ROS.image(depth, "16UC1", stamp(k) + 12_000_000)) for k in range(3)]
    frames, skipped = read(tmp_path, [*driver(ROS, 3), *truth])
    assert len(frames) == 3 and all(frame.ground_truth_mm is None for frame in frames)
    assert skipped[topic] == (
        "none of it is within 5 ms of depth (the nearest differs by 12.0 ms): 3 frames are without "
        "ground truth"
    )


@pytest.mark.parametrize("missing", [range(4, 10), range(0, 10, 2)])
def test_frames_that_go_without_right_infrared_are_counted(tmp_path, missing):
    def messages():
        for k, (topic, message) in enumerate(driver(ROS, 10, right=True)):
            if topic != RIGHT or k // 5 not in missing:
                yield topic, message

    frames, skipped = read(tmp_path, messages())
    assert [f.infrared_right is None for f in frames] == [k in missing for k in range(10)]
    (said,) = skipped
    assert said == f"right infrared of {len(missing)} of 10 frames"
    assert "denoised with the left one alone" in skipped[said]
    # A model that does not use it misses nothing.
    recording = open_recording(tmp_path / "bag").without({"right infrared"})
    assert len(list(recording)) == 10 and not recording.skipped


def test_infrared_of_another_size_is_left_out(tmp_path):
    def messages():
        for topic, message in driver(ROS, 2):
            if topic == INFRARED:
                message = ROS.image(np.zeros((128, 160), np.uint8), "mono8", stamp(0))
            yield topic, message

    frames, skipped = read(tmp_path, messages())
    assert [f.infrared for f in frames] == [None, None]
    assert skipped[f"infrared {stamp(0)}"] == "it is 160x128, its depth 80x64"
    assert skipped[INFRARED].startswith("none of it has the size of its depth image: 2 frames")


def test_infrared_that_cannot_be_read_is_told_to_be_missing(tmp_path):
    def messages(encoding):
        for topic, message in driver(ROS, 2):
            if topic == INFRARED:
                message = dataclasses.replace(message, encoding=encoding)
            yield topic, message

    frames, skipped = read(tmp_path, messages("rgb8"))
    assert [f.infrared for f in frames] == [None, None]
    assert skipped[INFRARED].startswith("none of it can be read: 2 frames are denoised from depth")


def test_an_impossible_camera_info_is_named_and_the_last_good_one_serves(tmp_path):
    messages = [*driver(ROS, 3), (INFO, ROS.info(stamp(3), fx=0.0)), *list(driver(ROS, 4))[-4:]]
    frames, skipped = read(tmp_path, messages)
    check(frames, 4)
    assert "fx must be a positive number" in skipped["a camera_info"]


def test_stamps_that_stand_still_or_jump_back_give_every_frame_a_name_of_its_own(tmp_path):
    depth, _ = picture(0)
    stamps = [stamp(0), stamp(0), stamp(200), stamp(1), stamp(1), stamp(201)]
    messages = [(INFO, ROS.info(0)), *((DEPTH, ROS.image(depth, "16UC1", s)) for s in stamps)]
    frames, skipped = read(tmp_path, messages)
    assert [f.stamp_ns for f in frames] == stamps and not skipped
    assert len({f.name for f in frames}) == len(stamps)


def test_where_stamps_are_not_filled_in_the_time_of_arrival_serves(tmp_path):
    depth, _ = picture(0)
    messages = [(INFO, ROS.info(0)), *((DEPTH, ROS.image(depth, "16UC1", 0)) for _ in range(3))]
    frames, _ = read(tmp_path, messages)
    assert [f.stamp_ns - START_NS for f in frames] == [1, 2, 3]


def test_a_bag_of_which_no_frame_can_be_used_says_why(tmp_path):
    depth, _ = picture(0)
    quantised = ROS.compressed_depth(depth, stamp(0), "32FC1; compressedDepth png")
    path = ROS.write(
        tmp_path / "bag", [(INFO, ROS.info(0)), (f"{DEPTH}/compressedDepth", quantised)]
    )
    with pytest.raises(RecordingError, match="no frame in it .*'32FC1.*record the raw topic"):
        list(read_bag(path))


def test_what_read_bag_skips_is_logged_where_nobody_collects_it(tmp_path, caplog):
    path = ROS.write(tmp_path / "bag", changed(DEPTH, 4, encoding="rgb8"))
    assert len(list(read_bag(path))) == 9
    assert f"skipped depth {stamp(4)}: its encoding is 'rgb8'" in caplog.text
