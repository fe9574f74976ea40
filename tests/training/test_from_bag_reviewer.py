"""The bench's scripted reviewer turns wrong labels into the truth by the page's own API."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("cv2")
pytest.importorskip("rosbags")

from spacesgg_ros.bench.from_bag_reviewer import ScriptedReviewer
from spacesgg_ros.training.data.review import ReviewStore
from spacesgg_ros.training.data.review_accept import accept_review
from spacesgg_ros.training.data.review_record import Review
from spacesgg_ros.training.data.review_server import ReviewServer

from .from_bag_world import BLOCKS, PAN, SECOND, ColourModel, label_pan


def truth_of_the_pan() -> dict[int, dict]:
    """Frame records by stamp; the mug is really a gong, and there is a poster nobody named."""
    names = {"mug": "gong", "bowl": "bowl"}
    records = {}
    for k, offset in enumerate(PAN):
        boxes = [(names[n], [x - offset, y, x - offset + 30, y + 30]) for n, _, x, y in BLOCKS]
        boxes.append(("poster", [100, 5, 130, 30]))
        objects = [{"label": label, "box_px": box} for label, box in boxes if box[0] >= 0]
        records[SECOND + k * SECOND // 10] = {"objects": objects}
    return records


def test_the_reviewer_leaves_the_truth_behind(tmp_path: Path) -> None:
    label_pan(tmp_path, ColourModel(slips=(2,)))
    folder = tmp_path / "review"
    with ReviewServer(ReviewStore(folder), port=0) as server:
        reviewer = ScriptedReviewer(server.url, truth_of_the_pan())
        assert reviewer.review_all() == 6
    for frame in Review.load(folder).frames:
        assert sorted(o.label for o in frame.objects) == ["bowl", "gong", "poster"]
    assert reviewer.actions["label"] == 1, "a wrong name is fixed once for the whole track"
    assert reviewer.actions["draw"] == 6
    rows = accept_review(folder, tmp_path, 0.2, False, ("graph",))
    assert rows.labels["gong"] == len(rows.train_frames) and len(rows.held_out) > 0
