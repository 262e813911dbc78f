import numpy as np
import pytest

from rs_denoise.evaluation.baselines import (
    LIBREALSENSE,
    Librealsense,
    bilateral_filter,
    median_filter,
)
from rs_denoise.recordings.frame import Frame
from scenes import camera

FLAT_MM, STEP_MM = 1500, 3000


def noisy_step():
    """A wall with a farther one beside it, 5 mm of noise, and one hole."""
    rng = np.random.default_rng(0)
    truth = np.full((120, 160), FLAT_MM)
    truth[:, 80:] = STEP_MM
    depth = (truth + rng.normal(0, 5, truth.shape)).round().astype(np.uint16)
    depth[50:54, 30:34] = 0
    return Frame("f", camera(160, 120), depth), truth


@pytest.mark.parametrize("method", [median_filter, bilateral_filter])
def test_opencv_smooths_and_leaves_holes_and_steps(method):
    frame, truth = noisy_step()
    result = method(frame)
    assert result.dtype == np.uint16 and ((result > 0) == (frame.depth_mm > 0)).all()
    flat = np.s_[10:40, 10:60]
    assert np.std(result[flat]) < 0.6 * np.std(frame.depth_mm[flat])
    assert np.abs(result[:, 90:].astype(int) - STEP_MM).max() < 50


@pytest.mark.parametrize("name", LIBREALSENSE)
def test_librealsense_runs_itself(name):
    pytest.importorskip("pyrealsense2", reason="pyrealsense2 or its libusb is not installed")
    frame, truth = noisy_step()
    method = Librealsense(LIBREALSENSE[name])
    first, second = method(frame), method(frame)
    np.testing.assert_array_equal(first, second)  # no memory from frame to frame
    flat = np.s_[10:40, 10:60]
    assert np.std(first[flat]) < 0.7 * np.std(frame.depth_mm[flat])
    assert abs(np.median(first[flat].astype(int)) - FLAT_MM) <= 2
    # The spatial filter alone fills a little along its way; hole filling fills all of it.
    if LIBREALSENSE[name].hole_filling is not None:
        assert (first[50:54, 30:34] > 0).all()
