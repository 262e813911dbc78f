"""Writes files and folders atomically: they are either complete or absent."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_output(path: Path) -> Iterator[Path]:
    """Yields a path to write to, and moves the output to `path` when the block succeeds.

    The yielded path has the final name in a folder next to `path`, because a rosbag2 contains the
    name of its folder. If the block raises, nothing is left.

    Args:
        path: of a file, which replaces an older one, or of a folder, which must not exist.
    """
    # Several machines may write to one folder.
    unfinished = path.with_name(f"{path.name}.{socket.gethostname()}.{os.getpid()}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished / path.name
        (unfinished / path.name).replace(path)
    finally:
        shutil.rmtree(unfinished)


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8 that is complete or, as on a full disk, unchanged.

    Args:
        path: a file, which is replaced, or a device or pipe, such as /dev/stdout.
        text: its content. Bytes of file names that are no UTF-8 are written as escapes.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
        return
    with atomic_output(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")
