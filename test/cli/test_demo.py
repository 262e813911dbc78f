"""The demo, as `make demo` runs it: three processes over DDS."""

import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from scenes import camera, noisy_wall

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rs_denoise.recordings.bags.rosbag2_writer import write_rosbag2
from rs_denoise.recordings.frame import Frame


def demo(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "rs_denoise.cli.main", "demo", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "COLUMNS": "120"}, **options,
    )  # fmt: skip


@pytest.fixture
def small_bag(tmp_path):
    """A user's bag: small, so that no frame need be dropped."""

    def frames():
        for k in range(6):
            depth, infrared = noisy_wall(160, 128, seed=k)
            truth = np.full_like(depth, 2000) if k == 0 else None
            stamp = 10**9 + k * 33_000_000
            yield Frame("", camera(160, 128), depth, infrared, truth, stamp_ns=stamp)

    write_rosbag2(tmp_path / "bag", frames())
    return tmp_path / "bag"


def test_a_recording_comes_out_denoised_with_a_table_and_a_picture(small_bag, tmp_path):
    # Long enough that measuring models at this size, two seconds or on a busy machine four, costs
    # at most half of the frames.
    process = demo(small_bag, "--seconds", 9, "--out", tmp_path / "out")
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    sent, received, dropped = map(int, re.search(r"(\d+) / (\d+) / (\d+)", output).groups())
    assert sent == 270 and received >= 135 and dropped == sent - received
    assert re.search(r"latency.* \d+ / \d+ ms", output)
    assert re.search(r"model +unet[-\w]* on cpu", output)
    assert re.search(r"chosen\W+unet[-\w]* is the (best|fastest) shipped model", output)
    assert ("of the frames were dropped" in output) == (dropped > 54)
    raw, denoised = map(
        float, re.search(r"same pixels, .*?([\d.]+) / ([\d.]+) mm", output).groups()
    )
    assert 0 < denoised < 20 and 5 < raw < 8  # the wall's noise of 8 mm has a mean of 6.4 mm
    picture = cv2.imread(re.search(r"picture: (\S+)", output)[1])
    assert picture is not None and picture.shape[1] == 3 * 160 + 12
    report = Path(re.search(r"report: (\S+)", output)[1]).read_text()
    assert report.startswith("<!doctype html>") and "Frame 0, 0.00 s (helps most" in report
    assert 'data-view="confidence"' in report and "Time per frame: not measured" in report
