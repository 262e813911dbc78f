"""Depth, errors and infrared as pictures."""

from __future__ import annotations

import cv2
import numpy as np

from rs_denoise.recordings.frame import Frame

# Relative error that has the full colour.
FULL_SCALE = 0.1
_INVALID = (40, 40, 40)
_CAPTION_HEIGHT = 28
_GAP = 6
_SCALE_HEIGHT, _SCALE_MARGIN = 40, 30
_MIN_SCALE_WIDTH = 90


def colour_depth(depth_mm: np.ndarray, near_mm: float, far_mm: float) -> np.ndarray:
    """Colours depth, [H, W, 3] uint8 BGR: near is red, far is blue, invalid is dark grey.

    The colours are linear in disparity, so that equal steps have equal precision.
    """
    depth = np.maximum(depth_mm.astype(np.float32), 1.0)
    fraction = (1 / depth - 1 / far_mm) / (1 / near_mm - 1 / far_mm)
    levels = np.clip(30 + 215 * fraction, 30, 245).astype(np.uint8)
    picture = cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)
    picture[depth_mm <= 0] = _INVALID
    return picture


def colour_error(
    depth_mm: np.ndarray, truth_mm: np.ndarray, full_scale: float = FULL_SCALE
) -> np.ndarray:
    """Colours the relative error: white is none, red too near, blue too far, grey invalid.

    Args:
        depth_mm, truth_mm: [H, W], 0 = invalid or unknown.
        full_scale: relative error that has the full colour.

    Returns:
        [H, W, 3] uint8 BGR.
    """
    known = truth_mm > 0
    error = (depth_mm.astype(np.float32) - truth_mm) / np.maximum(truth_mm, 1)
    strength = np.clip(np.abs(error) / full_scale, 0, 1)
    fade = (255 * (1 - strength)).astype(np.uint8)
    full = np.full_like(fade, 255)
    near, far = np.dstack([fade, fade, full]), np.dstack([full, fade, fade])
    picture = np.where((error < 0)[..., None], near, far)
    picture[~known | (depth_mm <= 0)] = _INVALID
    return picture


def draw_depth(depth_mm: np.ndarray, near_mm: float, far_mm: float) -> np.ndarray:
    """Draws coloured depth above a scale in metres, [H + 40, W, 3] uint8 BGR.

    Images that are too narrow for a scale get none.
    """
    picture = colour_depth(depth_mm, near_mm, far_mm)
    if picture.shape[1] < _MIN_SCALE_WIDTH:
        return picture
    return np.vstack([picture, _draw_scale(picture.shape[1], near_mm, far_mm)])


def _draw_scale(width: int, near_mm: float, far_mm: float) -> np.ndarray:
    """The colours from near (left) to far, and the depth of some of them; linear in disparity."""
    scale = np.full((_SCALE_HEIGHT, width, 3), 255, np.uint8)
    left, right = _SCALE_MARGIN, width - _SCALE_MARGIN
    disparity = np.linspace(1 / near_mm, 1 / far_mm, right - left)
    scale[4:18, left:right] = colour_depth(1 / disparity[None], near_mm, far_mm)
    ticks = max(2, min(7, (right - left) // 90))
    for column in np.linspace(left, right - 1, ticks).round().astype(int):
        text = f"{1e-3 / disparity[column - left]:.2f} m"
        (text_width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
        at = (int(column) - text_width // 2, _SCALE_HEIGHT - 5)
        cv2.line(scale, (int(column), 18), (int(column), 22), (0, 0, 0))
        cv2.putText(scale, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return scale


def draw_before_after(
    infrared: np.ndarray | None, raw_mm: np.ndarray, denoised_mm: np.ndarray,
    truth_mm: np.ndarray | None,
) -> np.ndarray:  # fmt: skip
    """Draws infrared, raw and denoised depth; with ground truth, that and both errors too."""
    near, far = find_depth_range(truth_mm if truth_mm is not None else raw_mm)
    panels = [
        _add_caption(brighten_infrared(infrared, raw_mm.shape), "infrared (left)"),
        _add_caption(colour_depth(raw_mm, near, far), "depth from the camera"),
        _add_caption(colour_depth(denoised_mm, near, far), "denoised"),
    ]
    rows = [panels]
    if truth_mm is not None:
        rows.append(
            [
                _add_caption(colour_depth(truth_mm, near, far), "ground truth"),
                _add_caption(colour_error(raw_mm, truth_mm), "error of the camera, +-10 %"),
                _add_caption(
                    colour_error(denoised_mm, truth_mm), "error denoised: red near, blue far"
                ),
            ]
        )
    return _stack([_stack(row, axis=1) for row in rows], axis=0)


def draw_frames(frames: list[tuple[str, Frame]], width: int = 424) -> np.ndarray:
    """Draws a row for each captioned frame: infrared, depth, ground truth and error."""
    rows = []
    for caption, frame in frames:
        truth = frame.ground_truth_mm
        assert truth is not None
        near, far = find_depth_range(truth)
        panels = {
            f"{caption}: infrared": brighten_infrared(frame.infrared, truth.shape),
            "depth": colour_depth(frame.depth_mm, near, far),
            "ground truth": colour_depth(truth, near, far),
            "error, +-10 %: red near, blue far": colour_error(frame.depth_mm, truth),
        }
        size = (width, width * truth.shape[0] // truth.shape[1])
        row = [
            _add_caption(cv2.resize(panel, size, interpolation=cv2.INTER_AREA), text)
            for text, panel in panels.items()
        ]
        rows.append(_stack(row, axis=1))
    return _stack(rows, axis=0)


def brighten_infrared(infrared: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """Stretches infrared to the full range, [H, W, 3] uint8; black if there is none."""
    grey = np.zeros(shape, np.uint8) if infrared is None else infrared
    brightest = max(float(np.percentile(grey, 99)), 1.0)
    grey = np.clip(grey * (255.0 / brightest), 0, 255).astype(np.uint8)
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)


def find_depth_range(depth_mm: np.ndarray) -> tuple[float, float]:
    """Finds the nearest and farthest depth of the colour scale, without outliers."""
    valid = depth_mm[(depth_mm > 0) & (depth_mm < 65535)]
    near, far = np.percentile(valid, [1, 97]) if valid.size else (500.0, 5000.0)
    return float(near), max(float(far), near * 1.1)


def _add_caption(picture: np.ndarray, text: str) -> np.ndarray:
    caption = np.full((_CAPTION_HEIGHT, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(caption, text, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([caption, picture])


def _stack(pictures: list[np.ndarray], axis: int) -> np.ndarray:
    shape = list(pictures[0].shape)
    shape[axis] = _GAP
    gap = np.full(shape, 255, np.uint8)
    parts = [pictures[0]]
    for picture in pictures[1:]:
        parts += [gap, picture]
    return np.concatenate(parts, axis=axis)
