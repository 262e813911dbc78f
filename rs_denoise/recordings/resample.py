"""Resamples frames to the resolution of another profile of the same camera."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from rs_denoise.recordings.frame import Frame


def resample_frame(frame: Frame, width: int, height: int) -> Frame:
    """Scales a frame to cover width x height and crops it at the centre.

    Depth and ground truth are sampled at the nearest pixel, because a mean of two surfaces would be
    neither; infrared is averaged over the area. Values stay in mm; fx scales with the image.
    """
    camera = frame.camera
    scale = max(width / camera.width, height / camera.height)
    scaled = round(camera.width * scale), round(camera.height * scale)
    left, top = (scaled[0] - width) // 2, (scaled[1] - height) // 2

    def fit(image: np.ndarray | None, how: int) -> np.ndarray | None:
        if image is None:
            return None
        return cv2.resize(image, scaled, interpolation=how)[top : top + height, left : left + width]

    depth = fit(frame.depth_mm, cv2.INTER_NEAREST)
    assert depth is not None
    return replace(
        frame,
        camera=camera.resampled(scale, left, top, width, height),
        depth_mm=depth,
        infrared=fit(frame.infrared, cv2.INTER_AREA),
        infrared_right=fit(frame.infrared_right, cv2.INTER_AREA),
        ground_truth_mm=fit(frame.ground_truth_mm, cv2.INTER_NEAREST),
    )
