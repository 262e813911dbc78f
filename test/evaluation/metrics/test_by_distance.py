import numpy as np
import pytest

from rs_denoise.evaluation.metrics.accuracy import measure_accuracy
from rs_denoise.evaluation.metrics.by_distance import (
    EDGES_MM,
    DistanceErrors,
    ErrorByDistance,
    sum_by_distance,
)
from rs_denoise.evaluation.metrics.ground_truth import GroundTruth


def image(*pixels):
    return np.array([pixels], np.uint16)


def test_each_pixel_falls_into_the_bin_of_its_true_distance():
    distance = ErrorByDistance()
    # Of the bin from 1000 mm: 0, 40 and 100 mm off, the last more than 5 %; 1250 is the next bin's.
    distance.add(
        "raw", sum_by_distance(image(1000, 1140, 1000, 1300), image(1000, 1100, 1100, 1250))
    )
    found = distance.results()
    raw, at = found.methods["raw"], found.edges_mm.index(1000)
    assert found.edges_mm[:3] == [0, 250, 500] and found.edges_mm[-1] == 6000
    assert (raw.pixels[at], raw.pixels[at + 1]) == (3, 1) and sum(raw.pixels) == 4
    assert raw.mae_mm[at] == pytest.approx(140 / 3, abs=1e-4)
    assert raw.bad5_pct[at] == pytest.approx(100 / 3, abs=1e-4)
    assert (raw.mae_mm[at + 1], raw.bad5_pct[at + 1]) == (50, 0)


def test_a_bin_without_pixels_has_no_errors():
    distance = ErrorByDistance()
    # Invalid, unknown, too far to count.
    distance.add("raw", sum_by_distance(image(0, 2000, 6000), image(2000, 0, 6000)))
    raw = distance.results().methods["raw"]
    assert sum(raw.pixels) == 0
    assert set(raw.mae_mm) == set(raw.bad5_pct) == {None}


def test_frames_add_up_and_methods_are_kept_apart():
    distance = ErrorByDistance()
    distance.add("raw", sum_by_distance(image(1010), image(1000)))
    distance.add("raw", sum_by_distance(image(1030, 1050), image(1000, 1000)))
    distance.add("denoised", sum_by_distance(image(1001), image(1000)))
    methods = distance.results().methods
    at = EDGES_MM.index(1000)
    assert (methods["raw"].pixels[at], methods["raw"].mae_mm[at]) == (3, 30)
    assert (methods["denoised"].pixels[at], methods["denoised"].mae_mm[at]) == (1, 1)


def test_no_method_gives_no_errors():
    assert ErrorByDistance().results() == DistanceErrors(list(EDGES_MM), {})


def test_over_all_distances_it_is_the_accuracy_of_the_frame(sample_frame):
    truth, scale = sample_frame.ground_truth_mm, sample_frame.camera.disparity_scale_px_mm
    distance = ErrorByDistance()
    distance.add("raw", sum_by_distance(sample_frame.depth_mm, truth))
    raw = distance.results().methods["raw"]
    weights = np.array(raw.pixels)
    whole = measure_accuracy(sample_frame.depth_mm, GroundTruth.of(truth, scale), scale)
    for metric in ("mae_mm", "bad5_pct"):
        values = np.array([value or 0.0 for value in getattr(raw, metric)])
        mean = (weights * values).sum() / weights.sum()
        assert mean == pytest.approx(getattr(whole, metric), rel=1e-4), metric
