"""Outputs of the live view: a window, a video, or pictures."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from rs_denoise.recordings.images import write_png

TITLE = "rs_denoise live: space compares, p pauses, s saves a frame, q quits"
VIDEO_HZ = 30.0
QUIT, PAUSE = "q", "p"


class Screen(Protocol):
    """Something that shows pictures."""

    def show(self, picture: np.ndarray) -> str:
        """Shows [H, W, 3] uint8 BGR; returns the key pressed since the last picture, or ""."""

    def close(self) -> None:
        """Closes the window or file."""


class NoDisplay(RuntimeError):
    """No window can be opened; the message says why."""


def open_window() -> Screen:
    """Opens a window of OpenCV if it has windows, else of Tk.

    Raises:
        NoDisplay: there is no display, or neither library can draw on it.
    """
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise NoDisplay("there is no display (DISPLAY is not set)")
    try:
        return OpenCvWindow()
    except cv2.error:
        return TkWindow()


class OpenCvWindow:
    """A window of OpenCV; the headless build of PyPI has none, that of Debian has.

    Raises:
        cv2.error: OpenCV was built without windows.
    """

    def __init__(self) -> None:
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        self._sized = False

    def show(self, picture: np.ndarray) -> str:
        """As `Screen`."""
        if not self._sized:
            cv2.resizeWindow(TITLE, picture.shape[1], picture.shape[0])
            self._sized = True
        cv2.imshow(TITLE, picture)
        key = cv2.waitKey(1)
        if cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
            return QUIT
        return "" if key < 0 else chr(key & 0xFF)

    def close(self) -> None:
        """As `Screen`."""
        cv2.destroyAllWindows()


class TkWindow:
    """A window of Tk, which comes with Python.

    Raises:
        NoDisplay: Tk is not installed, or cannot open the display.
    """

    def __init__(self) -> None:
        try:
            import tkinter
        except ImportError as error:
            raise NoDisplay(
                f"Tk is not installed ({error}); on Debian, install python3-tk"
            ) from error
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise NoDisplay(f"Tk cannot open the display ({error})") from error
        self._photo: Any = tkinter.PhotoImage(master=self._root)
        self._key = ""
        self._root.title(TITLE)
        self._root.resizable(False, False)
        tkinter.Label(self._root, image=self._photo, borderwidth=0).pack()
        self._root.bind("<Key>", self._on_key)
        self._root.protocol("WM_DELETE_WINDOW", self._on_close)

    def show(self, picture: np.ndarray) -> str:
        """As `Screen`."""
        # Tk reads PPM fastest, because it is not compressed.
        self._photo.configure(data=cv2.imencode(".ppm", picture)[1].tobytes(), format="PPM")
        self._root.update()
        key, self._key = self._key, ""
        return key

    def close(self) -> None:
        """As `Screen`."""
        self._root.destroy()

    def _on_key(self, event: Any) -> None:
        self._key = event.char

    def _on_close(self) -> None:
        self._key = QUIT


class VideoFile:
    """A video at real speed: a picture stays until the next one comes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: cv2.VideoWriter | None = None
        self._start_s, self._written = 0.0, 0

    def show(self, picture: np.ndarray) -> str:
        """As `Screen`.

        Raises:
            OSError: it cannot be written.
        """
        now = time.monotonic()
        if self._writer is None:
            self._writer, self._start_s = self._open(picture), now
        due = 1 + round((now - self._start_s) * VIDEO_HZ)
        # Most players need an even width and height.
        even = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
        for _ in range(due - self._written):
            self._writer.write(even)
        self._written = max(self._written, due)
        return ""

    def close(self) -> None:
        """As `Screen`."""
        if self._writer is not None:
            self._writer.release()

    def _open(self, picture: np.ndarray) -> cv2.VideoWriter:
        size = (picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2)
        code = cv2.VideoWriter.fourcc(*"mp4v")
        writer = cv2.VideoWriter(str(self._path), code, VIDEO_HZ, size)
        if not writer.isOpened():
            raise OSError(f"{self._path}: the video cannot be written; does its folder exist?")
        return writer


class PictureFolder:
    """Each picture as a PNG, numbered."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        folder.mkdir(parents=True, exist_ok=True)

    def show(self, picture: np.ndarray) -> str:
        """As `Screen`."""
        write_png(self._folder / f"{self._count:06d}.png", picture)
        self._count += 1
        return ""

    def close(self) -> None:
        """As `Screen`."""
