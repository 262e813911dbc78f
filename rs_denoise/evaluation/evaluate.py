"""Raw against denoised, frame by frame, over fair sets of pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from rs_denoise.evaluation.metrics.accuracy import measure_accuracy
from rs_denoise.evaluation.metrics.blocks import (
    Accuracy,
    ConfidenceQuality,
    NoReference,
    ObstacleCells,
    TemporalNoise,
)
from rs_denoise.evaluation.metrics.by_distance import ErrorByDistance
from rs_denoise.evaluation.metrics.confidence import (
    measure_confidence,
    select_most_confident,
)
from rs_denoise.evaluation.metrics.ground_truth import GroundTruth
from rs_denoise.evaluation.metrics.metric import Block
from rs_denoise.evaluation.metrics.no_reference import measure_without_reference
from rs_denoise.evaluation.metrics.obstacles import (
    Mount,
    MountError,
    ObstacleLayer,
    count_obstacle_cells,
    fit_mount,
)
from rs_denoise.evaluation.metrics.plane_search import find_planes
from rs_denoise.evaluation.metrics.planes import Roi
from rs_denoise.evaluation.metrics.temporal import Temporal
from rs_denoise.evaluation.summary import MethodSummary, Summary
from rs_denoise.gate import Gate
from rs_denoise.offline import RAW, Method, OfflineDenoiser
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.resample import resample_frame

if TYPE_CHECKING:
    from rs_denoise.denoiser import Denoised

# Publishes every pixel, whatever its confidence: confidence itself is measured.
PUBLISH_ALL = Gate(min_confidence=0.0, fill_confidence=1.01, max_recession=1.0)


@dataclass(frozen=True)
class CameraSetup:
    """What the user knows of the camera and its surroundings; the rest is found in each frame.

    Attributes:
        mount: where the camera is on the robot; None: it is fitted to the floor in view.
        layer: the obstacle layer that depth would go into.
        planes: rectangles that show flat surfaces; None: they are searched for.
        wall_mm: true distance of the first of `planes`, along the optical axis.
    """

    mount: Mount | None = None
    layer: ObstacleLayer = field(default_factory=ObstacleLayer)
    planes: tuple[Roi, ...] | None = None
    wall_mm: float | None = None


@dataclass
class _Measured:
    """The metrics of one method, a block a frame."""

    no_reference: list[NoReference] = field(default_factory=list)
    obstacles: list[ObstacleCells] = field(default_factory=list)
    published: list[Accuracy] = field(default_factory=list)
    same: list[Accuracy] = field(default_factory=list)
    same_raw: list[Accuracy] = field(default_factory=list)
    at_fill_97: list[Accuracy] = field(default_factory=list)
    at_fill_90: list[Accuracy] = field(default_factory=list)
    confidence: list[ConfidenceQuality] = field(default_factory=list)

    def summarise(self, temporal: TemporalNoise) -> MethodSummary:
        return MethodSummary(
            no_reference=NoReference.mean(self.no_reference),
            temporal=TemporalNoise.mean([temporal]),
            obstacles=self._summarise_obstacles(),
            published=_mean_or_none(self.published),
            same=_mean_or_none(self.same),
            same_raw=_mean_or_none(self.same_raw),
            at_fill_97=_mean_or_none(self.at_fill_97),
            at_fill_90=_mean_or_none(self.at_fill_90),
            confidence=_mean_or_none(self.confidence),
        )

    def _summarise_obstacles(self) -> ObstacleCells | None:
        cells = _mean_or_none(self.obstacles)
        return None if cells is None else replace(cells, frames=len(self.obstacles))


class Evaluation:
    """Measures every method on frame after frame; `MethodSummary` says over which pixels.

    Args:
        methods: their names; "raw" is always added.
        setup: what is known of the camera.

    Attributes:
        frames: names of the frames with ground truth.
        without_truth: names of the frames without.
        skipped: frames that could not be read, with the reason.
    """

    def __init__(self, methods: Iterable[str], setup: CameraSetup = CameraSetup()) -> None:
        self.setup = setup
        self.frames: list[str] = []
        self.without_truth: list[str] = []
        self.skipped: dict[str, str] = {}
        self._measured: dict[str, _Measured] = {}
        self._temporal = Temporal(methods)
        self._by_distance = ErrorByDistance()
        self._mount_errors: list[str] = []

    def add(
        self, frame: Frame, depths_mm: dict[str, np.ndarray],
        ungated: Mapping[str, Denoised] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        """Takes one frame.

        Args:
            frame: the camera's depth, with or without ground truth.
            depths_mm: each method's depth of it, [H, W] uint16 mm.
            ungated: by method, what its network gives before any gate; of networks that predict
                their uncertainty. Only used with ground truth.
        """
        depths_mm = {RAW: frame.depth_mm} | depths_mm
        for method in depths_mm:
            self._measured.setdefault(method, _Measured())
        self._temporal.add(frame, depths_mm)
        self._add_no_reference(frame, depths_mm)
        self._add_obstacles(frame, depths_mm)
        if frame.ground_truth_mm is None:
            self.without_truth.append(frame.name)
            return
        self.frames.append(frame.name)
        truth = GroundTruth.of(frame.ground_truth_mm, frame.camera.disparity_scale_px_mm)
        self._add_accuracy(frame, depths_mm, truth)
        for method, answer in ungated.items():
            self._add_confidence(frame, method, answer, truth)

    def _add_accuracy(
        self, frame: Frame, depths_mm: dict[str, np.ndarray], truth: GroundTruth
    ) -> None:
        scale = frame.camera.disparity_scale_px_mm
        for method, depth_mm in depths_mm.items():
            measured = self._measured[method]
            measured.published.append(measure_accuracy(depth_mm, truth, scale))
            self._by_distance.add(method, depth_mm, truth.depth_mm)
            if method != RAW:
                same = (frame.depth_mm > 0) & (depth_mm > 0)
                measured.same.append(measure_accuracy(depth_mm, truth, scale, same))
                measured.same_raw.append(measure_accuracy(frame.depth_mm, truth, scale, same))

    def _add_confidence(
        self, frame: Frame, method: str, answer: Denoised, truth: GroundTruth
    ) -> None:
        """Measures confidence where input and ground truth are valid, and accuracy at fills."""
        measured, depth_mm = self._measured[method], answer.depth_mm
        both = truth.known & (depth_mm > 0)
        error = depth_mm[both] - truth.depth_mm[both]
        from rs_denoise.network_kind import TOLERANCE

        right = np.abs(error) <= TOLERANCE * truth.depth_mm[both]
        measured.confidence.append(measure_confidence(error, right, answer.confidence[both]))
        scale = frame.camera.disparity_scale_px_mm
        for percent, blocks in ((97, measured.at_fill_97), (90, measured.at_fill_90)):
            kept = select_most_confident(answer.confidence, frame.depth_mm > 0, percent)
            blocks.append(measure_accuracy(depth_mm * kept, truth, scale))

    def _add_no_reference(self, frame: Frame, depths_mm: dict[str, np.ndarray]) -> None:
        planes = self.setup.planes
        found = list(planes) if planes is not None else find_planes(frame.depth_mm, frame.camera)
        for method, depth_mm in depths_mm.items():
            block = measure_without_reference(frame, depth_mm, found, self.setup.wall_mm)
            self._measured[method].no_reference.append(block)

    def _add_obstacles(self, frame: Frame, depths_mm: dict[str, np.ndarray]) -> None:
        try:
            mount = self.setup.mount or fit_mount(frame.depth_mm, frame.camera)
        except MountError as error:
            self._mount_errors.append(str(error))
            return
        for method, depth_mm in depths_mm.items():
            cells = count_obstacle_cells(
                self.setup.layer, mount, frame.camera, depth_mm, frame.depth_mm,
                frame.ground_truth_mm,
            )  # fmt: skip
            self._measured[method].obstacles.append(cells)

    def summarise(self) -> Summary:
        """Means over frames, rounded to four digits after the point."""
        temporal = self._temporal.results()
        methods = {name: m.summarise(temporal[name]) for name, m in self._measured.items()}
        return Summary(
            frames=len(self.frames),
            frames_without_truth=len(self.without_truth),
            skipped=self.skipped,
            methods=methods,
            by_distance=self._by_distance.results() if self.frames else None,
            not_computed=self._explain_missing(methods.get(RAW)),
        )

    def _explain_missing(self, raw: MethodSummary | None) -> dict[str, str]:
        reasons = {}
        if not self.frames:
            reasons["accuracy"] = "no frame has ground truth"
        if self._mount_errors:
            total = len(self.frames) + len(self.without_truth)
            reasons["obstacles"] = (
                f"in {len(self._mount_errors)} of {total} frames the camera's place is unknown: "
                f"{self._mount_errors[-1]}; give --camera-height and --camera-pitch"
            )
        if raw is not None and math.isnan(raw.no_reference.plane_rms_mm):
            reasons["planes"] = "nothing flat was found in any frame; give --roi"
        if raw is not None and not raw.temporal.still_frames:
            reasons["temporal"] = "camera and scene never stood still for 10 frames"
        return reasons


def evaluate(
    frames: Iterable[Frame],
    methods: dict[str, Method],
    size: tuple[int, int] | None = None,
    setup: CameraSetup = CameraSetup(),
    watch: Callable[[Frame, dict[str, np.ndarray]], None] | None = None,
) -> Evaluation:
    """Measures raw depth and each method's, on frames with and without ground truth.

    Args:
        frames: read one at a time, in their order.
        methods: by the names under which results list them.
        size: width and height to resample to first; None keeps the native size.
        setup: what is known of the camera.
        watch: is called with each frame, as it was measured, and with the methods' depths.
    """
    result = Evaluation(methods, setup)
    confident = _find_confident_methods(methods)
    for frame in frames:
        if size is not None:
            frame = resample_frame(frame, *size)
        depths_mm = {name: method(frame) for name, method in methods.items()}
        ungated = {name: denoiser.denoise(frame) for name, denoiser in confident.items()}
        result.add(frame, depths_mm, ungated)
        if watch is not None:
            watch(frame, depths_mm)
    return result


def _find_confident_methods(methods: dict[str, Method]) -> dict[str, OfflineDenoiser]:
    """The first method of each network that predicts its uncertainty, without its gate."""
    found: dict[str, OfflineDenoiser] = {}
    for name, method in methods.items():
        if not isinstance(method, OfflineDenoiser) or not method.model.predicts_uncertainty:
            continue
        if not any(method.shares_network_with(other) for other in found.values()):
            found[name] = method.with_gate(PUBLISH_ALL)
    return found


def _mean_or_none(blocks: list[Block]) -> Block | None:
    return type(blocks[0]).mean(blocks) if blocks else None
