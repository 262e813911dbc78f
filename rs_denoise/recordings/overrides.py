"""The user's settings for a recording, which override what is found in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Overrides:
    """Topics to read instead of those that are found, and the camera; None: find them.

    Attributes:
        depth, infrared, ground_truth: of images, raw or compressed; infrared of the left imager.
        camera_info: of the depth images.
        baseline_m: between the imagers, instead of the recorded or assumed one.
        infrared_right: of the right imager's images, raw or compressed.
        camera: of images that are stored without one: the name of a RealSense model, or the path of
            a camera.json.
    """

    depth: str | None = None
    infrared: str | None = None
    ground_truth: str | None = None
    camera_info: str | None = None
    baseline_m: float | None = None
    infrared_right: str | None = None
    camera: str | None = None


NO_OVERRIDES = Overrides()
