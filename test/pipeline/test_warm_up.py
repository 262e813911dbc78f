"""Synthetic frames before the first real one, in every worker."""

import threading

from pipeline.harness import DEPTH, SIZE
from rs_denoise.denoiser import Denoiser, NetworkError
from rs_denoise.pipeline.resources import NetworkSettings, SharedResources
from rs_denoise.warm_up import WARM_UP_FRAMES


def test_every_worker_is_warmed_up(simple_model, monkeypatch):
    threads, estimate = set(), Denoiser.estimate

    def noted(self, *images):
        threads.add(threading.get_ident())
        return estimate(self, *images)

    monkeypatch.setattr(Denoiser, "estimate", noted)
    SharedResources().prepare(NetworkSettings(str(simple_model), "cpu", concurrent_frames=3))
    assert len(threads) == 3


def test_every_worker_is_warmed_up_for_each_size_before_its_first_frame(
    start, monkeypatch, simple_model
):
    harness, calls = start(concurrent_frames=2, warm=False), []
    estimate = Denoiser.estimate

    def noted(self, *images):
        calls.append((threading.get_ident(), images[0] is DEPTH))
        return estimate(self, *images)

    monkeypatch.setattr(Denoiser, "estimate", noted)
    for _ in range(3):
        harness.process()
        harness.pipeline.warm_up(*SIZE)
    harness.network.workers.run_in_each(lambda: None)
    frames = [is_frame for _, is_frame in calls]
    assert frames.count(True) == 3 and frames.count(False) == 2 * WARM_UP_FRAMES
    for thread in {thread for thread, _ in calls}:
        its = [is_frame for caller, is_frame in calls if caller == thread]
        assert its[:WARM_UP_FRAMES] == [False] * WARM_UP_FRAMES


def test_no_warm_up_for_a_size_that_only_camera_info_has(start, monkeypatch):
    harness, shapes, estimate = start(warm=False), [], Denoiser.estimate

    def noted(self, *images):
        shapes.append(images[0].shape)
        return estimate(self, *images)

    monkeypatch.setattr(Denoiser, "estimate", noted)
    assert "32x24" in harness.process(depth=DEPTH[:24, :32], depth_size=(32, 24)).failure
    harness.network.workers.run_in_each(lambda: None)
    assert shapes == [(24, 32)], "only the frame itself"


def test_a_fault_of_the_warm_up_is_reported_by_the_frames(start, monkeypatch):
    harness = start(warm=False)

    def fail(*_):
        raise NetworkError("broken")

    monkeypatch.setattr(Denoiser, "estimate", fail)
    assert harness.process().failure == "broken"
