"""`rs_denoise live`: the camera's depth, before and after."""

from __future__ import annotations

import contextlib
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console
from rich.live import Live

from rs_denoise.cli import options
from rs_denoise.cli.console import make_console
from rs_denoise.cli.recording_options import reads_recordings
from rs_denoise.depth import round_like
from rs_denoise.gate import Gate
from rs_denoise.live.camera_stream import CameraStream, LiveError, Request
from rs_denoise.live.devices import live_camera, sdk_playback, software_camera
from rs_denoise.live.screens import (
    PAUSE,
    QUIT,
    NoDisplay,
    PictureFolder,
    Screen,
    VideoFile,
    open_window,
)
from rs_denoise.live.view import ColourRange, Meter, Statistics, draw_view
from rs_denoise.recordings.folders.frame_folder import convert_as_stored, write_frame
from rs_denoise.recordings.frame import Frame, repeat_frames
from rs_denoise.recordings.images import write_png
from rs_denoise.recordings.overrides import NO_OVERRIDES, Overrides
from rs_denoise.recordings.recording import open_recording

if TYPE_CHECKING:
    from rs_denoise.denoiser import Denoiser

VIDEO = ".mp4"
# How often the keyboard is read while paused.
PAUSED_S = 0.03


@reads_recordings
def live(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="SOURCE", help="A recording of the SDK (.db3, .bag).", show_default="a camera"
        ),
    ] = None,
    software: Annotated[
        bool,
        typer.Option(
            "--software",
            help="SOURCE is a recording of any kind, played through a software device.",
        ),
    ] = False,
    loop: Annotated[bool, typer.Option("--loop", help="With --software: repeat SOURCE.")] = False,
    serial: Annotated[
        str | None,
        typer.Option(
            metavar="SERIAL", help="Serial number of the camera.", show_default="the first"
        ),
    ] = None,
    size: Annotated[
        str, typer.Option(metavar="WIDTHxHEIGHT", help="Image size of the camera, px.")
    ] = "848x480",
    rate: Annotated[
        int, typer.Option(min=1, metavar="HZ", help="Frame rate of the camera, Hz.")
    ] = 30,
    emitter: Annotated[
        bool | None, typer.Option(help="Dot projector on or off.", show_default="unchanged")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Record the view: a video (.mp4), or a folder of PNG files."
        ),
    ] = None,
    saved: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder for frames that the key s saves.")
    ] = Path("saved_frames"),
    seconds: Annotated[
        float | None,
        typer.Option(
            min=0.1, metavar="SECONDS", help="Stop after this time.", show_default="never"
        ),
    ] = None,
    model: options.ModelFile = options.DEFAULT_MODEL_FILE,
    device: options.Device = "auto",
    min_confidence: options.MinConfidence = options.DEFAULT_MIN_CONFIDENCE,
    fill_confidence: options.FillConfidence = options.DEFAULT_FILL_CONFIDENCE,
    overrides: Overrides = NO_OVERRIDES,
) -> None:
    """Shows raw and denoised depth of a camera side by side, with rates and times, without ROS.

    Needs librealsense (pip install pyrealsense2). Keys: q quits, p pauses and resumes, s saves a
    frame, space toggles between denoised and raw depth. Without a display only the statistics are
    printed.
    """
    width, height = options.parse_size(size) or (848, 480)
    if out is not None and out.suffix not in ("", VIDEO):
        raise typer.BadParameter(f"--out must be a video ({VIDEO}) or a folder, got '{out.name}'")
    if out is not None and not (out.suffix == "" and out.is_dir()):
        options.check_out(out)
    if source is not None and not source.exists():
        raise LiveError(f"{source}: no such file or folder")
    from rs_denoise.denoiser import Denoiser
    from rs_denoise.precision import load_with_fallback

    loaded = load_with_fallback(model, device)
    gate = Gate(min_confidence, fill_confidence)
    console = make_console()
    with contextlib.ExitStack() as stack:
        screens = _open_screens(out, console)
        for screen in screens:
            stack.callback(screen.close)
        stream = stack.enter_context(
            _open_stream(
                source, software, loop, serial, Request(width, height, rate, emitter), overrides
            )
        )
        if not stream.has_infrared:
            console.print(
                "no infrared: depth is denoised without it, with lower confidence", style="yellow"
            )
        view = _View(stream, Denoiser(loaded, stream.camera, gate), screens, saved)
        if not view.run(stack.enter_context(Live(console=console)), seconds):
            raise LiveError("the recording ended before its first frame")
    if not console.is_terminal:
        console.line()  # which Live only prints in a terminal
    if out is not None:
        console.print(f"view: {out}", highlight=False, soft_wrap=True)


class _View:
    """Denoises the newest frame in a loop, and shows it."""

    def __init__(
        self, stream: CameraStream, denoiser: Denoiser, screens: list[Screen], saved: Path
    ) -> None:
        self._stream, self._denoiser = stream, denoiser
        self._screens, self._saved = screens, saved
        self._meter, self._colours = Meter(), ColourRange()
        self._blink = False

    def run(self, status: Live, seconds: float | None) -> int:
        """Runs until the stream ends, the user quits or time is up; returns how many frames."""
        from rs_denoise.warm_up import warm_up

        # The first frames take seconds, so they are denoised before the camera starts.
        warm_up(self._denoiser)
        started, count = time.monotonic(), 0
        for frame in self._stream:
            count += 1
            before = time.perf_counter()
            images = frame.measured_mm, frame.infrared, frame.infrared_right
            denoised = self._denoiser.denoise(*images)
            took_ms = 1e3 * (time.perf_counter() - before)
            denoised_mm = round_like(denoised.depth_mm, frame.depth_mm)
            now, stream = time.monotonic(), self._stream
            self._meter.add(now, took_ms, frame.depth_mm, denoised_mm)
            statistics = self._meter.statistics(
                stream.rate_hz, stream.received, stream.dropped,
                right_rejected=denoised.right_rejection is not None,
            )  # fmt: skip
            status.update("\n".join(statistics.lines()))
            keys = self._show(self._screens, frame, denoised_mm, statistics)
            if PAUSE in keys:
                keys += self._pause(frame, denoised_mm, statistics)
            if QUIT in keys or (seconds is not None and now - started >= seconds):
                break
        return count

    def _pause(self, frame: Frame, denoised_mm: np.ndarray, statistics: Statistics) -> str:
        """Shows one frame in the window until the key is pressed again, or the window is closed."""
        self._stream.paused.set()
        windows = [s for s in self._screens if not isinstance(s, VideoFile | PictureFolder)]
        keys = ""
        while not {PAUSE, QUIT} & set(keys):
            time.sleep(PAUSED_S)
            keys = self._show(windows, frame, denoised_mm, statistics)
        self._stream.paused.clear()
        return keys

    def _show(
        self,
        screens: list[Screen],
        frame: Frame,
        denoised_mm: np.ndarray,
        statistics: Statistics,
    ) -> str:
        """Shows a frame and handles the keys; returns them."""
        if not screens:
            return ""
        colours = self._colours.update(frame.depth_mm)
        picture = draw_view(frame.depth_mm, denoised_mm, statistics, colours, self._blink)
        keys = "".join(screen.show(picture) for screen in screens)
        if " " in keys:
            self._blink = not self._blink
        if "s" in keys:
            folder = self._saved / frame.name
            write_frame(folder, frame)
            write_png(folder / "denoised.png", convert_as_stored(denoised_mm, frame.depth_mm))
        return keys


def _open_stream(
    source: Path | None, software: bool, loop: bool, serial: str | None, request: Request,
    overrides: Overrides,
) -> AbstractContextManager[CameraStream]:  # fmt: skip
    baseline_m = overrides.baseline_m
    if loop and not software:
        raise typer.BadParameter("--loop needs --software: other sources are played once")
    if not software and overrides != Overrides(baseline_m=baseline_m):
        raise typer.BadParameter(
            "--camera and topics need --software: a camera, and a recording of the SDK, say "
            "themselves what they have"
        )
    if source is None:
        if software:
            raise typer.BadParameter("--software needs a recording: give SOURCE")
        return live_camera(serial, request, baseline_m)
    if serial is not None:
        raise typer.BadParameter("--serial chooses a camera: give it or a recording, not both")
    if software:
        recording = open_recording(source, overrides)
        return software_camera(repeat_frames(recording) if loop else recording)
    return sdk_playback(source, baseline_m)


def _open_screens(out: Path | None, console: Console) -> list[Screen]:
    """A window if there is a display, and the recorder of the view, if any."""
    screens: list[Screen] = []
    try:
        screens.append(open_window())
    except NoDisplay as why:
        console.print(f"no window: {why}")
    if out is not None:
        screens.append(VideoFile(out) if out.suffix == VIDEO else PictureFolder(out))
    return screens
