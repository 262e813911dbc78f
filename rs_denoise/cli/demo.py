"""`rs_denoise demo`: a recorded camera, the node and a consumer, three processes over real DDS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from rs_denoise.evaluation.evaluate import Evaluation
from rs_denoise.recordings.frame import Frame

if TYPE_CHECKING:
    from rs_denoise.benchmark.ros.collector import Received
    from rs_denoise.benchmark.ros.rehearsal import Rehearsal

RATE_HZ = 30.0
SAMPLE = Path(__file__).parents[2] / "demo" / "room"
# Of the figures, those that fit a screen; the report has them all.
SHOWN = {
    "mean error, same pixels, raw / denoised": ("same", "mae_mm", "mm"),
    "mean error, all published": ("published", "mae_mm", "mm"),
    "RMS error, all published": ("published", "rmse_mm", "mm"),
    "more than 5 % off": ("published", "bad5_pct", "%"),
    "too far by more than 5 %": ("published", "false_free_pct", "%"),
    "ripple of surfaces": ("published", "ripple_px", "px"),
}


class DemoError(RuntimeError):
    """A process of the demo did not do its part."""


def demo(
    recording: Annotated[
        Path, typer.Argument(help="Any recording with depth.", show_default="demo/room")
    ] = SAMPLE,
    seconds: Annotated[float, typer.Option(min=1, help="How long to play, in a loop.")] = 10.0,
    out: Annotated[Path, typer.Option(help="Where picture and report go.")] = Path("demo_output"),
) -> None:
    """Plays a recording at 30 Hz into the node over DDS, and writes a report of what comes out."""
    from rs_denoise.benchmark.ros.player import load_frames

    console = Console()
    frames = load_frames(recording)
    if not frames:
        raise DemoError(f"{recording}: no depth frame in it")
    console.print(f"{recording}: {len(frames)} frames, played in a loop at {RATE_HZ:.0f} Hz")
    count = round(seconds * RATE_HZ)
    played = _play(recording, count, console)
    if not played.received:
        raise DemoError("the node published nothing; its messages above say why")
    results = _each_once(frames, played)
    evaluation = Evaluation(["denoised"])
    for frame, received in results:
        evaluation.add(frame, {"denoised": received.depth_mm})
    summary = evaluation.summary() | {"recording": recording.name, "timing": _timing(played, count)}
    console.print(_table(count, played, results, summary))
    out.mkdir(parents=True, exist_ok=True)
    print(f"picture: {_write_picture(results, out / 'before_after.png')}")
    report = _write_report(recording.resolve().name, summary, results, out / "report.html")
    print(f"report: {report}")


def _play(recording: Path, count: int, console: Console) -> Rehearsal:
    from rs_denoise.benchmark.ros.rehearsal import rehearse

    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("starting the node, then denoising", total=count)
        return rehearse(
            recording, count, RATE_HZ,
            on_received=lambda received: progress.update(task, completed=received),
        )  # fmt: skip


def _each_once(frames: list[Frame], played: Rehearsal) -> list[tuple[Frame, Received]]:
    """Frames of the recording, in order, with what the node made of them the first time."""
    first: dict[int, Received] = {}
    for received in played.received:
        first.setdefault(played.schedule.index(received.stamp_ns), received)
    return [(frames[index], first[index]) for index in sorted(first)]


def _timing(played: Rehearsal, sent: int) -> dict[str, float]:
    latencies = [1e3 * r.latency_s for r in played.received]
    p50, p95, p99 = (round(float(p), 1) for p in np.percentile(latencies, [50, 95, 99]))
    return {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "frames": len(latencies), "sent": sent}


def _table(
    sent: int, played: Rehearsal, results: list[tuple[Frame, Received]], summary: dict
) -> Table:
    table = Table(show_header=False, title="demo", title_justify="left")
    out, timing = len(played.received), summary["timing"]
    table.add_row("frames in / out / dropped", f"{sent} / {out} / {sent - out}")
    table.add_row(
        "latency, stamp to consumer, p50 / p95",
        f"{timing['p50_ms']:.0f} / {timing['p95_ms']:.0f} ms",
    )
    raw, denoised = summary["methods"]["raw"], summary["methods"]["denoised"]
    fill = (methods["alone"]["fill_pct"] for methods in (raw, denoised))
    table.add_row("valid pixels, raw / denoised", "{:.1f} / {:.1f} %".format(*fill))
    if "published" not in denoised:
        table.add_row("error", "no ground truth in this recording")
        return table
    for name, (block, key, unit) in SHOWN.items():
        before = denoised["same_raw"] if block == "same" else raw[block]
        table.add_row(name, f"{before[key]:.2f} / {denoised[block][key]:.2f} {unit}")
    return table


def _write_picture(results: list[tuple[Frame, Received]], path: Path) -> Path:
    from rs_denoise.drawing.picture import before_after
    from rs_denoise.recordings.folders.frame_folder import write_png

    known = [pair for pair in results if pair[0].ground_truth_mm is not None]
    frame, received = (known or results)[0]
    sheet = before_after(frame.infrared, frame.depth_mm, received.depth_mm, frame.ground_truth_mm)
    scale = min(1.0, 2000 / sheet.shape[1])
    write_png(path, cv2.resize(sheet, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    return path.resolve()


def _write_report(
    title: str, summary: dict, results: list[tuple[Frame, Received]], path: Path
) -> Path:
    from rs_denoise.evaluation.report.frame_selection import FrameSelection
    from rs_denoise.evaluation.report.report import write_report

    showcase = FrameSelection()
    for frame, received in results:
        showcase.add(frame, received.depth_mm)
    write_report(path, title, summary, showcase.scenes())
    return path.resolve()
