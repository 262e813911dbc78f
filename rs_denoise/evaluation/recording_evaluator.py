"""Evaluates recordings, for `rs_denoise evaluate`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rs_denoise.evaluation.baselines import LIBREALSENSE, OPENCV, all_baselines
from rs_denoise.evaluation.evaluate import evaluate
from rs_denoise.evaluation.frame_metrics import CameraSetup
from rs_denoise.evaluation.sampling import RUN, sample_frames
from rs_denoise.evaluation.summary import Summary, Timing
from rs_denoise.gate import CAUTIOUS, COMPLETE, Gate
from rs_denoise.offline import DENOISED, LEFT_ONLY, RAW, Method, OfflineDenoiser, Progress
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.overrides import Overrides
from rs_denoise.recordings.recording import Recording, open_recording
from rs_denoise.recordings.resample import resample_frame
from rs_denoise.shipped_models import DEFAULT_MODEL

if TYPE_CHECKING:
    from rs_denoise.denoiser import Denoised
    from rs_denoise.evaluation.requirement import Requirement
    from rs_denoise.model import Model

# Number of frames that are timed after the evaluation.
TIMED_FRAMES = 10
# The methods that share the model's network, each with a gate of its own.
DENOISED_CAUTIOUS, DENOISED_COMPLETE = f"{DENOISED}_cautious", f"{DENOISED}_complete"
TAKEN_NAMES = (RAW, DENOISED, DENOISED_CAUTIOUS, DENOISED_COMPLETE, DENOISED + LEFT_ONLY)


class MethodNameError(ValueError):
    """Two methods would have one name, so the results of one would replace the other's."""


@dataclass(frozen=True)
class EvaluationSettings:
    """What is measured, and how.

    Attributes:
        model: file or name of the model.
        device: the device that runs it.
        gate: of the method "denoised"; a cautious and a complete one are measured too.
        beside: other model files to measure; each method is called as its file, without suffix.
        baselines: whether to measure the filters of librealsense and OpenCV.
        size: width and height to resample to first; None keeps the native size.
        max_frames: if a recording is longer, runs of 40 frames spread evenly over it are measured;
            its first frames, with a note, if it does not say how long it is.
        setup: what is known of the camera.
        overrides: topics of a bag to read instead of those that are found, and the camera of
            images that are stored without one.

    Raises:
        MethodNameError: two of `beside` have the same name, or one has that of another method.
    """

    model: Path | str = DEFAULT_MODEL
    device: str = "auto"
    gate: Gate = field(default_factory=Gate)
    beside: tuple[Path, ...] = ()
    baselines: bool = False
    size: tuple[int, int] | None = None
    max_frames: int = 400
    setup: CameraSetup = field(default_factory=CameraSetup)
    overrides: Overrides = field(default_factory=Overrides)

    def __post_init__(self) -> None:
        names = [*TAKEN_NAMES, *LIBREALSENSE, *OPENCV, *(file.stem for file in self.beside)]
        for file in self.beside:
            if names.count(file.stem) > 1:
                raise MethodNameError(
                    f"{file}: there is another method named {file.stem}; rename the file"
                )


class RecordingEvaluator:
    """Evaluates one recording after the other with the same models and settings.

    Args:
        settings: what is measured, and how.
        requirements: are checked on every recording.
    """

    def __init__(
        self, settings: EvaluationSettings, requirements: Sequence[Requirement] = ()
    ) -> None:
        self.settings, self._requirements = settings, requirements
        self._models: dict[str, Model] = {}

    def load(self) -> None:
        """Loads the models, once; errors are those of `Model.load`."""
        if self._models:
            return
        from rs_denoise.precision import load_with_fallback

        settings = self.settings
        models = {DENOISED: load_with_fallback(settings.model, settings.device)}
        models |= {p.stem: load_with_fallback(p, settings.device) for p in settings.beside}
        self._models = models

    def evaluate(
        self, path: Path, html: Path | None = None, progress: Progress = lambda f, _: f
    ) -> Summary:
        """Measures every method on a recording.

        Args:
            path: the recording.
            html: file for a report, or None.
            progress: shows how far it is.

        Returns:
            The summary, with the requirements' results.

        Raises:
            RecordingError: the recording cannot be read.
            ModelError: a model file cannot be read.
        """
        opened = open_recording(path, self.settings.overrides)
        self.load()
        methods, denoised = self._make_methods(opened)
        report_frames = None if html is None else _ReportFrames(denoised)
        summary = self._measure(opened, methods, report_frames, progress)
        model = denoised.model
        summary = replace(
            summary,
            recording=path.resolve().name,
            model=model.manifest.name,
            device=f"{model.device_name} {model.precision_name}",
            timing=_time(denoised, opened, self.settings.size) if summary.methods else None,
            notes=[*opened.notes, *_note_sample(opened, summary, self.settings.max_frames)],
        )
        summary = _with_requirements(summary, self._requirements)
        if html is not None and report_frames is not None:
            report_frames.write(html, path.resolve().name, summary)
        return summary

    def _make_methods(self, opened: Recording) -> tuple[dict[str, Method], OfflineDenoiser]:
        """All methods by name, and the one with the chosen gate."""
        denoised = OfflineDenoiser(self._models[DENOISED], self.settings.gate)
        methods: dict[str, Method] = {
            DENOISED: denoised,
            DENOISED_CAUTIOUS: denoised.with_gate(CAUTIOUS),
            DENOISED_COMPLETE: denoised.with_gate(COMPLETE),
        }
        denoisers = {DENOISED: denoised} | {
            name: OfflineDenoiser(model) for name, model in self._models.items() if name != DENOISED
        }
        stereo = [n for n, method in denoisers.items() if method.model.kind.uses_right_infrared]
        pairs = bool(stereo) and _has_both_images(opened)
        for name, method in denoisers.items():
            methods[name] = method
            if pairs and name in stereo:
                methods[name + LEFT_ONLY] = method.without_right_infrared()
        if self.settings.baselines:
            methods |= all_baselines()
        return methods, denoised

    def _measure(
        self, opened: Recording, methods: dict[str, Method], report_frames: _ReportFrames | None,
        progress: Progress,
    ) -> Summary:  # fmt: skip
        max_frames = self.settings.max_frames
        total = opened.count and min(opened.count, max_frames)
        every_frame = opened if report_frames is None else report_frames.label(opened)
        frames = progress(sample_frames(every_frame, opened.count, max_frames), total)
        result = evaluate(frames, methods, self.settings.size, self.settings.setup, report_frames)
        result.skipped |= opened.skipped
        return result.summarise()


class _ReportFrames:
    """Selects the frames of the report, whose plotly takes a second to import."""

    def __init__(self, denoised: OfflineDenoiser) -> None:
        from rs_denoise.evaluation.report.frame_selection import FrameSelection

        self._selection = FrameSelection(denoised.model.kind.uses_right_infrared)

    def __call__(
        self, frame: Frame, depths_mm: Mapping[str, np.ndarray], ungated: Mapping[str, Denoised]
    ) -> None:
        confidence = None
        if DENOISED in ungated:  # of networks that predict their uncertainty
            confidence = np.where(depths_mm[DENOISED] > 0, ungated[DENOISED].confidence, 0.0)
        self._selection.add(frame, depths_mm[DENOISED], confidence)

    def label(self, recording: Iterable[Frame]) -> Iterable[Frame]:
        return self._selection.label(recording)

    def write(self, path: Path, title: str, summary: Summary) -> None:
        from rs_denoise.evaluation.report.report import write_report

        write_report(path, title, summary, self._selection.frames())


def _note_sample(opened: Recording, summary: Summary, max_frames: int) -> list[str]:
    """A note if only the first frames were measured, because their number is not recorded."""
    if opened.count is not None or summary.all_frames < max_frames:
        return []
    return [
        f"only the first {max_frames} frames are measured, because the recording does not say how "
        "many it has; choose how many with --max-frames"
    ]


def _has_both_images(recording: Recording) -> bool:
    """Whether one of the first frames has infrared of both imagers; an image can get lost."""
    first = islice(recording, RUN)
    return any(f.infrared is not None and f.infrared_right is not None for f in first)


def _with_requirements(summary: Summary, requirements: Sequence[Requirement]) -> Summary:
    if not requirements:
        return summary
    from rs_denoise.evaluation.requirement import check_requirement

    methods = summary.to_json()["methods"]
    results = [check_requirement(requirement, methods) for requirement in requirements]
    return replace(summary, requirements=results)


def _time(denoised: OfflineDenoiser, opened: Recording, size: tuple[int, int] | None) -> Timing:
    """Times the network on the first frames, one after the other, as a camera would send them."""
    frames = list(islice(opened, TIMED_FRAMES))
    if size is not None:
        frames = [resample_frame(frame, *size) for frame in frames]
    denoised.time(frames[0])  # warms up
    times_ms = [denoised.time(frame) for frame in frames]
    p50, p99 = (round(float(ms), 1) for ms in np.percentile(times_ms, [50, 99]))
    return Timing(p50, p99, len(times_ms))
