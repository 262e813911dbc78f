"""An output folder that several runs write into, all with the same settings."""

from __future__ import annotations

import json
from pathlib import Path

from rs_denoise.recordings.atomic_output import write_text


class ResumeError(ValueError):
    """The folder was started with other settings, or contains something else."""


def begin_or_resume(folder: Path, note: str, settings: dict[str, object]) -> bool:
    """Makes the folder and stores `settings` in it, or checks them against the stored ones.

    A note that cannot be read, for example after a full disk or a power failure, is rewritten.

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
    file = folder / note
    if was_begun(folder, note, settings):
        return True
    is_damaged = file.exists()
    if not is_damaged and folder.is_dir() and any(folder.iterdir()):
        raise ResumeError(f"{folder} holds something else already: name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps(settings, indent=1) + "\n")
    return not is_damaged


def was_begun(folder: Path, note: str, settings: dict[str, object]) -> bool:
    """Whether the folder was begun with these settings; arguments as of `begin_or_resume`.

    Returns:
        False if there is no note, or it cannot be read.

    Raises:
        ResumeError: it was begun with other settings.
    """
    wanted = json.loads(json.dumps(settings))
    before = _read_settings(folder / note)
    if before is None:
        return False
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


def _read_settings(file: Path) -> dict[str, object] | None:
    """The stored settings; None if the file is missing or damaged."""
    try:
        settings = json.loads(file.read_text())
    except (ValueError, OSError):
        return None
    return settings if isinstance(settings, dict) else None
