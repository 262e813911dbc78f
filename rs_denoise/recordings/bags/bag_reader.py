"""Reads frames from a bag that a ROS driver or librealsense recorded."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rs_denoise.camera import Camera, CameraError
from rs_denoise.depth import MILLIMETRE_M, to_uint16_mm
from rs_denoise.recordings.bags import messages
from rs_denoise.recordings.bags.bag import Bag
from rs_denoise.recordings.bags.baseline import read_option
from rs_denoise.recordings.bags.framesets import (
    MAX_DEPTH_WAITING,
    WAIT_NS,
    Frameset,
    FramesetBuilder,
)
from rs_denoise.recordings.bags.topics import CameraTopics, find_topics
from rs_denoise.recordings.folders.image_camera import camera_of_size
from rs_denoise.recordings.frame import (
    MAX_STAMP_NS,
    WITHOUT_INFRARED,
    Frame,
    RecordingError,
)
from rs_denoise.recordings.map_ahead import map_ahead
from rs_denoise.recordings.overrides import NO_OVERRIDES, Overrides
from rs_denoise.recordings.skipped import Skipped, SkippedLog

# A camera has few resolutions; a recording with more is damaged.
MAX_RESOLUTIONS = 16
REASONS_IN_ERROR = 3
# What becomes of frames without the images of a topic.
CONSEQUENCES = WITHOUT_INFRARED | {"ground truth": "without ground truth"}
NO_TIME = "its time of capture is not recorded"

_log = logging.getLogger(__name__)


class BagReader:
    """Reads the frames of one camera in a bag, more than once if needed.

    Attributes:
        notes: what had to be assumed or is missing, as sentences.
        assumed: fields of the camera that had to be assumed.
        count: number of depth images; None if this requires reading the whole bag.

    Raises:
        RecordingError: it is not a bag, or its topics are ambiguous.
        CameraError: the file of the user's camera cannot be read.
    """

    def __init__(self, path: Path, overrides: Overrides = NO_OVERRIDES) -> None:
        self._bag = Bag(path)
        self._topics = find_topics(self._bag, overrides)
        self._camera = overrides.camera
        self.notes, self.assumed = self._topics.notes, self._topics.assumed
        self.count = self._bag.count(self._topics.depth)

    def read(self, skipped: Skipped, ignored: frozenset[str] = frozenset()) -> Iterator[Frame]:
        """Yields each depth image with infrared of both imagers and ground truth, in their order.

        Needs constant memory: images wait at most a second for their partners. An image that cannot
        be used is listed in `skipped`. A depth image without infrared or ground truth is still a
        frame.

        Args:
            skipped: collects what could not be used; cleared first.
            ignored: roles of images that are left out, see `CameraTopics.images`.

        Raises:
            RecordingError: the bag has no usable frame.
        """
        skipped.clear()
        skipped.update(self._bag.skipped)
        builder = _FrameBuilder(self._topics.baseline_m, self._camera, skipped)
        framesets = FramesetBuilder()
        yield from self._read(builder, framesets, skipped, ignored)
        builder.check_result(self._bag.path)
        for topic, role in self._topics.images.items():
            # Ground truth may be in other parts of a recording of which only some are read.
            is_missed = role in WITHOUT_INFRARED or role in builder.roles_seen
            if role in CONSEQUENCES and is_missed and role not in ignored:
                builder.check_used(role, topic, framesets.nearest_ns.get(role))

    def _read(
        self,
        builder: _FrameBuilder,
        framesets: FramesetBuilder,
        skipped: Skipped,
        ignored: frozenset[str],
    ) -> Iterator[Frame]:
        log = SkippedLog()
        info_ns = 0  # stamp of the latest camera_info
        messages_read = _StampedMessages(self._topics, log).read(self._bag, ignored)
        for decoded in map_ahead(self._decode, _with_log(messages_read, log)):
            decoded.add_skipped(skipped)
            if decoded.message is None:
                continue
            topic, stamp_ns = decoded.message.topic, decoded.message.stamp_ns
            if topic == self._topics.camera_info:
                if stamp_ns < info_ns - WAIT_NS:
                    # The clock was set back: by their stamps, waiting images would be later.
                    yield from builder.build(framesets.flush())
                info_ns = stamp_ns
                builder.add_camera_info(stamp_ns, decoded.message.message)
                continue
            role = self._topics.images[topic]
            if decoded.image is None:
                skipped.add(f"{role} {stamp_ns}", decoded.error)
                continue
            builder.roles_seen.add(role)
            yield from builder.build(framesets.add(role, stamp_ns, decoded.image))
        yield from builder.build(framesets.flush())

    def _decode(self, logged: _Logged) -> _Decoded:
        """Decodes an image, in a thread; other messages stay as they are."""
        message, add_skipped = logged
        if message is None or message.topic == self._topics.camera_info:
            return _Decoded(message, add_skipped)
        try:
            if self._topics.images[message.topic] in ("infrared", "right infrared"):
                image = messages.read_infrared(message.message)
            else:
                image = messages.read_depth_mm(message.message, message.unit_m)
        except RecordingError as error:
            return _Decoded(message, add_skipped, error=str(error))
        return _Decoded(message, add_skipped, image)


class _StampedMessage(NamedTuple):
    """A message with its time of capture and, for depth, its unit in m."""

    topic: str
    stamp_ns: int
    message: Any
    unit_m: float


class _Logged(NamedTuple):
    """A message (None at the end), and a function that adds the entries skipped before it."""

    message: _StampedMessage | None
    add_skipped: Callable[[Skipped], None]


@dataclass(frozen=True)
class _Decoded:
    """A message with its image, or with the reason why that cannot be decoded."""

    message: _StampedMessage | None
    add_skipped: Callable[[Skipped], None]
    image: np.ndarray | None = None
    error: str = ""


def _with_log(source: Iterator[_StampedMessage], log: SkippedLog) -> Iterator[_Logged]:
    """Adds to each message the entries skipped before it, so that the order is kept."""
    try:
        for message in source:
            yield _Logged(message, log.take())
    except Exception:
        yield _Logged(None, log.take())
        raise
    yield _Logged(None, log.take())


class _StampedMessages:
    """Finds the time of capture of each camera_info and image.

    It is in the header of a ROS message. librealsense 2.59 and newer stores it in a metadata
    message that follows the image, so the image waits for that.
    """

    def __init__(self, topics: CameraTopics, skipped: Skipped) -> None:
        self._topics, self._skipped = topics, skipped
        self._image_topics = {metadata: image for image, metadata in topics.metadata.items()}
        self._waiting: dict[str, Any] = {}
        self._unit_m = MILLIMETRE_M

    def read(self, bag: Bag, ignored: frozenset[str]) -> Iterator[_StampedMessage]:
        topics = self._topics
        images = {topic for topic, role in topics.images.items() if role not in ignored}
        wanted = {*images, *topics.metadata.values()}
        wanted |= {topic for topic in (topics.camera_info, topics.units) if topic}
        for topic, time_ns, message in bag.messages(wanted, self._skipped):
            if topic == topics.units:
                self._unit_m = read_option(message) or self._unit_m
            elif topic in topics.metadata:
                if topic in self._waiting:
                    self._skipped.add(f"{topic} before {time_ns}", NO_TIME)
                self._waiting[topic] = message
            elif topic in self._image_topics:
                yield from self._stamp_waiting(self._image_topics[topic], message, time_ns)
            else:
                # If the sender did not fill in the stamp, the time of arrival is used.
                stamp_ns = messages.read_stamp_ns(message.header) or time_ns
                if not 0 <= stamp_ns <= MAX_STAMP_NS:
                    self._skipped.add(f"{topic} {time_ns}", NO_TIME)
                    continue
                unit_m = getattr(message, "unit_m", 0) or self._unit_m
                yield _StampedMessage(topic, stamp_ns, message, unit_m)
        for topic in self._waiting:
            self._skipped.add(f"the last of {topic}", NO_TIME)

    def _stamp_waiting(self, topic: str, metadata: Any, time_ns: int) -> Iterator[_StampedMessage]:
        image = self._waiting.pop(topic, None)
        stamp_ns = _parse_metadata_stamp_ns(metadata.data)
        if image is not None and stamp_ns is not None:
            yield _StampedMessage(topic, stamp_ns, image, self._unit_m)
        elif image is not None:
            self._skipped.add(f"{topic} {time_ns}", NO_TIME)


class _FrameBuilder:
    """Makes frames from framesets: adds the camera of their size and a unique name.

    Args:
        baseline_m: of the camera.
        camera: the user's, as of `Overrides`, for images without a camera_info of their size.
        skipped: collects what could not be used.
    """

    def __init__(self, baseline_m: float, camera: str | None, skipped: Skipped) -> None:
        self.roles_seen: set[str] = set()
        self._baseline_m, self._camera, self._skipped = baseline_m, camera, skipped
        # By size: the stamps from which on cameras are valid, and the cameras. As depth waits for
        # its partners, the newest camera_info may be later than it.
        self._cameras: dict[tuple[int, int], deque[tuple[int, Camera]]] = {}
        self._count, self._newest_ns = 0, -1
        # Frames by role of an image: that had one, and that could use it.
        self._paired, self._used = Counter[str](), Counter[str]()

    def add_camera_info(self, stamp_ns: int, info: Any) -> None:
        """Stores the camera of a camera_info, if it is valid and a new one for its size."""
        try:
            camera = Camera.from_camera_info(info, self._baseline_m)
        except CameraError as error:
            self._skipped.add("a camera_info", str(error))
            return
        size = camera.height, camera.width
        if size not in self._cameras and len(self._cameras) >= MAX_RESOLUTIONS:
            return
        cameras = self._cameras.setdefault(size, deque(maxlen=MAX_DEPTH_WAITING))
        if not cameras or cameras[-1][1] != camera:
            cameras.append((stamp_ns, camera))

    def build(self, framesets: Iterator[Frameset]) -> Iterator[Frame]:
        """Yields a frame for each frameset whose camera is known."""
        for frameset in framesets:
            try:
                camera = self._find_camera(frameset.stamp_ns, *frameset.depth.shape)
            except CameraError as error:
                self._skipped.add(f"depth {frameset.stamp_ns}", str(error))
                continue
            self._count += 1
            depth_mm, out_of_range = _split_out_of_range(frameset.depth)
            truth = self._check_size(frameset, "ground truth", frameset.ground_truth)
            yield Frame(
                name=self._make_name(frameset.stamp_ns),
                camera=camera,
                depth_mm=depth_mm,
                infrared=self._check_size(frameset, "infrared", frameset.infrared),
                infrared_right=self._check_size(
                    frameset, "right infrared", frameset.infrared_right
                ),
                ground_truth_mm=None if truth is None else _split_out_of_range(truth)[0],
                stamp_ns=frameset.stamp_ns,
                out_of_range=out_of_range,
            )

    def check_result(self, path: Path) -> None:
        """Raises an error if there was no frame."""
        if not self._count:
            reasons = [f"{name}: {reason}" for name, reason in self._skipped.items()]
            raise RecordingError(
                f"{path}: no frame in it can be used"
                + (f" ({'; '.join(reasons[:REASONS_IN_ERROR])})" if reasons else ": it is empty")
            )

    def check_used(self, role: str, topic: str, nearest_ns: int | None) -> None:
        """Notes a topic of infrared or ground truth of which no image could be used.

        Args:
            role: of its images.
            topic: its name.
            nearest_ns: as of `FramesetBuilder`.
        """
        if not self._used[role]:
            self._skipped.add(
                topic,
                f"none of it {self._describe_fault(role, nearest_ns)}: {self._count} frames are "
                f"{CONSEQUENCES[role]}",
            )

    def _describe_fault(self, role: str, nearest_ns: int | None) -> str:
        if role not in self.roles_seen:
            return "can be read"
        if self._paired[role]:
            return "has the size of its depth image"
        nearest = "more than a second"
        if nearest_ns is not None and nearest_ns <= WAIT_NS:
            nearest = f"{nearest_ns / 1e6:.1f} ms"
        return f"is within 5 ms of depth (the nearest differs by {nearest})"

    def _make_name(self, stamp_ns: int) -> str:
        """The stamp, with a unique number appended if the clock stood still or went back."""
        if stamp_ns > self._newest_ns:
            self._newest_ns = stamp_ns
            return f"{stamp_ns}"
        return f"{stamp_ns}_{self._count}"

    def _check_size(self, frameset: Frameset, role: str, image):
        """The image, or None if its size differs from depth, so that pixels do not match."""
        self._paired[role] += image is not None
        if image is None:
            return None
        if image.shape == frameset.depth.shape:
            self._used[role] += 1
            return image
        (height, width), (depth_height, depth_width) = image.shape, frameset.depth.shape
        self._skipped.add(
            f"{role} {frameset.stamp_ns}",
            f"it is {width}x{height}, its depth {depth_width}x{depth_height}",
        )
        return None

    def _find_camera(self, stamp_ns: int, height: int, width: int) -> Camera:
        """The camera of this size that was valid at this time; without a camera_info, the user's.

        If all are later, as where the camera_info has another clock, it is the latest one.
        """
        if (height, width) not in self._cameras and self._camera is not None:
            chosen = camera_of_size(self._camera, width, height)
            return replace(chosen, baseline_m=self._baseline_m)
        if (height, width) not in self._cameras:
            known = ", ".join(f"{w}x{h}" for h, w in self._cameras) or "none"
            raise CameraError(
                f"no camera_info of {width}x{height}, its size, came before it; it has {known}: "
                "set the camera with --camera"
            )
        cameras = self._cameras[height, width]
        valid = (camera for since_ns, camera in reversed(cameras) if since_ns <= stamp_ns)
        return next(valid, cameras[-1][1])


def read_bag(
    path: Path, overrides: Overrides = NO_OVERRIDES, skipped: Skipped | None = None
) -> Iterator[Frame]:
    """Yields the frames of a bag of ROS 1, ROS 2 or librealsense, in the order of arrival.

    Stamps are the camera's. Infrared and ground truth are those nearest to the depth image,
    within 5 ms, or None. Reads one message at a time, in constant memory.

    Args:
        path: a folder or a file.
        overrides: topics to read instead of those that are found.
        skipped: collects what could not be used; None: log it as warnings.

    Raises:
        RecordingError: not a bag, no depth or camera_info, several cameras, or no usable frame.
    """
    collected = Skipped() if skipped is None else skipped
    yield from BagReader(path, overrides).read(collected)
    if skipped is None:
        for name, reason in collected.items():
            _log.warning("%s: skipped %s: %s", path, name, reason)


def _split_out_of_range(depth_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Depth as of a frame, and where it is out of range; depth is as of `read_depth_mm`."""
    if depth_mm.dtype.kind != "f":
        return depth_mm, None
    out_of_range = np.isneginf(depth_mm)
    if not out_of_range.any():
        return depth_mm, None
    return to_uint16_mm(depth_mm), out_of_range


def _parse_metadata_stamp_ns(text: str) -> int | None:
    """The time of capture in the metadata that librealsense records since 2.59."""
    fields = dict(part.partition("=")[::2] for part in text.split(";"))
    try:
        # In ms, with more digits than a float holds.
        stamp_ns = int(Decimal(fields["timestamp"]).scaleb(6))
    except (KeyError, ArithmeticError, ValueError):
        return None
    return stamp_ns if 0 <= stamp_ns <= MAX_STAMP_NS else None
