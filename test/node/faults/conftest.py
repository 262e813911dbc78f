"""What the running node does when something breaks; docs/faults.md is the table of these."""

import pytest

from node.faults.steady_camera import CAMERA, DEPTH, INFRARED
from rs_denoise.model import save
from scenes import NanWhenDazzled, manifest


@pytest.fixture(scope="module")
def simple(tmp_path_factory):
    """A model file for faults in which the network has no part."""
    path = tmp_path_factory.mktemp("model") / "simple.pt"
    save(NanWhenDazzled(), manifest(), path)
    return path


@pytest.fixture
def robot(robot, simple):
    """A robot for one test, which starts the node itself."""
    robot.model_path = simple
    return robot


@pytest.fixture
def running(shared_robot, simple):
    """The robot of this module, whose node runs with a simple model."""
    shared_robot.reset((DEPTH, INFRARED), CAMERA, baseline_m=0.05, model_path=simple)
    shared_robot.model_path = simple
    return shared_robot
