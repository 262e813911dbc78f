"""What the node learns about the camera from the camera's own topics."""

from __future__ import annotations

import copy
import math

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from rs_denoise.camera import Camera

# D435 and D435i. Depth stays metric with a wrong baseline, see `rs_denoise.denoiser.Denoiser`.
DEFAULT_BASELINE_M = 0.050
# Of no depth camera; an image of that size would still fit into memory.
MAX_SIDE_PX = 4096


class CameraModel:
    """The latest valid camera_info of depth, and the baseline from where it can be had.

    Attributes:
        refusal: why the latest camera_info was not taken, or None.
    """

    def __init__(self) -> None:
        self._info: CameraInfo | None = None
        self._seen_baseline_m: float | None = None
        self.refusal: str | None = None

    def update(self, info: CameraInfo) -> None:
        """Takes depth's camera_info; an impossible one is kept out and told in `refusal`."""
        fx, fy = info.k[0], info.k[4]
        if not (math.isfinite(fx) and math.isfinite(fy) and fx > 0 and fy > 0):
            self.refusal = (
                f"camera_info has focal lengths {fx}, {fy}: calibrate or replug the camera"
            )
        elif not (0 < info.width <= MAX_SIDE_PX and 0 < info.height <= MAX_SIDE_PX):
            self.refusal = (
                f"camera_info has a size of {info.width}x{info.height}, expected 1 to "
                f"{MAX_SIDE_PX} pixels: the driver that sent it is at fault"
            )
        else:
            self._info, self.refusal = info, None

    def update_right(self, info: CameraInfo) -> None:
        """Takes infra2's camera_info: P[3] = -fx * baseline."""
        if info.p[0] > 0 and info.p[3] < 0:
            self._seen_baseline_m = -info.p[3] / info.p[0]

    def update_extrinsics(self, translation: tuple[float, float, float]) -> None:
        """Takes the translation of extrinsics/depth_to_infra2, m."""
        length = math.hypot(*translation)
        if 0 < length < 1:
            self._seen_baseline_m = length

    @property
    def known(self) -> bool:
        """Whether a valid camera_info ever came."""
        return self._info is not None

    @property
    def baseline_seen(self) -> bool:
        """Whether a topic told the baseline."""
        return self._seen_baseline_m is not None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the images."""
        assert self._info is not None
        return self._info.height, self._info.width

    def camera(self, baseline_m: float) -> Camera:
        """The camera; `baseline_m` > 0 goes before what was seen, and 50 mm after it."""
        info = self._info
        assert info is not None
        return Camera(
            width=info.width, height=info.height,
            fx=info.k[0], fy=info.k[4], cx=info.k[2], cy=info.k[5],
            baseline_m=baseline_m or self._seen_baseline_m or DEFAULT_BASELINE_M,
        )  # fmt: skip

    def restamped(self, header: Header) -> CameraInfo:
        """The latest camera_info with the stamp and frame of an image."""
        info = copy.copy(self._info)
        assert info is not None
        info.header = header
        return info
