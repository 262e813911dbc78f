import pytest

from rs_denoise.node import health as module
from rs_denoise.node.health import ERROR, OK, WARN, Health, Journey


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test turns."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def report(health, depth_only=None):
    entries = health.report("active", {"model": "m"}, ["/depth"], depth_only, "silence", 0, 0)
    return {entry.name: entry for entry in entries}


def test_idle_is_ok(clock):
    health = Health()
    clock[0] += 60
    entry = report(health)["input"]
    assert entry.level == OK and "idle" in entry.message


def test_silence_with_listeners_is_a_warning_that_names_the_topics(clock):
    health = Health()
    health.listening(True)
    clock[0] += 4.9
    assert report(health)["input"].level == OK
    clock[0] += 0.2
    entry = report(health)["input"]
    assert entry.level == WARN and entry.message == "no input: waiting for /depth"


def test_rates_and_latency(clock):
    health = Health()
    health.listening(True)
    for _ in range(60):
        clock[0] += 1 / 30
        health.received()
        health.published(Journey(0.005, 0.012, 0.003))
    health.dropped_frame()
    entries = report(health)
    assert float(entries["input"].values["rate (Hz)"]) == pytest.approx(30, abs=1)
    assert float(entries["output"].values["rate (Hz)"]) == pytest.approx(30, abs=1)
    times = entries["output"].values
    assert (times["latency p50 (ms)"], times["denoise p50 (ms)"]) == ("20.0", "12.0")
    assert entries["output"].values["dropped"] == "1"


def test_an_error_shows_and_passes(clock):
    health = Health()
    health.failed_frame()
    health.error("the reason")
    entry = report(health)["output"]
    assert entry.level == ERROR and entry.message == "the reason"
    clock[0] += 5.1
    entry = report(health)["output"]
    assert entry.level == OK and entry.values["failed"] == "1"


def test_missing_infrared_is_a_warning(clock):
    health = Health()
    health.listening(True)
    health.received()
    assert report(health, "no infrared")["input"].level == WARN
