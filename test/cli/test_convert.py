import json

import cv2
import numpy as np
import pytest
from recordings.bags.example_bags import INFRARED, RIGHT_INFO, Ros, driver
from typer.testing import CliRunner

from rs_denoise.cli.main import app
from rs_denoise.recordings.folders.frame_folder import write_frame
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.recording import open_recording
from rs_denoise.synthetic_frame import synthetic_frame, typical_camera
from scenes import camera, noisy_wall


def run(*arguments):
    """Exit code, what was printed, and the error that becomes a sentence."""
    result = CliRunner().invoke(app, ["convert", *map(str, arguments)])
    return result.exit_code, " ".join(result.output.replace("│", " ").split()), result.exception


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three frames without stamps, and one that cannot be read."""
    path = tmp_path_factory.mktemp("frames")
    for k in range(4):
        depth, infrared = noisy_wall(96, 64, seed=k)
        truth = np.full_like(depth, 2000)
        right = 255 - infrared
        write_frame(path / f"{k}", Frame(f"{k}", camera(96, 64), depth, infrared, truth, right))
    (path / "2" / "depth.png").write_bytes(b"not a picture")
    return path


def assert_converted(out, folder, fields):
    found, expected = list(open_recording(out)), list(open_recording(folder))
    assert len(found) == len(expected) == 3
    for a, b in zip(found, expected, strict=True):
        assert a.camera == b.camera
        for field in fields:
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field))
    assert [f.stamp_ns - found[0].stamp_ns for f in found] == [0, 100_000_000, 200_000_000]


def test_frames_become_a_bag_and_the_bag_becomes_frames(folder, tmp_path):
    fields = ("depth_mm", "infrared", "infrared_right", "ground_truth_mm")
    code, printed, error = run(folder, tmp_path / "bag", "--rate", 10)
    assert code == 0, error
    assert "3 frames in" in printed and "skipped 2" in printed
    assert sorted(p.name for p in (tmp_path / "bag").iterdir()) == ["bag.mcap", "metadata.yaml"]
    assert_converted(tmp_path / "bag", folder, fields)
    code, printed, error = run(tmp_path / "bag", tmp_path / "back", "--to", "frames")
    assert code == 0, error
    assert_converted(tmp_path / "back", folder, fields)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["back", "bag"]


def test_frames_become_a_recording_of_the_sdk(folder, tmp_path):
    pytest.importorskip("pyrealsense2", reason="pyrealsense2 or its libusb is not installed")
    path = tmp_path / "out.db3"
    arguments = (folder, path, "--to", "realsense", "--rate", 10, "--denoise")
    code, printed, error = run(*arguments)
    assert code == 0 and "3 frames in" in printed, error
    assert_converted(path, folder, ("depth_mm", "infrared", "infrared_right", "ground_truth_mm"))


def test_right_infrared_that_does_not_belong_to_depth_is_told(tmp_path):
    of_camera = typical_camera(320, 240)
    depth, left, right = synthetic_frame(of_camera)
    for k, (infra1, infra2) in enumerate([(left, right), (right, left)]):
        frame = Frame(f"{k}", of_camera, depth, infra1, infrared_right=infra2)
        write_frame(tmp_path / "frames" / f"{k}", frame)
    arguments = (tmp_path / "frames", tmp_path / "out", "--denoise", "--model", "unet-tiny-stereo")
    code, printed, error = run(*arguments)
    assert code == 0, error
    assert "skipped right infrared of 1 of 2 denoised frames: " in printed
    assert "infra1 and infra2 swapped" in printed


def test_denoised_depth_lies_beside_that_of_the_camera(folder, tmp_path):
    code, _, error = run(folder, tmp_path / "out", "--to", "frames", "--denoise")
    assert code == 0, error
    for name in ("0", "1", "3"):
        depth, denoised = (
            cv2.imread(str(tmp_path / "out" / name / f"{image}.png"), cv2.IMREAD_UNCHANGED)
            for image in ("depth", "denoised")
        )
        assert denoised.dtype == np.uint16 and denoised.shape == depth.shape
        seen = (depth > 0) & (denoised > 0)
        assert seen.mean() > 0.5 and (depth != denoised)[seen].any()
        assert np.std(denoised[seen]) < np.std(depth[seen])


def test_denoised_depth_has_the_unit_of_its_depth(tmp_path, good):
    """A D405 measures in 0.1 mm."""
    depth, infrared = noisy_wall(96, 64, 300.0)
    fine = Frame("0", camera(96, 64), depth.astype(np.float32) + np.float32(0.4), infrared)
    write_frame(tmp_path / "in" / "0", fine)
    out = tmp_path / "out"
    code, _, error = run(
        tmp_path / "in", out, "--to", "frames", "--denoise", "--model", good, "--device", "cpu"
    )
    assert code == 0, error
    assert json.loads((out / "0" / "camera.json").read_text())["depth_unit_mm"] == 0.1
    measured, denoised = (
        cv2.imread(str(out / "0" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        for name in ("depth", "denoised")
    )
    seen = denoised > 0
    assert seen.mean() > 0.5
    # The test's network changes nothing.
    np.testing.assert_allclose(denoised[seen], measured[seen], atol=1)


def test_what_is_assumed_missing_or_skipped_is_printed_and_kept(tmp_path):
    ros = Ros(2)
    messages = [m for m in driver(ros, 4) if m[0] != RIGHT_INFO]
    without = [m for m in messages if m[0] != INFRARED]
    half = [m for k, m in enumerate(messages) if m[0] != INFRARED or k // 3 % 2]
    for name, of_bag, expected in (
        ("without", without, "no infrared of the left imager"),
        ("half", half, "skipped infrared of 2 of 4 frames"),
    ):
        bag = ros.write(tmp_path / f"{name}_bag", of_bag)
        code, printed, error = run(bag, tmp_path / name, "--to", "frames")
        assert code == 0, error
        assert expected in printed and "the baseline is assumed to be 0.05 m" in printed
        for file in (tmp_path / name).glob("*/camera.json"):
            assert json.loads(file.read_text())["assumed"] == ["baseline_m"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{folder}", "{folder}"], "exists already"),
        (["{folder}", "{out}", "--to", "realsense"], "recordings of the SDK end in .db3"),
        (["{folder}", "{out}", "--to", "avi"], "'avi' is not one of"),
        (["{folder}/nothing", "{out}"], "no such file or folder"),
        (["{folder}/2", "{out}"], "no frame can be used (2: "),
        (["{folder}", "{out}/left"], "left.part: exists already"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_leaves_nothing(folder, tmp_path, arguments, said):
    if "{out}/left" in arguments:
        (tmp_path / "left.part").mkdir()
        arguments = [arguments[0], str(tmp_path / "left")]
    before = sorted(tmp_path.iterdir())
    filled = (a.format(folder=folder, out=tmp_path / "out") for a in arguments)
    code, printed, error = run(*filled)
    assert code != 0 and said in f"{printed} {error}"
    assert isinstance(error, (RecordingError, SystemExit))  # which end as sentences
    assert sorted(tmp_path.iterdir()) == before
