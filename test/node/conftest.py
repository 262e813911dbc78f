import itertools
import os
import signal

import pytest

_namespaces = itertools.count()


@pytest.fixture(scope="session")
def ros(tmp_path_factory):
    rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    os.environ.setdefault("ROS_LOG_DIR", str(tmp_path_factory.mktemp("ros_log")))
    rclpy.init()
    yield
    rclpy.try_shutdown()


@pytest.fixture
def robot(ros):
    """Each test has its own namespace and its own node process."""
    import rclpy

    from node.robot import Robot

    node = rclpy.create_node("test")
    # Several runs at once on one machine hear each other.
    robot = Robot(node, f"/t{os.getpid()}_{next(_namespaces)}")
    yield robot
    if robot.process is not None and robot.process.poll() is None:
        robot.stop(signal.SIGKILL)
    node.destroy_node()
