"""What a model is taught to write about a frame."""

from __future__ import annotations

from copy import deepcopy

import pytest

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacesgg_ros.graph import parse_graph, write_graph
from spacesgg_ros.training.data.targets import (
    FrameError,
    check_frame,
    choose_relations,
    inverse_relations,
    list_objects,
    mirror_record,
    target_graph,
)


def _scene(
    boxes: dict[int, list[int]], relations: list[tuple[int, str, int]], size: int = 100
) -> dict:
    """Objects 0, 1, ... near to far with these boxes."""
    objects = [
        {"index": i, "label": f"thing {i}", "box_px": box, "depth_m": [1 + i, 1 + i, 1 + i]}
        for i, box in boxes.items()
    ]
    return {
        "key": "k",
        "width": size,
        "height": size,
        "objects": objects,
        "relations": [list(r) for r in relations],
    }


def test_supports_are_said_first_then_neighbours_on_the_same_support(record: dict) -> None:
    assert choose_relations(record, [1, 2, 4, 3, 0]) == [
        (1, "on", 0),
        (2, "on", 0),
        (4, "in", 3),  # alone in the bowl: no neighbour
        (3, "on", 0),
        # centres 111 px apart, mug and bowl 136
        (1, "to the left of", 2),
        (2, "in front of", 3),
        (3, "behind", 2),
    ]


def test_an_ambiguous_nearest_pair_is_passed_over_in_silence(record: dict) -> None:
    record["objects"][2]["box_px"] = [290, 200, 310, 230]  # now the bowl is nearest to the mug
    assert (1, "to the left of", 2) not in choose_relations(record, [1, 2, 4, 3, 0])


@pytest.mark.parametrize(
    ("relations", "expected"),
    [
        # in before on; of several, the smallest box
        ([(0, "on", 1), (0, "in", 2)], [(0, "in", 2)]),
        ([(0, "on", 1), (0, "on", 2)], [(0, "on", 2)]),
        # what rests on something is not also said to be above or over it
        ([(0, "on", 1), (1, "under", 0)], [(0, "on", 1)]),
        ([(0, "above", 1), (1, "under", 0)], [(1, "under", 0)]),
        ([(0, "above", 1)], [(0, "above", 1)]),
        # a thing under furniture still has its support
        ([(0, "on", 1), (0, "under", 2)], [(0, "on", 1), (0, "under", 2)]),
        # a direction before nearness
        ([(0, "next to", 2), (0, "behind", 2)], [(0, "behind", 2)]),
        ([(0, "next to", 2)], [(0, "next to", 2)]),
        # object 1 is farther away in the picture than object 2
        ([(0, "behind", 1)], []),
        # not among the listed objects
        ([(0, "behind", 7)], []),
        ([], []),
    ],
)
def test_one_relation_of_each_kind_is_chosen(
    relations: list[tuple[int, str, int]], expected: list[tuple[int, str, int]]
) -> None:
    boxes = {0: [0, 0, 10, 10], 1: [40, 40, 99, 99], 2: [0, 20, 10, 30]}
    assert choose_relations(_scene(boxes, relations), [0, 1, 2]) == expected


def test_neighbours_share_their_support() -> None:
    boxes = {i: [10 * i, 0, 10 * i + 8, 8] for i in range(4)} | {8: [0, 50, 30, 60], 9: [0] * 4}
    boxes[9] = [40, 50, 99, 99]
    rest = [(0, "on", 8), (2, "on", 8), (1, "on", 9), (3, "on", 9)]
    beside = [(s, "to the left of", o) for s in range(4) for o in range(4) if s < o]
    chosen = choose_relations(_scene(boxes, rest + beside), [0, 1, 2, 3, 8, 9])
    assert chosen[4:] == [(0, "to the left of", 2), (1, "to the left of", 3)]


@st.composite
def _scenes(draw: st.DrawFn) -> dict:
    count = draw(st.integers(0, 6))
    corner = st.integers(0, 60)
    side = st.integers(1, 40)
    boxes = {}
    for i in range(count):
        x, y, w, h = draw(corner), draw(corner), draw(side), draw(side)
        boxes[i] = [x, y, x + w, y + h]
    indices = st.integers(0, max(count - 1, 0))
    words = st.sampled_from(
        ["on", "in", "under", "above", "next to", "behind", "in front of", "to the left of"]
    )
    relations = draw(st.lists(st.tuples(indices, words, indices), max_size=12)) if count else []
    return _scene(boxes, [r for r in relations if r[0] != r[2]])


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(_scenes())
def test_chosen_relations_hold_and_mirror_with_the_frame(record: dict) -> None:
    check_frame(record)
    order = [o["index"] for o in list_objects(record)]
    chosen = choose_relations(record, order)
    assert {tuple(r) for r in record["relations"]} >= set(chosen)
    assert len(chosen) <= 3 * len(order) and len(chosen) == len(set(chosen))
    mirrored = mirror_record(record)
    back = mirror_record({**mirrored, "relations": choose_relations(mirrored, order)})
    assert [tuple(r) for r in back["relations"]] == chosen


def test_target_lists_objects_near_to_far_and_parses_back(record: dict) -> None:
    graph = target_graph(record)
    assert [o.label for o in graph.objects] == ["mug", "spoon", "apple", "bowl", "table"]
    assert parse_graph(write_graph(graph)) == graph


def test_mirror_swaps_left_and_right_and_undoes_itself(record: dict) -> None:
    record["ignored"] = [{"label": "cup", "box_px": [0, 0, 10, 10], "index": 7}]
    mirrored = mirror_record(record)
    assert mirrored["objects"][1]["box_px"] == [240, 120, 280, 180]
    assert mirrored["ignored"][0]["box_px"] == [310, 0, 320, 10]
    assert [1, "to the right of", 2] in mirrored["relations"]
    assert [4, "in", 3] in mirrored["relations"]
    assert mirror_record(mirrored) == record


def test_boxes_are_over_the_square_padded_image(record: dict) -> None:
    mug = target_graph(record).objects[0]
    # 320x240 is padded by 40 px above: y = (120 + 40) / 320 * 999
    assert mug.box == (125, 500, 250, 687)


def test_the_inverse_of_in_is_not_among_the_labels() -> None:
    assert inverse_relations([(1, "in", 2), (1, "on", 3), (4, "under", 5)]) == [
        (3, "under", 1),
        (5, "above", 4),
    ]


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("width",), None, "missing width"),
        (("objects", 1, "box_px"), [5, 5, 5, 9], "empty or outside"),
        (("objects", 1, "box_px"), [5, 5, 999, 9], "empty or outside"),
        (("objects", 1, "box_px"), [5, 5], "broken"),
        (("objects", 1, "depth_m"), [1.0, float("nan"), 2.0], "not near to far"),
        (("objects", 1, "label"), " ", "not a name"),
        (("objects", 1, "index"), 0, "same index"),
        (("objects", 1), "mug", "broken"),
        (("relations", 0), [1, "eats", 2], "unknown predicate 'eats'"),
        (("relations", 0), [1, "on", 1], "related to itself"),
        (("relations", 0), [1, "on"], "broken"),
    ],
)
def test_a_broken_frame_says_what_is_wrong(
    record: dict, path: tuple[str | int, ...], value: object, reason: str
) -> None:
    broken = deepcopy(record)
    at = broken
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    with pytest.raises(FrameError, match=reason):
        check_frame(broken)
    check_frame(record)
