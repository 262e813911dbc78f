"""A folder that is made over several runs, and its settings, which all of them share."""

from __future__ import annotations

import json
from pathlib import Path


class ClaimError(ValueError):
    """A folder that was begun with other settings, or that holds something else."""


def claim(folder: Path, note: str, settings: dict[str, object]) -> None:
    """Makes the folder and writes `settings` into it, so that they are not mixed with others.

    Args:
        folder: of what is made.
        note: name of the JSON file in it.
        settings: whatever JSON can say.

    Raises:
        ClaimError: it was begun with other settings, or holds things and no note.
    """
    wanted = json.loads(json.dumps(settings))
    file = folder / note
    if file.exists():
        before = json.loads(file.read_text())
        names = dict.fromkeys((*before, *wanted))
        changed = [
            f"{name}: {before.get(name)} -> {wanted.get(name)}"
            for name in names
            if before.get(name) != wanted.get(name)
        ]
        if changed:
            raise ClaimError(
                f"{folder} was begun with other settings ({'; '.join(changed)}): repeat them, or "
                "name another folder"
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise ClaimError(f"{folder} holds something else already: name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(wanted, indent=1) + "\n")
