from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from recordings.bags.example_bags import (
    DEPTH,
    HEIGHT,
    PERIOD_NS,
    START_NS,
    WIDTH,
    Ros,
    driver,
    picture,
)

from rs_denoise.denoiser import Denoiser
from rs_denoise.depth import metres_to_mm, to_uint16_mm
from rs_denoise.gate import Gate
from rs_denoise.offline import OfflineDenoiser
from rs_denoise.pipeline.out_of_range import restore_out_of_range
from rs_denoise.recordings.frame import Frame
from rs_denoise.recordings.recording import open_recording
from rs_denoise.recordings.resample import resample_frame
from scenes import Matched, Scaled, camera, kind_fields, noisy_wall


def frame(name="a", width=96, height=64):
    return Frame(name, camera(width, height), *noisy_wall(width, height))


def test_a_frame_comes_out_as_of_the_core_in_whole_millimetres(make_model):
    model, gate, one = make_model(Scaled(0.99)), Gate(0.4), frame()
    expected = Denoiser(model, one.camera, gate).denoise(one.depth_mm, one.infrared)
    denoiser = OfflineDenoiser(model, gate)
    assert np.array_equal(denoiser.denoise(one).confidence, expected.confidence)
    assert denoiser(one).dtype == np.uint16
    assert np.array_equal(denoiser(one), np.rint(expected.depth_mm))


def test_the_right_infrared_goes_to_the_denoiser_too(make_model, monkeypatch):
    model, seen = make_model(Scaled()), []
    right = noisy_wall(96, 64, seed=3)[1]
    estimate = Denoiser.estimate

    def watch(denoiser, depth_mm, infrared=None, infrared_right=None):
        seen.append(infrared_right)
        return estimate(denoiser, depth_mm, infrared, infrared_right)

    monkeypatch.setattr(Denoiser, "estimate", watch)
    denoiser = OfflineDenoiser(model)
    denoiser(replace(frame(), infrared_right=right))
    denoiser(frame())
    assert seen[0] is right and seen[1] is None


def test_the_right_infrared_can_be_left_out(make_model):
    both = OfflineDenoiser(make_model(Matched(), **kind_fields("laplace-stereo")), Gate(0.0))
    left = both.without_right_infrared()
    seen = replace(frame(), infrared_right=noisy_wall(96, 64, seed=3)[1])
    valid = seen.depth_mm > 0
    assert np.allclose(both(seen)[valid] * 1.01, seen.depth_mm[valid], atol=1)
    assert np.array_equal(left(seen)[valid], seen.depth_mm[valid])
    assert both.shares_network_with(both.with_gate(Gate(0.9)))
    assert not both.shares_network_with(left)


def test_metric_depth_out_of_range_in_a_bag_is_filled_no_more_than_by_the_node(
    make_model, tmp_path
):
    """REP 117: -infinity and negative are too close, +infinity is beyond range; NaN is a hole."""
    ros, messages, sent = Ros(2), [], []
    for topic, message in driver(ros, 2):
        if topic == DEPTH:
            metres = picture(len(sent))[0].astype(np.float32) / 1000
            metres[4:40:8, 20:60] = np.array([-np.inf, -1, np.inf, np.nan, 0])[:, None]
            stamp_ns = START_NS + len(sent) * PERIOD_NS
            message = ros.image(metres, "32FC1", stamp_ns)
            sent.append(metres)
        messages.append((topic, message))
    gate = Gate(0.0, 0.0)
    denoiser = OfflineDenoiser(make_model(Scaled()), gate)
    frames = list(open_recording(ros.write(tmp_path / "bag", messages)))
    assert len(frames) == 2
    for one, metres in zip(frames, sent, strict=True):
        assert one.depth_mm.dtype == np.uint16 and not one.depth_mm[4:40:8, 20:60].any()
        live = Denoiser(denoiser.model, one.camera, gate)
        depth_mm = metres_to_mm(metres)
        of_node = restore_out_of_range(live.denoise(depth_mm, one.infrared), depth_mm)
        filled = denoiser(one)
        np.testing.assert_allclose(filled, to_uint16_mm(of_node.depth_mm), atol=1)
        assert (filled[4:40:8, 20:60] > 0).all(axis=1).tolist() == [False, False, False, True, True]
        double = denoiser(resample_frame(one, 2 * WIDTH, 2 * HEIGHT))
        assert not double[8:10, 40:120].any() and double[56:58, 40:120].all()


@pytest.fixture
def estimated(monkeypatch):
    """The depth images that networks ran on."""
    estimated, estimate = [], Denoiser.estimate

    def watch(denoiser, depth_mm, infrared=None, infrared_right=None):
        estimated.append(depth_mm)
        return estimate(denoiser, depth_mm, infrared, infrared_right)

    monkeypatch.setattr(Denoiser, "estimate", watch)
    return estimated


def test_the_network_runs_once_a_frame_for_all_gates(make_model, estimated):
    wide = OfflineDenoiser(make_model(Scaled(1.0, 0.2)), Gate())
    narrow = wide.with_gate(Gate(0.99))
    for one in (frame(), frame("b")):
        assert (wide(one) > 0).sum() > (narrow(one) > 0).sum()
    assert len(estimated) == 2


def test_threads_may_work_on_frames_of_their_own(make_model, estimated):
    frames = [replace(frame(), depth_mm=np.full((64, 96), 900 + k, np.uint16)) for k in range(40)]
    wide = OfflineDenoiser(make_model(Scaled()), Gate())
    narrow = wide.with_gate(Gate(0.99))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda f: (wide(f).max(), narrow(f).max()), frames))
    assert results == [(900 + k, 900 + k) for k in range(40)]
    assert len(estimated) == 40


def test_time_is_of_a_run_of_the_network(make_model, estimated):
    denoiser, seen = OfflineDenoiser(make_model(Scaled())), frame()
    denoiser(seen)
    assert 0 < denoiser.time(seen) < 60e3 and len(estimated) == 2


def test_frames_of_several_cameras_may_alternate(make_model):
    denoiser = OfflineDenoiser(make_model(Scaled()))
    for width in (96, 64, 96):
        assert denoiser(frame(width=width)).shape == (64, width)
