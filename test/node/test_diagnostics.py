import pytest

pytest.importorskip("diagnostic_msgs.msg", reason="ROS 2 is not installed")

from rs_denoise.node.diagnostics import ERROR, OK, WARN, DiagnosticReport
from rs_denoise.node.status import NodeStatus
from rs_denoise.pipeline import statistics
from rs_denoise.pipeline.model_selector import MIN_SPEED_UP
from rs_denoise.pipeline.statistics import FrameStatistics, FrameTiming
from rs_denoise.pipeline.synchronizer import PairingCounts


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test turns."""
    now = [100.0]
    monkeypatch.setattr(statistics.time, "monotonic", lambda: now[0])
    return now


def report(frames, reporter=None, **status):
    node = {"state": "active", "model": {"model": "m"}, "required_topics": ["/depth"]}
    node = NodeStatus(**node | {"on_failure": "silence"} | status)
    entries = (reporter or DiagnosticReport()).entries(frames.snapshot(), node)
    return {entry.name: entry for entry in entries}


def test_idle_is_ok(clock):
    frames = FrameStatistics()
    clock[0] += 60
    entry = report(frames)["input"]
    assert entry.level == OK and "idle" in entry.message


@pytest.mark.parametrize("state", ["unconfigured", "inactive"])
def test_a_node_that_is_not_active_claims_neither_output_nor_that_nobody_subscribes(clock, state):
    entries = report(FrameStatistics(), state=state, output_warning="1 more")
    output, said = entries["output"], f"no output: the node is {state}; a lifecycle manager must"
    assert output.level == WARN and output.message.startswith(said)
    assert entries["input"].message == f"not subscribed: the node is {state}"
    measuring = report(FrameStatistics(), state="active, measuring models")["output"]
    assert measuring.level == OK and measuring.message == "running"


def test_silence_while_listening_is_a_warning_that_names_the_topics(clock):
    frames = FrameStatistics()
    frames.set_listening(True)
    clock[0] += 4.9
    assert report(frames)["input"].level == OK
    clock[0] += 0.2
    entry = report(frames)["input"]
    assert entry.level == WARN and entry.message == "no input: waiting for /depth"


def test_a_camera_that_ran_may_be_silent_for_two_seconds(clock):
    frames = FrameStatistics()
    frames.set_listening(True)
    frames.count_received()
    clock[0] += 1.9
    assert report(frames)["input"].message == "receiving"
    clock[0] += 0.2
    assert report(frames)["input"].level == WARN


def test_rates_and_latency(clock):
    frames = FrameStatistics()
    frames.set_listening(True)
    for _ in range(60):
        clock[0] += 1 / 30
        frames.count_received()
        frames.count_published(FrameTiming(0.005, 0.012, 0.003))
    frames.count_dropped()
    entries = report(frames)
    assert float(entries["input"].values["rate (Hz)"]) == pytest.approx(30, abs=1)
    assert float(entries["output"].values["rate (Hz)"]) == pytest.approx(30, abs=1)
    times = entries["output"].values
    assert (times["latency p50 (ms)"], times["denoise p50 (ms)"]) == ("20.0", "12.0")
    assert entries["output"].values["dropped"] == "1"


def test_the_rate_is_known_after_two_seconds_without_a_pause(clock):
    frames = FrameStatistics()
    frames.set_listening(True)
    play(frames, clock, 1.9, published=True)
    assert frames.steady_rate_hz is None
    play(frames, clock, 0.3, published=True)
    assert frames.steady_rate_hz == pytest.approx(30, abs=0.1)
    clock[0] += 10
    for _ in range(3):  # a camera that is back sends what waited in a burst
        clock[0] += 0.001
        frames.count_received()
    assert frames.steady_rate_hz is None
    play(frames, clock, 2.1, published=True)
    assert frames.steady_rate_hz == pytest.approx(30, abs=2)


@pytest.mark.parametrize("pause_s", [0.5, 1.0, 1.5, 1.8, 1.9, 1.96, 1.99, 2.1])
def test_the_burst_after_a_pause_is_not_taken_for_a_faster_camera(clock, pause_s):
    frames, rates_hz = FrameStatistics(), []
    frames.set_listening(True)
    play(frames, clock, 3, published=True)
    clock[0] += pause_s
    frames.count_received()  # it waited meanwhile
    for tick in range(900):  # an image every 32 ms
        clock[0] += 0.002
        if tick % 16 == 0:
            frames.count_received()
        rates_hz.append(frames.steady_rate_hz or 0.0)
    assert max(rates_hz) < MIN_SPEED_UP * 30


def test_an_error_shows_and_passes(clock):
    frames = FrameStatistics()
    frames.count_failed()
    frames.report_error("the reason")
    entry = report(frames)["output"]
    assert entry.level == ERROR and entry.message == "the reason"
    clock[0] += 5.1
    entry = report(frames)["output"]
    assert entry.level == OK and entry.values["failed"] == "1"


def test_a_lasting_error_shows_until_it_is_over(clock):
    frames = FrameStatistics()
    frames.set_lasting_error("no model")
    clock[0] += 60
    entry = report(frames, state="unconfigured")["output"]
    assert entry.level == ERROR and entry.message == "no model"
    frames.set_lasting_error(None)
    assert report(frames)["output"].level == OK


def test_warnings_of_the_node_show(clock):
    frames = FrameStatistics()
    frames.set_listening(True)
    frames.count_received()
    entries = report(frames, input_warning="no infrared", output_warning="1 more", disabled=True)
    assert [entries[name].level for name in ("input", "output", "model")] == [WARN] * 3
    assert entries["model"].values["state"].startswith("disabled")


def test_more_than_a_fifth_unpaired_since_the_last_report_is_a_warning(clock):
    frames, reporter = FrameStatistics(), DiagnosticReport()
    frames.set_listening(True)
    frames.count_received()
    for paired, unpaired, level in ((8, 2, OK), (15, 5, WARN), (25, 5, OK)):
        pairing = PairingCounts(paired=paired, unpaired=unpaired)
        entry = report(frames, reporter, pairing=pairing)["input"]
        assert entry.level == level
        if level == WARN:
            assert entry.message.startswith("no infrared image matches 3 of 10 depth images: ")


def test_more_than_a_fifth_without_right_infrared_is_a_warning(clock):
    """All of them are another fault: the whole stream is missing."""
    frames, reporter = FrameStatistics(), DiagnosticReport()
    frames.set_listening(True)
    frames.count_received()
    for paired, without, level in ((10, 2, OK), (20, 5, WARN), (30, 15, OK)):
        pairing = PairingCounts(paired=paired, without_right=without)
        entry = report(frames, reporter, pairing=pairing)["input"]
        assert entry.level == level and entry.values["without right infrared"] == str(without)


def test_what_could_not_be_used_is_a_warning_for_a_while(clock):
    frames = FrameStatistics()
    frames.set_listening(True)
    frames.count_received()
    frames.report_warning("right infrared is too small")
    entry = report(frames)["input"]
    assert entry.level == WARN and entry.message == "right infrared is too small"
    clock[0] += 5.1
    frames.count_received()
    assert report(frames)["input"].level == OK


def play(frames, clock, seconds, published):
    """Depth of 30 Hz."""
    for _ in range(int(30 * seconds)):
        clock[0] += 1 / 30
        frames.count_received()
        if published:
            frames.count_published(FrameTiming(0.005, 0.012, 0.003))


def test_no_output_although_depth_arrives_is_an_error(clock):
    frames = FrameStatistics()
    frames.set_listening(True)
    play(frames, clock, 1.9, published=False)
    assert report(frames)["output"].level == OK, "the first frame may take a moment"
    play(frames, clock, 0.3, published=False)
    entry = report(frames, in_progress_s=2.1)["output"]
    assert entry.level == ERROR and "a frame has been in progress for 2.1 s" in entry.message
    play(frames, clock, 1, published=True)
    assert report(frames)["output"].level == OK
    play(frames, clock, 2.2, published=False)
    assert report(frames)["output"].message.startswith("no output for 2.2 s although depth")


def test_no_output_is_no_error_without_input_or_listeners(clock):
    frames = FrameStatistics()
    frames.set_listening(True)
    play(frames, clock, 1, published=True)
    clock[0] += 60
    assert report(frames)["output"].level == OK, "the camera was silent"
    frames.count_received()
    assert report(frames)["output"].level == OK, "it has just come back"
    play(frames, clock, 3, published=False)
    frames.set_listening(False)
    assert report(frames)["output"].level == OK
