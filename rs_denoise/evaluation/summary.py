"""The results of an evaluation as typed classes; only `to_json` defines the JSON keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from rs_denoise.evaluation.metrics.blocks import (
    Accuracy,
    ConfidenceQuality,
    ImageAgreement,
    NoReference,
    ObstacleCells,
    TemporalNoise,
)
from rs_denoise.evaluation.metrics.by_distance import DistanceErrors
from rs_denoise.evaluation.metrics.metric import Metric, MetricBlock


@dataclass(frozen=True)
class MethodMetrics:
    """The metrics of one method on one frame; None if they cannot be measured on it.

    Attributes:
        no_reference: without ground truth.
        obstacles: if the camera's pose is known.
        published: over all pixels that the method publishes.
        same: over the pixels valid in input, output and ground truth; None for raw depth.
        same_raw: the camera's depth over the same pixels: dropping pixels does not improve `same`
            against it.
        at_fill_97, at_fill_90: over the most confident 97 % and 90 % of the camera's valid pixels,
            before any gate, so that methods are compared at equal fill. Like `confidence`, only for
            models that predict their uncertainty, and once for a model with several gates.
        confidence: of a model that predicts its uncertainty, before any gate.
        images: if the frame has ground truth and both infrared images.
    """

    no_reference: NoReference = field(default_factory=NoReference)
    obstacles: ObstacleCells | None = None
    published: Accuracy | None = None
    same: Accuracy | None = None
    same_raw: Accuracy | None = None
    at_fill_97: Accuracy | None = None
    at_fill_90: Accuracy | None = None
    confidence: ConfidenceQuality | None = None
    images: ImageAgreement | None = None

    def blocks(self) -> dict[str, MetricBlock]:
        """The existing blocks, by their names in JSON and requirements."""
        named = {name: getattr(self, FIELDS[name], None) for name in BLOCKS}
        return {name: block for name, block in named.items() if block is not None}


@dataclass(frozen=True)
class MethodSummary(MethodMetrics):
    """The metrics of one method on a recording: of each block, the mean over frames that have it.

    Attributes:
        temporal: of the recording as a whole.
    """

    temporal: TemporalNoise = field(default_factory=TemporalNoise)

    def to_json(self) -> dict[str, dict[str, float | None]]:
        """Block -> metric -> value; None if it could not be measured."""
        return {name: block.to_json() for name, block in self.blocks().items()}

    @classmethod
    def from_blocks(cls, blocks: Mapping[str, MetricBlock]) -> MethodSummary:
        """The inverse of `blocks`; blocks of other names are ignored."""
        known = {FIELDS[name]: block for name, block in blocks.items() if name in FIELDS}
        return cls(**known)  # type: ignore[arg-type]

    @classmethod
    def from_json(cls, blocks: Mapping[str, Mapping[str, float | None]]) -> MethodSummary:
        """The inverse of `to_json`."""
        known = {name: values for name, values in blocks.items() if name in BLOCKS}
        return cls.from_blocks({name: BLOCKS[name].from_json(v) for name, v in known.items()})


# The kind of each block, by the name that JSON and requirements use, and its field where that has
# another name.
BLOCKS: dict[str, type[MetricBlock]] = {
    "alone": NoReference,
    "obstacles": ObstacleCells,
    "published": Accuracy,
    "same": Accuracy,
    "same_raw": Accuracy,
    "at_fill_97": Accuracy,
    "at_fill_90": Accuracy,
    "ranking": ConfidenceQuality,
    "images": ImageAgreement,
    "temporal": TemporalNoise,
}
FIELDS = {name: name for name in BLOCKS} | {"alone": "no_reference", "ranking": "confidence"}


@dataclass(frozen=True)
class Timing:
    """Time per frame.

    Attributes:
        p50_ms, p99_ms: median and 99th percentile.
        frames: how many were timed.
    """

    p50_ms: float
    p99_ms: float
    frames: int


@dataclass(frozen=True)
class RequirementResult:
    """Whether a requirement is met.

    Attributes:
        holds: whether it is.
        text: a line that shows both sides, or why they could not be evaluated.
        evaluated: whether they could.
    """

    holds: bool
    text: str
    evaluated: bool = True


@dataclass(frozen=True)
class Summary:
    """An evaluation of one recording.

    Attributes:
        frames: number of frames with ground truth.
        frames_without_truth: number of frames without.
        skipped: frames that could not be read, with the reason.
        methods: by name, "raw" among them; empty without any frame.
        by_distance: errors over true distance; None without ground truth.
        not_computed: what could not be measured, with the reason.
        recording, model, device: their names, or "".
        timing: of the network; None if nothing was timed.
        notes: from the recording's reader.
        right_rejected: in how many frames the right infrared image was not used, because it does
            not belong to depth; `skipped` has the reason.
        requirements: the requested ones, and whether they hold.
    """

    frames: int = 0
    frames_without_truth: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    methods: dict[str, MethodSummary] = field(default_factory=dict)
    by_distance: DistanceErrors | None = None
    not_computed: dict[str, str] = field(default_factory=dict)
    recording: str = ""
    model: str = ""
    device: str = ""
    timing: Timing | None = None
    notes: list[str] = field(default_factory=list)
    requirements: list[RequirementResult] = field(default_factory=list)
    right_rejected: int = 0

    @property
    def all_frames(self) -> int:
        """How many frames were measured, with ground truth or without."""
        return self.frames + self.frames_without_truth

    def count_frames(self, block: MetricBlock | None, metric: Metric) -> int:
        """The number of frames that a metric of one of its blocks is measured over; 0 if unknown.

        Without the block's own counts, as in a summary from JSON, that of all its metrics.
        """
        if isinstance(block, TemporalNoise):
            return 0 if math.isnan(block.still_frames) else int(block.still_frames)
        if block is not None and metric.field in block.counts:
            return block.counts[metric.field]
        if isinstance(block, NoReference):
            return self.all_frames
        if isinstance(block, ObstacleCells):
            return 0 if math.isnan(block.frames) else int(block.frames)
        return self.frames

    def to_json(self) -> dict:
        """The summary for JSON; requirements only if there are any."""
        summary = {
            "frames": self.frames,
            "without_truth": self.frames_without_truth,
            "skipped": self.skipped,
            "methods": {name: method.to_json() for name, method in self.methods.items()},
            "over_distance": asdict(self.by_distance) if self.by_distance else None,
            "not_computed": self.not_computed,
            "recording": self.recording,
            "model": self.model,
            "device": self.device,
            "timing": asdict(self.timing) if self.timing else None,
            "notes": self.notes,
            "right_rejected": self.right_rejected,
        }
        if self.requirements:
            summary["requirements"] = [
                {"text": result.text, "holds": result.holds} for result in self.requirements
            ]
        return summary
