"""Output that several runs write into one folder, all with the same settings."""

from __future__ import annotations

import json
from pathlib import Path


class ResumeError(ValueError):
    """The folder was begun with other settings, or holds something else."""


def begin_or_resume(folder: Path, note: str, settings: dict[str, object]) -> None:
    """Makes the folder and stores `settings` in it, or checks them against the stored ones.

    Args:
        folder: the output.
        note: name of the JSON file in it that stores the settings.
        settings: serialisable as JSON.

    Raises:
        ResumeError: the folder was begun with other settings, or is not empty and has no note.
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
            raise ResumeError(
                f"{folder} was begun with other settings ({'; '.join(changed)}): repeat them, or "
                "name another folder"
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise ResumeError(f"{folder} holds something else already: name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(wanted, indent=1) + "\n")
