"""What the relation head scores, and how a token tells it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from spacesgg_ros.graph.predicates import VSD_LABELS
from spacesgg_ros.graph.types import TextGraph, TextObject, TextRelation
from spacesgg_ros.vlm.grammar import GraphLimits
from spacesgg_ros.vlm.proposals import (
    add_things,
    ground_graph,
    read_proposals,
    read_relations,
    tell_relations,
)
from spacesgg_ros.vlm.relation_head import PREDICATES, RelationHead, list_relations
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
    told = list_relations(score([]), torch.zeros(1, COUNT, dtype=torch.bool), 3)
    assert not told.present.any() and not told.predicate.any()


def test_relations_come_by_kind_then_subject_and_as_many_as_fit() -> None:
    scores = score([0, 1, 2])
    scores.pointers[:] = -20.0
    scores.pointers[..., -1] = 0.0  # nothing is said, but:
    scores.predicates[:] = 0.0
    planted = [  # kind, subject, object, predicate
        (2, 1, 2, "behind"),
        (0, 2, 0, "on"),
        (2, 0, 1, "next to"),
        (0, 1, 0, "in"),
    ]
    for kind, subject, other, predicate in planted:
        scores.pointers[0, kind, subject, other] = 30.0
        scores.predicates[0, subject, other, PREDICATES.index(predicate)] = 30.0
    scores.pointers[0, 0, 4, 0] = 30.0  # no likely object
    likely = torch.tensor([[True, True, True, False, False, False]])
    expected = [(1, "in", 0), (2, "on", 0), (0, "next to", 1), (1, "behind", 2)]
    for count in (3, 5):
        told = list_relations(scores, likely, count)
        found = [
            (
                int(told.subject[0, k]),
                PREDICATES[told.predicate[0, k].argmax()],
                int(told.object[0, k]),
            )
            for k in range(count)
            if told.present[0, k]
        ]
        assert found == expected[:count]
        assert torch.allclose(told.predicate.sum(-1), told.present[..., 0])


def test_the_tower_appends_tokens_of_relations() -> None:
    torch.manual_seed(0)
    shape = {"image_size": 64, "neck_channels": 8, "num_classes": 3}
    plain = SpaceSGGTower(SpaceSGGTowerConfig(**shape, patch_size=32)).eval()
    config = SpaceSGGTowerConfig(**shape, patch_size=16, num_relations=12)
    related = SpaceSGGTower(config).eval()
    related.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        for tower in (plain, related):
            tower.head.classify.bias.fill_(2.0)  # everything is likely an object
        related.relations.nothing.bias.fill_(-50.0)  # and stands to another in every way
        pixels = torch.randn(2, 3, 64, 64)
        objects, tokens = (t(pixels).last_hidden_state for t in (plain, related))
    parts, width = config.token_parts, objects.shape[-1]
    assert (config.num_tokens, config.num_objects) == (16, 4)
    assert torch.equal(tokens[:, :4, :width], objects) and not tokens[:, :4, width:].any()
    assert not tokens[:, 4:, :width].any()
    told = tokens[:, 4:][tokens[:, 4:].any(-1)]
    assert len(told) >= 6
    assert torch.allclose(told[:, parts["predicate"]].sum(-1), torch.ones(len(told)))
    assert (told[:, parts["number"]].sum(-1) == 1).all()
    places = torch.cat([objects[0][:, parts[n]] for n in ("slot", "box", "sine", "cosine")], -1)
    for end in ("subject", "object"):
        assert any(torch.equal(told[0, parts[end]], place) for place in places)
    assert not torch.equal(told[0, parts["subject"]], told[0, parts["object"]])
    proposed = read_relations(tokens[0].numpy(), config.to_dict())
    assert len(proposed) == int(tokens[0, 4:].any(-1).sum())
    boxes = read_proposals(objects[0].numpy(), config.to_dict())
    subject, predicate, target = proposed[0]
    assert {subject, target} <= {*boxes} and subject != target
    assert predicate == PREDICATES[told[0, parts["predicate"]].argmax()]
    assert read_relations(objects[0].numpy(), plain.config.to_dict()) == []


def test_things_that_the_text_leaves_out_are_added_as_far_as_there_is_room() -> None:
    mug = TextObject(("mug",), (10, 30, 20, 60))
    seen = [("cup", (10, 32, 20, 60)), ("book", (40, 30, 60, 60)), ("lamp", (70, 0, 90, 60))]
    for room, expected in ((9, ["mug", "book", "lamp"]), (2, ["mug", "book"]), (1, ["mug"])):
        graph = add_things(TextGraph((mug,)), seen, room)
        assert [o.label for o in graph.objects] == expected


def test_a_graph_keeps_to_its_limits() -> None:
    torch.manual_seed(0)
    config = SpaceSGGTowerConfig(
        image_size=64, patch_size=16, neck_channels=8, num_classes=3, num_relations=10
    )
    tower = SpaceSGGTower(config).eval()
    with torch.no_grad():
        tower.head.classify.bias.fill_(2.0)
        tower.relations.nothing.bias.fill_(-50.0)
        features = tower(torch.randn(1, 3, 64, 64)).last_hidden_state[0].numpy()
    shape = config.to_dict() | {"id2label": {"0": "mug", "1": "book", "2": "lamp"}}
    free = ground_graph(TextGraph(), features, shape, GraphLimits())
    assert len(free.objects) > 2 and free.relations
    few = GraphLimits(max_objects=2, max_relations=1, predicates=("on", "in"))
    graph = ground_graph(TextGraph(), features, shape, few)
    assert len(graph.objects) == 2 and len(graph.relations) <= 1
    assert {r.predicate for r in graph.relations} <= {"on", "in"}
    only = ground_graph(TextGraph(), features, shape, GraphLimits(labels=("cup",)))
    assert only == TextGraph()
    said = (TextRelation(1, "next to", 0), TextRelation(0, "on", 1))
    other = TextGraph(
        (TextObject(("mug",), (1, 1, 9, 9)), TextObject(("tray",), (0, 5, 9, 9))), said
    )
    assert ground_graph(other, features, {"model_type": "clip"}, few) is other


def test_proposed_relations_take_the_place_of_what_the_text_says() -> None:
    table, mug, book = (0, 50, 90, 90), (10, 30, 20, 60), (40, 30, 60, 60)
    things = tuple(
        TextObject((name,), box) for name, box in (("table", table), ("mug", mug), ("book", book))
    )
    said = (
        TextRelation(1, "in", 0),  # wrong, the head knows better
        TextRelation(2, "on", 0),  # the head says nothing of it
        TextRelation(0, "holding", 1),
        TextRelation(1, "next to", 2),
    )
    proposed = [
        (mug, "on", table),
        (mug, "to the left of", book),
        (book, "to the right of", (1, 2, 3, 4)),  # to nothing that the text names
    ]
    graph = tell_relations(TextGraph(things, said), proposed)
    assert [(r.subject, r.predicate, r.object) for r in graph.relations] == [
        (1, "on", 0),
        (2, "on", 0),
        (1, "to the left of", 2),
        (0, "holding", 1),
    ]
