"""One frame: raw depth, denoised depth and ground truth side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rs_denoise.depth import round_like
from rs_denoise.drawing.picture import brighten_infrared, colour_depth, find_depth_range
from rs_denoise.evaluation.cross_section import Pixel, Profile, sample_line
from rs_denoise.offline import DENOISED, RAW, OfflineDenoiser
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.recording import Recording

TRUTH = "ground truth"


@dataclass(frozen=True)
class FrameComparison:
    """A frame and its denoised depth.

    Attributes:
        frame: with the camera's depth.
        denoised_mm: [H, W] in the type of the frame's depth, 0 = invalid.
        right_rejection: as of `Denoised`.
    """

    frame: Frame
    denoised_mm: np.ndarray
    right_rejection: str | None = None

    @classmethod
    def of(cls, frame: Frame, denoiser: OfflineDenoiser) -> FrameComparison:
        """Denoises a frame; errors are those of `Denoiser.denoise`."""
        denoised = denoiser.denoise(frame)
        depth_mm = round_like(denoised.depth_mm, frame.depth_mm)
        return cls(frame, depth_mm, denoised.right_rejection)

    @property
    def depths_mm(self) -> dict[str, np.ndarray]:
        """[H, W] uint16 by name: raw, denoised and, if known, ground truth."""
        depths = {RAW: self.frame.depth_mm, DENOISED: self.denoised_mm}
        if self.frame.ground_truth_mm is not None:
            depths[TRUTH] = self.frame.ground_truth_mm
        return depths

    @property
    def range_mm(self) -> tuple[float, float]:
        """Nearest and farthest depth of the colour scale of all pictures of the frame."""
        truth = self.frame.ground_truth_mm
        return find_depth_range(self.frame.depth_mm if truth is None else truth)

    def draw_pictures(self) -> dict[str, np.ndarray]:
        """Infrared (if any), raw and denoised depth: [H, W, 3] uint8 RGB by title."""
        pictures = {}
        if self.frame.infrared is not None:
            pictures["infrared"] = brighten_infrared(self.frame.infrared, ())
        for name in (RAW, DENOISED):
            pictures[f"depth, {name}"] = colour_depth(self.depths_mm[name], *self.range_mm)
        return {title: picture[..., ::-1] for title, picture in pictures.items()}

    def profiles(self, start: Pixel, end: Pixel) -> dict[str, Profile]:
        """Each depth along a line.

        Raises:
            CrossSectionError: as `sample_line`.
        """
        return {name: sample_line(depth, start, end) for name, depth in self.depths_mm.items()}


def select_frame(recording: Recording, wanted: str | None) -> Frame:
    """The frame with this name, else with this index from 0; None takes the first.

    Raises:
        RecordingError: there is none.
    """
    index = int(wanted) if wanted is not None and wanted.isdecimal() else None
    found, count = None, 0
    for count, frame in enumerate(recording, 1):
        if wanted is None or frame.name == wanted:
            return frame
        if count - 1 == index:
            found = frame
        # Where frames are named by their stamps, as in bags, no later one can be named "3".
        if found is not None and frame.name.endswith(str(frame.stamp_ns)):
            break
    if found is not None:
        return found
    reasons = "; ".join(f"{name}: {reason}" for name, reason in recording.skipped.items())
    if count:
        there = f"expected a name, or a number from 0 to {count - 1}"
        raise RecordingError(f"no frame '{wanted}': {there}" + (f" ({reasons})" if reasons else ""))
    raise RecordingError(f"no frame could be read: {reasons or 'the recording is empty'}")
