"""The parts of a recording that were skipped, with the reasons."""

from __future__ import annotations

from collections.abc import Callable

# Up to this many entries of one reason are listed by name; more are counted.
MAX_NAMED = 5
# Some reasons contain numbers, so a damaged recording has many; beyond this they count as one.
MAX_REASONS = 20
OTHER_REASONS = "other reasons than those listed"


class Skipped(dict[str, str]):
    """Name -> reason, in bounded memory: more than 5 entries of one reason become one with a count.

    Only entries made by `add` are counted. Entries that are set as in a dictionary stay as they
    are.
    """

    def __init__(self, known: dict[str, str] | None = None) -> None:
        super().__init__(known or {})
        self._counts: dict[str, int] = {}
        self._names: dict[str, list[str]] = {}

    def add(self, name: str, reason: str) -> None:
        """Adds a skipped item."""
        if reason not in self._counts and len(self._counts) >= MAX_REASONS:
            reason = OTHER_REASONS
        count = self._counts[reason] = self._counts.get(reason, 0) + 1
        names = self._names.setdefault(reason, [])
        if count <= MAX_NAMED:
            names.append(name)
            self[name] = reason
            return
        for listed in names[1:]:
            self.pop(listed, None)
        # The first name stays in the key, to distinguish reasons with equal counts.
        self.pop(names[0] if count == MAX_NAMED + 1 else _summarize(count - 1, names[0]), None)
        del names[1:]
        self[_summarize(count, names[0])] = reason

    def clear(self) -> None:
        """Removes all entries and counts."""
        super().clear()
        self._counts.clear()
        self._names.clear()


def _summarize(count: int, first: str) -> str:
    return f"{count} from {first} on"


class SkippedLog(Skipped):
    """Collects the entries of a reader that runs ahead of the consumer of its results."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[Callable[[Skipped], None]] = []

    def add(self, name: str, reason: str) -> None:
        """Notes a skipped item."""
        self._entries.append(lambda skipped: skipped.add(name, reason))

    def update(self, *args, **kwargs) -> None:
        """Notes entries that are set."""
        found = dict(*args, **kwargs)
        self._entries.append(lambda skipped: skipped.update(found))

    def take(self) -> Callable[[Skipped], None]:
        """Returns a function that adds the entries since the last call to others, in order."""
        entries, self._entries = self._entries, []

        def replay(skipped: Skipped) -> None:
            for entry in entries:
                entry(skipped)

        return replay
