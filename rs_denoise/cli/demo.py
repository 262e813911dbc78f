"""`rs_denoise demo`: plays a recording through the node over DDS and reports the result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from rs_denoise.cli import options
from rs_denoise.cli.console import make_console
from rs_denoise.evaluation.evaluate import Evaluation
from rs_denoise.evaluation.metrics.blocks import Accuracy
from rs_denoise.evaluation.summary import Summary
from rs_denoise.offline import DENOISED, RAW, OfflineDenoiser
from rs_denoise.recordings.frame import Frame
from rs_denoise.shipped_models import shipped_names

if TYPE_CHECKING:
    from rs_denoise.benchmark.ros.collector import ReceivedImage
    from rs_denoise.benchmark.ros.playback import PlaybackResult
    from rs_denoise.evaluation.report.report_frame import ReportFrame

RATE_HZ = 30.0
# If more frames are dropped, the demo says what helps.
MAX_DROPPED_PCT = 20.0
SAMPLE = Path(__file__).parents[2] / "demo" / "room"
# Over all published pixels; the report has every metric.
SHOWN = {
    "mean error, all published": Accuracy.mae_mm,
    "RMS error, all published": Accuracy.rmse_mm,
    "more than 5 % off": Accuracy.bad5_pct,
    "false free space": Accuracy.false_free_pct,
    "high-frequency error": Accuracy.high_frequency_error_px,
}


class DemoError(RuntimeError):
    """The demo has no result; the message says why."""


def demo(
    recording: Annotated[
        Path,
        typer.Argument(
            metavar="RECORDING", help="Any recording with depth.", show_default="demo/room"
        ),
    ] = SAMPLE,
    seconds: Annotated[
        float,
        typer.Option(
            min=1, max=3600, metavar="SECONDS", help="How long to play the recording, in a loop."
        ),
    ] = 10.0,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Output folder for the picture and the report.")
    ] = Path("demo_output"),
) -> None:
    """Plays a recording at 30 Hz through the node over DDS, and writes a report of the result."""
    if not recording.exists():
        raise DemoError(f"{recording}: no such file or folder")
    options.check_out_folder(out)
    from rs_denoise.benchmark.ros.player import load_frames
    from rs_denoise.evaluation.report.report import write_report

    console = make_console()
    frames = load_frames(recording)
    if not frames:
        raise DemoError(f"{recording}: no depth frame in it")
    out.mkdir(parents=True, exist_ok=True)
    console.print(f"{recording}: {len(frames)} frames, played in a loop at {RATE_HZ:.0f} Hz")
    count = round(seconds * RATE_HZ)
    played = _play(recording, count, console)
    if not played.received:
        raise DemoError("the node published nothing: see its messages above")
    results = _select_first_results(frames, played)
    evaluation = Evaluation([DENOISED])
    for frame, received in results:
        evaluation.add(frame, {DENOISED: received.depth_mm})
    summary = replace(evaluation.summarise(), recording=recording.name)
    console.print(_make_table(count, played, summary))
    if (advice := _advise(count, played)) is not None:
        console.print(advice)
    print(f"picture: {_write_picture(results, out / 'before_after.png')}")
    shown = _select_frames(frames, results, played.model.get("model"))
    write_report(out / "report.html", recording.resolve().name, summary, shown)
    print(f"report: {(out / 'report.html').resolve()}")


def _play(recording: Path, count: int, console: Console) -> PlaybackResult:
    from rs_denoise.benchmark.ros.playback import run_playback

    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("starting the node, then denoising", total=count)
        return run_playback(
            recording, count, RATE_HZ,
            on_received=lambda received: progress.update(task, completed=received),
        )  # fmt: skip


def _select_first_results(
    frames: list[Frame], played: PlaybackResult
) -> list[tuple[Frame, ReceivedImage]]:
    """Frames of the recording, in order, with the node's first result for each."""
    first: dict[int, ReceivedImage] = {}
    for received in played.received:
        first.setdefault(played.schedule.index(received.stamp_ns), received)
    return [(frames[index], first[index]) for index in sorted(first)]


def _latencies_ms(played: PlaybackResult) -> list[float]:
    return [1e3 * received.latency_s for received in played.received]


def _advise(sent: int, played: PlaybackResult) -> str | None:
    """What helps if many frames were dropped; None if few were."""
    dropped_pct = 100 * (sent - len(played.received)) / sent
    if dropped_pct <= MAX_DROPPED_PCT:
        return None
    return (
        f"{dropped_pct:.0f} % of the frames were dropped: with model "
        f"{played.model.get('model', '?')} on {played.model.get('device', '?')} this computer "
        f"does not keep up with {RATE_HZ:.0f} Hz next to everything else that runs. On a robot, "
        "a GPU (device), more cores (num_threads), a lower rate or size of the camera, and fewer "
        "other programs help"
    )


def _make_table(sent: int, played: PlaybackResult, summary: Summary) -> Table:
    table = Table(show_header=False, title="demo", title_justify="left")
    out = len(played.received)
    p50_ms, p95_ms = np.percentile(_latencies_ms(played), [50, 95])
    table.add_row("model", f"{played.model.get('model', '?')} on {played.model.get('device', '?')}")
    if "chosen" in played.model:
        table.add_row("chosen", played.model["chosen"])
    table.add_row("frames in / out / dropped", f"{sent} / {out} / {sent - out}")
    table.add_row(
        "latency, stamp to consumer, p50 / p95",
        f"{p50_ms:.0f} / {p95_ms:.0f} ms",
    )
    raw, denoised = summary.methods[RAW], summary.methods[DENOISED]
    fill = f"{raw.no_reference.fill_pct:.1f} / {denoised.no_reference.fill_pct:.1f} %"
    table.add_row("valid pixels, raw / denoised", fill)
    same, same_raw, published = denoised.same, denoised.same_raw, denoised.published
    if same is None or same_raw is None or published is None or raw.published is None:
        table.add_row("error", "no ground truth in this recording")
        return table
    same_pixels = f"{same_raw.mae_mm:.2f} / {same.mae_mm:.2f} mm"
    table.add_row("mean error, same pixels, raw / denoised", same_pixels)
    for name, metric in SHOWN.items():
        before, after = metric.of(raw.published), metric.of(published)
        table.add_row(name, f"{before:.2f} / {after:.2f} {metric.unit}")
    return table


def _write_picture(results: list[tuple[Frame, ReceivedImage]], path: Path) -> Path:
    from rs_denoise.drawing.picture import draw_before_after
    from rs_denoise.recordings.images import write_png

    known = [pair for pair in results if pair[0].ground_truth_mm is not None]
    frame, received = (known or results)[0]
    sheet = draw_before_after(
        frame.infrared, frame.depth_mm, received.depth_mm, frame.ground_truth_mm
    )
    scale = min(1.0, 2000 / sheet.shape[1])
    write_png(path, cv2.resize(sheet, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    return path.resolve()


def _select_frames(
    frames: list[Frame], results: list[tuple[Frame, ReceivedImage]], model: str | None
) -> list[ReportFrame]:
    """The frames that the report shows in full, named by their place in the recording.

    The node published its confidence to nobody, so these few frames are denoised again for it.
    """
    from rs_denoise.evaluation.report.frame_selection import FrameSelection

    selection = FrameSelection()
    for _ in selection.label(frames):
        pass
    for frame, received in results:
        selection.add(frame, received.depth_mm)
    if model not in shipped_names():  # /diagnostics had not named it yet
        return selection.frames()
    denoiser = OfflineDenoiser.load(model)
    return [_with_confidence(shown, denoiser) for shown in selection.frames()]


def _with_confidence(shown: ReportFrame, denoiser: OfflineDenoiser) -> ReportFrame:
    confidence = denoiser.denoise(shown.frame).confidence
    return replace(
        shown,
        confidence=np.where(shown.denoised_mm > 0, confidence, 0.0),
        uses_right_infrared=denoiser.model.kind.uses_right_infrared,
    )
