"""The live view: depth before and after, and how it is going."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

from rs_denoise.drawing.picture import colour_depth

# Figures are over so many frames: at 30 Hz, two seconds.
WINDOW = 60
# Of the way to a frame's own range a frame: colours follow the scene without flickering.
FOLLOW = 0.1
PANEL_WIDTH, GAP, LINE_HEIGHT = 848, 6, 26
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True)
class Figures:
    """What the view says of the latest frames.

    Attributes:
        in_hz, out_hz: frames of the camera, and of those denoised.
        received, dropped: frames since the start, and how many of them were too many.
        p50_ms: median time of denoising, from numpy to numpy.
        fill_pct, denoised_fill_pct: valid pixels.
    """

    in_hz: float
    out_hz: float
    received: int
    dropped: int
    p50_ms: float
    fill_pct: float
    denoised_fill_pct: float

    def lines(self) -> list[str]:
        """As text."""
        share = 100 * self.dropped / max(self.received, 1)
        return [
            f"in {self.in_hz:4.1f} Hz   out {self.out_hz:4.1f} Hz   "
            f"dropped {self.dropped} of {self.received} ({share:.0f} %)",
            f"denoising {self.p50_ms:5.1f} ms (p50)   "
            f"valid {self.fill_pct:4.1f} -> {self.denoised_fill_pct:4.1f} %",
        ]


class Meter:
    """Figures over the latest frames."""

    def __init__(self) -> None:
        self._latest: deque[tuple[float, float, float, float]] = deque(maxlen=WINDOW)

    def add(
        self, now_s: float, took_ms: float, raw_mm: np.ndarray, denoised_mm: np.ndarray
    ) -> None:
        """Takes a frame that was denoised.

        Args:
            now_s: of a monotonic clock.
            took_ms: denoising it.
            raw_mm, denoised_mm: [H, W], 0 = invalid.
        """
        fill, denoised_fill = (100 * float((image > 0).mean()) for image in (raw_mm, denoised_mm))
        self._latest.append((now_s, took_ms, fill, denoised_fill))

    def figures(self, in_hz: float, received: int, dropped: int) -> Figures:
        """Beside those of the stream; at least one frame must have been added."""
        now, took, fills, denoised_fills = zip(*self._latest, strict=True)
        return Figures(
            in_hz=in_hz,
            out_hz=(len(now) - 1) / max(now[-1] - now[0], 1e-3),
            received=received,
            dropped=dropped,
            p50_ms=statistics.median(took),
            fill_pct=statistics.fmean(fills),
            denoised_fill_pct=statistics.fmean(denoised_fills),
        )


class ColourRange:
    """The nearest and farthest depth that have colours of their own, following the scene."""

    def __init__(self) -> None:
        self._range_mm: np.ndarray | None = None

    def follow(self, depth_mm: np.ndarray) -> tuple[float, float]:
        """Near and far in mm for this frame, [H, W] mm, 0 = invalid."""
        sample = depth_mm[::4, ::4]
        seen = sample[sample > 0]
        found = np.percentile(seen, [1, 97]) if seen.size else np.array([500.0, 5000.0])
        if self._range_mm is None:
            self._range_mm = found
        self._range_mm = self._range_mm + FOLLOW * (found - self._range_mm)
        near, far = (float(value) for value in self._range_mm)
        return near, max(far, 1.1 * near)


def draw_view(
    raw_mm: np.ndarray, denoised_mm: np.ndarray, figures: Figures, range_mm: tuple[float, float],
    blink: bool = False,
) -> np.ndarray:  # fmt: skip
    """Raw beside denoised depth in the same colours, over the figures; [H, W, 3] uint8 BGR.

    Args:
        raw_mm, denoised_mm: [H, W] of one size, 0 = invalid.
        figures: written below.
        range_mm: nearest and farthest depth of the colours.
        blink: shows raw depth in the place of denoised depth too: what changes there when this is
            switched is what denoising does.
    """
    right = raw_mm if blink else denoised_mm
    panels = [
        _panel(raw_mm, "camera", range_mm),
        _panel(right, "camera (space: denoised)" if blink else "denoised", range_mm),
    ]
    gap = np.full((panels[0].shape[0], GAP, 3), 255, np.uint8)
    picture = np.hstack([panels[0], gap, panels[1]])
    near, far = (mm / 1000 for mm in range_mm)
    lines = [*figures.lines(), f"red {near:.1f} m, blue {far:.1f} m, grey invalid"]
    return np.vstack([picture, *(_line(text, picture.shape[1]) for text in lines)])


def _panel(depth_mm: np.ndarray, title: str, range_mm: tuple[float, float]) -> np.ndarray:
    picture = colour_depth(depth_mm, *range_mm)
    height, width = depth_mm.shape
    if width != PANEL_WIDTH:
        size = (PANEL_WIDTH, PANEL_WIDTH * height // width)
        # Depth has no values between a thing and its background: colours are not mixed.
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST)
    return np.vstack([_line(title, PANEL_WIDTH), picture])


def _line(text: str, width: int) -> np.ndarray:
    line = np.full((LINE_HEIGHT, width, 3), 255, np.uint8)
    cv2.putText(line, text, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.55, BLACK, 1, cv2.LINE_AA)
    return line
