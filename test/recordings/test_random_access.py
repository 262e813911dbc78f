import shutil
from dataclasses import replace

import numpy as np
import pytest
from recordings.bags.example_bags import DEPTH, RIGHT_INFO, Ros, driver, write_mcap

from rs_denoise.camera import Camera
from rs_denoise.recordings.bags.rosbag2_writer import write_rosbag2
from rs_denoise.recordings.folders.frame_folder import write_frame
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.images import write_png
from rs_denoise.recordings.overrides import Overrides
from rs_denoise.recordings.random_access import find_frame_readers
from rs_denoise.recordings.recording import open_recording
from scenes import camera, noisy_wall


def bag(path, truths):
    frames = []
    for k, has_truth in enumerate(truths):
        depth, infrared = noisy_wall(96, 64, seed=k)
        truth = np.full_like(depth, 2000 + k) if has_truth else None
        stamp = k * 33_000_000
        frames.append(Frame("", camera(96, 64), depth, infrared, truth, stamp_ns=stamp))
    write_rosbag2(path, frames)


@pytest.mark.parametrize("of", ["bag", "folder of bags"])
def test_a_bag_is_unpacked_once_to_its_frames_with_ground_truth(tmp_path, of):
    bag(tmp_path / "data" / "a", [True, False, True])
    readers = find_frame_readers(tmp_path / "data" / ("a" if of == "bag" else ""), tmp_path / "out")
    frames = [reader() for reader in readers]
    assert [frame.ground_truth_mm[0, 0] for frame in frames] == [2000, 2002]
    np.testing.assert_array_equal(frames[1].depth_mm, noisy_wall(96, 64, seed=2)[0])
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.png")}
    again = find_frame_readers(tmp_path / "data" / "a", tmp_path / "out")
    assert len(again) == 2
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.png")}


def test_another_bag_of_the_same_path_is_unpacked_anew(tmp_path):
    bag(tmp_path / "a", [True, True])
    assert len(find_frame_readers(tmp_path / "a", tmp_path / "out")) == 2
    shutil.rmtree(tmp_path / "a")
    bag(tmp_path / "a", [True, True, True])
    assert len(find_frame_readers(tmp_path / "a", tmp_path / "out")) == 3


@pytest.mark.parametrize("where", ["", "day1"])
def test_files_of_several_bags_in_a_folder_keep_the_camera_of_each(tmp_path, where):
    ros, folder = Ros(2), tmp_path / "data" / where
    folder.mkdir(parents=True)
    for name, baseline_m in (("front", 0.055), ("rear", 0.095)):
        messages = []
        for topic, message in driver(ros, 2):
            if topic == RIGHT_INFO:
                message = replace(message, p=ros.info(0, shift=-425 * baseline_m).p)
            messages.append((topic, message))
            if topic == DEPTH:
                messages.append(("/camera/ground_truth/image_rect_raw", message))
        write_mcap(folder / f"{name}.mcap", ros, messages)
    frames = [reader() for reader in find_frame_readers(tmp_path / "data", tmp_path / "out")]
    assert [frame.camera.baseline_m for frame in frames] == pytest.approx([0.055] * 2 + [0.095] * 2)
    by_name = [frame.camera.baseline_m for frame in open_recording(tmp_path / "data")]
    assert by_name == [frame.camera.baseline_m for frame in frames]


def test_what_cannot_be_learnt_from_is_told(tmp_path):
    bag(tmp_path / "a", [False])
    with pytest.raises(RecordingError, match="no frame has ground truth, on a topic ground_truth"):
        find_frame_readers(tmp_path / "a", tmp_path / "out")
    with pytest.raises(RecordingError, match="cannot be read in any order"):
        find_frame_readers(tmp_path / "a")


def test_each_kind_of_recording_is_told_by_what_it_holds(tmp_path):
    bag(tmp_path / "bag", [True, False])
    depth, infrared = noisy_wall(96, 64)
    for name in "ab":
        write_frame(tmp_path / "folders" / name, Frame(name, camera(96, 64), depth, infrared))
    (tmp_path / "triples").mkdir()
    for prefix, image in (("res-", depth), ("left-", infrared), ("gt-", depth)):
        write_png(tmp_path / "triples" / f"{prefix}x.png", image)
    for kind, count, names in (
        ("bag", 2, ["0", "33000000"]), ("folders", 2, ["a", "b"]), ("triples", 1, ["x"])
    ):  # fmt: skip
        recording = open_recording(tmp_path / kind)
        assert recording.count == count
        for _ in range(2):  # and again
            assert [frame.name for frame in recording] == names
        assert not recording.skipped
        assert len(recording.notes) == (kind == "triples")  # nothing says what took them
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordingError, match=r"no frame in it; .*; or a rosbag2 .* \.raw images"):
        open_recording(tmp_path / "empty")


def test_what_cannot_be_read_is_named_and_the_rest_is_used(tmp_path):
    depth, infrared = noisy_wall(96, 64)
    for name in "abc":
        write_frame(tmp_path / name, Frame(name, camera(96, 64), depth, infrared))
    png = tmp_path / "b" / "depth.png"
    png.write_bytes(png.read_bytes()[:50])
    (tmp_path / "c" / "camera.json").write_text("{")
    recording = open_recording(tmp_path)
    assert [frame.name for frame in recording] == ["a"]
    assert set(recording.skipped) == {"b", "c"} and "truncated" in recording.skipped["b"]


def test_frame_folders_are_read_where_they_are(tmp_path):
    depth, infrared = noisy_wall(96, 64)
    write_frame(tmp_path / "f", Frame("", camera(96, 64), depth, infrared, depth))
    assert (
        len(find_frame_readers(tmp_path, tmp_path / "out")) == 1 and not (tmp_path / "out").exists()
    )


def test_frames_without_truth_or_camera_are_left_out_and_counted(tmp_path, caplog):
    """The last 5 % are held out: if those had no ground truth, a run could not begin."""
    depth, infrared = noisy_wall(96, 64)
    for name, truth in (("a", depth), ("b", depth), ("c", None)):
        write_frame(tmp_path / name, Frame(name, camera(96, 64), depth, infrared, truth))
    (tmp_path / "b" / "camera.json").unlink()
    (frame,) = (reader() for reader in find_frame_readers(tmp_path))
    assert frame.name == "a"
    (tmp_path / "triples").mkdir()
    for name in ("res-x.png", "res-y.png", "gt-x.png"):
        write_png(tmp_path / "triples" / name, depth)
    assert len(find_frame_readers(tmp_path / "triples")) == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: left out 2 of 3 frames, which have no ground_truth.png or no camera.json",
        f"{tmp_path / 'triples'}: left out 1 of 2 frames, which have no gt-NAME.png",
    ]
    (tmp_path / "a" / "camera.json").unlink()
    with pytest.raises(RecordingError, match=r"cannot use any of 3 frames, .* no camera\.json"):
        find_frame_readers(tmp_path)


def test_the_camera_can_be_named(tmp_path):
    """That of training data as that of any recording; a recorded one keeps its focal length."""
    depth, infrared = noisy_wall(424, 240)
    for name in "ab":
        write_frame(tmp_path / "f" / name, Frame(name, camera(424, 240), depth, infrared, depth))
    (tmp_path / "f" / "b" / "camera.json").unlink()
    (tmp_path / "triples").mkdir()
    for name in ("res-x.png", "gt-x.png"):
        write_png(tmp_path / "triples" / name, depth)
    named, recorded = Camera.of_model("d455", 424, 240), camera(424, 240)
    shifted = Overrides(camera="d455", baseline_m=0.08)
    for overrides, expected in (
        (Overrides(camera="d455"), [recorded, named]),
        (shifted, [replace(recorded, baseline_m=0.08), replace(named, baseline_m=0.08)]),
    ):
        readers = find_frame_readers(tmp_path / "f", overrides=overrides)
        assert [read().camera for read in readers] == expected
        assert [frame.camera for frame in open_recording(tmp_path / "f", overrides)] == expected
        (read,) = find_frame_readers(tmp_path / "triples", overrides=overrides)
        assert read().camera == expected[1]
    expected = replace(recorded, baseline_m=0.08)
    recorded.to_file(tmp_path / "triples" / "camera.json")
    (read,) = find_frame_readers(tmp_path / "triples", overrides=shifted)
    (frame,) = open_recording(tmp_path / "triples", shifted)
    assert read().camera == frame.camera == expected


def test_a_bag_is_unpacked_once_for_each_camera(tmp_path):
    ros, (depth, _) = Ros(1), noisy_wall(80, 64)
    truth = ros.image(depth, "16UC1", 10**9)
    ros.write(tmp_path / "a.bag", [*driver(ros, 2), ("/camera/ground_truth/image_rect_raw", truth)])
    for baseline_m in (None, 0.08, 0.08):
        overrides = Overrides(baseline_m=baseline_m)
        (read,) = find_frame_readers(tmp_path / "a.bag", tmp_path / "out", overrides)
        assert baseline_m in (None, read().camera.baseline_m)
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_bag_of_any_kind_can_be_learnt_from(tmp_path):
    ros, (depth, _) = Ros(1), noisy_wall(80, 64)
    truth = ros.image(depth, "16UC1", 10**9)
    messages = [*driver(ros, 2), ("/camera/ground_truth/image_rect_raw", truth)]
    ros.write(tmp_path / "a.bag", messages)
    (frame,) = (reader() for reader in find_frame_readers(tmp_path / "a.bag", tmp_path / "out"))
    np.testing.assert_array_equal(frame.ground_truth_mm, depth)
    assert frame.stamp_ns == 10**9
