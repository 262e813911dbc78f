from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import SAMPLE
from rs_denoise.recordings.bags.bag_reader import read_bag
from rs_denoise.recordings.bags.rosbag2_writer import write_rosbag2
from rs_denoise.recordings.frame import Frame, RecordingError
from scenes import camera, noisy_wall


def frames(count=5):
    for k in range(count):
        depth, infrared = noisy_wall(80, 64, seed=k)
        truth = depth + 1 if k % 2 == 0 else None
        stamp = 10**9 + k * 33_000_000
        right = 255 - infrared if k % 3 == 0 else None
        yield Frame("", camera(80, 64), depth, infrared, truth, right, stamp)


def test_what_is_written_is_read(tmp_path):
    assert write_rosbag2(tmp_path / "bag", frames()) == 5
    for read, written in zip(read_bag(tmp_path / "bag"), frames(), strict=True):
        assert read.stamp_ns == written.stamp_ns and read.camera == written.camera
        np.testing.assert_array_equal(read.depth_mm, written.depth_mm)
        np.testing.assert_array_equal(read.infrared, written.infrared)
        np.testing.assert_array_equal(read.infrared_right, written.infrared_right)
        assert (read.ground_truth_mm is None) == (written.ground_truth_mm is None)


def test_the_sample_is_what_a_driver_would_record():
    size = sum(f.stat().st_size for f in Path(SAMPLE).iterdir())
    read = list(read_bag(SAMPLE))
    assert size <= 10e6 and len(read) >= 24
    assert sum(m.ground_truth_mm is not None for m in read) >= 5
    assert all(m.depth_mm.shape == (480, 848) and m.infrared is not None for m in read)
    steps = np.diff([m.stamp_ns for m in read])
    assert abs(steps - 1e9 / 30).max() < 1e6
    # The camera moves: frames far apart differ by more than noise.
    a, b = (read[k].infrared.astype(float) for k in (0, 8))
    assert np.abs(a - b).mean() > 1.5 * np.abs(a - read[1].infrared).mean() > 0


def test_nothing_is_overwritten(tmp_path):
    write_rosbag2(tmp_path / "bag", frames(1))
    with pytest.raises(RecordingError, match="exists already"):
        write_rosbag2(tmp_path / "bag", frames(1))


def test_a_frame_without_a_time_cannot_be_written(tmp_path):
    timeless = (replace(frame, name="x", stamp_ns=None) for frame in frames(1))
    with pytest.raises(RecordingError, match="frame x has no stamp, but a bag needs one"):
        write_rosbag2(tmp_path / "bag", timeless)
