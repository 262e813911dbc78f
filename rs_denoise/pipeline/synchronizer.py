"""Groups depth and infrared images of the same moment. Pure Python: no ROS, no clock of its own.

ROS's message_filters does not serve: there a slop of 0 never matches, a clock that jumps back
silences the filter for good, a callback that raises leaves its lock held, and a missing infrared
stream stops depth without a message. It also costs three times as much per pair.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

# Messages of one stream that wait for their partner: a third of a second at 30 Hz.
MAX_WAITING = 10


@dataclass(frozen=True)
class SyncedImages(Generic[T]):
    """The images of one moment.

    Attributes:
        stamp_ns: of depth.
        depth: the depth image.
        infrared: the infrared image; None while the whole stream is missing.
    """

    stamp_ns: int
    depth: T
    infrared: T | None


class FrameSynchronizer(Generic[T]):
    """Pairs two streams by stamp: an equal stamp first, else the nearest within the slop.

    Each depth image is used at most once, in the order of stamps. One that finds no partner is
    dropped and counted.

    Args:
        slop_ns: largest difference between the stamps of a pair.
        infrared_timeout_ns: once depth has arrived for this long without infrared, depth goes on
            alone.

    Attributes:
        unpaired: number of depth images dropped so far.
        clock_jumps: how often stamps went back, which drops everything that waits.
    """

    def __init__(self, slop_ns: int, infrared_timeout_ns: int) -> None:
        self.slop_ns, self.infrared_timeout_ns = slop_ns, infrared_timeout_ns
        self.unpaired = 0
        self.clock_jumps = 0
        self._depth: OrderedDict[int, T] = OrderedDict()
        self._infrared: OrderedDict[int, T] = OrderedDict()
        self._newest: dict[int, int] = {}
        self.restart(0)

    def restart(self, now_ns: int) -> None:
        """Drops what waits, as after a pause, and gives infrared its full timeout again.

        Args:
            now_ns: of a monotonic clock, as in all methods.
        """
        self._drop_waiting()
        self._depth_seen_ns = self._infrared_seen_ns = now_ns

    def infrared_is_missing(self, now_ns: int) -> bool:
        """Whether infrared has been silent for longer than the timeout, while depth was not."""
        return now_ns - self._infrared_seen_ns > self.infrared_timeout_ns

    def add_depth(self, stamp_ns: int, image: T, now_ns: int) -> list[SyncedImages[T]]:
        """Takes a depth image; returns what it completes, oldest first."""
        if now_ns - self._depth_seen_ns > self.infrared_timeout_ns:
            # The whole camera was silent: infrared gets its time to arrive.
            self._infrared_seen_ns = now_ns
        self._depth_seen_ns = now_ns
        self._store(self._depth, stamp_ns, image)
        complete = self._take_complete()
        if self.infrared_is_missing(now_ns):
            complete += [SyncedImages(stamp, depth, None) for stamp, depth in self._depth.items()]
            self._depth.clear()
        return complete

    def add_infrared(self, stamp_ns: int, image: T, now_ns: int) -> list[SyncedImages[T]]:
        """Takes an infrared image; returns what it completes, oldest first."""
        self._infrared_seen_ns = now_ns
        self._store(self._infrared, stamp_ns, image)
        return self._take_complete()

    def _store(self, stream: OrderedDict[int, T], stamp_ns: int, image: T) -> None:
        if stamp_ns < self._newest.get(id(stream), stamp_ns):
            self.clock_jumps += 1
            self._drop_waiting()
        self._newest[id(stream)] = stamp_ns
        stream[stamp_ns] = image
        if len(stream) > MAX_WAITING:
            stream.popitem(last=False)
            self.unpaired += stream is self._depth

    def _drop_waiting(self) -> None:
        self.unpaired += len(self._depth)
        self._depth.clear()
        self._infrared.clear()
        self._newest.clear()

    def _take_complete(self) -> list[SyncedImages[T]]:
        complete = []
        for stamp in list(self._depth):
            partner = self._find_partner(stamp)
            if partner is not None:
                complete.append(
                    SyncedImages(stamp, self._depth.pop(stamp), self._infrared[partner])
                )
                self._forget_infrared_up_to(partner)
            elif self._is_decided(stamp):
                del self._depth[stamp]
                self.unpaired += 1
        return complete

    def _find_partner(self, stamp: int) -> int | None:
        """The stamp of the infrared image to pair with, once no later one can be nearer."""
        if stamp in self._infrared:
            return stamp
        if not self._is_decided(stamp):
            return None
        # An image with exactly the stamp of another depth image stays with that one.
        free = [s for s in self._infrared if s not in self._depth]
        nearest = min(free, key=lambda s: abs(s - stamp), default=None)
        if nearest is None or abs(nearest - stamp) > self.slop_ns:
            return None
        return nearest

    def _is_decided(self, stamp: int) -> bool:
        """Stamps rise within a stream: after a later infrared image no nearer one can come."""
        return self._newest.get(id(self._infrared), stamp - 1) >= stamp

    def _forget_infrared_up_to(self, stamp: int) -> None:
        while self._infrared and next(iter(self._infrared)) <= stamp:
            self._infrared.popitem(last=False)
