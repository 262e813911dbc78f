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
    (tmp_path / "._wall_Depth.raw").write_bytes(b"of macOS")
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
    assert "an image of 1280x720, 848x480, 640x480, 640x360" in recording.skipped["b"]
    assert "an image of 8 bit, expected depth of 16 bit" in recording.skipped["c"]
    assert "expected uint8" in recording.skipped["d_depth"]


def write_metadata(folder, name, width, height, fx=500.5):
    """As RealSense Viewer writes it."""
    (folder / f"{name}_metadata.csv").write_bytes(
        b"Frame Info: \r\nType,Depth\r\nFormat,Z16\r\nFrame Number,1466\r\n"
        b"Timestamp (ms),1681849042763.90\r\n"
        b"Resolution x,%d\r\nResolution y,%d\r\nBytes per pixel,2\r\n\r\nIntrinsic:,\r\n"
        b"Fx,%f\r\nFy,501\r\nPPx,40.25\r\nPPy,30.5\r\nDistorsion,Brown Conrady\r\n"
        % (width, height, fx)
    )


@pytest.mark.parametrize("width, height", [(424, 240), (320, 240), (640, 360), (848, 100)])
def test_the_viewers_metadata_gives_size_intrinsics_and_stamp(tmp_path, width, height):
    depth, infrared = noisy_wall(width, height)
    write(tmp_path, d_Depth=depth, d_Infrared=infrared, d_Color=np.zeros((3, 4), np.uint8))
    write_metadata(tmp_path, "d_Depth", width, height)
    write_metadata(tmp_path, "d_Infrared", width, height)
    recording = open_recording(tmp_path)
    (frame,) = recording
    np.testing.assert_array_equal(frame.depth_mm, depth)
    np.testing.assert_array_equal(frame.infrared, infrared)
    camera = frame.camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (500.5, 501, 40.25, 30.5)
    assert frame.stamp_ns == 1_681_849_042_763_900_000
    assert recording.assumed == ["baseline_m"] and "D435's is assumed" in recording.notes[0]


@pytest.mark.parametrize("width, height", [(640, 360), (480, 270), (424, 240), (320, 240)])
def test_decimated_depth_is_known_by_the_length_of_its_file(tmp_path, width, height):
    depth, _ = noisy_wall(width, height)
    write(tmp_path, d_Depth=depth)
    (frame,) = open_recording(tmp_path)
    np.testing.assert_array_equal(frame.depth_mm, depth)


@pytest.mark.parametrize("changes, said", [
    ({"width": 0}, "Resolution x"), ({"width": 500}, "expected an image of 500x240"),
    ({"fx": float("nan")}, "Fx, Fy, PPx and PPy"),
])  # fmt: skip
def test_damaged_metadata_is_named(tmp_path, changes, said):
    write(tmp_path, d_Depth=noisy_wall(424, 240)[0])
    write_metadata(tmp_path, "d_Depth", **({"width": 424, "height": 240} | changes))
    with pytest.raises(RecordingError, match=said):
        list(open_recording(tmp_path))


def test_frames_of_rs_convert(tmp_path):
    names = [f"{1_587_550_926_339.25 + 33 * k:.14f}" for k in range(3)]
    for k, name in enumerate(names):
        depth, infrared = noisy_wall(WIDTH, HEIGHT, seed=k)
        write(tmp_path, **{
            f"run_Depth_{name}": depth, f"run_Infrared 1_{name}": infrared,
            f"run_Infrared 2_{name}": 255 - infrared,
            f"run_Color_{name}": np.zeros((HEIGHT, 3 * WIDTH), np.uint8),
        })  # fmt: skip
    frames = list(open_recording(tmp_path))
    assert [f.stamp_ns for f in frames] == [1_587_550_926_339_250_000 + k * 33_000_000
                                            for k in range(3)]  # fmt: skip
    for k, frame in enumerate(frames):
        depth, infrared = noisy_wall(WIDTH, HEIGHT, seed=k)
        np.testing.assert_array_equal(frame.depth_mm, depth)
        np.testing.assert_array_equal(frame.infrared, infrared)
        np.testing.assert_array_equal(frame.infrared_right, 255 - infrared)


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
