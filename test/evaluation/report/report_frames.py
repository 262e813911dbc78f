"""Small frames for a report, and their metrics."""

import numpy as np

from rs_denoise.evaluation.baselines import median_filter
from rs_denoise.evaluation.evaluate import evaluate
from rs_denoise.evaluation.report.report_frame import ReportFrame
from rs_denoise.recordings.frame import Frame
from scenes import camera, noisy_wall


def box_frame(name="box"):
    """A box before a wall, seen with noise and holes."""
    depth, infrared = noisy_wall(96, 64, 3000.0)
    truth = np.full_like(depth, 3000)
    box = np.s_[20:50, 30:60]
    depth[box], truth[box] = depth[box] // 2, 1500
    frame = Frame(name, camera(96, 64), depth, infrared, truth)
    confidence = np.where(depth > 0, 0.9, np.nan).astype(np.float32)
    return ReportFrame(frame, median_filter(frame), confidence)


def bare_frame(name="bare"):
    """Depth and nothing else."""
    depth, _ = noisy_wall(96, 64, 2000.0, seed=1)
    frame = Frame(name, camera(96, 64), depth)
    return ReportFrame(frame, median_filter(frame), None)


def summary_of(*frames):
    """What is really measured of these frames."""
    return evaluate([f.frame for f in frames], {"denoised": median_filter}).summarise()
