"""Decisions about a labelled recording: the state machine, its page's API, the rows they make."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cv2")
pytest.importorskip("rosbags")

from spacesgg_ros.training.data.review import ReviewStore, clean_label
from spacesgg_ros.training.data.review_record import Review, ReviewError, image_path
from spacesgg_ros.training.data.review_server import PAGE, ReviewServer

from .from_bag_world import ColourModel, label_pan

FIRST = "000000"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures of a mug (1) and a bowl (2); in the third the model said "cup"."""
    label_pan(tmp_path, ColourModel(slips=(2,)))
    return tmp_path / "review"


def saved(folder: Path, index: int = 0) -> Any:
    return Review.load(folder).frames[index]


def test_each_decision_is_saved_at_once(folder: Path) -> None:
    store = ReviewStore(folder)
    store.apply({"action": "decide", "frame": FIRST, "object": 1, "decision": "keep"})
    assert saved(folder).objects[0].decision == "keep"
    assert not list(folder.glob("*.tmp"))


def test_a_name_is_fixed_in_the_whole_track(folder: Path) -> None:
    answer = ReviewStore(folder).apply(
        {"action": "label", "frame": "000002", "object": 1, "label": " Xylophone ", "track": True}
    )
    assert len(answer["frames"]) == 6 and answer["labels"][0] == "xylophone"
    objects = [f.object_by_id(1) for f in Review.load(folder).frames]
    assert {(o.label, o.decision) for o in objects if o} == {("xylophone", "keep")}
    assert [o.model_label for o in objects if o] == ["mug", "mug", "cup", "mug", "mug", "mug"]


def test_a_moved_box_is_measured_anew(folder: Path) -> None:
    before = saved(folder).objects[0]
    x0, y0, x1, y1 = before.box_px
    ReviewStore(folder).apply(
        {"action": "move", "frame": FIRST, "object": 1, "box_px": [x0, y0, x1, y1 - 15]}
    )
    after = saved(folder).objects[0]
    assert after.size_m[1] < 0.75 * before.size_m[1] and after.decision == "keep"


def test_a_drawn_box_gets_a_place_and_relations(folder: Path) -> None:
    ReviewStore(folder).apply(
        {"action": "draw", "frame": FIRST, "box_px": [10, 10, 60, 40], "label": "poster"}
    )
    frame = saved(folder)
    new = frame.objects[-1]
    assert (new.id, new.origin, new.distance_m) == (3, "person", 2.0)
    assert any(3 in (r.subject, r.object) for r in frame.relations)


def test_rejecting_a_drawn_box_removes_it(folder: Path) -> None:
    store = ReviewStore(folder)
    store.apply({"action": "draw", "frame": FIRST, "box_px": [10, 10, 60, 40], "label": "poster"})
    store.apply({"action": "decide", "frame": FIRST, "object": 3, "decision": "reject"})
    assert len(saved(folder).objects) == 2


def test_a_rejected_object_has_no_relations_until_it_is_back(folder: Path) -> None:
    store = ReviewStore(folder)
    store.apply({"action": "decide", "frame": FIRST, "object": 1, "decision": "reject"})
    assert saved(folder).relations == []
    store.apply({"action": "decide", "frame": FIRST, "object": 1, "decision": "open"})
    assert saved(folder).relations


def test_a_decision_about_a_relation_outlives_a_moved_box(folder: Path) -> None:
    store = ReviewStore(folder)
    kept = saved(folder).relations[0]
    names = {"subject": kept.subject, "predicate": kept.predicate, "object": kept.object}
    store.apply({"action": "relation", "frame": FIRST, **names, "decision": "reject"})
    box = [v + 1 for v in saved(folder).objects[0].box_px]
    store.apply({"action": "move", "frame": FIRST, "object": 1, "box_px": box})
    assert saved(folder).relations[0].decision == "reject"


def test_a_frame_with_open_doubts_is_not_accepted_silently(folder: Path) -> None:
    store = ReviewStore(folder)
    accept = {"action": "frame", "frame": "000002", "decision": "accepted"}
    with pytest.raises(ReviewError, match="in doubt first: cup"):
        store.apply(accept)
    assert saved(folder, 2).decision == "open"
    answer = store.apply({**accept, "doubts": "reject"})
    assert saved(folder, 2).objects[0].decision == "reject"
    assert answer["progress"] == {"open": 5, "accepted": 1, "rejected": 0}


def test_undo_takes_back_the_last_action_and_no_more(folder: Path) -> None:
    store, before = ReviewStore(folder), Review.load(folder)
    store.apply({"action": "frame", "frame": FIRST, "decision": "accepted"})
    middle = Review.load(folder)
    store.apply({"action": "label", "frame": FIRST, "object": 1, "label": "jar", "track": True})
    store.apply({"action": "undo"})
    assert Review.load(folder) == middle
    store.apply({"action": "undo"})
    assert Review.load(folder) == before
    with pytest.raises(ReviewError, match="nothing to undo"):
        store.apply({"action": "undo"})


def test_a_drawn_thing_is_carried_into_the_other_pictures(folder: Path) -> None:
    store = ReviewStore(folder)
    for index in (1, 2, 3, 4):  # say the model missed it there
        action = {"action": "decide", "frame": f"{index:06d}", "object": 2, "decision": "reject"}
        store.apply(action)
    box = [v + d for v, d in zip(saved(folder, 2).objects[1].box_px, (1, 1, -1, -1), strict=True)]
    store.apply({"action": "draw", "frame": "000002", "box_px": box, "label": "planter"})
    store.apply({"action": "carry", "frame": "000002", "object": 3})
    for index in (1, 3, 4):
        found = [o for o in saved(folder, index).objects if o.label == "planter"]
        hidden = saved(folder, index).objects[1].box_px
        assert [o.status for o in found] == ["doubt"]
        assert max(abs(a - b) for a, b in zip(found[0].box_px, hidden, strict=True)) < 4


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ({"action": "fly"}, "no action 'fly'; there are decide"),
        ({"action": "decide", "frame": "999999"}, "no frame '999999'"),
        ({"action": "decide", "object": 9, "decision": "keep"}, "no object 9"),
        ({"action": "decide", "object": 1, "decision": "maybe"}, "not one of open, keep"),
        ({"action": "move", "object": 1, "box_px": [1, 2, 3]}, "x_min, y_min"),
        ({"action": "move", "object": 1, "box_px": [1, 2, float("nan"), 9]}, "x_min, y_min"),
        ({"action": "draw", "box_px": [5, 5, 6, 6], "label": "x"}, "at least 3 pixels"),
        ({"action": "draw", "box_px": [5, 5, 60, 60], "label": "<ref>"}, "letters, digits"),
        ({"action": "relation", "subject": 1, "decision": "keep"}, "no relation"),
        ({"action": "frame", "decision": "done"}, "not one of open, accepted"),
    ],
)
def test_what_cannot_be_done_changes_nothing(folder: Path, action: dict, words: str) -> None:
    before = Review.load(folder)
    with pytest.raises(ReviewError, match=words):
        ReviewStore(folder).apply({"frame": FIRST, **action})
    assert Review.load(folder) == before


@pytest.mark.parametrize(
    ("text", "label"),
    [("Table  Tennis bat", "table tennis bat"), ("t-shirt", "t-shirt"), ("é", None), ("", None),
     ("unknown", None), ("-a", None), ("x" * 41, None)],
)  # fmt: skip
def test_names_are_those_that_the_grammar_can_write(text: str, label: str | None) -> None:
    if label is None:
        with pytest.raises(ReviewError):
            clean_label(text)
    else:
        assert clean_label(text) == label


def test_a_folder_without_a_review_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ReviewError, match="spacesgg data from-bag BAG --out"):
        ReviewStore(tmp_path)
    (tmp_path / "review.json").write_text('{"format": 1, "frames": [{}]}')
    with pytest.raises(ReviewError, match="is not a review"):
        ReviewStore(tmp_path)


# --- The API -------------------------------------------------------------------------------------
def ask(url: str, action: Any = None, **headers: str) -> tuple[int, bytes]:
    body = None if action is None else json.dumps(action).encode()
    defaults = {"Content-Type": "application/json"} if body is not None else {}
    request = urllib.request.Request(url, body, {**defaults, **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_page_shows_pictures_and_takes_decisions(folder: Path) -> None:
    with ReviewServer(ReviewStore(folder), port=0) as server:
        assert ask(server.url)[1] == PAGE.read_bytes()
        state = json.loads(ask(server.url + "api/review")[1])
        assert state["frames"][0]["key"] == FIRST
        assert ask(server.url + f"image/{FIRST}.jpg")[1] == image_path(folder, FIRST).read_bytes()
        action = {"action": "frame", "frame": FIRST, "decision": "accepted"}
        status, body = ask(server.url + "api/decide", action)
        assert status == 200 and json.loads(body)["progress"]["accepted"] == 1
    assert saved(folder).decision == "accepted"


def test_what_the_api_refuses_says_why(folder: Path) -> None:
    with ReviewServer(ReviewStore(folder), port=0) as server:
        decide = server.url + "api/decide"
        assert ask(decide, {"action": "fly", "frame": FIRST})[0] == 409
        assert ask(decide, [])[0] == 409
        assert ask(decide, "x" * 5000)[0] == 413
        assert ask(decide, {}, **{"Content-Type": "text/plain"})[0] == 415
        assert ask(decide, {}, Origin="http://evil.example")[0] == 403
        assert ask(server.url + "api/review", Host="evil.example")[0] == 403
        assert ask(server.url + "image/../review.json")[0] == 404
        assert ask(server.url + "image/000099.jpg")[0] == 404
    assert saved(folder).decision == "open"


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = PAGE.read_text()
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)
    assert "@import" not in page and "url(" not in page
