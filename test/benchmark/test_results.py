import json

import pytest

from rs_denoise.benchmark.results import BenchmarkResults

node_speed = pytest.importorskip("rs_denoise.benchmark.node_speed", reason="ROS 2 is missing")


def test_a_node_that_received_nothing_has_no_times():
    """As of a model that is slower than the run is long."""
    nan = float("nan")
    speed = node_speed.NodeSpeed("unet", "cpu", 30.0, 0.0, nan, nan, 98.0, {})
    results = BenchmarkResults(node=[speed])
    written = json.loads(json.dumps(results.to_json(), allow_nan=False))
    assert (written["node"][0]["p50_ms"], written["node"][0]["cpu_pct"]) == (None, 98.0)
    _, node = results.make_tables()
    assert node.rows == [("unet", "30", "0.0", "-", "-", "98", "-", "-", "-")]
