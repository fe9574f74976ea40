"""Boxes move a little, and all mentions of a box alike."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from spacesgg_ros.training.engine.box_noise import move_boxes

ASKED = "Where is the <ref>mug</ref><box>[[10, 20, 30, 40]]</box>? It is one of 3, 12 cm tall."
SAID = (
    "<ref>mug</ref><box>[[10, 20, 30, 40]]</box>\n"
    "<ref>table</ref><box>[[0, 300, 999, 640]]</box>\n"
    "<pred>on</pred><box>[[10, 20, 30, 40]]</box><box>[[0, 300, 999, 640]]</box>"
)


def numbers(text: str) -> list[list[int]]:
    return [[int(n) for n in re.findall(r"\d+", box)] for box in re.findall(r"\[\[(.*?)\]\]", text)]


def test_all_mentions_move_alike_and_nothing_else_changes() -> None:
    ((asked, said),) = move_boxes([(ASKED, SAID)], 20, "row 1")
    mug, table, subject, object_ = numbers(said)
    assert numbers(asked) == [mug] and subject == mug and object_ == table
    assert mug != [10, 20, 30, 40]
    assert re.sub(r"\[\[.*?\]\]", "", asked + said) == re.sub(r"\[\[.*?\]\]", "", ASKED + SAID)


def test_a_row_always_moves_alike_and_rows_differ() -> None:
    rows = [move_boxes([(ASKED, SAID)], 20, f"row {k}") for k in (1, 1, 2)]
    assert rows[0] == rows[1] != rows[2]


def test_every_number_within_reach_is_read() -> None:
    moved = [numbers(move_boxes([("", SAID)], 8, str(k))[0][1])[1][1] for k in range(500)]
    assert set(moved) == set(range(292, 309))
    assert 200 < sum(abs(n - 300) <= 1 for n in moved) < 350


@given(
    st.tuples(st.integers(0, 998), st.integers(0, 998)),
    st.tuples(st.integers(1, 999), st.integers(1, 999)),
    st.integers(0, 50),
    st.text(max_size=5),
)
def test_boxes_stay_boxes_of_the_picture(start, size, reach, key) -> None:
    box = [*start, min(start[0] + size[0], 999), min(start[1] + size[1], 999)]
    ((_, said),) = move_boxes([("", f"[{box!s}]")], reach, key)
    (moved,) = numbers(said)
    assert 0 <= moved[0] < moved[2] <= 999 and 0 <= moved[1] < moved[3] <= 999
    assert all(abs(a - b) <= reach for a, b in zip(box, moved, strict=True))


def test_other_lists_of_numbers_stay() -> None:
    talk = [("a [1, 2, 3]", "b [1, 2, 3, 4, 5] c [1000, 2, 3, 4]")]
    assert move_boxes(talk, 20, "") == talk
