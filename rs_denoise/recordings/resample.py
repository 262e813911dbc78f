"""Resamples frames to the resolution of another profile of the same camera."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from rs_denoise.recordings.frame import Frame


def resample_frame(frame: Frame, width: int, height: int) -> Frame:
    """Crops a frame to the shape of width x height at the centre, and scales it.

    Depth and ground truth are sampled at the nearest pixel, because a mean of two surfaces would be
    neither; infrared is averaged over the area. Values stay in mm; fx scales with the image.
    """
    camera = frame.camera
    scale = max(width / camera.width, height / camera.height)
    cropped = round(width / scale), round(height / scale)
    left, top = (camera.width - cropped[0]) // 2, (camera.height - cropped[1]) // 2

    def fit(image: np.ndarray | None, how: int) -> np.ndarray | None:
        if image is None:
            return None
        part = image[top : top + cropped[1], left : left + cropped[0]]
        return cv2.resize(part, (width, height), interpolation=how)

    # INTER_NEAREST would shift the image by up to half a pixel against INTER_AREA and the camera.
    depth = fit(frame.depth_mm, cv2.INTER_NEAREST_EXACT)
    assert depth is not None
    # OpenCV does not resize bool.
    marked = None if frame.out_of_range is None else frame.out_of_range.astype(np.uint8)
    out_of_range = fit(marked, cv2.INTER_NEAREST_EXACT)
    return replace(
        frame,
        camera=camera.cropped(left, top, *cropped).scaled(width, height),
        depth_mm=depth,
        infrared=fit(frame.infrared, cv2.INTER_AREA),
        infrared_right=fit(frame.infrared_right, cv2.INTER_AREA),
        ground_truth_mm=fit(frame.ground_truth_mm, cv2.INTER_NEAREST_EXACT),
        out_of_range=None if out_of_range is None else out_of_range.astype(bool),
    )
