from dataclasses import replace

import numpy as np
import pytest

from rs_denoise.recordings.folders.frame_folder import find_frames, read_frame, write_frame
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.recording import open_recording
from scenes import camera, noisy_wall


def frame(name="a", with_truth=True):
    depth, infrared = noisy_wall(80, 64)
    return Frame(name, camera(80, 64), depth, infrared, depth if with_truth else None)


def test_what_is_written_is_read(tmp_path):
    write_frame(tmp_path / "a", frame(), emitter="on")
    read = read_frame(tmp_path / "a")
    assert read.camera == frame().camera and read.name == "a" and read.infrared_right is None
    for field in ("depth_mm", "infrared", "ground_truth_mm"):
        np.testing.assert_array_equal(getattr(read, field), getattr(frame(), field))


def test_the_right_infrared_is_kept(tmp_path):
    written = replace(frame(), infrared_right=noisy_wall(80, 64, seed=5)[1])
    write_frame(tmp_path / "a", written)
    read = read_frame(tmp_path / "a")
    np.testing.assert_array_equal(read.infrared_right, written.infrared_right)


def test_depth_of_a_finer_unit_keeps_it(tmp_path):
    fine = np.array([[0, 123.4], [6553.5, 300.1]], np.float32).repeat(32, 0).repeat(40, 1)
    write_frame(tmp_path / "a", replace(frame(), depth_mm=fine, ground_truth_mm=None))
    read = read_frame(tmp_path / "a")
    assert read.depth_mm.dtype == np.float32
    np.testing.assert_allclose(read.depth_mm, fine, rtol=1e-6)
    far = np.where(fine > 6000, 20_000, fine)
    write_frame(tmp_path / "b", replace(frame(), depth_mm=far, ground_truth_mm=None))
    assert read_frame(tmp_path / "b").depth_mm.max() == 20_000
    camera(80, 64).to_file(tmp_path / "a" / "camera.json", depth_unit_mm="0")
    with pytest.raises(RecordingError, match="depth_unit_mm is '0', expected 0.001 to 100 mm"):
        read_frame(tmp_path / "a")


def test_frames_without_infrared_are_counted(tmp_path):
    for k in range(3):
        one = frame() if k else replace(frame(), infrared=None)
        write_frame(tmp_path / "some" / f"{k}", one)
        write_frame(tmp_path / "none" / f"{k}", replace(frame(), infrared=None))
    some = open_recording(tmp_path / "some")
    assert len(list(some)) == 3 and list(some.skipped) == ["infrared of 1 of 3 frames"]
    assert not some.notes
    assert "no infrared of the left imager" in open_recording(tmp_path / "none").notes[0]


def test_a_folder_is_one_frame_or_many_and_others_are_named(tmp_path):
    write_frame(tmp_path / "b", frame())
    write_frame(tmp_path / "a", frame())
    write_frame(tmp_path / "c", frame())
    (tmp_path / "c" / "camera.json").unlink()
    (tmp_path / "notes").mkdir()
    folders, skipped = find_frames(tmp_path)
    assert [f.name for f in folders] == ["a", "b"]
    assert skipped == {tmp_path / "c": "no camera.json"}
    assert find_frames(tmp_path / "a")[0] == [tmp_path / "a"]


def test_no_folder_and_no_frame(tmp_path):
    with pytest.raises(RecordingError, match="not a folder"):
        find_frames(tmp_path / "missing")
    with pytest.raises(RecordingError, match=r"no frame in it; expected folders with depth\.png"):
        find_frames(tmp_path)


def test_a_truncated_image_is_named(tmp_path):
    write_frame(tmp_path / "a", frame())
    path = tmp_path / "a" / "depth.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RecordingError, match=r"depth\.png"):
        read_frame(tmp_path / "a")


def test_an_image_of_another_size_or_type(tmp_path):
    write_frame(tmp_path / "a", frame())
    camera(96, 64).to_file(tmp_path / "a" / "camera.json")
    with pytest.raises(RecordingError, match=r"expected uint16 of 96x64 .* got uint16 of shape"):
        read_frame(tmp_path / "a")
    camera(80, 64).to_file(tmp_path / "a" / "camera.json")
    (tmp_path / "a" / "infra1.png").write_bytes((tmp_path / "a" / "depth.png").read_bytes())
    with pytest.raises(RecordingError, match=r"infra1\.png: expected uint8"):
        read_frame(tmp_path / "a")


def test_when_a_frame_was_taken_is_kept(tmp_path):
    write_frame(tmp_path / "a", replace(frame(), stamp_ns=1_732_464_000_123_456_789))
    assert read_frame(tmp_path / "a").stamp_ns == 1_732_464_000_123_456_789
    write_frame(tmp_path / "b", frame())
    assert read_frame(tmp_path / "b").stamp_ns is None
    camera(80, 64).to_file(tmp_path / "b" / "camera.json", stamp_ns="noon")
    with pytest.raises(RecordingError, match="stamp_ns is 'noon', expected whole nanoseconds"):
        read_frame(tmp_path / "b")
