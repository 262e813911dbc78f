"""Selects the frames that the report shows: the most and least improved, and the first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from rs_denoise.evaluation.metrics.ground_truth import MAX_SCORED_MM
from rs_denoise.evaluation.report.report_frame import ReportFrame
from rs_denoise.recordings.frame import Frame


class FrameSelection:
    """Keeps up to five frames of a recording that is read once.

    Frames with ground truth are ranked by how much their mean error over the published pixels
    falls, frames without by how much of them changes.

    Args:
        uses_right_infrared: whether the network does, where a frame has it.
    """

    def __init__(self, uses_right_infrared: bool = False) -> None:
        self._uses_right_infrared = uses_right_infrared
        self._kept: dict[str, tuple[float, ReportFrame]] = {}
        self._labels: dict[str, str] = {}

    def label(self, recording: Iterable[Frame]) -> Iterator[Frame]:
        """Passes on the frames of a recording and stores a label for each.

        The label is the index, which other commands accept, and the time since the first frame or,
        without a time, the frame's name.
        """
        start_ns = None
        for index, frame in enumerate(recording):
            if frame.stamp_ns is None:
                self._labels[frame.name] = f"Frame {index}, {frame.name}"
            else:
                start_ns = frame.stamp_ns if start_ns is None else start_ns
                seconds = (frame.stamp_ns - start_ns) / 1e9
                self._labels[frame.name] = f"Frame {index}, {seconds:.2f} s"
            yield frame

    def add(
        self, frame: Frame, denoised_mm: np.ndarray, confidence: np.ndarray | None = None
    ) -> None:
        """Keeps the frame if it is among the most or least improved so far.

        Args:
            frame: as recorded.
            denoised_mm: [H, W] uint16, 0 = invalid.
            confidence: [H, W] float 0..1, or None.
        """
        gain = _gain_mm(frame, denoised_mm)
        most, least = (
            ("helps most", "helps least")
            if frame.ground_truth_mm is not None
            else ("changes most", "changes least")
        )
        shown = ReportFrame(frame, denoised_mm, confidence, self._uses_right_infrared)
        self._kept.setdefault("first", (gain, shown))
        if most not in self._kept or gain > self._kept[most][0]:
            self._kept[most] = gain, shown
        if least not in self._kept or gain < self._kept[least][0]:
            self._kept[least] = gain, shown

    def frames(self) -> list[ReportFrame]:
        """The selected frames, each once and with the reason; those with ground truth first."""
        order = ("helps most", "helps least", "changes most", "changes least", "first")
        reasons: dict[int, tuple[ReportFrame, list[str]]] = {}
        for reason in order:
            if reason in self._kept:
                shown = self._kept[reason][1]
                reasons.setdefault(id(shown.frame), (shown, []))[1].append(reason)
        return [self._rename(shown, ", ".join(why)) for shown, why in reasons.values()]

    def _rename(self, shown: ReportFrame, reason: str) -> ReportFrame:
        label = self._labels.get(shown.frame.name, shown.frame.name)
        return replace(shown, frame=replace(shown.frame, name=f"{label} ({reason})"))


def _gain_mm(frame: Frame, denoised_mm: np.ndarray) -> float:
    before, after = frame.depth_mm.astype(np.float32), denoised_mm.astype(np.float32)
    truth = frame.ground_truth_mm
    if truth is not None:
        known = (truth > 0) & (truth < MAX_SCORED_MM)
        errors_before = np.abs(before - truth)[known & (before > 0)]
        errors_after = np.abs(after - truth)[known & (after > 0)]
        if errors_before.size and not errors_after.size:
            return -math.inf  # no error, but no depth either
        return _mean(errors_before) - _mean(errors_after)
    both = (before > 0) & (after > 0)
    dropped = np.count_nonzero((before > 0) & (after == 0)) / before.size
    return _mean(np.abs(before - after)[both]) + 1000 * dropped


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0
