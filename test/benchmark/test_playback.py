"""Signals to the programs that start a player and the node."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

NODE, PLAYER = "rs_denoise.node.main", "rs_denoise.benchmark.ros.player"
BENCH = ("bench", "--model", "unet-tiny", "--size", "128x96", "--frames", 10)
DEMO = ("demo", "--seconds", 60, "--out")


@pytest.mark.parametrize(
    ("command", "how", "last_started"),
    [
        (BENCH, signal.SIGTERM, NODE),
        (BENCH, signal.SIGINT, PLAYER),
        (DEMO, signal.SIGINT, NODE),
        (DEMO, signal.SIGTERM, PLAYER),
    ],
)
def test_a_signal_ends_the_program_and_the_processes_that_it_started(
    command, how, last_started, tmp_path
):
    arguments = [*map(str, command), *([str(tmp_path)] if command is DEMO else [])]
    process = subprocess.Popen(
        [sys.executable, "-m", "rs_denoise.cli.main", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while last_started not in (children := children_of(process.pid)).values():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(how)
    # The pipe ends when no process has it any more.
    output = process.communicate(timeout=20)[0]
    assert process.returncode == 128 + how and "Traceback" not in output
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def children_of(parent):
    """The modules that the processes run that `parent` started, by process id."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            status = process.joinpath("stat").read_text().rpartition(")")[2].split()
            command = process.joinpath("cmdline").read_text().split("\0")
        except OSError:  # it ended meanwhile
            continue
        if int(status[1]) == parent and "-m" in command:
            found[int(process.name)] = command[command.index("-m") + 1]
    return found
