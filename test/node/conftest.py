import itertools
import os
import subprocess
from contextlib import contextmanager

import pytest

_namespaces = itertools.count()
# Nodes that were told to end, which takes them a second.
_ending: list[subprocess.Popen] = []


@pytest.fixture(scope="session")
def ros(tmp_path_factory):
    rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    os.environ.setdefault("ROS_LOG_DIR", str(tmp_path_factory.mktemp("ros_log")))
    rclpy.init()
    yield
    for process in _ending:
        process.wait(30)
    rclpy.try_shutdown()


@contextmanager
def new_robot():
    """A robot with a namespace and a node process of its own."""
    import rclpy

    from node.robot import Robot

    node = rclpy.create_node("test")
    # Several runs on one machine hear each other.
    robot = Robot(node, f"/t{os.getpid()}_{next(_namespaces)}")
    yield robot
    if robot.process is not None and robot.process.poll() is None:
        # Killed, it would leave 17 MB of Fast DDS's in /dev/shm: a GB a run of all tests.
        robot.process.terminate()
        _ending.append(robot.process)
    node.destroy_node()


@pytest.fixture
def robot(ros):
    """A robot for one test, which starts the node itself."""
    with new_robot() as robot:
        yield robot


@pytest.fixture(scope="module")
def shared_robot(ros):
    """A robot for all tests of a module: to start a node takes seconds. See `Robot.reset`."""
    with new_robot() as robot:
        yield robot
