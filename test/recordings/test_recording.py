"""What `open_recording` rejects; each format has tests of its own."""

import cv2
import numpy as np
import pytest
from recordings.bags.example_bags import Ros, cut, driver

from conftest import SAMPLE
from rs_denoise.recordings.folders.frame_folder import write_frame
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.random_access import find_frame_readers
from rs_denoise.recordings.recording import open_recording


def test_folders_of_tum_and_scannet_are_refused_by_name(tmp_path):
    (tmp_path / "depth").mkdir()
    depth = np.full((48, 64), 5000, np.uint16)
    cv2.imwrite(str(tmp_path / "depth" / "1305031102.160407.png"), depth)
    (tmp_path / "depth.txt").write_text("# depth maps\n1305031102.16 depth/1305031102.160407.png\n")
    with pytest.raises(RecordingError, match="TUM RGB-D, ScanNet .* is not read"):
        open_recording(tmp_path)


@pytest.mark.parametrize("inside", ["a.bag", "folder/a.bag"])
def test_bags_and_frames_in_one_folder_are_refused(tmp_path, inside):
    (tmp_path / inside).parent.mkdir(exist_ok=True)
    Ros(1).write(tmp_path / inside, driver(Ros(1), 1))
    write_frame(tmp_path / "000", next(iter(open_recording(SAMPLE))))
    with pytest.raises(RecordingError, match="bags and frame folders"):
        open_recording(tmp_path)
    with pytest.raises(RecordingError, match="bags and frame folders"):
        find_frame_readers(tmp_path, tmp_path / "unpacked")


def test_images_that_nobody_needs_are_not_decoded():
    recording = open_recording(SAMPLE)
    whole = next(iter(recording))
    part = next(iter(recording.without({"right infrared", "ground truth"})))
    assert whole.infrared_right is not None and whole.ground_truth_mm is not None
    assert part.infrared_right is None and part.ground_truth_mm is None
    np.testing.assert_array_equal(part.depth_mm, whole.depth_mm)
    np.testing.assert_array_equal(part.infrared, whole.infrared)


def test_a_bag_and_a_folder_of_bags_say_how_many_frames_they_have(tmp_path):
    ros1 = Ros(1).write(tmp_path / "a.bag", driver(Ros(1), 5))
    (tmp_path / "files").mkdir()
    for name in ("front", "back"):
        Ros(1).write(tmp_path / "files" / f"{name}.bag", driver(Ros(1), 3))
    assert open_recording(ros1).count == 5
    assert open_recording(tmp_path / "files").count == 6
    cut(ros1, 0.8, tmp_path / "files" / "side.bag")
    assert open_recording(tmp_path / "files" / "side.bag").count is None
    assert open_recording(tmp_path / "files").count is None
