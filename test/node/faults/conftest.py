"""Fixtures of the fault tests; docs/faults.md lists the faults and these tests."""

import pytest

from node.faults.steady_camera import CAMERA, DEPTH, INFRARED


@pytest.fixture
def robot(robot, simple_model):
    """A robot for one test, which starts the node itself."""
    robot.model_path = simple_model
    return robot


@pytest.fixture
def running(shared_robot, simple_model):
    """The robot of this module, whose node runs with a simple model."""
    shared_robot.reset((DEPTH, INFRARED), CAMERA, baseline_m=0.05, model_path=simple_model)
    shared_robot.model_path = simple_model
    return shared_robot
