"""Statistics of infrared pairs that matter to a stereo matcher, for real and simulated ones."""

from __future__ import annotations

import cv2
import numpy as np

from rs_denoise.evaluation.metrics.averages import mean, median

COST_WINDOWS_PX = (3, 5, 9)
CONTRAST_WINDOW_PX = 5
TEXTURE_WINDOW_PX = 31
TEXTURE_LAGS = (1, 2, 4)


def image_statistics(
    left: np.ndarray, right: np.ndarray, disparity_px: np.ndarray, where: np.ndarray
) -> dict[str, float]:
    """Measures the similarity of the images of a rectified pair, and their texture.

    Args:
        left, right: [H, W] uint8 infrared.
        disparity_px: [H, W] float32, the true one of the left image.
        where: [H, W] bool; pixels whose disparity is known and that both imagers see.

    Returns:
        cost_3, cost_5, cost_9: medians over `where` of 1 - ZNCC, the zero-mean normalised
        cross-correlation over windows of 3, 5 and 9 px, between the left image and the right one
        warped by `disparity_px` (bilinear); local_contrast: median over `where` of standard
        deviation over mean in windows of 5 px; texture_1, texture_2, texture_4: autocorrelation
        along the rows, at 1, 2 and 4 px, of the left image minus its mean over 31 px; grey_median,
        grey_5, grey_95: percentiles of the left image.
    """
    left, right = left.astype(np.float32), right.astype(np.float32)
    rows, columns = np.mgrid[: left.shape[0], : left.shape[1]].astype(np.float32)
    warped = cv2.remap(right, columns - disparity_px.astype(np.float32), rows, cv2.INTER_LINEAR)
    result = {f"cost_{w}": median((1 - _zncc(left, warped, w))[where]) for w in COST_WINDOWS_PX}
    average = cv2.blur(left, (CONTRAST_WINDOW_PX, CONTRAST_WINDOW_PX))
    spread = np.sqrt(_covariance(left, left, CONTRAST_WINDOW_PX))
    result["local_contrast"] = median((spread / np.maximum(average, 1))[where])
    texture = left - cv2.blur(left, (TEXTURE_WINDOW_PX, TEXTURE_WINDOW_PX))
    power = mean(texture**2)
    for lag in TEXTURE_LAGS:
        product = mean(texture[:, lag:] * texture[:, :-lag])
        result[f"texture_{lag}"] = product / power if power > 0 else np.nan
    grey = np.percentile(left, [50, 5, 95])
    return result | {
        f"grey_{name}": float(v) for name, v in zip(("median", 5, 95), grey, strict=True)
    }


def _zncc(a: np.ndarray, b: np.ndarray, window: int) -> np.ndarray:
    power = _covariance(a, a, window) * _covariance(b, b, window)
    return _covariance(a, b, window, signed=True) / np.sqrt(np.maximum(power, 1e-6))


def _covariance(a: np.ndarray, b: np.ndarray, window: int, signed: bool = False) -> np.ndarray:
    """Covariance in windows; a variance is clipped at 0 against rounding errors."""
    size = (window, window)
    found = cv2.blur(a * b, size) - cv2.blur(a, size) * cv2.blur(b, size)
    return found if signed else np.maximum(found, 0)
