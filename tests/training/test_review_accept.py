"""Reviewed frames become rows; the latest are held out."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("cv2")
pytest.importorskip("rosbags")

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.graph import parse_graph
from spacesgg_ros.training.data import review_cli
from spacesgg_ros.training.data.review import ReviewStore
from spacesgg_ros.training.data.review_accept import (
    accept_review,
    kept_relations,
    reviewed_record,
    split_by_time,
)
from spacesgg_ros.training.data.review_record import (
    Review,
    ReviewError,
    ReviewFrame,
    ReviewObject,
    ReviewRelation,
    depth_path,
    read_depth,
)
from spacesgg_ros.training.data.rows import load_image, read_rows
from spacesgg_ros.training.data.targets import check_frame

from .from_bag_world import HEIGHT, WIDTH, label_pan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures, five of them accepted, in which the mug turned out to be a xylophone."""
    label_pan(tmp_path)
    store = ReviewStore(tmp_path / "review")
    rename = {"action": "label", "frame": "000000", "object": 1, "label": "xylophone"}
    store.apply({**rename, "track": True})
    for index in range(5):
        store.apply({"action": "frame", "frame": f"{index:06d}", "decision": "accepted"})
    return tmp_path / "review"


def test_accepted_frames_become_rows_and_the_latest_are_held_out(folder: Path) -> None:
    out = folder.parent / "rows.jsonl"
    review_cli.accept(folder, out, holdout=0.2, mirror=True, tasks="graph,objects")
    rows = list(read_rows(out))
    held_out = list(read_rows(folder.parent / "rows.held-out.jsonl"))
    assert {r.provenance.get("frame", r.image) for r in held_out} != {r.image for r in rows}
    assert len(rows) == 4 * 2 * 2 and len(held_out) == 2
    graph = parse_graph(next(r for r in held_out if r.task == "graph").exchanges[0][1])
    assert {o.label for o in graph.objects} == {"xylophone", "bowl"}
    assert load_image(rows[0], out.parent).shape == (HEIGHT, WIDTH, 3)


def test_a_reviewed_frame_is_a_frame_record_with_places_from_depth(folder: Path) -> None:
    frame = Review.load(folder).frames[0]
    record = reviewed_record(frame, read_depth(depth_path(folder, frame.key)))
    check_frame(record)
    first = record["objects"][0]
    assert first["label"] == "xylophone" and first["depth_m"][1] == pytest.approx(1.0, abs=0.01)
    assert [1, "to the left of", 2] in record["relations"]
    assert [2, "to the right of", 1] in record["relations"]
    assert [1, "to the right of", 2] not in record["relations"]  # the model's, refuted by depth


def test_a_thing_without_depth_is_kept_without_relations(folder: Path) -> None:
    frame = Review.load(folder).frames[0]
    depth = read_depth(depth_path(folder, frame.key))
    x0, y0, x1, y1 = (int(v) for v in frame.objects[0].box_px)
    depth[y0 - 2 : y1 + 2, x0 - 2 : x1 + 2] = float("nan")
    record = reviewed_record(frame, depth)
    check_frame(record)
    assert len(record["objects"]) == 2 and record["relations"] == []


def test_nothing_accepted_says_how_to_decide(tmp_path: Path) -> None:
    label_pan(tmp_path)
    with pytest.raises(InputError, match="spacesgg data review"):
        review_cli.accept(tmp_path / "review", tmp_path / "rows.jsonl")


def test_a_frame_in_which_all_is_rejected_is_listed(folder: Path) -> None:
    store = ReviewStore(folder)
    for each in (1, 2):
        action = {"action": "decide", "frame": "000000", "object": each, "decision": "reject"}
        store.apply(action)
    rows = accept_review(folder, folder.parent, 0.0, False)
    assert rows.bad == [("000000", "no object is left in it")] and len(rows.train_frames) == 4


def made(decision: str, status: str, key: tuple[int, str, int]) -> ReviewRelation:
    return ReviewRelation(*key, "model", status, "", decision)


@pytest.mark.parametrize(
    ("relations", "kept"),
    [
        ([made("open", "keep", (1, "on", 2))], [[1, "on", 2]]),
        ([made("open", "doubt", (1, "on", 2))], []),
        ([made("keep", "doubt", (1, "on", 2))], [[1, "on", 2]]),
        ([made("reject", "keep", (1, "on", 2))], []),
        (
            [made("open", "keep", (1, "behind", 2)), made("open", "keep", (1, "next to", 2))],
            [[1, "behind", 2], [2, "in front of", 1]],
        ),
        (
            [made("open", "keep", (1, "next to", 2))],
            [[1, "next to", 2], [2, "next to", 1]],
        ),
    ],
)
def test_what_is_taught_of_the_relations(relations: list[ReviewRelation], kept: list[list]) -> None:
    frame = ReviewFrame("000000", 0, 9, 9, [1, 1, 1, 1], relations=relations)
    assert kept_relations(frame) == kept


def timed(tracks: list[int]) -> list[ReviewFrame]:
    return [
        ReviewFrame(f"{k:06d}", k, 9, 9, [], objects=[ReviewObject(1, track, "mug", [0, 0, 5, 5])])
        for k, track in enumerate(tracks)
    ]


def test_the_border_moves_to_where_no_thing_is_on_both_sides() -> None:
    tracks = [1] * 9 + [2] * 11
    train, held_out = split_by_time(timed(tracks), 0.5)
    assert (len(train), len(held_out)) == (9, 11)


@pytest.mark.parametrize("holdout", [-0.1, 0.95])
def test_a_share_that_cannot_be_held_out_is_refused(holdout: float) -> None:
    with pytest.raises(ReviewError, match="share"):
        split_by_time(timed([1, 2, 3]), holdout)


def test_one_frame_cannot_be_split() -> None:
    assert len(split_by_time(timed([1]), 0.0)[0]) == 1
    with pytest.raises(ReviewError, match="too few"):
        split_by_time(timed([1]), 0.2)
