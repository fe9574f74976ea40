"""Targets of the relation head, and that it learns them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from spacesgg_ros.training.model.relation_training import (
    IGNORED,
    RelatedFrames,
    evaluate_relations,
    relation_loss,
    relation_targets,
    train_relation_head,
)
from spacesgg_ros.vlm.relation_head import PairScores
from spacesgg_ros.vlm.tower import SpaceSGGTower, SpaceSGGTowerConfig

SUPPORT, OVERHEAD, NEIGHBOUR = range(3)
NOTHING = 5


def scene() -> dict[str, Any]:
    """A mug and a plate on a table, 200 x 100 px: 50 px of padding above and below."""

    def thing(index: int, label: str, box: list[int], depth: float) -> dict[str, Any]:
        return {
            "index": index,
            "label": label,
            "box_px": box,
            "depth_m": [depth - 0.1, depth, depth + 0.1],
        }

    return {
        "key": "a",
        "width": 200,
        "height": 100,
        "objects": [
            thing(0, "table", [0, 40, 200, 100], 1.0),
            thing(1, "mug", [40, 20, 60, 60], 0.9),
            thing(2, "plate", [100, 40, 140, 60], 1.1),
        ],
        "relations": [
            [1, "on", 0],
            [2, "on", 0],
            [1, "next to", 2],
            [1, "to the left of", 2],
            [2, "to the right of", 1],
        ],
    }


BOXES = np.array(
    [
        [0.20, 0.35, 0.30, 0.55],  # the mug
        [0.00, 0.45, 1.00, 0.75],  # the table
        [0.50, 0.45, 0.70, 0.56],  # the plate
        [0.80, 0.10, 0.90, 0.20],  # nothing
        [0.21, 0.35, 0.30, 0.55],  # the mug again, not counted
    ]
)
LIKELY = np.array([True, True, True, True, False])


def test_tokens_point_at_the_tokens_of_what_they_relate_to() -> None:
    pointers = relation_targets(scene(), BOXES, LIKELY).pointers
    assert pointers[SUPPORT].tolist() == [1, NOTHING, 1, NOTHING, IGNORED]
    assert pointers[OVERHEAD].tolist() == [NOTHING] * 4 + [IGNORED]
    assert pointers[NEIGHBOUR].tolist() == [2, NOTHING, 0, NOTHING, IGNORED]


def test_an_object_of_a_relation_that_was_not_found_is_no_lesson() -> None:
    likely = LIKELY.copy()
    likely[1] = False
    pointers = relation_targets(scene(), BOXES, likely).pointers
    assert pointers[SUPPORT].tolist() == [IGNORED, IGNORED, IGNORED, NOTHING, IGNORED]


def test_predicates_are_those_that_texts_prefer() -> None:
    predicates = relation_targets(scene(), BOXES, LIKELY).predicates
    assert predicates[SUPPORT, 0, 1] == 1  # on
    assert predicates[NEIGHBOUR, 0, 2] == 0  # left, not next to
    assert predicates[NEIGHBOUR, 2, 0] == 1  # right
    assert (predicates != IGNORED).sum() == 4


def test_an_empty_picture_has_nothing_to_relate() -> None:
    targets = relation_targets(scene() | {"objects": [], "relations": []}, BOXES, LIKELY)
    assert set(targets.pointers.flatten().tolist()) == {NOTHING, IGNORED}
    assert (targets.predicates == IGNORED).all()


def test_the_loss_of_nothing_to_learn_is_zero() -> None:
    scores = PairScores(torch.randn(1, 3, 4, 5), torch.randn(1, 4, 4, 9))
    pointers, predicates = torch.full((1, 3, 4), IGNORED), torch.full((1, 3, 4, 4), IGNORED)
    assert float(relation_loss(scores, pointers, predicates)) == 0.0


def test_a_rare_predicate_counts_more_by_the_root_of_its_rarity() -> None:
    predicates = np.full((1, 3, 5, 5), IGNORED)
    predicates[0, SUPPORT].flat[:9] = 1  # nine times "on"
    predicates[0, SUPPORT].flat[9] = 0  # once "in"
    frames = RelatedFrames(np.zeros((1, 5, 1)), np.zeros((1, 3, 5)), predicates)
    rare, common = frames.weights()[:2].tolist()
    assert rare == pytest.approx(3 * common)
    assert 9 * common + rare == pytest.approx(10)


@pytest.fixture(scope="module")
def tower() -> SpaceSGGTower:
    torch.manual_seed(0)
    config = SpaceSGGTowerConfig(
        image_size=64, patch_size=16, neck_channels=8, num_classes=3, num_relations=6
    )
    return SpaceSGGTower(config)


def test_the_head_learns_and_nothing_else_changes(tower: SpaceSGGTower) -> None:
    parts = tower.config.token_parts
    tokens = np.zeros((16, tower.config.hidden_size), np.float32)
    tokens[: len(BOXES), parts["box"]] = BOXES
    for place in range(4):
        tokens[place, parts["slot"].start + place] = 1
    frames = RelatedFrames.of(tower, [(scene(), tokens)] * 4)
    assert frames.tokens.shape == (4, 10, parts["slot"].stop)
    before = {name: value.clone() for name, value in tower.state_dict().items()}
    tower.requires_grad_(False)  # as LLaVA's is
    train_relation_head(tower, frames, steps=400)
    told = evaluate_relations(tower, frames)
    assert told["support"] == {"recall": 1.0, "made_up": 0.0}
    assert told["neighbour"] == {"recall": 1.0, "made_up": 0.0}
    for name, value in tower.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith("relations."), name
