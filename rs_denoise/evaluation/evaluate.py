"""Raw against denoised, frame by frame, over fair sets of pixels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from rs_denoise.denoiser import Denoised
from rs_denoise.evaluation.metrics.accuracy import score
from rs_denoise.evaluation.metrics.averages import mean_over_frames
from rs_denoise.evaluation.metrics.by_distance import ErrorByDistance
from rs_denoise.evaluation.metrics.confidence import rank
from rs_denoise.evaluation.metrics.ground_truth import GroundTruth
from rs_denoise.evaluation.metrics.no_reference import score_alone
from rs_denoise.evaluation.metrics.obstacles import (
    Mount,
    MountError,
    ObstacleLayer,
    fitted_mount,
    score_obstacles,
)
from rs_denoise.evaluation.metrics.plane_search import find_planes
from rs_denoise.evaluation.metrics.planes import PlaneError, Roi, fit_plane
from rs_denoise.evaluation.metrics.temporal import RAW, Temporal
from rs_denoise.gate import Gate
from rs_denoise.network_kind import TOLERANCE
from rs_denoise.offline import Method, OfflineDenoiser
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.resample import resample_frame

Scores = dict[str, float]
# Publishes all that was seen, however doubtful or changed: for judging the doubt itself.
EVERYTHING = Gate(min_confidence=0.0, fill_confidence=1.01, max_recession=1.0)


@dataclass(frozen=True)
class Setting:
    """What is known of the camera and its surroundings; the rest is found in each frame.

    Attributes:
        mount: where the camera is on the robot; None: from the floor that it sees.
        layer: the obstacle layer that depth would go into.
        planes: rectangles that show something flat; None: those that are found.
        wall_mm: true distance of the first of `planes`, along the optical axis.
    """

    mount: Mount | None = None
    layer: ObstacleLayer = field(default_factory=ObstacleLayer)
    planes: tuple[Roi, ...] | None = None
    wall_mm: float | None = None


class Evaluation:
    """Scores of each frame, by method and by block, and what is summed up over frames.

    Blocks with ground truth: "published", over all that the method publishes; "same", over the
    pixels valid in input, output and ground truth; "same_raw", the input over exactly those, so
    that dropping pixels is no accuracy; "ranking", of a model that knows its doubt: `rank` of its
    answer before any gate. With or without: "alone" (`score_alone`), "obstacles"
    (`score_obstacles`), and "temporal" (`Temporal`), which is of the recording as a whole.

    Attributes:
        frames: names of the frames with ground truth.
        without_truth: names of those without.
        skipped: what could not be used, with the reason.
        scores: method -> block -> one dictionary a frame.
    """

    def __init__(self, methods: Iterable[str], setting: Setting = Setting()) -> None:
        self.setting = setting
        self.frames: list[str] = []
        self.without_truth: list[str] = []
        self.skipped: dict[str, str] = {}
        self.scores: dict[str, dict[str, list[Scores]]] = {}
        self._temporal = Temporal(methods)
        self._over_distance = ErrorByDistance()
        self._without_mount: list[str] = []

    def add(self, frame: Frame, depths_mm: dict[str, np.ndarray]) -> None:
        """Scores one frame as it is and as methods make it; depths are [H, W] uint16 mm."""
        depths_mm = {RAW: frame.depth_mm} | depths_mm
        self._temporal.add(frame, depths_mm)
        self._add_alone(frame, depths_mm)
        self._add_obstacles(frame, depths_mm)
        if frame.ground_truth_mm is None:
            self.without_truth.append(frame.name)
        else:
            self.frames.append(frame.name)
            self._add_errors(frame, depths_mm, frame.ground_truth_mm)

    def add_ranking(self, frame: Frame, method: str, answer: Denoised) -> None:
        """Ranks one frame's errors by confidence, where input and ground truth are valid."""
        assert frame.ground_truth_mm is not None
        truth = GroundTruth.of(frame.ground_truth_mm, frame.camera.disparity_scale_px_mm)
        both = truth.known & (answer.depth_mm > 0)
        error = answer.depth_mm[both] - truth.depth_mm[both]
        right = np.abs(error) <= TOLERANCE * truth.depth_mm[both]
        self._put(method, "ranking", rank(error, right, answer.confidence[both]))

    def _add_errors(
        self, frame: Frame, depths_mm: dict[str, np.ndarray], truth_mm: np.ndarray
    ) -> None:
        scale = frame.camera.disparity_scale_px_mm
        truth = GroundTruth.of(truth_mm, scale)
        for method, depth_mm in depths_mm.items():
            self._put(method, "published", score(depth_mm, truth, scale))
            self._over_distance.add(method, depth_mm, truth_mm)
            if method != RAW:
                same = (frame.depth_mm > 0) & (depth_mm > 0)
                self._put(method, "same", score(depth_mm, truth, scale, same))
                self._put(method, "same_raw", score(frame.depth_mm, truth, scale, same))

    def _add_alone(self, frame: Frame, depths_mm: dict[str, np.ndarray]) -> None:
        planes = self.setting.planes
        if planes is None:
            planes = tuple(find_planes(frame.depth_mm, frame.camera))
        for method, depth_mm in depths_mm.items():
            scores = score_alone(frame, depth_mm, list(planes))
            if self.setting.wall_mm is not None and planes:
                wall_mm = self.setting.wall_mm
                scores["z_accuracy_pct"] = _z_accuracy_pct(frame, depth_mm, planes[0], wall_mm)
            self._put(method, "alone", scores)

    def _add_obstacles(self, frame: Frame, depths_mm: dict[str, np.ndarray]) -> None:
        try:
            mount = self.setting.mount or fitted_mount(frame.depth_mm, frame.camera)
        except MountError as error:
            self._without_mount.append(str(error))
            return
        for method, depth_mm in depths_mm.items():
            cells = score_obstacles(
                self.setting.layer, mount, frame.camera, depth_mm, frame.depth_mm,
                frame.ground_truth_mm,
            )  # fmt: skip
            self._put(method, "obstacles", cells)

    def _put(self, method: str, block: str, scores: Scores) -> None:
        self.scores.setdefault(method, {}).setdefault(block, []).append(scores)

    def summary(self) -> dict:
        """Means over frames, ready for JSON; a figure that no frame has is None."""
        methods = {
            method: {block: _jsonable(mean_over_frames(s)) for block, s in blocks.items()}
            for method, blocks in self.scores.items()
        }
        temporal = self._temporal.figures()
        for method, blocks in methods.items():
            blocks["temporal"] = _jsonable(temporal[method])
        return {
            "frames": len(self.frames),
            "without_truth": len(self.without_truth),
            "skipped": self.skipped,
            "methods": methods,
            "over_distance": self._over_distance.summary() if self.frames else None,
            "not_computed": self._not_computed(methods.get(RAW, {})),
        }

    def _not_computed(self, raw: dict) -> dict[str, str]:
        """What the figures lack, and why."""
        reasons = {}
        if not self.frames:
            reasons["accuracy"] = "no frame has ground truth"
        if self._without_mount:
            total = len(self.frames) + len(self.without_truth)
            reasons["obstacles"] = (
                f"in {len(self._without_mount)} of {total} frames the camera's place is unknown: "
                f"{self._without_mount[-1]}; give --camera-height and --camera-pitch"
            )
        if raw and raw["alone"]["plane_rms_mm"] is None:
            reasons["planes"] = "nothing flat was found in any frame; give --roi"
        if raw and not raw["temporal"]["still_frames"]:
            reasons["temporal"] = "camera and scene never stood still for 10 frames"
        return reasons


def evaluate(
    frames: Iterable[Frame],
    methods: dict[str, Method],
    size: tuple[int, int] | None = None,
    setting: Setting = Setting(),
    watch: Callable[[Frame, dict[str, np.ndarray]], None] | None = None,
) -> Evaluation:
    """Scores raw depth and each method's, with ground truth where a frame has it and without.

    Args:
        frames: read as they come, in their order.
        methods: by the name that they are listed under.
        size: width, height to resample to first; None scores at native size.
        setting: what is known of the camera.
        watch: is shown each frame, as it was scored, with the methods' depths.
    """
    result = Evaluation(methods, setting)
    answers = _answers(methods)
    for frame in frames:
        if size is not None:
            frame = resample_frame(frame, *size)
        depths_mm = {name: method(frame) for name, method in methods.items()}
        result.add(frame, depths_mm)
        if frame.ground_truth_mm is not None:
            for name, answer in answers.items():
                result.add_ranking(frame, name, answer.denoise(frame))
        if watch is not None:
            watch(frame, depths_mm)
    return result


def _answers(methods: dict[str, Method]) -> dict[str, OfflineDenoiser]:
    """The first method of each model that knows its doubt, without its gate."""
    found: dict[int, tuple[str, OfflineDenoiser]] = {}
    for name, method in methods.items():
        if isinstance(method, OfflineDenoiser) and method.model.predicts_uncertainty:
            found.setdefault(id(method.model), (name, method.with_gate(EVERYTHING)))
    return dict(found.values())


def _z_accuracy_pct(frame: Frame, depth_mm: np.ndarray, wall: Roi, wall_mm: float) -> float:
    try:
        return fit_plane(depth_mm, frame.camera, wall, wall_mm).z_accuracy_pct
    except PlaneError:  # the method dropped it: its fill_pct says so
        return math.nan


def _jsonable(scores: Scores) -> dict[str, float | None]:
    return {k: None if np.isnan(v) else round(v, 4) for k, v in scores.items()}
