"""Groups depth and infrared images by stamp. Pure Python, without ROS or a clock of its own.

ROS's message_filters is not used: there, a slop of 0 never matches, a clock that jumps back stops
the filter for good, a callback that raises leaves its lock held, and a missing infrared stream
stops depth without a message. It also takes three times as long per pair.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from rs_denoise.pipeline.infrared_buffer import MAX_WAITING, InfraredBuffer

T = TypeVar("T")


@dataclass(frozen=True)
class SyncSettings:
    """How images are grouped.

    Attributes:
        slop_ns: largest difference between the stamps of depth and an infrared image.
        infrared_timeout_ns: once depth has arrived for this long and no infrared image has matched,
            depth is released alone. The same applies to the right infrared image.
        depth_only: False to drop depth instead of releasing it alone.
        use_infrared: False to release every depth image alone, at once.
        right_wait_ns: a pair waits this long for its right infrared image, but not once the next
            pair is complete, nor while that stream is missing; None: right infrared is not used.
    """

    slop_ns: int
    infrared_timeout_ns: int
    depth_only: bool = True
    use_infrared: bool = True
    right_wait_ns: int | None = None

    @property
    def uses_right(self) -> bool:
        """Whether right infrared is used."""
        return self.right_wait_ns is not None


@dataclass(frozen=True)
class SyncedImages(Generic[T]):
    """Images with matching stamps.

    Attributes:
        stamp_ns: the stamp of depth.
        depth: the depth image.
        infrared: the infrared image of the left imager; None while the stream is missing.
        infrared_right: that of the right imager, if it is used and came in time.
    """

    stamp_ns: int
    depth: T
    infrared: T | None
    infrared_right: T | None = None


@dataclass(frozen=True)
class PairingCounts:
    """Counts of depth images so far.

    Attributes:
        paired: with infrared, from both imagers or from the left one.
        unpaired: dropped, because no infrared image matched.
        alone: released without infrared.
        without_right: of those paired, how many were released without right infrared although it is
            used.
        clock_jumps: how often stamps went back, which drops waiting images.
    """

    paired: int = 0
    unpaired: int = 0
    alone: int = 0
    without_right: int = 0
    clock_jumps: int = 0


class FrameSynchronizer(Generic[T]):
    """Groups two or three streams by stamp: an equal stamp first, else the nearest within the slop.

    Each depth image is used at most once, in the order of stamps. One that finds no infrared image
    is dropped and counted. A missing right infrared image delays a pair by `right_wait_ns` at most.

    Attributes:
        settings: may be replaced at any time.
        counts: so far.
    """

    def __init__(self, settings: SyncSettings) -> None:
        self.settings = settings
        self.counts = PairingCounts()
        self._depth: OrderedDict[int, T] = OrderedDict()
        self._newest_depth: int | None = None
        self._left: InfraredBuffer[T] = InfraredBuffer()
        self._right: InfraredBuffer[T] = InfraredBuffer()
        # Pairs that wait for right infrared, each with the time when it became complete.
        self._pairs: deque[tuple[SyncedImages[T], int]] = deque()
        self.restart(0)

    def restart(self, now_ns: int) -> None:
        """Drops waiting images, as after a pause, and gives infrared its full timeout again.

        Args:
            now_ns: the time of a monotonic clock, as in all methods.
        """
        self._drop_waiting()
        self._depth_seen_ns = now_ns
        for stream in (self._left, self._right):
            stream.restart(now_ns)

    # Judged when the latest depth image arrived: while the whole camera is silent, infrared is not
    # what is missing.

    @property
    def infrared_is_missing(self) -> bool:
        """Whether no infrared image had matched depth for longer than the timeout."""
        return self._left.unmatched_ns(self._depth_seen_ns) > self.settings.infrared_timeout_ns

    @property
    def infrared_arrives(self) -> bool:
        """Whether infrared images arrived, with or without matching stamps."""
        return self._left.silent_ns(self._depth_seen_ns) <= self.settings.infrared_timeout_ns

    @property
    def right_is_missing(self) -> bool:
        """Whether no right infrared image had matched in time for longer than the timeout."""
        return self._right.unmatched_ns(self._depth_seen_ns) > self.settings.infrared_timeout_ns

    @property
    def right_arrives(self) -> bool:
        """Whether right infrared images arrived, in time or not."""
        return self._right.silent_ns(self._depth_seen_ns) <= self.settings.infrared_timeout_ns

    @property
    def right_was_paired(self) -> bool:
        """Whether a right infrared image has ever matched in time."""
        return self._right.was_paired

    @property
    def awaits_right(self) -> bool:
        """Whether a pair waits for right infrared, so that `take_complete` must be called soon."""
        return bool(self._pairs)

    def add_depth(self, stamp_ns: int, image: T, now_ns: int) -> list[SyncedImages[T]]:
        """Adds a depth image; returns the groups that this completes, oldest first."""
        if now_ns - self._depth_seen_ns > self.settings.infrared_timeout_ns:
            # The whole camera was silent: infrared gets its time to arrive. Only once, because
            # depth may always arrive this rarely.
            self._left.extend_timeout(now_ns)
            self._right.extend_timeout(now_ns)
        self._depth_seen_ns = now_ns
        if self._newest_depth is not None and stamp_ns < self._newest_depth:
            self._on_clock_jump()
        self._newest_depth = stamp_ns
        self._depth[stamp_ns] = image
        if len(self._depth) > MAX_WAITING:
            self._depth.popitem(last=False)
            self._count(unpaired=1)
        self._pair(now_ns)
        return self.take_complete(now_ns)

    def add_infrared(self, stamp_ns: int, image: T, now_ns: int) -> list[SyncedImages[T]]:
        """Adds an infrared image; returns the groups that this completes, oldest first."""
        if self._left.went_back(stamp_ns):
            self._on_clock_jump()
        self._left.add(stamp_ns, image, self.settings.slop_ns, now_ns)
        self._pair(now_ns)
        return self.take_complete(now_ns)

    def add_infrared_right(self, stamp_ns: int, image: T, now_ns: int) -> list[SyncedImages[T]]:
        """Adds a right infrared image; returns the groups that this completes, oldest first."""
        if self._right.went_back(stamp_ns):
            # Depth and left infrared have other clocks, and are not affected by this one.
            self._right.clear()
            self._count(clock_jumps=1)
        self._right.add(stamp_ns, image, self.settings.slop_ns, now_ns)
        return self.take_complete(now_ns)

    def take_complete(self, now_ns: int) -> list[SyncedImages[T]]:
        """Returns the groups that are complete or have waited long enough, oldest first."""
        complete = []
        while self._pairs:
            images = self._add_right(*self._pairs[0], now_ns)
            if images is None:
                break
            self._pairs.popleft()
            complete.append(images)
            self._count_complete(images)
        return complete

    def _pair(self, now_ns: int) -> None:
        if not self.settings.use_infrared:
            alone = [(SyncedImages(*waiting, None), now_ns) for waiting in self._depth.items()]
            self._pairs.extend(alone)
            self._depth.clear()
            return
        slop_ns = self.settings.slop_ns
        for stamp in list(self._depth):
            missing = self.infrared_is_missing
            match = self._left.find(stamp, slop_ns, self._depth, wait=not missing)
            if match is not None:
                infrared = self._left.take(match, now_ns)
                images = SyncedImages(stamp, self._depth.pop(stamp), infrared)
                self._pairs.append((images, now_ns))
            elif missing:
                self._release_alone(stamp, now_ns)
            elif self._left.is_decided(stamp):
                del self._depth[stamp]
                self._count(unpaired=1)

    def _release_alone(self, stamp: int, now_ns: int) -> None:
        depth = self._depth.pop(stamp)
        self._left.note_unpaired(stamp, now_ns + self.settings.infrared_timeout_ns)
        if self.settings.depth_only:
            self._pairs.append((SyncedImages(stamp, depth, None), now_ns))
        else:
            self._count(unpaired=1)

    def _add_right(
        self, images: SyncedImages[T], since_ns: int, now_ns: int
    ) -> SyncedImages[T] | None:
        """The images with the right one, or finally without it; None if it may still arrive."""
        settings, stamp = self.settings, images.stamp_ns
        if settings.right_wait_ns is None or images.infrared is None:
            return images
        end_ns = since_ns + settings.right_wait_ns
        # Two frames released together would compete for one worker, and the older one would be
        # dropped.
        is_newest = self._pairs[-1][0] is images
        wait = is_newest and now_ns < end_ns and not self.right_is_missing
        others = {*self._depth, *(waiting.stamp_ns for waiting, _ in self._pairs)} - {stamp}
        match = self._right.find(stamp, settings.slop_ns, others, wait)
        if match is not None:
            return replace(images, infrared_right=self._right.take(match, now_ns))
        if wait and not self._right.is_decided(stamp):
            return None
        self._right.note_unpaired(stamp, end_ns)
        return images

    def _on_clock_jump(self) -> None:
        self._count(clock_jumps=1)
        self._drop_waiting()

    def _drop_waiting(self) -> None:
        self._count(unpaired=len(self._depth) + len(self._pairs))
        self._depth.clear()
        self._pairs.clear()
        self._newest_depth = None
        self._left.clear()
        self._right.clear()

    def _count_complete(self, images: SyncedImages[T]) -> None:
        if images.infrared is None:
            self._count(alone=1)
        elif images.infrared_right is None and self.settings.uses_right:
            self._count(paired=1, without_right=1)
        else:
            self._count(paired=1)

    def _count(self, **more: int) -> None:
        self.counts = replace(
            self.counts, **{name: getattr(self.counts, name) + n for name, n in more.items()}
        )
