"""The launch files, run by the real launch in a process of its own."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from conftest import PROJECT

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
pytest.importorskip("launch_ros", reason="launch and launch_ros are not on PyPI")

TIMEOUT_S = 60.0
RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
file, *arguments = sys.argv[1:]
service = LaunchService()
include = IncludeLaunchDescription(
    PythonLaunchDescriptionSource(file), launch_arguments=[a.split(":=") for a in arguments])
service.include_launch_description(LaunchDescription([include]))
sys.exit(service.run())
"""


class Run:
    """A launch file in a process of its own, as `ros2 launch` would run it."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.log = ""
        self._process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(PROJECT / "launch" / name), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self.log += line

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while text not in self.log:
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, f"no '{text}' in\n{self.log}"
            time.sleep(0.05)

    def interrupt(self) -> None:
        """Ctrl-C, which goes to launch and to what it started alike."""
        os.killpg(self._process.pid, signal.SIGINT)

    def exit_code(self) -> int:
        try:
            return self._process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running:\n{self.log}") from None
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._reader.join(TIMEOUT_S)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("denoise.launch.py", "camera_namespace:=/launched"), "model unet"),
        (
            ("multi_camera.launch.py", "cameras:=a,b", "camera_models:=d435", "one_process:=true"),
            "already loaded by this process",
        ),
    ],
)
def test_the_node_starts_and_ends_on_ctrl_c(prefix, arguments, said):
    run = Run(*arguments, "num_threads:=1")
    run.wait_for(said)
    run.interrupt()
    assert run.exit_code() == 0
    assert "process has finished cleanly" in run.log


@pytest.fixture
def bag_program(tmp_path, monkeypatch):
    """rosbag2 is not on PyPI: a program that plays for a second and records until Ctrl-C."""

    def install(record: str) -> None:
        program = tmp_path / "bin" / "ros2"
        program.parent.mkdir()
        program.write_text(
            '#!/bin/sh\necho "$2 begins"\n[ "$2" = play ] && exec sleep 1\n' + record + "\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    return install


def test_a_replay_begins_when_the_node_is_active_and_ends_with_the_recording(prefix, bag_program):
    bag_program('sleep 60 & trap "echo record ends; kill $!; exit 0" INT; wait')
    run = Run("replay.launch.py", "bag:=run1", "camera_namespace:=/replayed", "num_threads:=1")
    assert run.exit_code() == 0, run.log
    order = ["model unet", "record begins", "ros2-3]: process has finished", "record ends"]
    places = [run.log.index(text) for text in order]
    assert places == sorted(places) and run.log.index("play begins") > places[0], run.log
    assert run.log.count("play begins") == 1 and "died" not in run.log


def test_a_replay_that_cannot_be_recorded_ends(prefix, bag_program):
    bag_program("exit 1")
    run = Run("replay.launch.py", "bag:=run1", "camera_namespace:=/replayed", "num_threads:=1")
    assert run.exit_code() == 0, run.log
    assert "ros2-2]: process has died" in run.log and "denoise_node-1]: process has" in run.log
