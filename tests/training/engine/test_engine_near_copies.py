"""Lists of objects that are easily confused: they stay lists, and relations copy from them."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from spacesgg_ros.graph import parse_graph
from spacesgg_ros.training.engine.near_copies import add_near_copies, share_numbers

LISTED = (
    "<ref>mug</ref><box>[[100, 200, 150, 260]]</box>\n"
    "<ref>table</ref><box>[[0, 240, 999, 640]]</box>\n"
    "<ref>plate</ref><box>[[300, 220, 400, 260]]</box>"
)
RELATIONS = (
    "<pred>on</pred><box>[[100, 200, 150, 260]]</box><box>[[0, 240, 999, 640]]</box>\n"
    "<pred>left of</pred><box>[[100, 200, 150, 260]]</box><box>[[300, 220, 400, 260]]</box>"
)
TEXT = f"{LISTED}\n{RELATIONS}"


def boxes(text: str) -> list[tuple[int, ...]]:
    return [tuple(map(int, re.findall(r"\d+", box))) for box in re.findall(r"\[\[(.*?)\]\]", text)]


@given(st.text(max_size=9))
def test_the_list_is_given_and_holds_every_original_once(key) -> None:
    text, begin = add_near_copies(TEXT, key)
    assert text.startswith(begin + "\n<pred>") and "<pred>" not in begin
    lines = begin.split("\n")
    assert all(lines.count(line) == 1 for line in lines)
    assert [line for line in lines if line in LISTED] == LISTED.split("\n")
    assert len(lines) <= 6


@given(st.text(max_size=9))
def test_relations_copy_listed_boxes_of_the_same_things(key) -> None:
    text, begin = add_near_copies(TEXT, key)
    names = dict(zip(boxes(begin), re.findall(r"<ref>(.*?)</ref>", begin), strict=True))
    told = text.removeprefix(begin)
    assert re.sub(r"\[\[.*?\]\]", "", told) == "\n" + re.sub(r"\[\[.*?\]\]", "", RELATIONS)
    assert [names[box] for box in boxes(told)] == ["mug", "table", "mug", "plate"]
    graph = parse_graph(text)
    assert len(graph.relations) == 2 and not graph.issues


@given(st.text(max_size=9))
def test_a_copy_differs_by_little_and_is_a_box(key) -> None:
    originals = boxes(LISTED)
    for copy in boxes(add_near_copies(TEXT, key)[1]):
        x0, y0, x1, y1 = copy
        assert 0 <= x0 < x1 <= 999 and 0 <= y0 < y1 <= 999
        assert any(
            all(abs(a - b) <= 80 for a, b in zip(copy, one, strict=True)) for one in originals
        )


def test_about_every_kind_of_copy_occurs() -> None:
    texts = [add_near_copies(TEXT, f"row {k}") for k in range(400)]
    kept = [told.count(RELATIONS) for told, _ in texts]
    assert 100 < sum(kept) < 300, "half of the copies take over the relations"
    changed = set()
    for _, begin in texts:
        for copy in set(boxes(begin)) - set(boxes(LISTED)):
            same = (sum(a == b for a, b in zip(copy, one, strict=True)) for one in boxes(LISTED))
            changed.add(4 - max(same))
    assert changed == {1, 2, 3, 4}


def test_a_row_always_gets_the_same_copies_and_rows_differ() -> None:
    assert add_near_copies(TEXT, "a") == add_near_copies(TEXT, "a") != add_near_copies(TEXT, "b")


def test_a_text_without_relations_stays() -> None:
    assert add_near_copies(LISTED, "a") == (LISTED, "")
    assert share_numbers(LISTED, "a") == LISTED


@given(st.text(max_size=9))
def test_shared_numbers_change_all_mentions_of_a_box_alike(key) -> None:
    text = share_numbers(TEXT, key)
    assert re.sub(r"\[\[.*?\]\]", "", text) == re.sub(r"\[\[.*?\]\]", "", TEXT)
    mug, table, plate, *told = boxes(text)
    assert told == [mug, table, mug, plate]
    assert len({mug, table, plate}) == 3
    for x0, y0, x1, y1 in (mug, table, plate):
        assert 0 <= x0 < x1 <= 999 and 0 <= y0 < y1 <= 999


def test_distinct_things_come_to_share_numbers_at_each_place_within_reach() -> None:
    shared = set()
    for k in range(400):
        mug, table, plate, *_ = boxes(share_numbers(TEXT, f"row {k}"))
        pairs = {"mug, table": (mug, table), "mug, plate": (mug, plate)}
        shared |= {
            (pair, place)
            for pair, (a, b) in pairs.items()
            for place in range(4)
            if a[place] == b[place]
        }
    # the plate ends where the mug does in TEXT already; all others are too far to be brought near
    assert shared == {("mug, table", 0), ("mug, table", 1), ("mug, plate", 1), ("mug, plate", 3)}


def test_the_same_numbers_are_shared_each_time_and_rows_differ() -> None:
    texts = [share_numbers(TEXT, f"row {k}") for k in range(20)]
    assert texts == [share_numbers(TEXT, f"row {k}") for k in range(20)]
    assert 2 < len(set(texts)) < 20
