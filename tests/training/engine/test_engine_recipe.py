"""Recipes: what is read, what is refused, and that every shipped one is sound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.resources import resource
from spacesgg_ros.training.engine.recipe import (
    find_recipe,
    make_recipe,
    parse_yaml,
    read_recipe,
    read_settings,
)

SHIPPED = sorted(
    str(file.relative_to(resource("training/recipes")).with_suffix(""))
    for file in resource("training/recipes").rglob("*.yaml")
    if file.parent.name != "parallel"
)

LORA = {"rank": 4, "alpha": 8, "targets": ["q_proj"]}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"modle": "x"}, "unknown key 'modle'.*did you mean model"),
        ({"batch": {"size": "many"}}, "batch: size: expected int, got 'many'"),
        ({"precision": "fp8"}, "expected one of fp32, bf16, fp16"),
        ({"data": []}, "data is empty"),
        ({"train": {"language_model": "lora"}}, "give lora.rank"),
        (
            {"train": {"language_model": "lora"}, "lora": LORA | {"targets": []}},
            "rank of at least 1 and targets",
        ),
        ({"lora": LORA}, "lora is set, but train.language_model is full"),
        ({"cached_tower": True, "train": {"vision_tower": True}}, "so the tower cannot train"),
        ({"train": {"projector": False, "language_model": "frozen"}}, "nothing trains"),
        ({"layers": 3, "train": {"language_model": "frozen"}}, "which has to train"),
        ({"fresh": ["tower"]}, "fresh knows projector, language_model"),
        (
            {"fresh": ["projector"], "train": {"projector": False}},
            "projector would stay random",
        ),
        ({"data": [{"rows": "r", "weights": {"grahp": 1}}]}, "unknown task 'grahp'"),
        ({"data": [{"rows": "r", "weights": {"graph": 1}}, {"rows": "s"}]}, "or to none"),
        ({"optimiser": {"name": "muon"}, "parallel": "fsdp"}, "muon needs whole matrices"),
        (
            {"cached_tower": True, "parallel": "deepspeed-zero3"},
            "choose deepspeed-zero2 or fsdp",
        ),
        ({"prune": 0}, "prune must be above 0"),
        ({"max_steps": 0, "epochs": 0}, "give max_steps or epochs"),
    ],
)
def test_a_wrong_recipe_is_refused_with_the_reason(
    settings: Callable[..., dict], changes: dict, reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        make_recipe(settings(**changes))


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(InputError, match="model, data, learning_rate, batch must be given"):
        make_recipe({})


def test_overrides_reach_into_lists_and_new_keys(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("model: m\ndata:\n  - rows: a\nlearning_rate: 2e-5\nbatch: {size: 4}\n")
    recipe = read_recipe(file, ["data.0.rows=b", "batch.size=8", "schedule.final=0.1"])
    assert recipe.data[0].rows == "b" and recipe.batch.size == 8
    assert recipe.schedule.final == 0.1 and recipe.learning_rate.default == 2e-5
    with pytest.raises(InputError, match="a list of 1, counted from 0"):
        read_settings(file, ["data.3.rows=b"])
    with pytest.raises(InputError, match="KEY=VALUE"):
        read_settings(file, ["batch.size"])


def test_numbers_in_the_short_notation_are_numbers() -> None:
    assert parse_yaml("[3e-4, 1.5e-3, 7, 1e5x]") == [3e-4, 1.5e-3, 7, "1e5x"]


def test_an_unknown_recipe_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"embedded/stage1, .*did you mean embedded/stage1\?"):
        find_recipe("embeded/stage1")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_loads_and_starts_with_its_launch_line(name: str) -> None:
    file = find_recipe(name)
    header = file.read_text().split("\n\n")[0]
    assert header.startswith("#") and name in header and "train" in header
    if read_settings(file).get("kind") != "tower":
        assert read_recipe(file).data


def test_a_resolved_recipe_reads_back_the_same() -> None:
    recipe = read_recipe(find_recipe("embedded/stage2"))
    assert make_recipe(recipe.to_dict()) == recipe
