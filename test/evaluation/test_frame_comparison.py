"""Which frame `--frame` selects."""

from dataclasses import replace

import pytest
from recordings.bags.example_bags import PERIOD_NS, START_NS, Ros, driver

from rs_denoise.evaluation.frame_comparison import select_frame
from rs_denoise.recordings.folders.frame_folder import write_frame
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.recording import open_recording
from scenes import camera, noisy_wall


def test_a_name_comes_before_an_index(tmp_path):
    """Folders 1, 10, 11, 12, 2, ...: the frame of index 2 is read before the one of this name."""
    depth, infrared = noisy_wall(96, 64)
    frame = Frame("", camera(96, 64), depth, infrared)
    for k in range(1, 13):
        write_frame(tmp_path / f"{k}", replace(frame, stamp_ns=k * 10**9))
    recording = open_recording(tmp_path)
    for wanted, found in (("2", "2"), ("12", "12"), ("0", "1"), (None, "1")):
        assert select_frame(recording, wanted).name == found
    with pytest.raises(RecordingError, match="no frame '13': expected a name, or a number from 0"):
        select_frame(recording, "13")


def test_a_bag_is_read_up_to_the_index_only(tmp_path):
    recording = open_recording(Ros(2).write(tmp_path / "bag", driver(Ros(2), 4)))
    read = []

    def counted():
        for frame in recording:
            read.append(frame.name)
            yield frame

    assert select_frame(counted(), "1").stamp_ns == START_NS + PERIOD_NS
    assert len(read) == 2
