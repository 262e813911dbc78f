"""Starts a node whose faults a test triggers, and reads its reports."""

import sys

import numpy as np

from node.faults.steady_camera import INFRARED

OK, WARN, ERROR = b"\0", b"\1", b"\2"


def start(robot, **parameters):
    robot.plug_in()
    robot.start(**{"baseline_m": 0.05, "model_path": robot.model_path} | parameters)
    robot.listen()
    robot.wait_connected()
    return robot


def says(robot, entry, text):
    status = robot.statuses.get(entry)
    return status if status is not None and text in status.message else None


def wait_accounted(robot, before=None):
    """Until every frame that came in is published, dropped, failed or unpaired; the counts.

    Args:
        before: counts that are subtracted.
    """
    while True:
        n = {name: count - (before or {}).get(name, 0) for name, count in robot.counts().items()}
        ends = n["frames out"] + n["dropped"] + n["failed"] + n["unpaired"]
        if n["frames in"] == ends:
            return n
        assert ends < n["frames in"], f"counted more than once: {n}"


INJECTION = """
import sys
import time
import torch
from rs_denoise.denoiser import Denoiser
from rs_denoise.node.main import main

estimate = Denoiser.estimate

def broken(self, depth_mm, infrared=None, infrared_right=None):
    dazzled = infrared is not None and infrared.min() >= 254
    {fault}
    return estimate(self, depth_mm, infrared, infrared_right)

Denoiser.estimate = broken
"""
DAZZLED = np.full_like(INFRARED, 255)


def inject(robot, fault):
    """No GPU here: what CUDA would raise is raised where the network would be run."""
    robot.program = [
        sys.executable,
        "-c",
        INJECTION.format(fault=fault) + "sys.exit(main(sys.argv))",
    ]
