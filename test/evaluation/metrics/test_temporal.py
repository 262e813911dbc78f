import math

import numpy as np
import pytest

from rs_denoise.evaluation.metrics.blocks import TemporalNoise
from rs_denoise.evaluation.metrics.temporal import Temporal
from rs_denoise.recordings.frame import Frame
from scenes import camera

SIZE = (96, 128)
CAMERA = camera(128, 96)


def texture(seed=0):
    """Blotches of 8 px that an image of a room could have."""
    coarse = np.random.default_rng(seed).integers(30, 200, (12, 16))
    return coarse.repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)


def played(depths, infrareds=None, methods=None, cameras=None):
    """The figures after frames with these depths; methods change depth by a function."""
    methods = methods or {}
    temporal = Temporal(methods)
    for i, depth in enumerate(depths):
        infrared = None if infrareds is None else infrareds[i]
        frame = Frame(f"{i}", cameras[i] if cameras else CAMERA, depth, infrared)
        temporal.add(frame, {name: change(depth) for name, change in methods.items()})
    return temporal.results()


def noisy(count, sigma_mm=20.0, depth_mm=2000, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(depth_mm, sigma_mm, SIZE).round().astype(np.uint16) for _ in range(count)]


def alternating(count, values=(1990, 2010)):
    return [np.full(SIZE, values[i % len(values)], np.uint16) for i in range(count)]


def test_known_noise_is_found():
    figures = played(noisy(40), [texture()] * 40)["raw"]
    assert figures.temporal_noise_pct == pytest.approx(1.0, rel=0.03)
    assert figures.flicker_pct == 0 and figures.still_frames == 40


def test_by_hand():
    """Ten at 1990 and ten at 2010: a deviation of sqrt(20 * 100 / 19), and a median of 2000."""
    figures = played(alternating(20), [texture()] * 20)["raw"]
    assert figures.temporal_noise_pct == pytest.approx(math.sqrt(2000 / 19) / 20)


def test_a_method_is_judged_on_the_same_frames():
    steady = {"steady": lambda depth: np.full_like(depth, 2000)}
    figures = played(alternating(20), [texture()] * 20, steady)
    assert figures["steady"].temporal_noise_pct == 0
    assert figures["steady"].still_frames == figures["raw"].still_frames == 20
    assert figures["steady"].temporal_noise_same_raw_pct == pytest.approx(
        figures["raw"].temporal_noise_pct
    )


def test_dropping_what_trembles_is_no_steadiness():
    """The left two thirds tremble twice as much; a method that only drops them gains nothing."""
    depths = alternating(20)
    for i, depth in enumerate(depths):
        depth[:, :84] = (1980, 2020)[i % 2]
    drops = {"drops": lambda depth: np.where(np.arange(128) < 84, 0, depth).astype(np.uint16)}
    figures = played(depths, [texture()] * 20, drops)
    dropped = figures["drops"]
    assert dropped.temporal_noise_pct == pytest.approx(figures["raw"].temporal_noise_pct / 2)
    assert dropped.temporal_noise_same_pct == dropped.temporal_noise_same_raw_pct


def test_flicker_by_hand():
    """A quarter of the pixels comes and goes with every frame, another once in 20 frames."""
    depths = alternating(20, (2000,))
    for i, depth in enumerate(depths):
        depth[:48, :64] *= i % 2
        depth[48:, :64] *= i < 10
    figures = played(depths, [texture()] * 20)["raw"]
    assert figures.flicker_pct == pytest.approx(25 + 25 / 19)
    assert figures.temporal_noise_pct == 0


def test_a_pixel_that_is_mostly_invalid_has_no_noise():
    depths = alternating(20, (2000,))
    for i, depth in enumerate(depths):
        depth[:, :100] = (3000 + 10 * i) if i < 9 else 0
    figures = played(depths, [texture()] * 20)["raw"]
    assert figures.temporal_noise_pct == 0


def test_a_jump_of_the_camera_starts_anew():
    depths = [*alternating(15), *alternating(15, (3000,))]
    infrareds = [texture(1)] * 15 + [texture(2)] * 15
    figures = played(depths, infrareds)["raw"]
    assert figures.still_frames == 30
    expected = math.sqrt(((8 * 7 / 15) * 20**2) / 14) / 1990 * 100
    assert figures.temporal_noise_pct == pytest.approx(expected / 2)


def test_a_moving_camera_leaves_nothing_to_compare():
    infrareds = [np.roll(texture(), 3 * i, axis=1) for i in range(30)]
    figures = played(alternating(30), infrareds)["raw"]
    assert figures == TemporalNoise(still_frames=0)


def test_a_stretch_that_is_too_short_does_not_count():
    infrareds = [texture(i // 9) for i in range(27)]
    assert played(alternating(27), infrareds)["raw"].still_frames == 0
    assert played(alternating(10), [texture()] * 10)["raw"].still_frames == 10


def test_who_walks_through_is_left_out():
    """A dark figure, 1 m nearer than the wall, that moves 4 px a frame."""
    depths, infrareds = alternating(20), []
    for i, depth in enumerate(depths):
        infrared = texture().copy()
        depth[30:60, 8 + 4 * i : 14 + 4 * i] = 1000
        infrared[30:60, 8 + 4 * i : 14 + 4 * i] = 5
        infrareds.append(infrared)
        depth[:, :4] *= 0  # never seen
    steady = played(alternating(20), [texture()] * 20)["raw"].temporal_noise_pct
    figures = played(depths, infrareds)["raw"]
    assert figures.still_frames == 20 and figures.flicker_pct == 0
    assert figures.temporal_noise_pct == pytest.approx(steady)
    # Not only in the median: nobody walks where it is measured.
    assert max_noise(depths, infrareds) == pytest.approx(steady)


def max_noise(depths, infrareds):
    from rs_denoise.evaluation.metrics.temporal import _noise

    temporal = Temporal([])
    for depth, infrared in zip(depths, infrareds, strict=True):
        temporal.add(Frame("f", CAMERA, depth, infrared), {})
    window = temporal._window
    still = ~window.moving[::2, ::2]
    assert 0.3 < still.mean() < 0.95
    return 100 * np.nanmax(_noise(np.stack([d[still] for d in window.depths["raw"]])))


def test_without_infrared_raw_depth_tells_motion():
    depths = [*alternating(12), *alternating(12, (3000,))]
    assert played(depths)["raw"].still_frames == 24
    receding = [np.full(SIZE, 2000 + 120 * i, np.uint16) for i in range(30)]
    assert played(receding)["raw"].still_frames == 0


def test_another_camera_is_another_stretch():
    cameras = [CAMERA] * 9 + [camera(128, 96, fx=400)] * 11
    assert played(alternating(20), [texture()] * 20, None, cameras)["raw"].still_frames == 11


def test_a_long_stretch_is_cut_into_windows_of_forty():
    temporal = Temporal([])
    for i, depth in enumerate(alternating(95)):
        temporal.add(Frame(f"{i}", CAMERA, depth, texture()), {})
        assert len(temporal._window.depths["raw"]) <= 40
    figures = temporal.results()["raw"]
    assert figures.still_frames == 95 and figures == temporal.results()["raw"]
    of_window = [math.sqrt(n / (n - 1)) / 2 for n in (40, 40)]
    # The last has 8 at 1990 and 7 at 2010: a median of 1990.
    of_window.append(math.sqrt(((8 * 7 / 15) * 20**2) / 14) / 1990 * 100)
    expected = np.average(of_window, weights=[40, 40, 15])
    assert figures.temporal_noise_pct == pytest.approx(expected)


def test_of_nothing_there_are_no_figures():
    figures = Temporal(["m"]).results()
    assert set(figures) == {"raw", "m"} and figures["m"].still_frames == 0
