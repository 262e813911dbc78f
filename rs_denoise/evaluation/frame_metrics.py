"""Measures one frame, for every method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from rs_denoise.evaluation.metrics.accuracy import measure_accuracy
from rs_denoise.evaluation.metrics.blocks import (
    Accuracy,
    ConfidenceQuality,
    NoReference,
    ObstacleCells,
)
from rs_denoise.evaluation.metrics.by_distance import DistanceSums, sum_by_distance
from rs_denoise.evaluation.metrics.confidence import measure_confidence, select_most_confident
from rs_denoise.evaluation.metrics.ground_truth import GroundTruth
from rs_denoise.evaluation.metrics.no_reference import (
    find_near_infrared_edges,
    measure_without_reference,
)
from rs_denoise.evaluation.metrics.obstacles import (
    Mount,
    MountError,
    ObstacleCounter,
    ObstacleLayer,
    fit_mount,
)
from rs_denoise.evaluation.metrics.plane_search import find_planes
from rs_denoise.evaluation.metrics.planes import Roi
from rs_denoise.offline import RAW
from rs_denoise.recordings.frame import Frame

if TYPE_CHECKING:
    from rs_denoise.denoiser import Denoised


@dataclass(frozen=True)
class CameraSetup:
    """What the user knows of the camera and its surroundings; the rest is found in each frame.

    Attributes:
        mount: where the camera is on the robot; None to fit it to the floor in view.
        layer: the obstacle layer that depth would go into.
        planes: rectangles that show flat surfaces; None to search for them.
        wall_mm: true distance of the first of `planes`, along the optical axis.
    """

    mount: Mount | None = None
    layer: ObstacleLayer = field(default_factory=ObstacleLayer)
    planes: tuple[Roi, ...] | None = None
    wall_mm: float | None = None


@dataclass
class MethodMetrics:
    """The metrics of one method on one frame; None if they cannot be measured on it.

    Attributes:
        no_reference, obstacles, published, same, same_raw, at_fill_97, at_fill_90, confidence: as
            in `MethodSummary`.
        by_distance: sums of errors over true distance.
    """

    no_reference: NoReference
    obstacles: ObstacleCells | None = None
    published: Accuracy | None = None
    same: Accuracy | None = None
    same_raw: Accuracy | None = None
    at_fill_97: Accuracy | None = None
    at_fill_90: Accuracy | None = None
    confidence: ConfidenceQuality | None = None
    by_distance: DistanceSums | None = None


@dataclass(frozen=True)
class FrameMetrics:
    """The metrics of one frame.

    Attributes:
        methods: by name, "raw" among them.
        mount_error: why the camera's pose is unknown; None if it is known.
    """

    methods: dict[str, MethodMetrics]
    mount_error: str | None


def measure_frame(
    frame: Frame, depths_mm: Mapping[str, np.ndarray], ungated: Mapping[str, Denoised],
    setup: CameraSetup,
) -> FrameMetrics:  # fmt: skip
    """Measures every method on one frame. May run in several threads, each with its own frame.

    Args:
        frame: as recorded, with or without ground truth.
        depths_mm: each method's depth of it, [H, W] uint16 mm, "raw" among them.
        ungated: by method, its network's result before any gate, for networks that predict their
            uncertainty. Only used with ground truth.
        setup: what is known of the camera.
    """
    methods = _measure_without_reference(frame, depths_mm, setup)
    mount_error = _count_obstacles(frame, depths_mm, setup, methods)
    if frame.ground_truth_mm is not None:
        truth = GroundTruth.of(frame.ground_truth_mm, frame.camera.disparity_scale_px_mm)
        for name, depth_mm in depths_mm.items():
            _compare_with_truth(frame, depth_mm, truth, methods[name], is_raw=name == RAW)
        for name, answer in ungated.items():
            _measure_confidence(frame, answer, truth, methods[name])
    return FrameMetrics(methods, mount_error)


def _measure_without_reference(
    frame: Frame, depths_mm: Mapping[str, np.ndarray], setup: CameraSetup
) -> dict[str, MethodMetrics]:
    planes = setup.planes
    found = list(planes) if planes is not None else find_planes(frame.depth_mm, frame.camera)
    edges = None if frame.infrared is None else find_near_infrared_edges(frame.infrared)
    return {
        name: MethodMetrics(measure_without_reference(frame, depth, found, edges, setup.wall_mm))
        for name, depth in depths_mm.items()
    }


def _count_obstacles(
    frame: Frame, depths_mm: Mapping[str, np.ndarray], setup: CameraSetup,
    methods: dict[str, MethodMetrics],
) -> str | None:  # fmt: skip
    """Adds the obstacle cells to the methods, or gives the reason why there are none."""
    try:
        mount = setup.mount or fit_mount(frame.depth_mm, frame.camera)
    except MountError as error:
        return str(error)
    counter = ObstacleCounter(
        setup.layer, mount, frame.camera, frame.depth_mm, frame.ground_truth_mm
    )
    for name, depth_mm in depths_mm.items():
        methods[name].obstacles = counter.count(depth_mm)
    return None


def _compare_with_truth(
    frame: Frame, depth_mm: np.ndarray, truth: GroundTruth, metrics: MethodMetrics, is_raw: bool
) -> None:
    scale = frame.camera.disparity_scale_px_mm
    metrics.published = measure_accuracy(depth_mm, truth, scale)
    metrics.by_distance = sum_by_distance(depth_mm, truth.depth_mm)
    if not is_raw:
        same = (frame.depth_mm > 0) & (depth_mm > 0)
        metrics.same = measure_accuracy(depth_mm, truth, scale, same)
        metrics.same_raw = measure_accuracy(frame.depth_mm, truth, scale, same)


def _measure_confidence(
    frame: Frame, answer: Denoised, truth: GroundTruth, metrics: MethodMetrics
) -> None:
    """Measures confidence where input and ground truth are valid, and accuracy at fills."""
    from rs_denoise.network_kind import TOLERANCE

    depth_mm = answer.depth_mm
    both = truth.known & (depth_mm > 0)
    error = depth_mm[both] - truth.depth_mm[both]
    right = np.abs(error) <= TOLERANCE * truth.depth_mm[both]
    metrics.confidence = measure_confidence(error, right, answer.confidence[both])
    metrics.at_fill_97, metrics.at_fill_90 = (
        measure_accuracy(
            depth_mm * select_most_confident(answer.confidence, frame.depth_mm > 0, percent),
            truth,
            frame.camera.disparity_scale_px_mm,
        )
        for percent in (97, 90)
    )
