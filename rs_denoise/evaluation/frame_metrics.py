"""Measures one frame, for every method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from rs_denoise.evaluation.metrics.accuracy import measure_accuracy
from rs_denoise.evaluation.metrics.by_distance import DistanceSums, sum_by_distance
from rs_denoise.evaluation.metrics.camera_pose import CameraPose, PoseError, fit_camera_pose
from rs_denoise.evaluation.metrics.confidence import measure_confidence, select_most_confident
from rs_denoise.evaluation.metrics.ground_truth import GroundTruth
from rs_denoise.evaluation.metrics.image_agreement import measure_image_agreement
from rs_denoise.evaluation.metrics.no_reference import (
    find_infrared_edges,
    measure_without_reference,
)
from rs_denoise.evaluation.metrics.obstacles import ObstacleCounter, ObstacleLayer
from rs_denoise.evaluation.metrics.plane_search import find_planes
from rs_denoise.evaluation.metrics.planes import Roi
from rs_denoise.evaluation.summary import MethodMetrics
from rs_denoise.offline import RAW
from rs_denoise.recordings.frame import Frame

if TYPE_CHECKING:
    from rs_denoise.denoiser import Denoised


@dataclass(frozen=True)
class CameraSetup:
    """What the user knows of the camera and its surroundings; the rest is found in each frame.

    Attributes:
        pose: of the camera above the floor; None to fit it to the floor in view.
        layer: the obstacle layer that depth would go into.
        planes: rectangles that show flat surfaces; None to search for them.
        wall_mm: true distance of the first of `planes`, along the optical axis.
    """

    pose: CameraPose | None = None
    layer: ObstacleLayer = field(default_factory=ObstacleLayer)
    planes: tuple[Roi, ...] | None = None
    wall_mm: float | None = None


class ImageSizeError(ValueError):
    """An image that does not fit the camera of its frame."""


@dataclass(frozen=True)
class FrameMetrics:
    """The metrics of one frame.

    Attributes:
        methods: by name, "raw" among them.
        by_distance: by method, its sums of errors over true distance; empty without ground truth.
        pose_error: why the camera's pose is unknown; None if it is known.
    """

    methods: dict[str, MethodMetrics]
    by_distance: dict[str, DistanceSums]
    pose_error: str | None


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

    Raises:
        ImageSizeError: an image of the frame or a method's depth does not fit the camera.
    """
    _check_sizes(frame, depths_mm)
    methods = _measure_without_reference(frame, depths_mm, setup)
    methods, pose_error = _count_obstacles(frame, depths_mm, setup, methods)
    by_distance = {}
    if frame.ground_truth_mm is not None:
        truth = GroundTruth.of(frame.ground_truth_mm, frame.camera.disparity_scale_px_mm)
        images = measure_image_agreement(frame, depths_mm, truth)
        for name, depth_mm in depths_mm.items():
            by_distance[name] = sum_by_distance(depth_mm, truth.depth_mm)
            metrics = replace(methods[name], images=images.get(name))
            methods[name] = _compare_with_truth(metrics, frame, depth_mm, truth, is_raw=name == RAW)
        for name, answer in ungated.items():
            methods[name] = _measure_confidence(methods[name], frame, answer, truth)
    return FrameMetrics(methods, by_distance, pose_error)


def _check_sizes(frame: Frame, depths_mm: Mapping[str, np.ndarray]) -> None:
    images = {f"depth of method '{name}'": depth_mm for name, depth_mm in depths_mm.items()}
    optional = {
        "ground truth": frame.ground_truth_mm, "infrared": frame.infrared,
        "right infrared": frame.infrared_right,
    }  # fmt: skip
    images |= {what: image for what, image in optional.items() if image is not None}
    expected = frame.camera.height, frame.camera.width
    for what, image in images.items():
        if not isinstance(image, np.ndarray):
            raise ImageSizeError(
                f"frame {frame.name}: {what} must be a NumPy array of shape {expected}, got a "
                f"{type(image).__name__}"
            )
        if image.shape != expected:
            raise ImageSizeError(
                f"frame {frame.name}: {what} must have its camera's shape {expected}, got "
                f"{image.shape}"
            )


def _measure_without_reference(
    frame: Frame, depths_mm: Mapping[str, np.ndarray], setup: CameraSetup
) -> dict[str, MethodMetrics]:
    planes = setup.planes
    found = list(planes) if planes is not None else find_planes(frame.depth_mm, frame.camera)
    edges = None if frame.infrared is None else find_infrared_edges(frame.infrared)
    return {
        name: MethodMetrics(measure_without_reference(frame, depth, found, edges, setup.wall_mm))
        for name, depth in depths_mm.items()
    }


def _count_obstacles(
    frame: Frame, depths_mm: Mapping[str, np.ndarray], setup: CameraSetup,
    methods: dict[str, MethodMetrics],
) -> tuple[dict[str, MethodMetrics], str | None]:  # fmt: skip
    """The methods with obstacle cells, and the reason if they have none."""
    try:
        pose = setup.pose or fit_camera_pose(frame.depth_mm, frame.camera)
    except PoseError as error:
        return methods, str(error)
    counter = ObstacleCounter(
        setup.layer, pose, frame.camera, frame.depth_mm, frame.ground_truth_mm
    )
    counted = {
        name: replace(metrics, obstacles=counter.count(depths_mm[name]))
        for name, metrics in methods.items()
    }
    return counted, None


def _compare_with_truth(
    metrics: MethodMetrics, frame: Frame, depth_mm: np.ndarray, truth: GroundTruth, is_raw: bool
) -> MethodMetrics:
    """Adds accuracy over all published pixels and, unless raw, over those the camera has too."""
    scale = frame.camera.disparity_scale_px_mm
    metrics = replace(metrics, published=measure_accuracy(depth_mm, truth, scale))
    if is_raw:
        return metrics
    same = (frame.depth_mm > 0) & (depth_mm > 0)
    return replace(
        metrics,
        same=measure_accuracy(depth_mm, truth, scale, same),
        same_raw=measure_accuracy(frame.depth_mm, truth, scale, same),
    )


def _measure_confidence(
    metrics: MethodMetrics, frame: Frame, answer: Denoised, truth: GroundTruth
) -> MethodMetrics:
    """Adds confidence where input and ground truth are valid, and accuracy at fills."""
    from rs_denoise.network_kind import TOLERANCE

    depth_mm = answer.depth_mm
    both = truth.known & (depth_mm > 0)
    error = depth_mm[both] - truth.depth_mm[both]
    right = np.abs(error) <= TOLERANCE * truth.depth_mm[both]
    at_fill_97, at_fill_90 = (
        measure_accuracy(
            depth_mm * select_most_confident(answer.confidence, frame.depth_mm > 0, percent),
            truth,
            frame.camera.disparity_scale_px_mm,
        )
        for percent in (97, 90)
    )
    return replace(
        metrics,
        at_fill_97=at_fill_97,
        at_fill_90=at_fill_90,
        confidence=measure_confidence(error, right, answer.confidence[both]),
    )
