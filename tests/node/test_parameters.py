"""The parameters: bounded, described, documented, and each of them used."""

import ast
import dataclasses
from pathlib import Path

import pytest
import yaml

import spacesgg_ros.node
from spacesgg_ros.node.parameters import (
    NodeParameters,
    bounds_of,
    change_parameters,
    explain_conflict,
    explain_refusal,
    write_table,
)

REPOSITORY = Path(__file__).parents[2]
FIELDS = dataclasses.fields(NodeParameters)
NAMES = [item.name for item in FIELDS]


@pytest.mark.parametrize("name", NAMES)
def test_every_default_is_allowed_and_described(name):
    assert explain_refusal(name, getattr(NodeParameters(), name)) == ""
    assert bounds_of(name).description.endswith((".", ")"))


def test_every_number_has_bounds():
    numbers = [f.name for f in FIELDS if type(f.default) in (int, float)]
    assert all(bounds_of(n).low is not None and bounds_of(n).high is not None for n in numbers)


REFUSED = [
    ("pairing_slop", -0.1, "at least 0"),
    ("pairing_slop", 2.0, "at most 1"),
    ("pairing_slop", float("nan"), "finite"),
    ("pairing_slop", 1, "must be a float"),
    ("pairing_queue", 0, "at least 1"),
    ("pairing_queue", True, "must be a int"),
    ("use_depth", 1, "must be a bool"),
    ("provider", "npu", "cpu, cuda, tensorrt"),
    ("model", "", "must name a model"),
    ("target_frame", " map", "space"),
]


@pytest.mark.parametrize(("name", "value", "says"), REFUSED)
def test_a_wrong_value_is_refused_with_the_reason(name, value, says):
    parameters, reason = change_parameters(NodeParameters(), {name: value})
    assert says in reason
    assert parameters == NodeParameters()


def test_one_wrong_value_refuses_all():
    changes = {"pairing_slop": 0.1, "provider": "npu"}
    assert change_parameters(NodeParameters(), changes)[0].pairing_slop == 0.02


def test_names_of_others_are_left_alone():
    assert change_parameters(NodeParameters(), {"use_sim_time": True}) == (NodeParameters(), "")


def test_an_error_before_a_warning_is_a_conflict():
    assert "stale_error" in explain_conflict(NodeParameters(stale_warn=3.0, stale_error=2.0))


def test_the_parameter_table_is_up_to_date():
    table = (REPOSITORY / "docs" / "parameters.md").read_text(encoding="utf-8")
    assert table == write_table(), "python -m spacesgg_ros.node.parameters > docs/parameters.md"


def test_every_parameter_changes_something():
    """Each is read by the node's code, beyond its declaration."""
    used = set()
    for file in Path(spacesgg_ros.node.__path__[0]).glob("*.py"):
        if file.name != "parameters.py":
            tree = ast.parse(file.read_text(encoding="utf-8"))
            used |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    assert set(NAMES) <= used, f"declared but never read: {set(NAMES) - used}"


CONFIGURATIONS = sorted((REPOSITORY / "config").glob("*.yaml"))


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=lambda f: f.name)
def test_every_shipped_configuration_is_accepted(file):
    values = yaml.safe_load(file.read_text(encoding="utf-8"))["/**"]["ros__parameters"]
    assert set(values) <= set(NAMES)
    parameters, reason = change_parameters(NodeParameters(), values)
    assert reason == ""
    assert explain_conflict(parameters) == ""
