"""Compares raw and denoised depth frame by frame, over comparable sets of pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from rs_denoise.evaluation.frame_metrics import CameraSetup, FrameMetrics, measure_frame
from rs_denoise.evaluation.metrics.blocks import TemporalNoise
from rs_denoise.evaluation.metrics.by_distance import ErrorByDistance
from rs_denoise.evaluation.metrics.metric import MetricBlock
from rs_denoise.evaluation.metrics.temporal import Temporal
from rs_denoise.evaluation.summary import BLOCKS, MethodMetrics, MethodSummary, Summary
from rs_denoise.gate import Gate
from rs_denoise.offline import (
    RAW,
    Method,
    OfflineDenoiser,
    explain_rejected,
    use_share_of_cores,
)
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.map_ahead import map_ahead
from rs_denoise.recordings.recording import FRAMES_AHEAD
from rs_denoise.recordings.resample import resample_frame

if TYPE_CHECKING:
    from rs_denoise.denoiser import Denoised

# Publishes every pixel regardless of its confidence, to measure confidence itself.
PUBLISH_ALL = Gate(min_confidence=0.0, fill_confidence=1.01, max_recession=math.inf)
NO_ESTIMATES: Mapping[str, Denoised] = MappingProxyType({})
# Called with each frame as it was measured, the methods' depths, and the networks' results before
# any gate.
OnFrame = Callable[[Frame, Mapping[str, np.ndarray], Mapping[str, "Denoised"]], None]


class Evaluation:
    """Averages the metrics of every method over frames; `MethodSummary` says over which pixels.

    Args:
        methods: their names; "raw" is always added.
        setup: what is known of the camera.

    Attributes:
        frames: names of the frames with ground truth.
        without_truth: names of the frames without.
        skipped: frames that could not be read, and images that were not used, with the reason.
        right_rejections: for each frame, why its right infrared was not used, or None.
    """

    def __init__(self, methods: Iterable[str], setup: CameraSetup = CameraSetup()) -> None:
        self.setup = setup
        self.frames: list[str] = []
        self.without_truth: list[str] = []
        self.skipped: dict[str, str] = {}
        self.right_rejections: list[str | None] = []
        self._measured: dict[str, list[MethodMetrics]] = {}
        self._temporal = Temporal(methods)
        self._by_distance = ErrorByDistance()
        self._pose_errors: list[str] = []

    def add(
        self, frame: Frame, depths_mm: Mapping[str, np.ndarray],
        ungated: Mapping[str, Denoised] = NO_ESTIMATES,
    ) -> None:  # fmt: skip
        """Measures the next frame.

        Args:
            frame: the camera's depth, with or without ground truth.
            depths_mm: each method's depth of it, [H, W] uint16 mm.
            ungated: by method, its network's result before any gate, for networks that predict
                their uncertainty. Only used with ground truth.
        """
        depths_mm = {RAW: frame.depth_mm} | dict(depths_mm)
        self.add_measured(frame, depths_mm, measure_frame(frame, depths_mm, ungated, self.setup))

    def add_measured(
        self, frame: Frame, depths_mm: Mapping[str, np.ndarray], metrics: FrameMetrics
    ) -> None:
        """Adds the next frame, whose metrics were measured elsewhere.

        Args:
            frame: the camera's depth, with or without ground truth.
            depths_mm: each method's depth of it, [H, W] uint16 mm, "raw" among them.
            metrics: as returned by `measure_frame`.
        """
        with_truth = frame.ground_truth_mm is not None
        (self.frames if with_truth else self.without_truth).append(frame.name)
        self._temporal.add(frame, dict(depths_mm))
        if metrics.pose_error is not None:
            self._pose_errors.append(metrics.pose_error)
        for name, measured in metrics.methods.items():
            self._measured.setdefault(name, []).append(measured)
        for name, sums in metrics.by_distance.items():
            self._by_distance.add(name, sums)

    def summarise(self) -> Summary:
        """Means over frames, rounded to four decimals."""
        temporal = self._temporal.results()
        methods = {name: _average(m, temporal[name]) for name, m in self._measured.items()}
        return Summary(
            frames=len(self.frames),
            frames_without_truth=len(self.without_truth),
            skipped=self.skipped,
            methods=methods,
            by_distance=self._by_distance.results() if self.frames else None,
            not_computed=self._explain_missing(methods.get(RAW)),
            right_rejected=sum(reason is not None for reason in self.right_rejections),
        )

    def _explain_missing(self, raw: MethodSummary | None) -> dict[str, str]:
        reasons = {}
        if not self.frames:
            reasons["accuracy"] = "no frame has ground truth"
        if self._pose_errors:
            total = len(self.frames) + len(self.without_truth)
            reasons["obstacles"] = (
                f"in {len(self._pose_errors)} of {total} frames the camera's pose is unknown: "
                f"{self._pose_errors[-1]}; give --camera-height and --camera-pitch"
            )
        if raw is not None and math.isnan(raw.no_reference.plane_rms_mm):
            reasons["planes"] = (
                "no flat surface was found in any frame; give --roi"
                if self.setup.planes is None
                else "no --roi is within the image and shows a plane"
            )
        if raw is not None and not raw.temporal.still_frames:
            reasons["temporal"] = "camera and scene never stood still for 10 frames"
        if self.frames and raw is not None and raw.images is None:
            reasons["images"] = "no frame with ground truth has both infrared images"
        return reasons


def evaluate(
    frames: Iterable[Frame],
    methods: Mapping[str, Method],
    size: tuple[int, int] | None = None,
    setup: CameraSetup = CameraSetup(),
    on_frame: OnFrame | None = None,
) -> Evaluation:
    """Measures raw depth and each method's, on frames with and without ground truth.

    Threads denoise and measure one frame each; methods other than `OfflineDenoiser` run in the
    caller's thread, one frame after the other.

    Args:
        frames: read one at a time, in their order.
        methods: by name, as listed in results.
        size: width and height to resample to first; None keeps the native size.
        setup: what is known of the camera.
        on_frame: follows the evaluation, in the frames' order.

    Raises:
        ValueError: a method is named "raw", as the camera's own depth is.
    """
    if RAW in methods:
        raise ValueError(f"'{RAW}' is the camera's own depth: give the method another name")
    denoisers = {n: m for n, m in methods.items() if isinstance(m, OfflineDenoiser)}
    confident = _find_confident_methods(denoisers)

    def prepare() -> Iterator[tuple[Frame, dict[str, np.ndarray]]]:
        for frame in frames:
            if size is not None:
                frame = resample_frame(frame, *size)
            yield frame, {n: m(frame) for n, m in methods.items() if n not in denoisers}

    def measure(work: tuple[Frame, dict[str, np.ndarray]]):
        frame, filtered = work
        depths_mm = {RAW: frame.depth_mm}
        for name, method in methods.items():
            depths_mm[name] = filtered[name] if name in filtered else method(frame)
        ungated = {name: denoiser.denoise(frame) for name, denoiser in confident.items()}
        return frame, depths_mm, ungated, measure_frame(frame, depths_mm, ungated, setup)

    result = Evaluation(methods, setup)
    measured = map_ahead(measure, prepare(), FRAMES_AHEAD, prepare=use_share_of_cores)
    for frame, depths_mm, ungated, metrics in measured:
        result.add_measured(frame, depths_mm, metrics)
        reasons = (answer.right_rejection for answer in ungated.values())
        result.right_rejections.append(next(filter(None, reasons), None))
        if on_frame is not None:
            on_frame(frame, depths_mm, ungated)
    result.skipped |= explain_rejected(result.right_rejections)
    return result


def _find_confident_methods(methods: dict[str, OfflineDenoiser]) -> dict[str, OfflineDenoiser]:
    """The first method of each network that predicts its uncertainty, without its gate."""
    found: dict[str, OfflineDenoiser] = {}
    for name, method in methods.items():
        if not method.model.predicts_uncertainty:
            continue
        if not any(method.shares_network_with(other) for other in found.values()):
            found[name] = method.with_gate(PUBLISH_ALL)
    return found


def _average(frames: list[MethodMetrics], temporal: TemporalNoise) -> MethodSummary:
    """The means over the frames of a method; each block over the frames that have it."""
    measured: dict[str, list[MetricBlock]] = {}
    for metrics in frames:
        for name, block in metrics.blocks().items():
            measured.setdefault(name, []).append(block)
    means = {name: BLOCKS[name].mean(blocks) for name, blocks in measured.items()}
    summary = MethodSummary.from_blocks({**means, "temporal": TemporalNoise.mean([temporal])})
    if summary.obstacles is None:
        return summary
    counted = replace(summary.obstacles, frames=len(measured["obstacles"]))
    return replace(summary, obstacles=counted)
