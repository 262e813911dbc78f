"""Buffers the images of one infrared stream until the depth image of the same moment arrives."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection
from typing import Generic, TypeVar

T = TypeVar("T")

# Maximum number of waiting images: a third of a second at 30 Hz.
MAX_WAITING = 10


class InfraredBuffer(Generic[T]):
    """The waiting images of one infrared stream; finds the one that matches a depth image by stamp.

    It also records for how long no image has matched: a stream whose images arrive too late or with
    other stamps is as useless as a silent one.

    Attributes:
        was_paired: whether an image has ever matched.
    """

    def __init__(self) -> None:
        self.was_paired = False
        self._images: OrderedDict[int, T] = OrderedDict()
        self._newest: int | None = None
        self._arrived_ns = self._matched_ns = 0
        # Whether the time without a match was restarted, and no image has matched since.
        self._extended = False
        # Depth that was released without an image: its stamp, and the deadline for an image.
        self._unpaired: deque[tuple[int, int]] = deque(maxlen=MAX_WAITING)

    def restart(self, now_ns: int) -> None:
        """Drops waiting images, and counts the time without a match from now on."""
        self.clear()
        self._arrived_ns = self._matched_ns = now_ns
        self._extended = False

    def extend_timeout(self, now_ns: int) -> None:
        """Counts the time without a match from now on; only once until an image matches again."""
        if not self._extended:
            self._matched_ns, self._extended = now_ns, True

    def clear(self) -> None:
        """Drops waiting images, because stamps start again."""
        self._images.clear()
        self._unpaired.clear()
        self._newest = None

    def unmatched_ns(self, now_ns: int) -> int:
        """Time since an image matched depth."""
        return now_ns - self._matched_ns

    def silent_ns(self, now_ns: int) -> int:
        """Time since an image arrived."""
        return now_ns - self._arrived_ns

    def went_back(self, stamp_ns: int) -> bool:
        """Whether this stamp is older than the newest: the clock was set back."""
        return self._newest is not None and stamp_ns < self._newest

    def add(self, stamp_ns: int, image: T, slop_ns: int, now_ns: int) -> None:
        """Adds an image, which may belong to depth that was just released."""
        self._arrived_ns, self._newest = now_ns, stamp_ns
        self._images[stamp_ns] = image
        if len(self._images) > MAX_WAITING:
            self._images.popitem(last=False)
        if any(abs(s - stamp_ns) <= slop_ns and now_ns <= end for s, end in self._unpaired):
            self._note_match(now_ns)

    def find(self, stamp_ns: int, slop_ns: int, others: Collection[int], wait: bool) -> int | None:
        """The stamp of the image that belongs to depth: an equal one, or else the nearest.

        Args:
            stamp_ns: the stamp of depth.
            slop_ns: largest difference.
            others: stamps of other depth images. An image with exactly such a stamp is kept for
                that depth image.
            wait: return None as long as a nearer image may arrive.
        """
        if stamp_ns in self._images:
            return stamp_ns
        if wait and not self.is_decided(stamp_ns):
            return None
        free = [s for s in self._images if s not in others]
        nearest = min(free, key=lambda s: abs(s - stamp_ns), default=None)
        if nearest is None or abs(nearest - stamp_ns) > slop_ns:
            return None
        return nearest

    def is_decided(self, stamp_ns: int) -> bool:
        """Whether no nearer image can arrive: stamps increase, and a later image is there."""
        return self._newest is not None and self._newest >= stamp_ns

    def take(self, stamp_ns: int, now_ns: int) -> T:
        """Removes the image with this stamp and all earlier ones, and returns it."""
        image = self._images[stamp_ns]
        while self._images and next(iter(self._images)) <= stamp_ns:
            self._images.popitem(last=False)
        self._note_match(now_ns)
        return image

    def note_unpaired(self, stamp_ns: int, end_ns: int) -> None:
        """Notes that a depth image was released without an image of this stream.

        Args:
            stamp_ns: the stamp of depth.
            end_ns: an image that arrives before this would have been in time, and shows that the
                stream is back.
        """
        self._unpaired.append((stamp_ns, end_ns))

    def _note_match(self, now_ns: int) -> None:
        self._matched_ns, self._extended, self.was_paired = now_ns, False, True
