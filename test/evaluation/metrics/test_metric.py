import math
from dataclasses import FrozenInstanceError

import pytest

from conftest import PROJECT
from rs_denoise.evaluation.metrics.blocks import (
    Accuracy,
    ConfidenceQuality,
    ImageAgreement,
    NoReference,
    ObstacleCells,
    TemporalNoise,
)
from rs_denoise.evaluation.metrics.metric import Metric
from rs_denoise.evaluation.summary import FIELDS

BLOCKS = (Accuracy, NoReference, TemporalNoise, ObstacleCells, ConfidenceQuality, ImageAgreement)


def test_a_block_has_the_description_and_an_instance_the_value():
    accuracy = Accuracy(mae_mm=22.66)
    assert isinstance(Accuracy.mae_mm, Metric) and accuracy.mae_mm == 22.66
    assert Accuracy.mae_mm.of(accuracy) == 22.66 and math.isnan(accuracy.rmse_mm)
    assert Accuracy.mae_mm.text(accuracy.mae_mm) == "22.7 mm"
    assert Accuracy.rmse_mm.number(accuracy.rmse_mm) == "-"
    with pytest.raises(FrozenInstanceError):
        accuracy.mae_mm = 1.0


def test_json_has_the_keys_of_before_and_none_for_what_was_not_measured():
    values = Accuracy(false_obstacle_pct=1.5).to_json()
    assert values["phantom_pct"] == 1.5 and values["ripple_px"] is None
    assert "z_accuracy_pct" not in NoReference().to_json()
    assert NoReference(z_accuracy_pct=0.5).to_json()["z_accuracy_pct"] == 0.5


@pytest.mark.parametrize("block", BLOCKS)
def test_the_document_defines_every_metric_as_the_report_does(block):
    text = (PROJECT / "docs" / "evaluation.md").read_text()
    for m in block.metrics():
        row = f"| `{m.json_key}` | {m.unit} | {m.better.value} | {m.description} |"
        assert row in text, f"docs/evaluation.md lacks: {row}"


def test_the_python_page_lists_every_name_that_differs_from_its_json_key():
    names = [("block", key, field) for key, field in FIELDS.items()]
    names += [("metric", m.json_key, m.field) for block in BLOCKS for m in block.metrics()]
    rows = [f"| {what} | `{key}` | `{name}` |" for what, key, name in names if key != name]
    text = (PROJECT / "docs" / "python.md").read_text()
    assert [line for line in text.splitlines() if line.startswith(("| block", "| metric"))] == rows
