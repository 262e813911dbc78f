import json

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("numba", reason="Numba is not installed")

from rs_denoise.cli.main import app
from rs_denoise.depth import to_depth_mm, to_uint16_mm
from rs_denoise.recordings.folders.frame_folder import write_frame
from rs_denoise.recordings.frame import Frame
from rs_denoise.simulation.fidelity import average, measure_fidelity
from rs_denoise.simulation.matcher import Matcher, match
from scenes import camera

HEIGHT, WIDTH, NEAR, FAR = 120, 320, 40, 16
CAMERA = camera(WIDTH, HEIGHT, fx=300.0)


def make_frame(name="f", shift_px=0.0, drop=None):
    """A near square before a fainter wall, with noise; depth is the matcher's own, shifted."""
    rng = np.random.default_rng(0)
    wall = rng.integers(90, 110, (HEIGHT, WIDTH + FAR)).astype(np.uint8)
    left, right = (wall[:, at : at + WIDTH] + rng.integers(0, 4, (HEIGHT, WIDTH), np.uint8)
                   for at in (0, FAR))  # fmt: skip
    square = rng.integers(20, 220, (60, 60)).astype(np.uint8)
    left[30:90, 160:220] = square
    right[30:90, 160 - NEAR : 220 - NEAR] = square
    truth = np.full((HEIGHT, WIDTH), float(FAR))
    truth[30:90, 160:220] = NEAR
    disparity = match(left, right, Matcher())
    camera_px = np.where(disparity > 0, disparity + shift_px, 0)
    if drop is not None:
        camera_px[drop] = 0
    scale = CAMERA.disparity_scale_px_mm
    depth, truth_mm = (to_uint16_mm(to_depth_mm(px, scale)) for px in (camera_px, truth))
    return Frame(name, CAMERA, depth, left, truth_mm, right)


def test_a_camera_that_is_the_matcher_agrees_in_everything():
    found = measure_fidelity(make_frame(), Matcher())
    assert found.agree_1px == 1 and found.median_px < 0.05
    assert found.hole_iou == found.hole_ratio == 1
    assert found.fattening_recall == found.fattening_ratio == 1
    assert found.error_correlation > 0.8  # less than 1: depth is in whole millimetres
    assert found.bad_ratio == pytest.approx(1, abs=0.05)


def test_what_the_camera_does_otherwise_is_seen():
    assert measure_fidelity(make_frame(shift_px=1.5), Matcher()).agree_1px < 0.1
    holes = np.s_[0:20, 240:300]
    found = measure_fidelity(make_frame(drop=holes), Matcher())
    assert found.hole_ratio < 1 and found.hole_iou < 1


def test_without_ground_truth_only_agreement_is_measured():
    frame = make_frame()
    bare = Frame("bare", CAMERA, frame.depth_mm, frame.infrared, None, frame.infrared_right)
    found = measure_fidelity(bare, Matcher())
    assert found.agree_1px == 1 and np.isnan(found.error_correlation)
    mean = average([found, measure_fidelity(frame, Matcher())])
    assert mean["error_correlation"] > 0.8  # over the one that has it
    with pytest.raises(ValueError, match="of the left and of the right"):
        measure_fidelity(Frame("one", CAMERA, frame.depth_mm, frame.infrared), Matcher())


def test_the_command_prints_each_frame_and_skips_by_name(tmp_path):
    frame = make_frame()
    write_frame(tmp_path / "pair", frame)
    write_frame(tmp_path / "single", Frame("single", CAMERA, frame.depth_mm, frame.infrared))
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "depth.png").write_bytes((tmp_path / "pair" / "depth.png").read_bytes())
    out = tmp_path / "o.json"
    done = CliRunner().invoke(app, ["simulate", "--fidelity", str(tmp_path), "--json", str(out)])
    assert done.exit_code == 0, done.output
    assert "pair" in done.output and "skipped single" in done.output
    result = json.loads(out.read_text())
    assert result["frames"] == 1 and result["skipped"] == ["bare", "single"]
    assert result["each"]["pair"]["agree_1px"] == result["mean"]["agree_1px"] == 1.0
