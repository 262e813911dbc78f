import numpy as np
import pytest

from rs_denoise.recordings.frame import Frame
from rs_denoise.simulation.check import REAL, agrees, statistics
from scenes import camera

CAMERA = camera(848, 480, fx=600.0)
SCALE = CAMERA.disparity_scale_px_mm


def frame_with(error_px, truth_px=20.0):
    truth = np.full((480, 848), truth_px)
    depth_mm = np.round(SCALE / (truth + error_px)).astype(np.uint16)
    return Frame("f", CAMERA, depth_mm, ground_truth_mm=np.round(SCALE / truth).astype(np.uint16))


def test_white_noise_has_its_sigma_and_no_correlation():
    noise = np.random.default_rng(0).normal(0.1, 0.25, (480, 848))
    found = statistics(frame_with(noise))
    assert found["sigma_px"] == pytest.approx(0.25, rel=0.03)
    assert found["bias_px"] == pytest.approx(0.1, abs=0.01)
    assert abs(found["autocorrelation_1"]) < 0.02


def test_a_slow_wave_is_correlated():
    wave = 0.3 * np.sin(2 * np.pi * np.arange(848) / 64) * np.ones((480, 1))
    found = statistics(frame_with(wave))
    # The autocorrelation of a sine is the cosine of the lag.
    for lag in (1, 4, 8, 16, 32):
        expected = np.cos(2 * np.pi * lag / 64)
        assert found[f"autocorrelation_{lag}"] == pytest.approx(expected, abs=0.05)


def test_holes_are_counted_where_they_are():
    frame = frame_with(np.zeros((480, 848)))
    frame.ground_truth_mm[:, 400:] //= 2
    frame.depth_mm[:, 400:] //= 2
    frame.depth_mm[:, 396:404] = 0  # at the edge
    frame.depth_mm[:240, :70] = 0  # half of the left band, which with the right one is 90 wide
    found = statistics(frame)
    assert found["holes_smooth_pct"] == 0
    assert found["holes_edge_pct"] == pytest.approx(100 * 8 / 16, abs=1)
    assert found["holes_band_pct"] == pytest.approx(100 * 35 / 90, abs=1)


def test_a_fattened_foreground_has_a_positive_sign():
    frame = frame_with(np.zeros((480, 848)), truth_px=10.0)
    near = np.round(SCALE / 12).astype(np.uint16)
    frame.ground_truth_mm[:, 400:] = near
    frame.depth_mm[:, 397:] = near
    assert statistics(frame)["rim_sign_px"] > 0.1


def test_truth_is_needed_and_tolerances_are_kept():
    with pytest.raises(ValueError, match="need ground truth"):
        statistics(Frame("f", CAMERA, np.ones((480, 848), np.uint16)))
    assert agrees("sigma_px", 1.4 * REAL["sigma_px"]) and not agrees("sigma_px", 0.3)
    assert agrees("autocorrelation_8", 0.54) and not agrees("autocorrelation_8", 0.56)
    assert agrees("cost_5", 0.084) and not agrees("cost_5", 0.086)
    assert agrees("gross_pct", 0.9) and not agrees("gross_pct", 1.0)
    assert agrees("bias_px", 9.0)  # only shown
