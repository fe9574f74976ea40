"""Things that a text names twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spacesgg_ros.graph import TextGraph, TextObject, TextRelation, merge_repeats

MUG = TextObject(("mug",), (100, 100, 200, 200))
MUG_AGAIN = TextObject(("mug",), (105, 100, 205, 200))  # IoU 9500 / 10500 = 0.905
TABLE = TextObject(("table",), (0, 150, 999, 900))


def test_the_first_stays_and_takes_the_relations() -> None:
    graph = TextGraph(
        (MUG, TABLE, MUG_AGAIN),
        (TextRelation(0, "on", 1), TextRelation(2, "on", 1), TextRelation(1, "under", 2)),
    )
    assert merge_repeats(graph) == TextGraph(
        (MUG, TABLE), (TextRelation(0, "on", 1), TextRelation(1, "under", 0))
    )


def test_a_thing_is_in_no_relation_to_itself() -> None:
    graph = TextGraph((MUG, MUG_AGAIN), (TextRelation(0, "next to", 1),))
    assert merge_repeats(graph) == TextGraph((MUG,))


def test_another_name_or_another_place_is_another_thing() -> None:
    cup = TextObject(("cup",), MUG.box)
    beside = TextObject(("mug",), (140, 100, 240, 200))  # IoU 6000 / 14000 = 0.43
    graph = TextGraph((MUG, cup, beside), (TextRelation(0, "next to", 2),))
    assert merge_repeats(graph) == graph


def test_a_chain_of_boxes_is_not_one_thing() -> None:
    # each overlaps the one before by 0.74, the third the first by 0.54
    chain = [TextObject(("mug",), (x, 0, x + 100, 100)) for x in (0, 15, 30)]
    assert merge_repeats(TextGraph(tuple(chain))).objects == (chain[0], chain[2])


boxes = st.tuples(*[st.integers(0, 400)] * 2, *[st.integers(401, 999)] * 2)


@given(st.lists(st.tuples(st.sampled_from(["mug", "cup"]), boxes), max_size=8), st.data())
def test_merging_again_changes_nothing(things: list, data: st.DataObject) -> None:
    objects = tuple(TextObject((name,), box) for name, box in things)
    index = st.integers(0, max(0, len(objects) - 1))
    pairs = data.draw(st.lists(st.tuples(index, index), max_size=6)) if objects else []
    graph = TextGraph(objects, tuple(TextRelation(a, "on", b) for a, b in pairs if a != b))
    once = merge_repeats(graph)
    assert merge_repeats(once) == once
    assert set(once.objects) <= set(objects)
