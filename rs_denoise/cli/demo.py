"""`rs_denoise demo`: a recorded camera, the node and a consumer, three processes over real DDS."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

NAMESPACE = "/camera/camera"
RATE_HZ = 30.0
START_TIMEOUT_S = 60.0
# The last frame is given this long to come through.
GRACE_S = 1.0

SAMPLE = Path(__file__).parents[2] / "demo" / "room"


class DemoError(RuntimeError):
    """A process of the demo did not do its part."""


@dataclass(frozen=True)
class Schedule:
    """When the player publishes what.

    Attributes:
        start_ns, period_ns: stamp of frame n is start + n * period.
        loop: number of frames after which the recording begins again.
    """

    start_ns: int
    period_ns: int
    loop: int

    def index(self, stamp_ns: int) -> int:
        """Which recorded frame carries this stamp."""
        return round((stamp_ns - self.start_ns) / self.period_ns) % self.loop


def demo(
    recording: Annotated[
        Path, typer.Argument(help="A rosbag2 with depth and infrared.", show_default="demo/room")
    ] = SAMPLE,
    seconds: Annotated[float, typer.Option(min=1, help="How long to play, in a loop.")] = 10.0,
    out: Annotated[Path, typer.Option(help="Where the picture goes.")] = Path("demo_output"),
) -> None:
    """Plays a recording at 30 Hz into the node over DDS, and compares what comes out."""
    from rs_denoise.node.player import load_frames

    console = Console()
    frames = load_frames(recording)
    if not frames:
        raise DemoError(f"{recording}: no depth frame in it")
    console.print(f"{recording}: {len(frames)} frames, played in a loop at {RATE_HZ:.0f} Hz")
    count = round(seconds * RATE_HZ)
    received, schedule = _run(recording, count, console)
    if not received:
        raise DemoError("the node published nothing; its messages above say why")
    results = [(frames[schedule.index(r.stamp_ns)], r.depth_mm) for r in received]
    console.print(_table(count, received, results))
    best = next((pair for pair in results if pair[0].ground_truth_mm is not None), results[0])
    print(f"picture: {_write_picture(best, out)}")


def _run(recording: Path, count: int, console: Console) -> tuple[list, Schedule]:
    """Starts node and player, and collects until the player has ended."""
    import rclpy

    from rs_denoise.node.collector import Collector

    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    remap = ["--ros-args", "-r", f"__ns:={NAMESPACE}"]
    rclpy.init(args=remap, signal_handler_options=rclpy.SignalHandlerOptions.NO)
    collector = Collector()
    children = []
    try:
        with Progress(console=console, transient=True) as progress:
            starting = progress.add_task("starting the node", total=None)
            node = _start("rs_denoise.node.main", remap, environment)
            children.append(node)
            _wait_for_node(collector, node)
            progress.remove_task(starting)
            arguments = [str(recording), f"--frames={count}", f"--rate={RATE_HZ}", *remap]
            player = _start("rs_denoise.node.player", arguments, environment, subprocess.PIPE)
            children.append(player)
            schedule: list[Schedule] = []
            threading.Thread(target=_read_schedule, args=(player, schedule), daemon=True).start()
            playing = progress.add_task("denoising", total=count)
            ended = None
            while ended is None or time.monotonic() < ended + GRACE_S:
                rclpy.spin_once(collector, timeout_sec=0.02)
                progress.update(playing, completed=len(collector.received))
                if ended is None and player.poll() is not None:
                    ended = time.monotonic()
                if node.poll() is not None:
                    raise DemoError(f"the node ended with exit code {node.returncode}")
        if not schedule:
            raise DemoError(f"the player ended with exit code {player.returncode}")
        return collector.received, schedule[0]
    finally:
        _stop(children)
        collector.destroy_node()
        rclpy.try_shutdown()


def _start(
    module: str, arguments: list[str], environment: dict[str, str], stdout: int | None = None
) -> subprocess.Popen:
    # A process group of its own: Ctrl-C comes to this program alone, which ends them in order.
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=environment, stdout=stdout, start_new_session=True,
    )  # fmt: skip


def _wait_for_node(collector, node: subprocess.Popen) -> None:
    import rclpy

    deadline = time.monotonic() + START_TIMEOUT_S
    while not collector.connected:
        if node.poll() is not None:
            raise DemoError(f"the node ended with exit code {node.returncode}")
        if time.monotonic() > deadline:
            raise DemoError(f"the node offered no output within {START_TIMEOUT_S:.0f} s")
        rclpy.spin_once(collector, timeout_sec=0.05)


def _read_schedule(player: subprocess.Popen, schedule: list[Schedule]) -> None:
    assert player.stdout is not None
    for line in player.stdout:
        if line.startswith(b"{"):
            schedule.append(Schedule(**json.loads(line)))


def _stop(children: list[subprocess.Popen]) -> None:
    for child in children:
        if child.poll() is None:
            # Not SIGINT: one that is still importing would end with a traceback.
            child.terminate()
    for child in children:
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()


def _table(sent: int, received: list, results: list) -> Table:
    table = Table(show_header=False, title="demo", title_justify="left")
    latencies = sorted(1e3 * r.latency_s for r in received)
    p95 = latencies[int(0.95 * (len(latencies) - 1))]
    table.add_row("frames in / out / dropped", f"{sent} / {len(received)} / {sent - len(received)}")
    table.add_row(
        "latency, stamp to consumer, p50 / p95",
        f"{statistics.median(latencies):.0f} / {p95:.0f} ms",
    )
    fill = [
        100 * np.mean([(image > 0).mean() for image in images])
        for images in ([f.depth_mm for f, _ in results], [depth for _, depth in results])
    ]
    table.add_row("valid pixels, raw / denoised", f"{fill[0]:.1f} / {fill[1]:.1f} %")
    for name, value in _errors(results).items():
        table.add_row(name, value)
    return table


def _errors(results: list) -> dict[str, str]:
    """Error of raw and denoised depth against ground truth, each frame of the recording once."""
    from rs_denoise.evaluation.evaluate import Evaluation, add_scores

    evaluation = Evaluation()
    scored: set[int] = set()
    for frame, depth_mm in results:
        if frame.ground_truth_mm is not None and id(frame) not in scored:
            scored.add(id(frame))
            add_scores(evaluation, frame, {"denoised": depth_mm})
    if not scored:
        return {"error": "no ground truth in this recording"}
    methods = evaluation.summary()["methods"]
    raw, denoised = methods["raw"]["published"], methods["denoised"]["published"]
    same, same_raw = methods["denoised"]["same"], methods["denoised"]["same_raw"]
    rows = {
        "mean error, same pixels, raw / denoised": (same_raw, same, "mae_mm", "mm"),
        "mean error, all published": (raw, denoised, "mae_mm", "mm"),
        "RMS error, all published": (raw, denoised, "rmse_mm", "mm"),
        "more than 5 % off": (raw, denoised, "bad5_pct", "%"),
        "too far by more than 5 %": (raw, denoised, "false_free_pct", "%"),
        "ripple of surfaces": (raw, denoised, "ripple_px", "px"),
    }
    return {
        name: f"{before[key]:.2f} / {after[key]:.2f} {unit}"
        for name, (before, after, key, unit) in rows.items()
    }


def _write_picture(result: tuple, out: Path) -> Path:
    from rs_denoise.evaluation.picture import before_after
    from rs_denoise.recordings.image_folder import write_png

    frame, denoised = result
    sheet = before_after(frame.infrared, frame.depth_mm, denoised, frame.ground_truth_mm)
    out.mkdir(parents=True, exist_ok=True)
    path = (out / "before_after.png").resolve()
    scale = min(1.0, 2000 / sheet.shape[1])
    write_png(path, cv2.resize(sheet, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    return path
