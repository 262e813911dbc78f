"""The frame pipeline with real models and threads, and without ROS."""

import queue
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from pipeline.harness import CAMERA, DAZZLED, DEPTH, INFRARED, SIZE, TIMEOUT_S
from rs_denoise.denoiser import Denoiser, FrameError
from rs_denoise.gate import Gate
from rs_denoise.model import Model, save
from rs_denoise.pipeline import failure
from rs_denoise.pipeline.frame_pipeline import FramePipeline, FrameSettings, InputFrame
from rs_denoise.pipeline.latest_slot import LatestSlot
from rs_denoise.pipeline.resources import NetworkSettings, SharedResources
from rs_denoise.pipeline.workers import Workers
from scenes import Scaled, manifest


def unreadable():
    raise FrameError("cannot be read")


def test_pixels_are_those_of_the_denoiser(start, simple_model):
    result = start().process("mine")
    expected = Denoiser(Model.load(simple_model, "cpu"), CAMERA).denoise(DEPTH, INFRARED)
    np.testing.assert_array_equal(result.output.depth_mm, expected.depth_mm)
    np.testing.assert_array_equal(result.output.confidence, expected.confidence)
    assert result.frame.source == "mine" and result.failure is None and result.denoise_ns > 0


def test_the_newest_frame_wins_and_a_dropped_one_is_reported(start):
    harness, started, held = start(concurrent_frames=1), threading.Event(), threading.Event()

    def slow():
        started.set()
        held.wait(TIMEOUT_S)
        return DEPTH

    assert not harness.submit("first", read_depth=slow)
    started.wait(TIMEOUT_S)
    assert not harness.submit("second")
    assert harness.submit("third")
    held.set()
    sources = [harness.results.get(timeout=TIMEOUT_S).frame.source for _ in range(2)]
    assert sources == ["first", "third"] and harness.results.empty()


def test_concurrent_frames_come_out_in_order(start):
    harness, started, held = start(concurrent_frames=2), threading.Event(), threading.Event()

    def slow():
        started.set()
        held.wait(TIMEOUT_S)
        return DEPTH

    def fast():
        held.set()
        return DEPTH

    harness.submit("slow", read_depth=slow)
    started.wait(TIMEOUT_S)
    harness.submit("fast", read_depth=fast)  # only a second worker can let the first one finish
    sources = [harness.results.get(timeout=TIMEOUT_S).frame.source for _ in range(2)]
    assert sources == ["slow", "fast"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"num_threads": 2}, "concurrent frames: 2, threads for each: 1"),
        ({"num_threads": 3}, "concurrent frames: 1, threads for each: 3"),
        ({"num_threads": 4, "concurrent_frames": 2}, "concurrent frames: 2, threads for each: 2"),
        ({"num_threads": 1, "concurrent_frames": 3}, "concurrent frames: 3, threads for each: 1"),
    ],
)
def test_threads_are_divided_among_concurrent_frames(start, settings, said):
    harness = start(**settings)
    assert said in harness.network.note
    dropped = sum(harness.submit(number) for number in range(50))
    sources = [harness.results.get(timeout=TIMEOUT_S).frame.source for _ in range(50 - dropped)]
    assert sources == sorted(set(sources)) and sources[-1] == 49


def test_stopping_finishes_the_frame_in_work_and_drops_the_waiting_one(start):
    harness, started, held = start(concurrent_frames=1), threading.Event(), threading.Event()

    def slow():
        started.set()
        held.wait(TIMEOUT_S)
        return DEPTH

    harness.submit("in progress", read_depth=slow)
    started.wait(TIMEOUT_S)
    harness.submit("waiting")
    threading.Timer(0.05, held.set).start()
    assert harness.pipeline.stop(TIMEOUT_S) and harness.pipeline.longest_in_progress_s == 0
    assert harness.results.get_nowait().frame.source == "in progress" and harness.results.empty()


def test_a_frame_that_hangs_is_noticed_and_not_waited_for(start):
    harness, started, held = start(concurrent_frames=1), threading.Event(), threading.Event()

    def hang():
        started.set()
        held.wait(TIMEOUT_S)
        return DEPTH

    assert harness.pipeline.longest_in_progress_s == 0
    harness.submit("hangs", read_depth=hang)
    started.wait(TIMEOUT_S)
    harness.submit("waiting")
    time.sleep(0.05)
    assert harness.pipeline.longest_in_progress_s > 0.04
    before = time.monotonic()
    assert harness.pipeline.stop(frame_timeout_s=0.5)
    assert 0.3 < time.monotonic() - before < 5
    assert harness.pipeline.longest_in_progress_s > 0.4 and harness.results.empty()
    held.set()


def test_a_pipeline_does_not_wait_for_another_cameras_frame(simple_model, monkeypatch):
    """Two cameras on one worker: the frame of the second one waits behind the first one's.

    When the worker comes to it, the second pipeline has stopped: nothing may look as if it hung.
    """
    network = SharedResources().prepare(
        NetworkSettings(str(simple_model), "cpu", concurrent_frames=1)
    )
    first, second = (FramePipeline(network, lambda _: None, lambda _: None) for _ in range(2))
    started, held, queued = threading.Event(), threading.Event(), threading.Event()

    def hang():
        started.set()
        held.wait(TIMEOUT_S)
        return DEPTH

    run = Workers.run
    for pipeline, read_depth in ((first, hang), (second, lambda: DEPTH)):
        pipeline.start()
        pipeline.submit(InputFrame(None, SIZE, read_depth, None, CAMERA, FrameSettings(Gate()), 0))
        started.wait(TIMEOUT_S)
        monkeypatch.setattr(
            Workers, "run", lambda workers, function: queued.set() or run(workers, function)
        )
    queued.wait(TIMEOUT_S)
    before = time.monotonic()
    assert second.stop(TIMEOUT_S) and time.monotonic() - before < 5
    assert second.longest_in_progress_s == 0 < first.longest_in_progress_s
    seen_s, take = [], LatestSlot.take
    monkeypatch.setattr(
        LatestSlot, "take", lambda slot: seen_s.append(second.longest_in_progress_s) or take(slot)
    )
    held.set()
    network.workers.run_in_each(lambda: None)
    assert not any(seen_s)


RIGHT = {
    "none": (None, None),
    "sound": (lambda: INFRARED, None),
    "small": (lambda: INFRARED[:24, :32], "right infrared is 32x24, expected 64x48 as depth"),
    "broken": (unreadable, "cannot be read"),
    "unexpected": (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
}


@pytest.mark.parametrize("case", RIGHT)
def test_a_right_image_that_cannot_be_used_costs_no_frame(start, monkeypatch, case):
    used = []
    estimate = Denoiser.estimate

    def noted(self, depth_mm, infrared=None, infrared_right=None):
        used.append(infrared_right)
        return estimate(self, depth_mm, infrared, infrared_right)

    monkeypatch.setattr(Denoiser, "estimate", noted)
    right, rejection = RIGHT[case]
    result = start().process(right=right)
    assert result.failure is None and result.output.depth_mm.any()
    assert rejection in result.right_rejection if rejection else result.right_rejection is None
    assert (used[-1] is not None) == (case == "sound")


@pytest.mark.parametrize("fault", ["infrared", "network"])
def test_a_failed_frame_is_answered_as_the_policy_says(start, fault):
    infrared = unreadable if fault == "infrared" else DAZZLED
    reason = "cannot be read" if fault == "infrared" else "NaN"
    harness = start()
    silence, passthrough, invalid = (
        harness.process(infrared=infrared, on_failure=policy)
        for policy in ("silence", "passthrough", "invalid")
    )
    assert all(reason in result.failure for result in (silence, passthrough, invalid))
    assert silence.output is None
    np.testing.assert_array_equal(passthrough.output.depth_mm, DEPTH)
    np.testing.assert_array_equal(np.isnan(passthrough.output.confidence), DEPTH > 0)
    assert invalid.output.depth_mm.shape == DEPTH.shape and not invalid.output.depth_mm.any()
    assert harness.process().failure is None


def test_unreadable_depth_cannot_be_passed_through(start):
    result = start().process(read_depth=unreadable, on_failure="passthrough")
    assert result.output is None and result.failure == "cannot be read"


@pytest.mark.parametrize("settings", [{"on_failure": "passthrough"}, {"enabled": False}])
def test_depth_of_another_size_than_camera_info_is_never_published(start, settings):
    result = start().process(depth=DEPTH[:-1], **settings)
    assert result.output is None and "depth must be 64x48" in result.failure


@pytest.mark.parametrize("enabled", [True, False])
def test_depth_beyond_the_sensors_range_stays_so_and_is_not_filled(start, enabled):
    depth = DEPTH.astype(np.float32)
    depth[:20], depth[20:30] = np.inf, np.nan
    result = start().process(depth=depth, enabled=enabled).output
    assert np.isposinf(result.depth_mm[:20]).all() and not result.confidence[:20].any()
    assert np.isfinite(result.depth_mm[20:]).all()


def test_an_unexpected_error_loses_only_its_frame(start):
    harness = start()
    result = harness.process(read_depth=lambda: 1 / 0)
    assert result.failure == "ZeroDivisionError: division by zero"
    assert harness.process().failure is None and harness.fatal.empty()


def test_disabled_it_passes_the_cameras_depth_through(start):
    result = start().process(enabled=False)
    np.testing.assert_array_equal(result.output.depth_mm, DEPTH)
    assert result.failure is None


def test_output_that_stays_empty_is_a_failure_and_recovers(start, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(failure.time, "monotonic", lambda: now[0])
    harness, nothing = start(), np.zeros_like(DEPTH)
    assert harness.process(depth=nothing, min_fill=0.02).failure is None
    now[0] += 1.1
    assert "only 0.0 % of the pixels" in harness.process(depth=nothing, min_fill=0.02).failure
    assert harness.process(min_fill=0.02).failure is None
    assert harness.process(depth=nothing, min_fill=0.02).failure is None, "the time starts anew"
    now[0] += 60
    assert harness.process(depth=nothing, min_fill=0.02).failure is None, "so it does after a pause"
    now[0] += 1.1
    assert "only 0.0 % of the pixels" in harness.process(depth=nothing, min_fill=0.02).failure


def test_millimetres_in_place_of_metres_are_named(start, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(failure.time, "monotonic", lambda: now[0])
    harness, wrong = start(), np.full(DEPTH.shape, 2e6, np.float32)
    assert harness.process(depth=wrong, min_fill=0.02).failure is None
    now[0] += 1.1
    said = harness.process(depth=wrong, min_fill=0.02).failure
    assert said.startswith("depth is 2000 m (median)") and "millimetres sent as 32FC1" in said


def test_a_frame_that_sees_nothing_within_range_is_not_empty(start, monkeypatch):
    """A simulated camera in the open, by REP 117: the robot need not stop."""
    now = [100.0]
    monkeypatch.setattr(failure.time, "monotonic", lambda: now[0])
    harness, open_space = start(), np.full(DEPTH.shape, np.inf, np.float32)
    for _ in range(2):
        result = harness.process(depth=open_space, min_fill=0.02)
        assert result.failure is None and np.isposinf(result.output.depth_mm).all()
        now[0] += 1.1


def test_a_callback_that_raises_is_fatal_and_not_silent(simple_model):
    network = SharedResources().prepare(NetworkSettings(str(simple_model), "cpu"))
    fatal: queue.Queue = queue.Queue()
    pipeline = FramePipeline(network, lambda _: 1 / 0, fatal.put)
    pipeline.start()
    frame = InputFrame(None, SIZE, lambda: DEPTH, None, CAMERA, FrameSettings(Gate()), 0)
    pipeline.submit(frame)
    expected = "an inference thread ended: ZeroDivisionError: division by zero"
    assert fatal.get(timeout=TIMEOUT_S) == expected
    pipeline.stop(TIMEOUT_S)


def test_cameras_of_a_process_share_model_and_workers(tmp_path):
    path = tmp_path / "model.pt"
    save(Scaled(), manifest(), path)
    resources = SharedResources()
    first, second = (
        resources.prepare(NetworkSettings(str(path), "cpu", num_threads=n)) for n in (1, 2)
    )
    assert first.model is second.model and first.workers is second.workers
    assert "already loaded" in second.note and "already loaded" not in first.note
    save(Scaled(0.5), manifest(name="other"), path)
    third = resources.prepare(NetworkSettings(str(path), "cpu"))
    assert third.model is not first.model and third.model.manifest.name == "other"


def test_it_needs_no_ros():
    code = (
        "import sys, rs_denoise.pipeline.frame_pipeline, rs_denoise.pipeline.synchronizer,"
        " rs_denoise.pipeline.statistics\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('rclpy', 'sensor_msgs')])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"
