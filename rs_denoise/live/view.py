"""The live view: depth before and after, with rates and times."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import fmean, median

import cv2
import numpy as np

from rs_denoise.drawing.picture import colour_depth

# Frames over which statistics are averaged: at 30 Hz, two seconds.
WINDOW = 60
# The colour range moves by this fraction towards each frame's own range, so that colours follow the
# scene without flickering.
FOLLOW = 0.1
PANEL_WIDTH, GAP, LINE_HEIGHT = 848, 6, 26
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True)
class Statistics:
    """Statistics of the latest frames.

    Attributes:
        in_hz, out_hz: rate of the camera's frames, and of the denoised ones.
        received, dropped: frames since the start, and how many of them were not denoised.
        p50_ms: median time of denoising, from array to array.
        fill_pct, denoised_fill_pct: valid pixels, before and after.
        right_rejected: whether the latest right infrared image could not be used.
    """

    in_hz: float
    out_hz: float
    received: int
    dropped: int
    p50_ms: float
    fill_pct: float
    denoised_fill_pct: float
    right_rejected: bool = False

    def lines(self) -> list[str]:
        """The statistics as text."""
        percent = 100 * self.dropped / max(self.received, 1)
        rejected = "   right infrared does not match, not used" if self.right_rejected else ""
        return [
            f"in {self.in_hz:4.1f} Hz   out {self.out_hz:4.1f} Hz   "
            f"dropped {self.dropped} of {self.received} ({percent:.0f} %)",
            f"denoising {self.p50_ms:5.1f} ms (p50)   "
            f"valid {self.fill_pct:4.1f} -> {self.denoised_fill_pct:4.1f} %{rejected}",
        ]


class Meter:
    """Averages statistics over the latest frames."""

    def __init__(self) -> None:
        self._latest: deque[tuple[float, float, float, float]] = deque(maxlen=WINDOW)

    def add(
        self, now_s: float, took_ms: float, raw_mm: np.ndarray, denoised_mm: np.ndarray
    ) -> None:
        """Adds a denoised frame.

        Args:
            now_s: of a monotonic clock.
            took_ms: time that denoising took.
            raw_mm, denoised_mm: [H, W], 0 = invalid.
        """
        fill, denoised_fill = (100 * float((image > 0).mean()) for image in (raw_mm, denoised_mm))
        self._latest.append((now_s, took_ms, fill, denoised_fill))

    def statistics(
        self, in_hz: float, received: int, dropped: int, right_rejected: bool = False
    ) -> Statistics:
        """The statistics, with those of the stream; at least one frame must have been added."""
        now, took, fills, denoised_fills = zip(*self._latest, strict=True)
        return Statistics(
            in_hz=in_hz,
            out_hz=(len(now) - 1) / max(now[-1] - now[0], 1e-3),
            received=received,
            dropped=dropped,
            p50_ms=median(took),
            fill_pct=fmean(fills),
            denoised_fill_pct=fmean(denoised_fills),
            right_rejected=right_rejected,
        )


class ColourRange:
    """The nearest and farthest depth of the colour scale, which follow the scene."""

    def __init__(self) -> None:
        self._range_mm: np.ndarray | None = None

    def update(self, depth_mm: np.ndarray) -> tuple[float, float]:
        """Near and far in mm for this frame, [H, W] mm, 0 = invalid."""
        sample = depth_mm[::4, ::4]
        valid = sample[sample > 0]
        found = np.percentile(valid, [1, 97]) if valid.size else np.array([500.0, 5000.0])
        if self._range_mm is None:
            self._range_mm = found
        self._range_mm = self._range_mm + FOLLOW * (found - self._range_mm)
        near, far = (float(value) for value in self._range_mm)
        return near, max(far, 1.1 * near)


def draw_view(
    raw_mm: np.ndarray, denoised_mm: np.ndarray, statistics: Statistics,
    range_mm: tuple[float, float], blink: bool = False,
) -> np.ndarray:  # fmt: skip
    """Draws raw and denoised depth side by side, and the statistics below; [H, W, 3] uint8 BGR.

    Args:
        raw_mm, denoised_mm: [H, W] of one size, 0 = invalid.
        statistics: what is written below.
        range_mm: nearest and farthest depth of the colours.
        blink: shows raw depth in both places; switching it makes the changes visible.
    """
    right = raw_mm if blink else denoised_mm
    panels = [
        _panel(raw_mm, "camera", range_mm),
        _panel(right, "camera (space: denoised)" if blink else "denoised", range_mm),
    ]
    gap = np.full((panels[0].shape[0], GAP, 3), 255, np.uint8)
    picture = np.hstack([panels[0], gap, panels[1]])
    near, far = (mm / 1000 for mm in range_mm)
    lines = [*statistics.lines(), f"red {near:.1f} m, blue {far:.1f} m, grey invalid"]
    return np.vstack([picture, *(_line(text, picture.shape[1]) for text in lines)])


def _panel(depth_mm: np.ndarray, title: str, range_mm: tuple[float, float]) -> np.ndarray:
    picture = colour_depth(depth_mm, *range_mm)
    height, width = depth_mm.shape
    if width != PANEL_WIDTH:
        size = (PANEL_WIDTH, PANEL_WIDTH * height // width)
        # Depth has no values between an object and its background: colours are not mixed.
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST)
    return np.vstack([_line(title, PANEL_WIDTH), picture])


def _line(text: str, width: int) -> np.ndarray:
    line = np.full((LINE_HEIGHT, width, 3), 255, np.uint8)
    cv2.putText(line, text, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.55, BLACK, 1, cv2.LINE_AA)
    return line
