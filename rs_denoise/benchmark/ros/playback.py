"""Runs a recorded camera, the node and a consumer as three processes over DDS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import rclpy

from rs_denoise.benchmark.ros.collector import Collector, ReceivedImage

NAMESPACE = "/camera/camera"
NODE, PLAYER = "rs_denoise.node.main", "rs_denoise.benchmark.ros.player"
START_TIMEOUT_S = 60.0
# A process that still imports PyTorch ends afterwards; it is killed if that takes longer.
STOP_TIMEOUT_S = 3.0
# Time for the last frame to arrive.
GRACE_S = 1.0
# Fields of /proc/PID/stat, counted after the name in parentheses.
USER_TIME, KERNEL_TIME = 11, 12


class PlaybackError(RuntimeError):
    """A process failed; the message says which one and how."""


@dataclass(frozen=True)
class Schedule:
    """The schedule of the player.

    Attributes:
        start_ns, period_ns: the stamp of frame n is start + n * period.
        loop: number of frames after which the recording starts again.
    """

    start_ns: int
    period_ns: int
    loop: int

    def index(self, stamp_ns: int) -> int:
        """The index of the recorded frame with this stamp."""
        return round((stamp_ns - self.start_ns) / self.period_ns) % self.loop


@dataclass(frozen=True)
class PlaybackResult:
    """The result of one playback of a recording through the node.

    Attributes:
        received: by the consumer, in order of arrival.
        schedule: the player's.
        cpu_pct: CPU time of the node during playback, in percent of one core.
        stages_ms: median time of a frame in each stage of the node, as /diagnostics reported last.
        model: what /diagnostics reported last of the model: name, device, and why it was chosen.
    """

    received: list[ReceivedImage]
    schedule: Schedule
    cpu_pct: float
    stages_ms: dict[str, float]
    model: dict[str, str]


class _Signals:
    """Within the block, SIGINT and SIGTERM end the program only where `check` is called.

    Elsewhere they could leave a process running, and rclpy turns an exception that interrupts the
    conversion of a message into another one.
    """

    def __enter__(self) -> _Signals:
        self._received: list[int] = []
        self._before = {
            number: signal.signal(number, lambda number, _: self._received.append(number))
            for number in (signal.SIGINT, signal.SIGTERM)
            if signal.getsignal(number) != signal.SIG_IGN
        }
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raises SystemExit with the shell's exit code for a signal that has come."""
        if self._received:
            raise SystemExit(128 + self._received[0])


def run_playback(
    recording: Path, count: int, rate_hz: float, parameters: dict[str, object] | None = None,
    on_received: Callable[[int], None] = lambda _: None, enabled: bool = True,
) -> PlaybackResult:  # fmt: skip
    """Plays `count` frames of a recording in a loop into a new node, and collects its output.

    Args:
        recording: a rosbag2.
        count, rate_hz: how many frames and how fast.
        parameters: the node's.
        on_received: called repeatedly with the number of images so far.
        enabled: False to make the node pass the camera's depth through, without its network.

    Raises:
        PlaybackError: node or player ended early, or the node did not start in time.
        SystemExit: SIGINT or SIGTERM came; the processes have ended.
    """
    remap = ["-r", f"__ns:={NAMESPACE}"]
    settings = [x for name, value in (parameters or {}).items() for x in ("-p", f"{name}:={value}")]
    rclpy.init(args=["--ros-args", *remap], signal_handler_options=rclpy.SignalHandlerOptions.NO)
    with ExitStack() as stack:
        stack.callback(rclpy.try_shutdown)
        signals = stack.enter_context(_Signals())
        collector = Collector()
        stack.callback(collector.destroy_node)
        arguments = [str(recording), f"--frames={count}", f"--rate={rate_hz}", "--ros-args", *remap]
        # The camera first, as on a robot: it decodes its frames before the node measures models.
        player = _Player(stack.enter_context(_process(PLAYER, arguments, subprocess.PIPE)))
        spin = partial(_spin, collector, signals, {"player": player.process})
        _wait(lambda: player.ready, "the player did not start", spin)
        node = stack.enter_context(_process(NODE, ["--ros-args", *remap, *settings]))
        spin = partial(_spin, collector, signals, {"player": player.process, "node": node})
        _wait(lambda: collector.connected, "the node did not start", spin)
        if not enabled:
            _disable_denoising(collector, spin)
        collector.subscribe()  # so the node subscribes to the camera, which then starts to play
        cpu_pct = _collect(collector, node, player, spin, on_received)
        assert player.schedule is not None  # it comes before the end
        return PlaybackResult(
            collector.received, player.schedule, cpu_pct, collector.stage_times_ms, collector.model
        )


def _disable_denoising(collector: Collector, spin: Callable[[], None]) -> None:
    answer = collector.disable_denoising()
    _wait(answer.done, "the node did not answer set_enabled", spin)
    if not answer.result().success:
        raise PlaybackError(f"the node did not disable denoising: {answer.result().message}")


class _Player:
    """What the player says in its output.

    Attributes:
        process: the player.
        ready: whether its topics exist.
        schedule: None until it plays.
        ended: whether it has played all frames.
    """

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process
        self.ready = self.ended = False
        self.schedule: Schedule | None = None
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line == b"ready\n":
                self.ready = True
            elif line == b"ended\n":
                self.ended = True
            elif line.startswith(b"{"):
                self.schedule = Schedule(**json.loads(line))


def _collect(
    collector: Collector, node: subprocess.Popen, player: _Player, spin: Callable[[], None],
    on_received: Callable[[int], None],
) -> float:  # fmt: skip
    """Receives until shortly after the player has ended; returns the node's CPU time in percent."""
    ended = None
    first: tuple[float, float] | None = None
    cpu_pct = 0.0
    while ended is None or time.monotonic() < ended + GRACE_S:
        spin()
        on_received(len(collector.received))
        if first is None and collector.received:
            first = time.monotonic(), _cpu_seconds(node)
        if ended is None and player.ended:
            ended = time.monotonic()
            if first is not None and ended > first[0]:
                cpu_pct = 100 * (_cpu_seconds(node) - first[1]) / (ended - first[0])
    return cpu_pct


def _cpu_seconds(process: subprocess.Popen) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[USER_TIME]) + int(fields[KERNEL_TIME])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _process(module: str, arguments: list[str], stdout: int | None = None):
    # A process group of its own: Ctrl-C reaches only this program, which ends the others in order.
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, "PYTHONUNBUFFERED": "1"}, stdout=stdout, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            # Not SIGINT: a process that still imports would end with a traceback.
            process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(condition: Callable[[], bool], failure: str, spin: Callable[[], None]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise PlaybackError(f"{failure} within {START_TIMEOUT_S:.0f} s")
        spin()


def _spin(collector: Collector, signals: _Signals, processes: dict[str, subprocess.Popen]) -> None:
    """Receives for a moment, and checks for signals and for processes that have failed."""
    rclpy.spin_once(collector, timeout_sec=0.02)
    signals.check()
    for name, process in processes.items():
        if process.poll() is not None:
            raise PlaybackError(f"the {name} ended with exit code {process.returncode}")
