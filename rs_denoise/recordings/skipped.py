"""What of a recording was not used, and why."""

from __future__ import annotations

# So many of one reason are listed by name, as the command line prints them; more are counted.
NAMED = 5
# Reasons that quote figures are many in a damaged recording; beyond these they count as one.
MOST_REASONS = 20
OTHER_REASONS = "other reasons than those listed"


class Skipped(dict[str, str]):
    """Name -> reason, in bounded memory: more than 5 of one reason are one entry with their number.

    What is named by `add` is counted; what is set as in any dictionary stays as it is.
    """

    def __init__(self, known: dict[str, str] | None = None) -> None:
        super().__init__(known or {})
        self._counts: dict[str, int] = {}
        self._names: dict[str, list[str]] = {}

    def add(self, name: str, reason: str) -> None:
        """One more thing that was not used."""
        if reason not in self._counts and len(self._counts) >= MOST_REASONS:
            reason = OTHER_REASONS
        count = self._counts[reason] = self._counts.get(reason, 0) + 1
        names = self._names.setdefault(reason, [])
        if count <= NAMED:
            names.append(name)
            self[name] = reason
            return
        for listed in names[1:]:
            self.pop(listed, None)
        # The first name stays: two reasons with as many entries are told apart by it.
        self.pop(names[0] if count == NAMED + 1 else _together(count - 1, names[0]), None)
        del names[1:]
        self[_together(count, names[0])] = reason

    def clear(self) -> None:
        """As if nothing had been skipped."""
        super().clear()
        self._counts.clear()
        self._names.clear()


def _together(count: int, first: str) -> str:
    return f"{count} from {first} on"
