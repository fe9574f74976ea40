"""What the relation head scores, and how a token tells it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from spacesgg_ros.graph.predicates import VSD_LABELS
from spacesgg_ros.vlm.relation_head import KINDS, PREDICATES, RelationHead, tell_relations
from spacesgg_ros.vlm.tower import SpaceSGGTower, SpaceSGGTowerConfig

INPUTS, COUNT = 12, 6


def score(likely: list[int], seed: int = 0):  # type: ignore[no-untyped-def]
    torch.manual_seed(seed)
    head = RelationHead(INPUTS, 16).eval()
    corners = torch.rand(1, COUNT, 2, 2).sort(dim=2).values.flatten(2)
    marks = torch.zeros(1, COUNT, dtype=torch.bool)
    marks[0, likely] = True
    with torch.no_grad():
        return head(torch.randn(1, COUNT, INPUTS), corners, torch.randn(1, COUNT, 1), marks)


def test_the_kinds_hold_every_spatial_predicate_once() -> None:
    assert len(PREDICATES) == len(set(PREDICATES))
    assert set(PREDICATES) == set(VSD_LABELS)


def test_only_other_likely_objects_can_be_meant() -> None:
    chances = score([0, 2, 5]).pointers.softmax(-1)
    for subject in range(COUNT):
        others = {0, 2, 5} - {subject}
        for other in range(COUNT):
            share = chances[0, :, subject, other]
            assert ((share > 1e-6) if other in others else (share < 1e-6)).all(), (subject, other)


def test_a_picture_of_nothing_relates_nothing() -> None:
    chances = score([]).pointers.softmax(-1)
    assert (chances[..., -1] > 0.999).all()
    slot = torch.zeros(1, COUNT, 4)
    assert not tell_relations(score([]), slot).any()


def test_a_token_tells_predicate_and_place_of_the_other() -> None:
    scores = score([0, 1, 2])
    scores.pointers[:] = -20.0
    scores.pointers[..., -1] = 0.0  # nothing is said ...
    scores.pointers[0, 2, 1, 2] = 30.0  # ... but that the second has the third for neighbour
    scores.predicates[:] = 0.0
    scores.predicates[0, 1, 2, PREDICATES.index("behind")] = 30.0
    slot = torch.zeros(1, COUNT, 4)
    for place in range(3):
        slot[0, place, place] = 1
    told = tell_relations(scores, slot)
    expected = torch.zeros(1, COUNT, len(PREDICATES) + len(KINDS) * 4)
    expected[0, 1, PREDICATES.index("behind")] = 1
    expected[0, 1, len(PREDICATES) + 2 * 4 + 2] = 1
    assert torch.allclose(told, expected, atol=1e-5)


def test_the_tower_appends_what_the_head_says() -> None:
    torch.manual_seed(0)
    shape = {"image_size": 64, "patch_size": 16, "neck_channels": 8, "num_classes": 3}
    plain = SpaceSGGTower(SpaceSGGTowerConfig(**shape)).eval()
    related = SpaceSGGTower(SpaceSGGTowerConfig(**shape, relation_width=8)).eval()
    related.load_state_dict(plain.state_dict(), strict=False)
    pixels = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        few, many = (t(pixels).last_hidden_state for t in (plain, related))
    config = related.config
    assert few.shape[-1] == plain.config.hidden_size == config.token_parts["slot"].stop
    assert many.shape[-1] == config.hidden_size == few.shape[-1] + 9 + 3 * config.num_slots
    assert torch.equal(many[..., : few.shape[-1]], few)
    assert list(config.token_parts)[-4:] == ["told", *KINDS]
