"""All documents and files that repeat the parameters agree with their specification."""

import re
from dataclasses import asdict, fields

import pytest
import yaml

from conftest import PROJECT

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rs_denoise.node.parameters import Parameters

SPECS = {spec.name: spec for spec in fields(Parameters)}
YAML = PROJECT / "config" / "denoise.yaml"
# The table for users, wherever it is: | `name`, `name` * | default, default | meaning |
TABLE_HEAD = re.compile(r"^\| parameter \| default \|.*\n\|[-| :]+\n((?:\|.*\n)+)", re.MULTILINE)


def table_rows():
    """Parameters of the documentation's table: name, default as text, whether marked as fixed."""
    documents = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
    tables = [t for path in documents for t in TABLE_HEAD.findall(path.read_text())]
    assert len(tables) == 1, f"expected one table of parameters, found {len(tables)}"
    for line in tables[0].splitlines():
        names, defaults = line.split("|")[1:3]
        defaults = [text.strip(" `") for text in defaults.split(",")]
        for name, default in zip(re.findall(r"`(\w+)`", names), defaults, strict=True):
            yield name, default, "*" in names


def test_the_documentation_has_every_parameter_with_its_default():
    rows = {name: (yaml.safe_load(default), fixed) for name, default, fixed in table_rows()}
    assert rows == {name: (s.default, s.metadata["fixed"]) for name, s in SPECS.items()}


def test_the_parameter_file_has_every_parameter_at_its_default():
    values = yaml.safe_load(YAML.read_text())["/**"]["ros__parameters"]
    assert values == asdict(Parameters())
    assert {name: type(value) for name, value in values.items()} == {
        name: type(spec.default) for name, spec in SPECS.items()
    }


def test_the_comments_of_the_parameter_file_say_ranges_and_choices():
    comment, comments = "", {}
    for line in YAML.read_text().splitlines():
        name = re.match(r" +(\w+):", line)
        if line.strip().startswith("#"):
            comment += line
        elif name and name[1] in SPECS:
            comments[name[1]] = comment or comments["min_range_m"]  # shared with max_range_m
            comment = ""
        else:
            comment = ""
    for name, spec in SPECS.items():
        if spec.metadata["range"]:
            said = re.search(r"\(([\d.]+?)\.\.([\d.]+)", comments[name])
            assert said, f"{name} has no range in its comment"
            assert tuple(map(float, said.groups())) == spec.metadata["range"], name
        assert all(choice in comments[name] for choice in spec.metadata["choices"]), name


@pytest.mark.parametrize("name", SPECS)
def test_a_parameter_is_consistent_in_itself(name):
    spec = SPECS[name].metadata
    assert spec["description"].endswith(".")
    if spec["range"]:
        assert spec["range"][0] <= SPECS[name].default <= spec["range"][1]
    if spec["choices"]:
        assert SPECS[name].default in spec["choices"]
        assert all(choice in spec["description"] for choice in spec["choices"])
