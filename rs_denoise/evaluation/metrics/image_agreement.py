"""Whether the infrared images confirm a gross error or the ground truth.

Ground truth has errors of its own: a laser scan is taken from another place and at another time.
Where both images agree better with the depth than with the ground truth, the error may be the
ground truth's, or the images may be misleading: dark, repetitive, or hidden from one of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rs_denoise.depth import to_disparity_px
from rs_denoise.evaluation.metrics.averages import percentage
from rs_denoise.evaluation.metrics.blocks import ImageAgreement
from rs_denoise.evaluation.metrics.gross_errors import find_gross_errors
from rs_denoise.evaluation.metrics.ground_truth import OUTLIER_FRACTION, GroundTruth
from rs_denoise.recordings.frame import Frame

# Agreement is 0 to 1; a smaller difference is not significant.
MIN_DIFFERENCE = 0.05


def measure_image_agreement(
    frame: Frame, depths_mm: Mapping[str, np.ndarray], truth: GroundTruth
) -> dict[str, ImageAgreement]:
    """Compares depth and ground truth with the images; empty without a pair of them.

    It looks at every second pixel of every second row.

    Args:
        frame: the images, and the camera that took them.
        depths_mm: each method's depth, [H, W] uint16 or float, 0 = invalid.
        truth: of the same size.

    Returns:
        The agreement of each method, by name.
    """
    if not frame.has_infrared_pair:
        return {}
    assert frame.infrared is not None and frame.infrared_right is not None
    scale = frame.camera.disparity_scale_px_mm
    disparities_px = [to_disparity_px(depth_mm, scale) for depth_mm in depths_mm.values()]
    of_truth, *of_depths = _agreement(
        frame.infrared, frame.infrared_right, truth.disparity_px, *disparities_px
    )
    return {
        name: _compare_at_gross_errors(depth_mm, truth, of_depth, of_truth)
        for (name, depth_mm), of_depth in zip(depths_mm.items(), of_depths, strict=True)
    }


def _compare_at_gross_errors(
    depth_mm: np.ndarray, truth: GroundTruth, of_depth: np.ndarray, of_truth: np.ndarray
) -> ImageAgreement:
    from rs_denoise.matching import STRIDE

    error_mm = np.abs(depth_mm - truth.depth_mm)
    outlier = truth.known & (depth_mm > 0) & (error_mm > OUTLIER_FRACTION * truth.depth_mm)
    gross = find_gross_errors(depth_mm, truth, outlier)
    rows, columns = gross.rows // STRIDE, gross.columns // STRIDE
    sampled = (gross.rows % STRIDE == 0) & (gross.columns % STRIDE == 0)
    sampled &= (rows < of_depth.shape[0]) & (columns < of_depth.shape[1])
    rows, columns = rows[sampled], columns[sampled]
    difference = of_depth[rows, columns] - of_truth[rows, columns]
    return ImageAgreement(
        gross_confirmed_pct=percentage(difference > MIN_DIFFERENCE, np.ones_like(difference)),
        gross_refuted_pct=percentage(difference < -MIN_DIFFERENCE, np.ones_like(difference)),
    )


def _agreement(
    left: np.ndarray, right: np.ndarray, *disparities_px: np.ndarray
) -> tuple[np.ndarray, ...]:
    """How well the images agree at each disparity: [H // 2, W // 2], 0 to 1."""
    import torch

    from rs_denoise.matching import STRIDE, agreement_in_windows

    height, width = (side - side % STRIDE for side in left.shape)
    pair = [torch.from_numpy(i[None, None, :height, :width].astype("f4")) for i in (left, right)]
    candidates_px = np.stack([d[:height:STRIDE, :width:STRIDE] for d in disparities_px])[None]
    agreement = agreement_in_windows(pair[0], pair[1], torch.from_numpy(candidates_px.astype("f4")))
    return tuple(agreement[0].numpy())
