"""Depth and infrared of one moment, brought together. Pure Python: no ROS, no clock of its own.

Not message_filters, because there a slop of 0 never matches, a clock that jumps back silences the
filter for good, a callback that raises leaves its lock held, and a missing infrared stream stops
depth without a word. It is also three times as much work a pair.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

# Messages that wait for their partner: a third of a second at 30 Hz.
CAPACITY = 10


@dataclass(frozen=True)
class Pair(Generic[T]):
    """Depth with the infrared of its moment, or None where infrared is missing altogether."""

    stamp_ns: int
    depth: T
    infrared: T | None


class Pairing(Generic[T]):
    """Pairs two streams: the same stamp first, else the nearest within a slop.

    Each depth message is paired at most once, in the order of stamps. What finds no partner is
    dropped and counted.

    Args:
        slop_ns: greatest difference of the stamps of a pair.
        infrared_timeout_ns: when depth arrived for so long and no infrared, depth goes alone.

    Attributes:
        unpaired: depth messages given up so far.
        clock_jumps: how often stamps went back and everything waiting was dropped.
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
        """Gives up what waits, as after a pause; infrared has its full timeout again.

        Args:
            now_ns: of a monotonic clock, as in all methods.
        """
        self._give_up()
        self._depth_seen_ns = self._infrared_seen_ns = now_ns

    def infrared_is_missing(self, now_ns: int) -> bool:
        """Whether infrared has been silent for longer than the timeout, while depth was not."""
        return now_ns - self._infrared_seen_ns > self.infrared_timeout_ns

    def add_depth(self, stamp_ns: int, message: T, now_ns: int) -> list[Pair[T]]:
        """Takes a depth message; gives the pairs that this completes, oldest first."""
        if now_ns - self._depth_seen_ns > self.infrared_timeout_ns:
            # The camera as a whole was silent: the infrared of this moment has its time to come.
            self._infrared_seen_ns = now_ns
        self._depth_seen_ns = now_ns
        self._store(self._depth, stamp_ns, message)
        pairs = self._completed()
        if self.infrared_is_missing(now_ns):
            pairs += [Pair(stamp, depth, None) for stamp, depth in self._depth.items()]
            self._depth.clear()
        return pairs

    def add_infrared(self, stamp_ns: int, message: T, now_ns: int) -> list[Pair[T]]:
        """Takes an infrared message; gives the pairs that this completes, oldest first."""
        self._infrared_seen_ns = now_ns
        self._store(self._infrared, stamp_ns, message)
        return self._completed()

    def _store(self, stream: OrderedDict[int, T], stamp_ns: int, message: T) -> None:
        if stamp_ns < self._newest.get(id(stream), stamp_ns):
            self.clock_jumps += 1
            self._give_up()
        self._newest[id(stream)] = stamp_ns
        stream[stamp_ns] = message
        if len(stream) > CAPACITY:
            stream.popitem(last=False)
            self.unpaired += stream is self._depth

    def _give_up(self) -> None:
        self.unpaired += len(self._depth)
        self._depth.clear()
        self._infrared.clear()
        self._newest.clear()

    def _completed(self) -> list[Pair[T]]:
        pairs = []
        for stamp in list(self._depth):
            partner = self._partner(stamp)
            if partner is not None:
                pairs.append(Pair(stamp, self._depth.pop(stamp), self._infrared[partner]))
                self._forget_infrared_up_to(partner)
            elif self._is_decided(stamp):
                del self._depth[stamp]
                self.unpaired += 1
        return pairs

    def _partner(self, stamp: int) -> int | None:
        """The stamp of the infrared message to pair with, once no later one can be nearer."""
        if stamp in self._infrared:
            return stamp
        if not self._is_decided(stamp):
            return None
        # One that is the exact partner of another depth message stays with that one.
        free = [s for s in self._infrared if s not in self._depth]
        nearest = min(free, key=lambda s: abs(s - stamp), default=None)
        if nearest is None or abs(nearest - stamp) > self.slop_ns:
            return None
        return nearest

    def _is_decided(self, stamp: int) -> bool:
        """Stamps rise within a stream: after a later infrared message no nearer one can come."""
        return self._newest.get(id(self._infrared), stamp - 1) >= stamp

    def _forget_infrared_up_to(self, stamp: int) -> None:
        while self._infrared and next(iter(self._infrared)) <= stamp:
            self._infrared.popitem(last=False)
