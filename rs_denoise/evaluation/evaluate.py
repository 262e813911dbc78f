"""Raw against denoised, frame by frame, over fair sets of pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from rs_denoise.denoiser import TOLERANCE, Denoised, Denoiser, Estimate
from rs_denoise.evaluation.metrics import GroundTruth, mean_over_frames, score
from rs_denoise.evaluation.ranking import rank
from rs_denoise.evaluation.resample import resampled
from rs_denoise.gate import Gate
from rs_denoise.model import Model
from rs_denoise.recordings.frame import Frame

Scores = dict[str, float]
# [H, W] mm of a frame, 0 = invalid.
Method = Callable[[Frame], np.ndarray]


@dataclass
class Evaluation:
    """Scores of each frame, by method and by block.

    Attributes:
        frames: names of the frames that were scored.
        skipped: those that were not, with the reason.
        scores: method -> block -> one dictionary a frame. Blocks: "published", over all that the
            method publishes; "same", over the pixels valid in input, output and ground truth;
            "same_raw", the input over exactly those, so that dropping pixels is no accuracy;
            "ranking", of a model that knows its doubt: `rank` of its answer before any gate.
    """

    frames: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    scores: dict[str, dict[str, list[Scores]]] = field(default_factory=dict)

    def add(self, method: str, block: str, scores: Scores) -> None:
        """Takes the scores of one frame."""
        self.scores.setdefault(method, {}).setdefault(block, []).append(scores)

    def summary(self) -> dict:
        """Means over frames, ready for JSON; a figure that no frame has is None."""
        return {
            "frames": len(self.frames),
            "skipped": self.skipped,
            "methods": {
                method: {block: _jsonable(mean_over_frames(s)) for block, s in blocks.items()}
                for method, blocks in self.scores.items()
            },
        }


# Publishes all that was seen, however doubtful or changed: for judging the doubt itself.
EVERYTHING = Gate(min_confidence=0.0, fill_confidence=1.01, max_recession=1.0)


class DenoisedBy:
    """A method: the denoiser's depth of a frame, as the node would publish it.

    Methods made by `with_gate` share one network, which answers once a frame for all of them.
    """

    def __init__(self, model: Model, gate: Gate) -> None:
        self.model, self.gate, self._network = model, gate, _Network(model)

    def with_gate(self, gate: Gate) -> DenoisedBy:
        """The same answers through another gate."""
        other = DenoisedBy(self.model, gate)
        other._network = self._network
        return other

    def __call__(self, frame: Frame) -> np.ndarray:
        """[H, W] uint16 mm, 0 = invalid."""
        return np.rint(self.denoised(frame).depth_mm).astype(np.uint16)

    def denoised(self, frame: Frame) -> Denoised:
        """Depth and confidence."""
        denoiser, estimate = self._network.answer(frame)
        return denoiser.published(estimate, self.gate)


class _Network:
    """A model with the denoiser of the latest camera and its answer to the latest frame."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._denoiser: Denoiser | None = None
        self._latest: tuple[Frame, Estimate] | None = None

    def answer(self, frame: Frame) -> tuple[Denoiser, Estimate]:
        if self._denoiser is None or self._denoiser.camera != frame.camera:
            self._denoiser = Denoiser(self.model, frame.camera)
        if self._latest is None or self._latest[0] is not frame:
            self._latest = frame, self._denoiser.estimate(frame.depth_mm, frame.infrared)
        return self._denoiser, self._latest[1]


def evaluate(
    frames: Iterable[Frame], methods: dict[str, Method], size: tuple[int, int] | None = None
) -> Evaluation:
    """Scores raw depth and each method's on frames with ground truth; others are skipped by name.

    Args:
        frames: read as they come.
        methods: by the name that they are listed under.
        size: width, height to resample to first; None scores at native size.
    """
    result = Evaluation()
    answers = _answers(methods)
    for frame in frames:
        if frame.ground_truth_mm is None:
            result.skipped[frame.name] = "no ground truth"
            continue
        if size is not None:
            frame = resampled(frame, *size)
        add_scores(result, frame, {name: method(frame) for name, method in methods.items()})
        for name, answer in answers.items():
            add_ranking(result, frame, name, answer.denoised(frame))
    return result


def add_scores(result: Evaluation, frame: Frame, depths_mm: dict[str, np.ndarray]) -> None:
    """Scores one frame, which must have ground truth; depths are [H, W], 0 = invalid."""
    scale = frame.camera.disparity_scale_px_mm
    assert frame.ground_truth_mm is not None
    truth = GroundTruth.of(frame.ground_truth_mm, scale)
    result.frames.append(frame.name)
    result.add("raw", "published", score(frame.depth_mm, truth, scale))
    for method, depth_mm in depths_mm.items():
        same = (frame.depth_mm > 0) & (depth_mm > 0)
        result.add(method, "published", score(depth_mm, truth, scale))
        result.add(method, "same", score(depth_mm, truth, scale, same))
        result.add(method, "same_raw", score(frame.depth_mm, truth, scale, same))


def add_ranking(result: Evaluation, frame: Frame, method: str, answer: Denoised) -> None:
    """Ranks one frame's errors by confidence, where input and ground truth are valid."""
    assert frame.ground_truth_mm is not None
    truth = GroundTruth.of(frame.ground_truth_mm, frame.camera.disparity_scale_px_mm)
    both = truth.known & (answer.depth_mm > 0)
    error = answer.depth_mm[both] - truth.depth_mm[both]
    right = np.abs(error) <= TOLERANCE * truth.depth_mm[both]
    result.add(method, "ranking", rank(error, right, answer.confidence[both]))


def _answers(methods: dict[str, Method]) -> dict[str, DenoisedBy]:
    """The first method of each model that knows its doubt, without its gate."""
    found: dict[int, tuple[str, DenoisedBy]] = {}
    for name, method in methods.items():
        if isinstance(method, DenoisedBy) and method.model.knows_doubt:
            found.setdefault(id(method.model), (name, method.with_gate(EVERYTHING)))
    return dict(found.values())


def _jsonable(scores: Scores) -> dict[str, float | None]:
    return {k: None if np.isnan(v) else round(v, 4) for k, v in scores.items()}
