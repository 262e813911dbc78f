import json
from dataclasses import replace

import numpy as np
import pytest

from conftest import REAL_DATA
from rs_denoise.drawing.picture import draw_before_after
from rs_denoise.evaluation.evaluate import evaluate
from rs_denoise.evaluation.frame_metrics import CameraSetup, ImageSizeError
from rs_denoise.evaluation.metrics.blocks import Accuracy, ConfidenceQuality, ObstacleCells
from rs_denoise.evaluation.metrics.camera_pose import CameraPose
from rs_denoise.evaluation.metrics.confidence import (
    measure_confidence,
    select_most_confident,
)
from rs_denoise.evaluation.metrics.planes import Roi
from rs_denoise.evaluation.report.frame_selection import FrameSelection
from rs_denoise.evaluation.sampling import sample_frames
from rs_denoise.gate import Gate
from rs_denoise.model import Model
from rs_denoise.offline import OfflineDenoiser
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.recording import open_recording
from rs_denoise.recordings.resample import resample_frame
from scenes import Scaled, camera, noisy_wall


def denoised(model, gate):
    return {"denoised": OfflineDenoiser(model, gate)}


def frame(name="a", truth=True):
    depth, infrared = noisy_wall(96, 64)
    return Frame(
        name, camera(96, 64), depth, infrared, np.full_like(depth, 2000) if truth else None
    )


def test_an_identity_scores_as_the_input(make_model):
    gate = Gate(fill_confidence=1.01)
    summary = (
        evaluate([frame(), frame("b")], denoised(make_model(Scaled()), gate)).summarise().to_json()
    )
    methods = summary["methods"]
    blocks = {"published", "same", "same_raw", "ranking", "alone", "temporal"}
    blocks |= {"at_fill_97", "at_fill_90"}
    assert summary["frames"] == 2 and set(methods["denoised"]) == blocks
    assert methods["denoised"]["published"] == methods["raw"]["published"]
    assert methods["denoised"]["same"] == methods["denoised"]["same_raw"]


def test_no_method_takes_the_place_of_the_camera(make_model):
    with pytest.raises(ValueError, match="'raw' is the camera's own depth"):
        evaluate([frame()], {"raw": OfflineDenoiser(make_model(Scaled()))})


def test_dropping_pixels_is_no_accuracy(make_model):
    """Half of the wall is too doubtful to publish: the input is judged over the other half."""
    near = frame()
    depth = near.depth_mm.copy()
    depth[:, 48:] = np.where(depth[:, 48:] > 0, 8000, 0)
    mixed = Frame("m", near.camera, depth, near.infrared, near.ground_truth_mm)
    # 0.2 px of doubt: 93 % sure of 10.6 px, 49 % of 2.7 px.
    method = denoised(make_model(Scaled(1.0, 0.2)), Gate(0.5, fill_confidence=1.01))
    methods = evaluate([mixed], method).summarise().to_json()["methods"]
    assert methods["raw"]["published"]["bad5_pct"] == pytest.approx(50, abs=1)
    assert methods["denoised"]["published"]["fill_pct"] == pytest.approx(49, abs=1)
    assert methods["denoised"]["same_raw"]["bad5_pct"] == 0


def test_at_equal_fill_the_least_confident_pixels_are_left_out(make_model):
    """Of 0.2 px of doubt, what is far is doubted most."""
    near = frame()
    depth = near.depth_mm.copy()
    far = np.zeros(depth.shape, bool)
    far[:, :9] = True
    depth[far & (depth > 0)] = 8000
    mixed = Frame("m", near.camera, depth, near.infrared, near.ground_truth_mm)
    # Two gates that publish very different numbers of pixels.
    for gate in (Gate(0.0, fill_confidence=1.01), Gate(0.99, fill_confidence=1.01)):
        method = denoised(make_model(Scaled(1.0, 0.2)), gate)
        methods = evaluate([mixed], method).summarise().to_json()["methods"]
        raw, at_97, at_90 = (
            methods["raw"]["published"],
            *(methods["denoised"][f"at_fill_{percent}"] for percent in (97, 90)),
        )
        assert at_97["fill_pct"] == pytest.approx(0.97 * raw["fill_pct"], abs=0.02)
        assert at_90["fill_pct"] == pytest.approx(0.90 * raw["fill_pct"], abs=0.02)
        wrong = 100 * (far & (depth > 0)).sum() / (depth > 0).sum()
        assert raw["gross_far_pct"] > 5
        assert raw["bad5_pct"] == pytest.approx(wrong, abs=0.01)
        assert at_97["bad5_pct"] == pytest.approx((wrong - 3) / 0.97, abs=0.05)
        assert at_90["bad5_pct"] == at_90["gross_pct"] == 0
        assert "at_fill_97" not in methods["raw"]


def test_the_most_confident_pixels_are_counted_exactly():
    confidence = np.array([[0.9, 0.5, 0.9], [1.0, 0.9, 0.1]])
    valid = np.array([[True, True, True], [False, True, True]])
    chosen = select_most_confident(confidence, valid, 40)
    # Of equally confident pixels the first are taken.
    assert chosen.tolist() == [[True, False, True], [False, False, False]]
    assert np.array_equal(select_most_confident(confidence, valid, 100), valid)
    assert not select_most_confident(confidence, np.zeros_like(valid), 97).any()


def test_confidence_that_sorts_errors_by_hand():
    error = np.array([0.0] * 90 + [100.0] * 10)
    best_first, right = np.linspace(1, 0, 100), error < 50
    perfect = measure_confidence(error, right, best_first)
    worst = measure_confidence(error, right, 1 - best_first)
    assert perfect.rmse_at_100_mm == pytest.approx(100 * np.sqrt(0.1))
    assert perfect.rmse_at_90_mm == 0 and perfect.ause == 0
    assert worst.rmse_at_90_mm == pytest.approx(100 * np.sqrt(10 / 90)) and worst.ause > 0.9
    assert measure_confidence(error[:0], right[:0], error[:0]) == ConfidenceQuality()


def test_calibration_by_hand():
    right = np.array([True] * 9 + [False] + [True] * 5 + [False] * 5)
    confidence = np.array([0.9] * 10 + [0.75] * 10)
    # The first ten are right as often as they say, the others 25 % too seldom.
    quality = measure_confidence(1.0 - right, right, confidence)
    assert quality.calibration_error == pytest.approx(0.125)


def test_confidence_of_one_model_is_measured_once(make_model):
    first = OfflineDenoiser(make_model(Scaled()), Gate())
    methods = {"a": first, "b": first.with_gate(Gate(0.9))}
    scored = evaluate([frame()], methods).summarise().to_json()["methods"]
    for block in ("ranking", "at_fill_97", "at_fill_90"):
        assert block in scored["a"] and block not in scored["b"]


def test_frames_without_truth_are_scored_alone_and_nothing_is_nan_in_json(make_model):
    method = denoised(make_model(Scaled()), Gate())
    frames, denoise = [frame(truth=False), frame("b")], method["denoised"]
    result = evaluate(frames, method)
    assert result.without_truth == ["a"] and result.frames == ["b"] and not result.skipped
    methods = result.summarise().to_json()["methods"]
    assert methods["raw"]["published"]["flying_pct"] is None
    assert methods["denoised"]["alone"]["fill_pct"] == pytest.approx(
        np.mean([100 * (denoise(f) > 0).mean() for f in frames]), abs=1e-4
    )
    json.dumps(result.summarise().to_json(), allow_nan=False)


def test_what_could_not_be_computed_is_told_with_the_reason(make_model):
    model = denoised(make_model(Scaled()), Gate())
    alone = evaluate([frame(truth=False)], model).summarise().to_json()
    assert set(alone["not_computed"]) == {"accuracy", "obstacles", "temporal"}
    assert alone["over_distance"] is None and "published" not in alone["methods"]["raw"]
    assert "in 1 of 1 frames the camera's pose is unknown" in alone["not_computed"]["obstacles"]
    still = [frame(str(k), truth=False) for k in range(10)]
    known = CameraSetup(pose=CameraPose(0.5, 0.0), planes=(Roi(10, 10, 60, 40),), wall_mm=1990)
    result = evaluate(still, model, setup=known).summarise().to_json()
    assert set(result["not_computed"]) == {"accuracy"}
    raw = result["methods"]["raw"]
    # One still image again and again trembles by nothing; the wall is 10 mm farther than 1,990.
    assert raw["temporal"]["still_frames"] == 10 and raw["temporal"]["temporal_noise_pct"] == 0
    assert raw["alone"]["z_accuracy_pct"] == pytest.approx(0.5, abs=0.03)
    assert raw["obstacles"]["marked_cells"] > 0 and raw["obstacles"]["frames"] == 10


def test_each_metric_counts_the_frames_that_it_is_measured_on():
    """Cells can be counted without ground truth, but not called missed."""
    frames = [frame(f"{k}", truth=k < 2) for k in range(5)]
    summary = evaluate(frames, {}, setup=CameraSetup(pose=CameraPose(0.5, 0.0))).summarise()
    raw = summary.methods["raw"]
    assert raw.obstacles.frames == 5
    for block, metric, count in (
        (raw.obstacles, ObstacleCells.marked_cells, 5),
        (raw.obstacles, ObstacleCells.missed_cells, 2),
        (raw.published, Accuracy.mae_mm, 2),
        (raw.published, Accuracy.thin_recall_pct, 0),  # nothing is thin
    ):
        assert summary.count_frames(block, metric) == count


@pytest.mark.parametrize("depth, said", [
    (lambda f: f.depth_mm[:10], r"method 'x' must have its camera's shape \(64, 96\), got \(10"),
    (lambda f: None, "method 'x' must be a NumPy array of shape .*, got a NoneType"),
])  # fmt: skip
def test_a_method_that_returns_no_image_of_the_frame_is_named(depth, said):
    depth_mm, infrared = noisy_wall(96, 64)
    with pytest.raises(ImageSizeError, match=f"frame a: depth of {said}"):
        evaluate([Frame("a", camera(96, 64), depth_mm, infrared)], {"x": depth})


def test_ground_truth_of_another_size_is_named():
    depth_mm, infrared = noisy_wall(96, 64)
    frame = Frame("a", camera(96, 64), depth_mm, infrared, depth_mm[:10])
    with pytest.raises(ImageSizeError, match="frame a: ground truth must have its camera's shape"):
        evaluate([frame], {})


def test_a_long_recording_is_sampled_in_runs():
    for count, most, expected in ((9000, 400, 400), (401, 400, 400), (100, 30, 30), (50, 60, 50)):
        chosen = list(sample_frames(range(count), count, most))
        assert len(chosen) == expected and chosen == sorted(set(chosen))
        steps = np.diff(chosen)
        assert (steps == 1).sum() >= len(chosen) - max(most // 40, 1)
    assert list(sample_frames(iter(range(9)), None, 4)) == [0, 1, 2, 3]
    assert max(sample_frames(range(9000), 9000, 400)) > 8000


def test_the_report_shows_the_best_the_worst_and_the_first():
    selection = FrameSelection()
    for name, depth_mm in (("a", 2100), ("b", 2000), ("c", 2500), ("d", 2200)):
        shown = frame(name)
        selection.add(shown, np.full_like(shown.depth_mm, depth_mm))
    names = [selected.frame.name for selected in selection.frames()]
    assert names == ["b (helps most)", "c (helps least)", "a (first)"]
    alone = FrameSelection()
    alone.add(frame(truth=False), frame().depth_mm)
    assert [s.frame.name for s in alone.frames()] == ["a (changes most, changes least, first)"]


def test_a_frame_that_lost_all_its_depth_is_not_helped():
    selection = FrameSelection()
    for name, depth_mm in (("a", 2001), ("b", 0), ("c", 2100)):
        shown = frame(name)
        selection.add(shown, np.full_like(shown.depth_mm, depth_mm))
    names = [selected.frame.name for selected in selection.frames()]
    assert names == ["a (helps most, first)", "b (helps least)"]


def test_the_report_names_frames_by_index_and_time():
    """Of a sample too, the index is that of the recording."""
    stamped = [replace(frame(str(10**18 + k)), stamp_ns=10**18 + 33_000_000 * k) for k in range(50)]
    for recording, expected in (
        (stamped, "Frame 45, 1.49 s (changes most"),
        ([frame(f"room_{k}", truth=False) for k in range(50)], "Frame 45, room_45 (changes most"),
    ):
        selection = FrameSelection()
        recording = [replace(f, ground_truth_mm=None) for f in recording]
        labelled = list(selection.label(recording))
        for shown in (labelled[0], labelled[45]):
            selection.add(shown, shown.depth_mm + np.uint16(100 * (shown is labelled[45])))
        names = [shown.frame.name for shown in selection.frames()]
        assert any(name.startswith(expected) for name in names), names


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (424, 240), (2544, 1440)])
def test_a_resampled_image_stays_where_its_camera_says(size):
    """At every column and row both depth and infrared come from the ray of the new camera."""
    width, height = size
    slope = np.add.outer(np.arange(height) / 16, np.arange(width) / 8)
    native = Frame("n", camera(width, height), 1000 + slope * 16, slope.astype(np.float32))
    small = resample_frame(native, 848, 480)
    assert small.depth_mm.shape == small.infrared.shape == (480, 848)
    x, y = (np.asarray(a) for a in (np.arange(848), np.arange(480)))
    column = (x - small.camera.cx) / small.camera.fx * native.camera.fx + native.camera.cx
    row = (y - small.camera.cy) / small.camera.fy * native.camera.fy + native.camera.cy
    expected = np.add.outer(row / 16, column / 8)
    for image in ((small.depth_mm - 1000) / 16, small.infrared):
        off = (image - expected)[8:-8, 8:-8]
        assert abs(off.mean(axis=0)).mean() < 0.13 and abs(off.mean()) < 0.005
    assert set(np.unique(small.depth_mm)) <= set(np.unique(native.depth_mm))


def test_resampling_1280x720_to_848x480_is_two_thirds():
    native = camera(1280, 720, fx=900.0)
    depth = np.full((720, 1280), 1000, np.uint16)
    assert resample_frame(Frame("n", native, depth, None), 848, 480).camera.fx == pytest.approx(600)


@pytest.mark.parametrize("truth", [True, False])
def test_the_picture_has_a_panel_for_each(truth):
    f = frame(truth=truth)
    sheet = draw_before_after(f.infrared, f.depth_mm, f.depth_mm, f.ground_truth_mm)
    assert sheet.dtype == np.uint8 and sheet.shape[1] == 3 * 96 + 2 * 6
    assert sheet.shape[0] == (2 * (64 + 28) + 6 if truth else 64 + 28)


@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"no real frames in {REAL_DATA}")
def test_the_shipped_model_helps_on_real_frames():
    """Bars of the default setting that are reached; docs/results.md has them all."""
    result = evaluate(open_recording(REAL_DATA), denoised(Model.load(), Gate()), (848, 480))
    methods = result.summarise().to_json()["methods"]
    blocks, raw = methods["denoised"], methods["raw"]["published"]
    same, same_raw, published = (blocks[name] for name in ("same", "same_raw", "published"))
    for key, most in (
        ("mae_mm", 0.97), ("med_rel_pct", 0.9), ("interior_mae_px", 0.9), ("ripple_px", 0.68)
    ):  # fmt: skip
        assert same[key] <= most * same_raw[key], key
    for key, most in (
        ("mae_mm", 0.8), ("false_free_pct", 0.9), ("bad5_pct", 0.9), ("gross_pct", 0.8)
    ):  # fmt: skip
        assert published[key] <= most * raw[key], key
    assert published["thin_recall_pct"] >= 0.94 * raw["thin_recall_pct"]
    assert published["fill_pct"] >= raw["fill_pct"] - 1
    ranking = blocks["ranking"]
    assert ranking["rmse_at_90_mm"] <= 0.6 * ranking["rmse_at_100_mm"]
