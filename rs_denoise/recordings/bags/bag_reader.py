"""Frames out of the messages of a bag: of a ROS driver, or of librealsense itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from rs_denoise.camera import Camera, CameraError
from rs_denoise.recordings.bags import messages
from rs_denoise.recordings.bags.bag import Bag
from rs_denoise.recordings.bags.synchronizer import Match, Pairing
from rs_denoise.recordings.bags.topics import Topics, choose, option_value
from rs_denoise.recordings.frame import Frame, RecordingError
from rs_denoise.recordings.skipped import Skipped

# A camera has few resolutions; more of them are no camera's.
MOST_SIZES = 16
REASONS_IN_ERROR = 3
FOUND = Topics()

_log = logging.getLogger(__name__)


class _Message(NamedTuple):
    """A message with when it was taken, and what a step of depth is."""

    topic: str
    stamp_ns: int
    message: Any
    unit_m: float


class BagFrames:
    """The frames of one camera in a bag, which can be read more than once.

    Attributes:
        notes: what had to be assumed or is missing, as sentences.
        count: of its depth images; None where only reading it all would tell.

    Raises:
        RecordingError: it is no bag, or which topics are meant cannot be told.
    """

    def __init__(self, path: Path, topics: Topics = FOUND) -> None:
        self._bag = Bag(path)
        self._chosen = choose(self._bag, topics)
        self.notes = self._chosen.notes
        self.count = self._bag.count(self._chosen.depth)

    def read(self, skipped: Skipped) -> Iterator[Frame]:
        """Each depth image with its infrared and ground truth, in the order of arrival.

        Constant memory: at most a second of images waits for what belongs to it. An image that
        cannot be used is named in `skipped`; without its infrared or ground truth a depth image
        is a frame still.

        Raises:
            RecordingError: there was depth, or something that cannot be read, but not one frame.
        """
        skipped.clear()
        skipped.update(self._bag.skipped)
        frames = _Frames(self._chosen.baseline_m, skipped)
        yield from self._frames(frames, skipped)
        frames.close(self._bag.path, self._chosen.infrared)

    def _frames(self, frames: _Frames, skipped: Skipped) -> Iterator[Frame]:
        chosen = self._chosen
        roles = {chosen.depth: "depth"}
        if chosen.infrared:
            roles[chosen.infrared] = "infrared"
        if chosen.ground_truth:
            roles[chosen.ground_truth] = "ground truth"
        pairing = Pairing()
        for topic, stamp_ns, message, unit_m in self._messages(skipped):
            if topic == chosen.camera_info:
                frames.learn(message)
                continue
            role = roles[topic]
            try:
                if role == "infrared":
                    image = messages.infrared(message)
                else:
                    image = messages.depth_mm(message, unit_m)
            except RecordingError as error:
                skipped.add(f"{role} {stamp_ns}", str(error))
                continue
            frames.seen.add(role)
            yield from frames.of(pairing.add(role, stamp_ns, image))
        yield from frames.of(pairing.rest())

    def _messages(self, skipped: Skipped) -> Iterator[_Message]:
        """Camera infos and images, stamped by the camera's clock."""
        chosen = self._chosen
        images = [t for t in (chosen.depth, chosen.infrared, chosen.ground_truth) if t]
        wanted = {*images, chosen.camera_info, *chosen.metadata.values()}
        wanted |= {chosen.units} if chosen.units else set()
        image_of = {metadata: image for image, metadata in chosen.metadata.items()}
        held: dict[str, Any] = {}
        unit_m = messages.MILLIMETRE_M
        for topic, time_ns, message in self._bag.messages(wanted, skipped):
            if topic == chosen.units:
                unit_m = option_value(message) or unit_m
            elif topic in chosen.metadata:
                if topic in held:
                    skipped.add(f"{topic} before {time_ns}", "nothing says when it was taken")
                held[topic] = message
            elif topic in image_of:
                image = held.pop(image_of[topic], None)
                stamp_ns = _metadata_stamp_ns(message.data)
                if image is not None and stamp_ns is not None:
                    yield _Message(image_of[topic], stamp_ns, image, unit_m)
                elif image is not None:
                    skipped.add(f"{image_of[topic]} {time_ns}", "nothing says when it was taken")
            else:
                # Not every sender fills stamps in: then the time of arrival serves.
                stamp_ns = messages.stamp_ns(message.header) or time_ns
                yield _Message(topic, stamp_ns, message, getattr(message, "unit_m", 0) or unit_m)
        for topic in held:
            skipped.add(f"the last of {topic}", "nothing says when it was taken")


class _Frames:
    """Makes frames of matches, with the camera that belongs to their size and a name each."""

    def __init__(self, baseline_m: float, skipped: Skipped) -> None:
        self.seen: set[str] = set()
        self._baseline_m, self._skipped = baseline_m, skipped
        self._cameras: dict[tuple[int, int], Camera] = {}
        self._count = self._with_infrared = 0
        self._newest_ns = -1

    def learn(self, info: Any) -> None:
        """Takes a camera_info; the latest valid one of its size serves."""
        try:
            camera = messages.camera(info, self._baseline_m)
        except CameraError as error:
            self._skipped.add("a camera_info", str(error))
            return
        if len(self._cameras) < MOST_SIZES:
            self._cameras[camera.height, camera.width] = camera

    def of(self, matches: Iterator[Match]) -> Iterator[Frame]:
        """The frames of those whose camera is known."""
        for match in matches:
            camera = self._cameras.get(match.depth.shape)  # type: ignore[call-overload]
            if camera is None:
                self._skipped.add(f"depth {match.stamp_ns}", self._without_camera(match))
                continue
            infrared = self._fitting(match, "infrared", match.infrared)
            self._with_infrared += infrared is not None
            self._count += 1
            yield Frame(
                name=self._name(match.stamp_ns),
                camera=camera,
                depth_mm=match.depth,
                infrared=infrared,
                ground_truth_mm=self._fitting(match, "ground truth", match.ground_truth),
                stamp_ns=match.stamp_ns,
            )

    def close(self, path: Path, infrared: str | None) -> None:
        """Tells what is amiss with the whole."""
        if not self._count:
            reasons = [f"{name}: {reason}" for name, reason in self._skipped.items()]
            raise RecordingError(
                f"{path}: no frame in it can be used"
                + (f" ({'; '.join(reasons[:REASONS_IN_ERROR])})" if reasons else ": it is empty")
            )
        if infrared and "infrared" in self.seen and not self._with_infrared:
            self._skipped.add(infrared, "none of it is within 5 ms of a depth image")

    def _name(self, stamp_ns: int) -> str:
        """The stamp; where a clock stood still or went back, with a number that is unique."""
        if stamp_ns > self._newest_ns:
            self._newest_ns = stamp_ns
            return f"{stamp_ns}"
        return f"{stamp_ns}_{self._count}"

    def _fitting(self, match: Match, role: str, image):
        """An image of the same moment, if it has the size of depth: else they share no pixels."""
        if image is None or image.shape == match.depth.shape:
            return image
        (height, width), (of_depth_height, of_depth_width) = image.shape, match.depth.shape
        self._skipped.add(
            f"{role} {match.stamp_ns}",
            f"it is {width}x{height}, its depth {of_depth_width}x{of_depth_height}",
        )
        return None

    def _without_camera(self, match: Match) -> str:
        height, width = match.depth.shape
        known = ", ".join(f"{w}x{h}" for h, w in self._cameras) or "none"
        return f"no camera_info of {width}x{height}, its size, came before it; it has {known}"


def read_bag(path: Path, topics: Topics = FOUND, skipped: Skipped | None = None) -> Iterator[Frame]:
    """The frames of a bag of ROS 1, ROS 2 or librealsense, in the order of arrival.

    Stamps are the camera's. Infrared and ground truth are those nearest to the depth image,
    within 5 ms; None where there are none. Reads as it goes, in constant memory.

    Args:
        path: a folder or a file.
        topics: which to read rather than those found.
        skipped: takes what could not be used; None: it is logged as a warning.

    Raises:
        RecordingError: not a bag, no depth or camera_info, several cameras, or no usable frame.
    """
    collected = Skipped() if skipped is None else skipped
    yield from BagFrames(path, topics).read(collected)
    if skipped is None:
        for name, reason in collected.items():
            _log.warning("%s: skipped %s: %s", path, name, reason)


def _metadata_stamp_ns(text: str) -> int | None:
    """When an image was taken, in the metadata that librealsense records since 2.59."""
    fields = dict(part.partition("=")[::2] for part in text.split(";"))
    try:
        # In ms, with more digits than a float holds.
        return int(Decimal(fields["timestamp"]).scaleb(6))
    except (KeyError, ArithmeticError, ValueError):
        return None
