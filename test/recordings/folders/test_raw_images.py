import numpy as np
import pytest

from rs_denoise.recordings.folders.raw_images import convert_raw, find_raw_frames
from rs_denoise.recordings.frame import RecordingError
from rs_denoise.recordings.recording import open_recording
from scenes import noisy_wall

WIDTH, HEIGHT = 640, 480


def write(folder, **images):
    """NAME.raw of each, little-endian."""
    for name, image in images.items():
        image.astype(image.dtype.newbyteorder("<")).tofile(folder / f"{name}.raw")


@pytest.mark.parametrize("width, height", [(1280, 720), (848, 480), (640, 480)])
def test_a_snapshot_of_depth_and_infrared(tmp_path, width, height):
    depth, infrared = noisy_wall(width, height)
    write(tmp_path, wall_Depth=depth, wall_Infrared=infrared)
    for path in (tmp_path, tmp_path / "wall_Depth.raw"):
        recording = open_recording(path)
        (frame,) = recording
        assert frame.name == "wall_Depth" and recording.count == 1
        np.testing.assert_array_equal(frame.depth_mm, depth)
        np.testing.assert_array_equal(frame.infrared, infrared)
        assert (frame.camera.width, frame.camera.baseline_m) == (width, 0.05)
        assert "a D435 is assumed" in recording.notes[0]


def test_frames_are_paired_by_their_names(tmp_path):
    depth, infrared = noisy_wall(WIDTH, HEIGHT)
    pairs = {
        "depth_1": "infrared_1_1",
        "a-ir": "",
        "fire": "",
        "res-b": "left-b",
        "c depth": "c ir",
    }
    for name, partner in pairs.items():
        write(tmp_path, **{name: depth} if name != "a-ir" else {name: infrared})
        if partner:
            write(tmp_path, **{partner: infrared})
    write(tmp_path, **{"gt-b": depth})
    found = {f.name: f.infrared and f.infrared.stem for f in find_raw_frames(tmp_path)}
    expected = {"depth_1": "infrared_1_1", "res-b": "left-b", "c depth": "c ir", "fire": None}
    assert found == expected


def test_what_is_no_image_is_named_and_the_rest_is_used(tmp_path):
    depth, infrared = noisy_wall(WIDTH, HEIGHT)
    write(tmp_path, a=depth, b=depth[:-1], c=infrared, d_depth=depth, d_ir=depth)
    recording = open_recording(tmp_path)
    assert [frame.name for frame in recording] == ["a"]
    assert "an image of 1280x720, 848x480, 640x480" in recording.skipped["b"]
    assert "an image of 8 bit, expected depth of 16 bit" in recording.skipped["c"]
    assert "expected uint8" in recording.skipped["d_depth"]


def test_infrared_alone_is_no_recording(tmp_path):
    write(tmp_path, left_ir=noisy_wall(WIDTH, HEIGHT)[1])
    for path in (tmp_path, tmp_path / "left_ir.raw"):
        with pytest.raises(RecordingError):
            open_recording(path)


def test_a_raw_image_becomes_a_png(tmp_path):
    depth, infrared = noisy_wall(WIDTH, HEIGHT)
    write(tmp_path, **{"res-x": depth, "left-x": infrared})
    for name in ("res-x", "left-x"):
        convert_raw(tmp_path / f"{name}.raw").rename(tmp_path / f"{name}.png")
    for file in tmp_path.glob("*.raw"):
        file.unlink()
    (frame,) = open_recording(tmp_path)
    np.testing.assert_array_equal(frame.depth_mm, depth)
    np.testing.assert_array_equal(frame.infrared, infrared)
