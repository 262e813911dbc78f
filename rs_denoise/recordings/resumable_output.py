"""Output that several runs write into one folder, all with the same settings."""

from __future__ import annotations

import json
from pathlib import Path

from rs_denoise.recordings.complete_output import complete_or_absent


class ResumeError(ValueError):
    """The folder was begun with other settings, or holds something else."""


def begin_or_resume(folder: Path, note: str, settings: dict[str, object]) -> bool:
    """Makes the folder and stores `settings` in it, or checks them against the stored ones.

    A note that cannot be read, as a full disk or a power failure leaves it, is written anew.

    Args:
        folder: the output.
        note: name of the JSON file in it that stores the settings.
        settings: serialisable as JSON.

    Returns:
        Whether what the folder holds was made with these settings; False if the note could not be
        read.

    Raises:
        ResumeError: the folder was begun with other settings, or is not empty and has no note.
    """
    wanted = json.loads(json.dumps(settings))
    file = folder / note
    before = _read_settings(file) if file.exists() else None
    if before is not None:
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
        return True
    is_damaged = file.exists()
    if not is_damaged and folder.is_dir() and any(folder.iterdir()):
        raise ResumeError(f"{folder} holds something else already: name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    with complete_or_absent(file) as unfinished:
        unfinished.write_text(json.dumps(wanted, indent=1) + "\n")
    return not is_damaged


def _read_settings(file: Path) -> dict[str, object] | None:
    """The stored settings; None if the file is damaged."""
    try:
        settings = json.loads(file.read_text())
    except (ValueError, OSError):
        return None
    return settings if isinstance(settings, dict) else None
