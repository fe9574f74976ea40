"""From a recording to labelled keyframes that depth has checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")
pytest.importorskip("rosbags")

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.demo.bag_writer import write_bag
from spacesgg_ros.demo.recording import Recording
from spacesgg_ros.graph import Intrinsics, RelationSource
from spacesgg_ros.graph.tracking import shrink_grey
from spacesgg_ros.training.data import from_bag_geometry as geometry
from spacesgg_ros.training.data import review_cli
from spacesgg_ros.training.data.from_bag import FromBagError, build_review
from spacesgg_ros.training.data.from_bag_frames import (
    FrameCounts,
    FrameFate,
    KeyframeChooser,
    KeyframeConfig,
    read_frames,
)
from spacesgg_ros.training.data.review_record import Review, read_depth

from .from_bag_world import CAMERA, SECOND, ColourModel, label_pan, pan

KEY, DUPLICATE, BLURRED = FrameFate.KEYFRAME, FrameFate.DUPLICATE, FrameFate.BLURRED


def fates(frames: list, config: KeyframeConfig) -> list[FrameFate]:
    chooser = KeyframeChooser(config)
    return [chooser.judge(f.stamp_ns, shrink_grey(f.rgb)[0]) for f in frames]


def test_a_view_seen_before_is_a_near_duplicate() -> None:
    found = fates(list(pan([0, 0, 1, 10, 11, 20])), KeyframeConfig(every_s=0.0))
    assert found == [KEY, DUPLICATE, DUPLICATE, KEY, DUPLICATE, KEY]


def test_a_blurred_view_waits_for_a_sharp_one() -> None:
    found = fates(list(pan([0, 10, 10, 20], blurred=[1])), KeyframeConfig(every_s=0.0))
    assert found == [KEY, BLURRED, KEY, KEY]


def test_keyframes_keep_their_distance_in_time() -> None:
    found = fates(list(pan([0, 10, 20, 30, 40])), KeyframeConfig(every_s=0.25))
    assert found == [KEY, DUPLICATE, DUPLICATE, KEY, DUPLICATE]


def test_another_scene_is_a_keyframe_although_nothing_is_found_again() -> None:
    frames = list(pan([0, 0]))
    other = np.random.default_rng(5).integers(0, 255, frames[0].rgb.shape, np.uint8)
    frames[1] = type(frames[1])(frames[1].stamp_ns, other, frames[1].depth_m)
    assert fates(frames, KeyframeConfig(every_s=0.0)) == [KEY, KEY]


def test_a_frame_without_a_stamp_is_listed_and_the_rest_is_read(tmp_path: Path) -> None:
    frames = [type(f)(f.stamp_ns - SECOND, f.rgb, f.depth_m) for f in pan([0, 10, 20])]
    write_bag(tmp_path / "a.mcap", frames, CAMERA)
    counts = FrameCounts()
    with Recording(tmp_path / "a.mcap") as recording:
        read = list(read_frames(recording, counts))
    assert len(read) == 2 and counts.bad == [(0, "no stamp")]
    assert read[0].depth_m is not None and np.nanmax(read[0].depth_m) == 2.0


def test_a_recording_is_labelled_lifted_and_tracked(tmp_path: Path) -> None:
    review = label_pan(tmp_path)
    assert review.counts["keyframe"] == 6 and review.counts["near-duplicate"] == 6
    assert {o.track for f in review.frames for o in f.objects if o.label == "mug"} == {1}
    mug = review.frames[0].objects[0]
    assert mug.distance_m == pytest.approx(1.0, abs=0.01)
    assert mug.size_m is not None and mug.size_m[0] == pytest.approx(0.2, abs=0.02)
    assert np.nanmin(read_depth(tmp_path / "review" / "depth" / "000000.png")) == 1.0
    assert Review.load(tmp_path / "review") == review


def test_a_wrong_relation_of_the_model_is_in_doubt(tmp_path: Path) -> None:
    frame = label_pan(tmp_path).frames[0]
    said = next(r for r in frame.relations if r.predicate == "to the right of" and r.subject == 1)
    assert (said.source, said.status) == ("contradicted", "doubt")


def test_a_slip_of_the_tongue_is_in_doubt(tmp_path: Path) -> None:
    review = label_pan(tmp_path, ColourModel(slips=(2,)))
    cup = next(o for o in review.frames[2].objects if o.label == "cup")
    assert cup.status == "doubt" and cup.reasons == ["called “mug” in 5 of 6 pictures"]
    assert cup.track == 1


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        label_pan(tmp_path, ColourModel(fail_at=3))
    labels = tmp_path / "review" / "labels.jsonl"
    labels.write_text(labels.read_text() + '{"stamp_ns": 15')  # killed while writing
    second = ColourModel()
    review = label_pan(tmp_path, second)
    assert second.calls == 3 and len(review.frames) == 6


def test_a_resumed_review_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with pytest.raises(KeyboardInterrupt):
        label_pan(tmp_path / "a", ColourModel(fail_at=4))
    assert label_pan(tmp_path / "a") == label_pan(tmp_path / "b")


def test_a_finished_review_is_not_labelled_again(tmp_path: Path) -> None:
    review = label_pan(tmp_path)
    review.frames[0].decision = "accepted"
    review.save(tmp_path / "review")
    again = ColourModel()
    assert label_pan(tmp_path, again).frames[0].decision == "accepted"
    assert again.calls == 0


def test_a_folder_of_another_recording_is_refused(tmp_path: Path) -> None:
    label_pan(tmp_path)
    with pytest.raises(FromBagError, match="another recording, model or choice"):
        label_pan(tmp_path, ColourModel(model_id="other"))


def test_a_recording_without_a_picture_that_can_be_used_says_why(tmp_path: Path) -> None:
    frames = [type(f)(f.stamp_ns, np.full_like(f.rgb, 90), f.depth_m) for f in pan([0, 10])]
    write_bag(tmp_path / "grey.mcap", frames, CAMERA)
    with (
        Recording(tmp_path / "grey.mcap") as recording,
        pytest.raises(FromBagError, match="2 blurred"),
    ):
        build_review(recording, tmp_path / "r", ColourModel(), KeyframeConfig(every_s=0), [])


def test_a_missing_recording_is_wrong_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no recording at"):
        review_cli.from_bag(tmp_path / "none.mcap", tmp_path / "review")


# --- What depth says -----------------------------------------------------------------------------
def flat_scene() -> tuple[np.ndarray, Intrinsics]:
    """A wall two metres away; at one metre a block, 30 pixels wide."""
    depth = np.full((120, 160), 2.0, np.float32)
    depth[45:75, 20:50] = 1.0
    depth[45:75, 100:130] = 1.0
    return depth, CAMERA


def test_boxes_are_measured_and_related() -> None:
    depth, camera = flat_scene()
    boxes = {1: (20.0, 45.0, 50.0, 75.0), 2: (100.0, 45.0, 130.0, 75.0)}
    said = [(1, "to the left of", 2), (2, "to the left of", 1), (1, "wearing", 2)]
    measured = geometry.measure_frame(depth, camera, boxes, said)
    sources = {(r.subject_id, r.predicate): r.source for r in measured.relations}
    assert sources[1, "to the left of"] is RelationSource.BOTH
    assert sources[2, "to the left of"] is RelationSource.CONTRADICTED
    assert sources[1, "wearing"] is RelationSource.MODEL
    extent = measured.extents[1]
    assert extent is not None and extent.size[0] == pytest.approx(0.2, abs=0.01)


def test_a_box_without_depth_is_in_doubt() -> None:
    depth, _ = flat_scene()
    depth[45:75, 20:50] = np.nan
    assert geometry.check_object(depth, (20, 45, 50, 75), None) == ["depth in only 0% of the box"]


@pytest.mark.parametrize(
    ("longest", "reason"), [(0.2, None), (0.004, "too small"), (4.5, "background")]
)
def test_impossible_sizes_are_in_doubt(longest: float, reason: str | None) -> None:
    depth, camera = flat_scene()
    extent = geometry.measure_frame(depth, camera, {1: (20, 45, 50, 75)}).extents[1]
    assert extent is not None
    sized = type(extent)(extent.position, (longest, 0.001, 0.001), 1, 1, 1, 0, 900)
    found = geometry.check_object(depth, (20, 45, 50, 75), sized)
    assert (not found) if reason is None else (reason in found[0])


def test_two_names_for_one_box_are_in_doubt() -> None:
    boxes = {1: (0.0, 0.0, 40.0, 40.0), 2: (1.0, 0.0, 41.0, 40.0), 3: (80.0, 0.0, 99.0, 40.0)}
    found = geometry.find_twins(boxes, {1: "mug", 2: "cup", 3: "bowl"})
    assert found == {2: "has the box of “mug”"}


@pytest.mark.parametrize(
    ("labels", "sizes", "hits", "views", "doubts"),
    [
        (["mug"] * 4, [0.1] * 4, 4, 4, [0, 0, 0, 0]),
        (["mug", "mug", "mug", "cup"], [0.1] * 4, 4, 4, [0, 0, 0, 1]),  # one slip
        (["mug", "cup", "jug", "mug"], [0.1] * 4, 4, 4, [1, 1, 1, 1]),  # wavers
        (["mug"] * 4, [0.1, 0.1, 0.1, 0.5], 4, 4, [0, 0, 0, 1]),  # the box grew
        (["mug"], [0.1], 1, 5, [1]),  # seen once in five pictures
        (["mug"], [None], 1, 1, [0]),
    ],
)
def test_a_track_doubts_what_does_not_fit_it(
    labels: list[str], sizes: list, hits: int, views: int, doubts: list[int]
) -> None:
    sightings = [geometry.Sighting(*pair) for pair in zip(labels, sizes, strict=True)]
    assert [len(r) for r in geometry.check_track(sightings, hits, views)] == doubts
