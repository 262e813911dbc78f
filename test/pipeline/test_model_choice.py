"""Which model is chosen, and when it is chosen again; with real models and threads."""

import time

import pytest

from rs_denoise.denoiser import Denoiser
from rs_denoise.model import Model
from rs_denoise.pipeline.model_choice import StreamProfile, choose_model, measure_rate_hz
from rs_denoise.pipeline.model_selector import ModelSelector
from rs_denoise.pipeline.resources import NetworkSettings, SharedResources
from rs_denoise.pipeline.workers import Workers
from rs_denoise.shipped_models import BEST_FIRST, SHIPPED
from scenes import Scaled, camera

RATES_HZ = {"large": 12.0, "small": 40.0, "tiny": 90.0}
SMALL = StreamProfile(64, 48, 0.5)
TIMEOUT_S = 120.0


def choose(rate_hz, cameras=1):
    asked = []

    def measure(name):
        asked.append(name)
        return RATES_HZ[name]

    return choose_model(list(RATES_HZ), StreamProfile(848, 480, rate_hz), cameras, measure), asked


@pytest.mark.parametrize(
    ("rate_hz", "cameras", "name", "measured"),
    [(10, 1, "large", 1), (11, 1, "small", 2), (30, 1, "small", 2), (38, 1, "tiny", 3),
     (30, 2, "tiny", 3), (90, 1, "tiny", 3)],
)  # fmt: skip
def test_the_best_that_keeps_up_is_taken_and_no_other_is_measured(rate_hz, cameras, name, measured):
    choice, asked = choose(rate_hz, cameras)
    assert choice.name == name and asked == list(RATES_HZ)[:measured]


def test_it_says_why():
    choice, _ = choose(30)
    assert choice.keeps_up and choice.advice is None
    assert str(choice) == (
        "small is the best shipped model that keeps up with 30 Hz at 848x480 (measured: large "
        "12.0 Hz, small 40.0 Hz)"
    )
    slow, _ = choose(45, cameras=2)
    assert not slow.keeps_up and "frames are dropped. Lower the rate or the size" in slow.advice
    assert str(slow).startswith(
        "tiny is the fastest shipped model, but does not keep up with 2 cameras of 45 Hz at 848x480"
    )


def test_candidates_are_shipped():
    assert all((SHIPPED / f"{name}.pt").exists() for name in BEST_FIRST)


def test_the_rate_is_that_of_all_workers_together(make_model, monkeypatch):
    denoise = Denoiser.denoise

    def slow(self, *images):
        time.sleep(0.1)
        return denoise(self, *images)

    monkeypatch.setattr(Denoiser, "denoise", slow)
    denoiser = Denoiser(make_model(Scaled()), camera(64, 48))
    assert 8 < measure_rate_hz(denoiser, Workers(2)) < 20
    assert 4 < measure_rate_hz(denoiser, Workers(1)) < 10


def test_a_shipped_model_is_prepared_by_measurement():
    resources = SharedResources()
    network = resources.prepare(NetworkSettings("auto", "cpu", stream=SMALL))
    assert network.model.manifest.name == Model.load(BEST_FIRST[0]).manifest.name
    assert network.choice.name == BEST_FIRST[0] and network.choice.keeps_up
    assert f"chosen: {BEST_FIRST[0]} is the best shipped model" in network.note
    fast = StreamProfile(SMALL.width, SMALL.height, 1e6)
    network = resources.prepare(NetworkSettings("auto", "cpu", stream=fast))
    assert list(network.choice.measured_hz) == list(BEST_FIRST) and not network.choice.keeps_up
    assert (
        max(network.choice.measured_hz.values()) == network.choice.measured_hz[network.choice.name]
    )
    assert resources.prepare(NetworkSettings(BEST_FIRST[1], "cpu")).choice is None


def test_the_model_is_chosen_anew_for_another_size_and_for_a_faster_camera():
    """Not for a slower one: a busy computer that loses frames would get a slower model."""
    selector, settings = ModelSelector(SharedResources()), NetworkSettings("auto", "cpu")
    assert selector.update(settings, None, None) is None and not selector.in_progress
    assert selector.update(settings, (64, 48), None) is None and not selector.in_progress
    for size, rate_hz in (((64, 48), 0.5), ((48, 64), 0.5), ((48, 64), 1e6)):
        assert selector.update(settings, size, rate_hz) is None and selector.in_progress
        deadline = time.monotonic() + TIMEOUT_S
        while (network := selector.update(settings, size, rate_hz)) is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert network.choice.stream == StreamProfile(*size, rate_hz)
        for steady_hz in (rate_hz, 1.2 * rate_hz, 0.1 * rate_hz):
            selector.update(settings, size, steady_hz)
            assert not selector.in_progress
    assert not network.choice.keeps_up, "it is measured again only for another size"


def test_a_model_that_the_user_named_stays():
    selector = ModelSelector(SharedResources())
    assert selector.update(NetworkSettings("unet", "cpu"), (64, 48), 30.0) is None
    assert not selector.in_progress
