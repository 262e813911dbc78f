"""What is measured on a recording, and the notes about it."""

from dataclasses import replace
from pathlib import Path

import pytest
from recordings.bags.example_bags import Ros, cut, driver

from rs_denoise.evaluation.recording_evaluator import (
    EvaluationSettings,
    MethodNameError,
    RecordingEvaluator,
)
from rs_denoise.model import save
from rs_denoise.recording_denoiser import DenoiseSettings, RecordingDenoiser
from rs_denoise.recordings.folders.frame_folder import write_frame
from rs_denoise.recordings.frame import Frame
from rs_denoise.synthetic_frame import synthetic_frame, typical_camera
from scenes import Matched, camera, kind_fields, manifest, noisy_wall


def evaluate(path, model, **settings):
    return RecordingEvaluator(EvaluationSettings(model, "cpu", **settings)).evaluate(path)


@pytest.mark.parametrize("share, noted", [(1.0, False), (0.8, True)])
def test_if_only_the_first_frames_are_measured_it_is_said(tmp_path, good, share, noted):
    """A bag that was cut off has no index that says how many frames there are."""
    whole = Ros(1).write(tmp_path / "whole.bag", driver(Ros(1), 6))
    path = cut(whole, share, tmp_path / "a.bag")
    summary = evaluate(path, good, max_frames=3)
    assert summary.all_frames == 3
    said = [note for note in summary.notes if note.startswith("only the first 3 frames are")]
    assert len(said) == noted
    if noted:
        assert not any("only the first" in note for note in evaluate(path, good).notes)


@pytest.mark.parametrize("with_right, found", [({1, 2}, True), (set(), False)])
def test_a_lost_right_infrared_does_not_hide_the_others(tmp_path, with_right, found):
    model = tmp_path / "stereo.pt"
    save(Matched(), manifest(**kind_fields("laplace-stereo")), model)
    depth, infrared = noisy_wall(96, 64)
    frame = Frame("", camera(96, 64), depth, infrared, infrared_right=255 - infrared)
    for k in range(3):
        shown = frame if k in with_right else replace(frame, infrared_right=None)
        write_frame(tmp_path / "frames" / f"{k}", shown)
    summary = evaluate(tmp_path / "frames", model)
    assert ("denoised_left_only" in summary.methods) == found


def test_right_infrared_that_does_not_belong_to_depth_is_counted(tmp_path):
    model = tmp_path / "stereo.pt"
    save(Matched(), manifest(**kind_fields("laplace-stereo")), model)
    camera_ = typical_camera(320, 240)
    depth, left, right = synthetic_frame(camera_)
    for k, pair in enumerate([(left, right), (right, left)]):
        frame = Frame("", camera_, depth, pair[0], infrared_right=pair[1])
        write_frame(tmp_path / "frames" / f"{k}", frame)
    summary = evaluate(tmp_path / "frames", model)
    skipped = summary.skipped
    assert summary.right_rejected == 1
    assert "infra1 and infra2 swapped" in skipped["right infrared of 1 of 2 denoised frames"]
    denoiser = RecordingDenoiser(DenoiseSettings(model, "cpu"))
    done = denoiser.denoise(tmp_path / "frames", tmp_path / "out")
    assert done.skipped == skipped


@pytest.mark.parametrize(
    "beside, name",
    [
        (("a/mine.pt", "b/mine.pt"), "mine"),
        (("raw.pt",), "raw"),
        (("denoised_left_only.pt",), "denoised_left_only"),
        (("cv_median.pt",), "cv_median"),
    ],
)
def test_a_model_does_not_replace_another_method_of_its_name(beside, name):
    with pytest.raises(MethodNameError, match=f"another method named {name}; rename the file"):
        EvaluationSettings(beside=tuple(map(Path, beside)))
