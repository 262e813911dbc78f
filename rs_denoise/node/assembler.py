"""Assembles frames from messages: pairs images and adds the calibration."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sensor_msgs.msg import CameraInfo, Image

from rs_denoise.node.calibration import CameraCalibration, compare_sizes
from rs_denoise.node.images import read_depth, read_infrared
from rs_denoise.pipeline.frame_pipeline import FrameSettings, InputFrame
from rs_denoise.pipeline.synchronizer import (
    FrameSynchronizer,
    PairingCounts,
    SyncedImages,
    SyncSettings,
)


@dataclass(frozen=True)
class AssemblerSettings:
    """The user's settings for the input.

    Attributes:
        sync: how images are grouped.
        baseline_m: 0: use that of the topics.
        frame: settings passed on with each frame.
    """

    sync: SyncSettings
    baseline_m: float
    frame: FrameSettings


@dataclass(frozen=True)
class StreamState:
    """The state of an infrared stream.

    Attributes:
        wanted: whether it is used at all.
        missing: whether no image has matched depth for longer than the timeout, when the latest
            depth image arrived.
        arrives: whether images arrived until then, with or without matching stamps.
        was_paired: whether an image has ever matched.
        rejection: why the latest image was not used; None if it was.
    """

    wanted: bool
    missing: bool
    arrives: bool
    was_paired: bool
    rejection: str | None = None


@dataclass(frozen=True)
class _Received:
    """A message and when it arrived, `time.monotonic_ns()`."""

    message: Image
    at_ns: int


class FrameAssembler:
    """Makes input frames from a camera's messages.

    Args:
        calibration: updated by its own topics.
        settings: may be replaced at any time by `configure`.
        on_frame: called with each complete frame. Its `source` is the camera_info to publish.
        on_failure: called with the reason when a frame is lost.
        on_dropped: called when a frame that waits for its calibration is discarded.
        on_wait: called when a frame begins to wait for right infrared: `release_overdue` must then
            be called repeatedly until it returns False.
        camera_info_topic: for the error message if nothing arrives there.

    Attributes:
        settings: the current ones.
    """

    def __init__(
        self,
        calibration: CameraCalibration,
        settings: AssemblerSettings,
        on_frame: Callable[[InputFrame[CameraInfo]], None],
        on_failure: Callable[[str], None],
        on_dropped: Callable[[], None],
        on_wait: Callable[[], None],
        camera_info_topic: str,
    ) -> None:
        self._calibration = calibration
        self._on_frame, self._on_failure, self._on_dropped = on_frame, on_failure, on_dropped
        self._on_wait = on_wait
        self._camera_info_topic = camera_info_topic
        self._synchronizer: FrameSynchronizer[_Received] = FrameSynchronizer(settings.sync)
        self._uncalibrated: SyncedImages[_Received] | None = None
        self._depth_stamp_ns: int | None = None
        self._depth_size: tuple[int, int] | None = None
        self._infrared_rejection: str | None = None
        self.settings = settings

    @property
    def counts(self) -> PairingCounts:
        """How many depth images were paired or dropped so far."""
        return self._synchronizer.counts

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the camera's images, px; None while depth and camera_info differ."""
        return self._depth_size if self._depth_size == self._calibration.size else None

    @property
    def infrared(self) -> StreamState:
        """The state of infrared."""
        sync = self._synchronizer
        return StreamState(
            wanted=self.settings.sync.use_infrared,
            missing=sync.infrared_is_missing,
            arrives=sync.infrared_arrives,
            was_paired=True,  # a driver always has it, so a missing one is a fault from the start
            rejection=self._infrared_rejection,
        )

    @property
    def infrared_right(self) -> StreamState:
        """The state of right infrared."""
        sync = self._synchronizer
        return StreamState(
            wanted=self.settings.sync.uses_right,
            missing=sync.right_is_missing,
            arrives=sync.right_arrives,
            was_paired=sync.right_was_paired,
        )

    def configure(self, settings: AssemblerSettings) -> None:
        """Uses new settings for all further frames."""
        before, now = self.settings.sync, settings.sync
        self.settings = settings
        self._synchronizer.settings = now
        if (now.use_infrared, now.uses_right) != (before.use_infrared, before.uses_right):
            self.restart()

    def restart(self) -> None:
        """Drops waiting images, because listening begins or ends."""
        if self._uncalibrated is not None:
            self._uncalibrated = None
            self._on_dropped()
        self._synchronizer.restart(time.monotonic_ns())

    def add_depth(self, message: Image) -> None:
        """Adds a depth image."""
        now_ns, stamp_ns = time.monotonic_ns(), _stamp_ns(message)
        if stamp_ns == self._depth_stamp_ns:
            self._on_failure(
                f"depth arrived twice with stamp {stamp_ns / 1e9:.3f} s: is it published twice, or "
                "does the camera's clock stand still?"
            )
            return
        self._depth_stamp_ns, self._depth_size = stamp_ns, _size(message)
        image = _Received(message, now_ns)
        self._add(self._synchronizer.add_depth(stamp_ns, image, now_ns))

    def add_infrared(self, message: Image) -> None:
        """Adds an infrared image of the left imager, unless it does not fit depth."""
        self._infrared_rejection = self._reject_infrared(message)
        if self._infrared_rejection is not None:
            return
        now_ns = time.monotonic_ns()
        image = _Received(message, now_ns)
        self._add(self._synchronizer.add_infrared(_stamp_ns(message), image, now_ns))

    def add_infrared_right(self, message: Image) -> None:
        """Adds an infrared image of the right imager."""
        now_ns = time.monotonic_ns()
        image = _Received(message, now_ns)
        self._add(self._synchronizer.add_infrared_right(_stamp_ns(message), image, now_ns))

    def release_overdue(self) -> bool:
        """Releases frames that waited long enough for right infrared; whether others still wait."""
        self._forward(self._synchronizer.take_complete(time.monotonic_ns()))
        return self._synchronizer.awaits_right

    def add_camera_info(self, message: CameraInfo) -> None:
        """Updates depth's camera_info."""
        self._calibration.update(message)
        if self._uncalibrated is not None and self._calibration.known:
            images, self._uncalibrated = self._uncalibrated, None
            self._forward([images])

    def _reject_infrared(self, message: Image) -> str | None:
        if self._calibration.infrared_mismatch is not None:
            return self._calibration.infrared_mismatch
        if self.size is None:
            return None  # depth is at fault, and the frame fails for that reason
        return compare_sizes(self.size, _size(message))

    def _add(self, complete: list[SyncedImages[_Received]]) -> None:
        self._forward(complete)
        if self._synchronizer.awaits_right:
            self._on_wait()

    def _forward(self, complete: list[SyncedImages[_Received]]) -> None:
        for images in complete:
            if self._calibration.known:
                self._on_frame(self._frame(images))
            else:
                self._keep_uncalibrated(images)

    def _frame(self, images: SyncedImages[_Received]) -> InputFrame[CameraInfo]:
        depth, infrared, right = images.depth, images.infrared, images.infrared_right
        return InputFrame(
            source=self._calibration.info(depth.message.header),
            depth_size=_size(depth.message),
            read_depth=partial(read_depth, depth.message),
            read_infrared=partial(read_infrared, infrared.message) if infrared else None,
            camera=self._calibration.camera(self.settings.baseline_m),
            settings=self.settings.frame,
            received_ns=depth.at_ns,
            read_infrared_right=(
                partial(read_infrared, right.message, "right infrared") if right else None
            ),
        )

    def _keep_uncalibrated(self, images: SyncedImages[_Received]) -> None:
        """Keeps an image that arrived before its camera_info, until a newer one replaces it."""
        replaced, self._uncalibrated = self._uncalibrated, images
        if replaced is not None:
            self._on_failure(
                self._calibration.rejection
                or f"no camera_info on {self._camera_info_topic}: the driver must publish it"
            )


def _stamp_ns(message: Image) -> int:
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


def _size(message: Image) -> tuple[int, int]:
    return message.width, message.height
