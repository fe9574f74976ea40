"""The live graph over a textured picture that moves past the camera."""

import cv2
import numpy as np
import pytest

from spacesgg_ros.graph import (
    GraphError,
    Intrinsics,
    LiveConfig,
    LiveSceneGraph,
    RGBDFrame,
    SceneGraph,
    TextGraph,
    TextObject,
    TextRelation,
    encode_box,
)
from spacesgg_ros.graph.tracking import FrameRing, RingFrame, match_boxes

CAMERA = Intrinsics(525.0, 525.0, 319.5, 239.5, 640, 480)
PERIOD_NS = 66_000_000
_noise = np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8)
PICTURE = cv2.resize(_noise, (1280, 720), interpolation=cv2.INTER_CUBIC)
MUG, TRAY = (100.0, 100.0, 180.0, 200.0), (300.0, 150.0, 460.0, 260.0)


def stamp(k: int) -> int:
    return 1 + k * PERIOD_NS


def frame(k: int, shift=(2, 1), depth=True, **changes) -> RGBDFrame:
    """Frame ``k``: the picture moved left and up by ``shift`` pixels a frame, a metre away."""
    x, y = shift[0] * k, shift[1] * k
    rgb = np.ascontiguousarray(PICTURE[y : y + 480, x : x + 640])
    depth_m = np.full((480, 640), 1.0, np.float32) if depth else None
    fields = {"stamp_ns": stamp(k), "frame_id": "cam", "rgb": rgb, "depth_m": depth_m}
    return RGBDFrame(**{**fields, "intrinsics": CAMERA, **changes})


def text(*objects, relations=()) -> TextGraph:
    return TextGraph(
        tuple(TextObject((name,), encode_box(box, 640, 480)) for name, box in objects),
        tuple(TextRelation(*r) for r in relations),
    )


def moved(box, k, shift=(2, 1)):
    return np.subtract(box, (*shift, *shift) * np.array(k))


def run(live, start, stop, **options) -> SceneGraph:
    for k in range(start, stop):
        graph = live.update(frame(k, **options))
    return graph


def started(*objects, config=None, **options) -> LiveSceneGraph:
    live = LiveSceneGraph(config) if config else LiveSceneGraph()
    live.update(frame(0))
    assert live.add_keyframe(stamp(0), text(*objects, **options), "model")
    return live


def labels(graph: SceneGraph) -> dict[int, str]:
    return {o.id: o.label for o in graph.objects}


def test_before_the_first_keyframe_the_graph_is_empty():
    graph = LiveSceneGraph().update(frame(0))
    assert (graph.objects, graph.relations, graph.keyframe_stamp_ns) == ((), (), 0)
    assert (graph.stamp_ns, graph.frame_id, graph.sequence) == (stamp(0), "cam", 1)


def test_boxes_follow_the_picture():
    graph = run(started(("mug", MUG), ("tray", TRAY)), 1, 40)
    assert labels(graph) == {1: "mug", 2: "tray"}
    np.testing.assert_allclose(graph.objects[0].box_px, moved(MUG, 39), atol=4)
    np.testing.assert_allclose(graph.objects[1].box_px, moved(TRAY, 39), atol=4)
    assert (graph.keyframe_stamp_ns, graph.model_id) == (stamp(0), "model")
    assert set(graph.stage_ms) == {"track", "lift", "relate"}


def test_a_late_keyframe_is_carried_from_its_image_to_now():
    live = LiveSceneGraph()
    run(live, 0, 45)
    assert live.add_keyframe(stamp(5), text(("mug", moved(MUG, 5))))
    graph = live.update(frame(45))
    np.testing.assert_allclose(graph.objects[0].box_px, moved(MUG, 45), atol=4)
    assert graph.objects[0].confirmed_stamp_ns == stamp(5)


def test_a_late_keyframe_corrects_a_box_where_it_is_now():
    live = started(("mug", np.add(MUG, (6, 6, 6, 6))))
    run(live, 1, 30)
    assert live.add_keyframe(stamp(10), text(("mug", moved(MUG, 10))))
    graph = live.update(frame(30))
    assert list(labels(graph)) == [1]
    np.testing.assert_allclose(graph.objects[0].box_px, moved(MUG, 30), atol=3)


def test_ids_are_stable_and_never_used_again():
    live = started(("mug", MUG), ("tray", TRAY), config=LiveConfig(max_misses=0))
    run(live, 1, 5)
    live.add_keyframe(stamp(3), text(("tray", moved(TRAY, 3))))
    assert labels(run(live, 5, 8)) == {2: "tray"}
    live.add_keyframe(stamp(7), text(("mug", moved(MUG, 7)), ("tray", moved(TRAY, 7))))
    assert labels(run(live, 8, 10)) == {2: "tray", 3: "mug"}


@pytest.mark.parametrize(
    ("named", "max_misses", "tracked"),
    [
        (1, 2, [1, 0, 0, 0]),  # seen once: a second miss is one too many
        (3, 2, [1, 1, 0, 0]),  # well known: the limit holds
        (3, 9, [1, 1, 1, 0]),  # never more misses than it was named
    ],
)
def test_an_object_survives_some_keyframes_that_miss_it(
    named: int, max_misses: int, tracked: list[int]
):
    live = started(("mug", MUG), config=LiveConfig(max_misses=max_misses))
    for k in range(1, named):
        live.update(frame(k))
        live.add_keyframe(stamp(k), text(("mug", moved(MUG, k))))
    seen = []
    for k in range(named, named + 4):
        live.update(frame(k))
        live.add_keyframe(stamp(k), text())
        seen.append(live.track_count)
    assert seen == tracked


def test_score_falls_when_the_model_misses_an_object():
    live = started(("mug", MUG))
    before = live.update(frame(1)).objects[0].score
    live.add_keyframe(stamp(1), text())
    assert live.update(frame(2)).objects[0].score < before


def test_one_odd_label_does_not_rename_an_object_but_a_majority_does():
    live = started(("mug", MUG))
    names = []
    for k, word in enumerate(["mug", "cup", "cup", "cup"], 1):
        live.update(frame(k))
        live.add_keyframe(stamp(k), text((word, moved(MUG, k))))
        names.append(live.update(frame(k, stamp_ns=stamp(k) + 1000)).objects[0].label)
    assert (names[1], names[-1], live.track_count) == ("mug", "cup", 1)


def test_an_object_out_of_view_is_dropped_after_a_time():
    live = started(("mug", MUG), config=LiveConfig(out_of_view_s=0.5))
    counts = []
    for k in range(1, 30):
        graph = live.update(frame(k, shift=(12, 0)))
        counts.append((len(graph.objects), live.track_count))
    assert (0, 1) in counts and counts[-1] == (0, 0)


@pytest.mark.parametrize("when", [-5_000_000_000, 10**18])
def test_a_keyframe_of_an_unknown_image_is_refused(when):
    live = started(("mug", MUG))
    assert not live.add_keyframe(when, text(("tray", TRAY)))
    assert live.track_count == 1


def test_a_keyframe_before_any_image_is_refused():
    assert not LiveSceneGraph().add_keyframe(stamp(0), text(("mug", MUG)))


def test_model_relations_carry_evidence_and_end_with_their_objects():
    live = started(("mug", MUG), ("tray", TRAY), relations=[(0, "to the left of", 1)])
    graph = live.update(frame(1))
    relation = next(r for r in graph.relations if r.predicate == "to the left of")
    assert (relation.subject_id, relation.object_id) == (1, 2)
    assert relation.source.name == "BOTH"
    live.add_keyframe(stamp(1), text(("tray", moved(TRAY, 1))))
    assert any(r.subject_id == 1 for r in live.update(frame(2)).relations)
    for k in (2, 3):
        live.add_keyframe(stamp(k), text(("tray", moved(TRAY, k))))
        graph = live.update(frame(k + 1))
    assert all(r.subject_id != 1 for r in graph.relations)


def test_unknown_and_tiny_boxes_are_not_tracked():
    live = started(("Unknown", MUG), ("dot", (5, 5, 6, 6)), ("gone", (9, 9, 2, 2)))
    assert live.track_count == 0


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"depth_m": None}, id="no depth"),
        pytest.param({"intrinsics": None}, id="no intrinsics"),
        pytest.param({"depth_m": np.full((480, 640), np.nan, np.float32)}, id="no readings"),
        pytest.param({"depth_m": np.ones((400, 400), np.float32)}, id="other aspect"),
        pytest.param({"depth_m": np.ones(7, np.float32)}, id="flat array"),
    ],
)
def test_without_usable_depth_objects_stay_in_the_graph_as_2d(changes):
    live = started(("mug", MUG))
    obj = live.update(frame(1, **changes)).objects[0]
    assert (obj.extent, obj.layer, obj.label) == (None, 0, "mug")


def test_small_depth_gives_positions():
    live = started(("mug", MUG))
    obj = live.update(frame(1, depth_m=np.ones((240, 320), np.float32))).objects[0]
    assert obj.extent.depth_median_m == 1.0


@pytest.mark.parametrize("rgb", [np.zeros((480, 640)), np.zeros((0, 0, 3), np.uint8)])
def test_what_is_no_image_is_refused(rgb):
    with pytest.raises(GraphError, match="uint8"):
        LiveSceneGraph().update(frame(0, rgb=rgb))


def test_time_that_stands_still_is_refused_until_reset():
    live = started(("mug", MUG))
    with pytest.raises(GraphError, match="reset"):
        live.update(frame(0))
    live.reset()
    assert live.update(frame(0)).objects == ()


def test_an_image_of_another_size_starts_anew():
    live = started(("mug", MUG))
    small = np.ascontiguousarray(frame(1).rgb[:240, :320])
    assert live.update(frame(1, rgb=small)).objects == ()


@pytest.mark.parametrize("value", [0, 128])
def test_a_picture_without_texture_is_survived(value):
    live = started(("mug", MUG))
    blank = np.full((480, 640, 3), value, np.uint8)
    for k in range(1, 4):
        graph = live.update(frame(k, rgb=blank))
    np.testing.assert_allclose(graph.objects[0].box_px, MUG, atol=1)


def test_the_ring_is_bounded_in_time_and_number():
    ring = FrameRing(span_ns=5_000_000_000, max_frames=50)
    for k in range(400):
        ring.push(RingFrame(stamp(k), np.zeros((1, 1), np.uint8), 1.0, 1, 1, {}))
        assert len(ring) <= 50
    assert not ring.since(stamp(300), tolerance_ns=10)
    assert len(ring.since(stamp(390), tolerance_ns=10)) == 10


@pytest.mark.parametrize(
    ("old", "new", "pairs"),
    [
        pytest.param([("mug", MUG)], [("mug", MUG)], [(0, 0)], id="same"),
        pytest.param([("mug", MUG)], [("coffee mug", MUG)], [(0, 0)], id="last word"),
        pytest.param([("mug", MUG)], [("cup", MUG)], [(0, 0)], id="renamed"),
        pytest.param([("mug", MUG)], [("mug", TRAY)], [], id="elsewhere"),
        pytest.param([("mug", MUG)], [("cup", np.add(MUG, 30))], [], id="other thing"),
        pytest.param([("mug", MUG)], [("mug", np.add(MUG, 40))], [(0, 0)], id="moved fast"),
        pytest.param([("mug", MUG)], [], [], id="nothing new"),
        pytest.param(
            [("cup", MUG), ("mug", MUG)], [("mug", MUG), ("cup", MUG)], [(0, 1), (1, 0)], id="twins"
        ),
    ],
)
def test_boxes_are_matched_by_label_and_place(old, new, pairs):
    def boxes(items):
        return np.array([b for _, b in items], float).reshape(-1, 4)

    found = match_boxes(boxes(old), [n for n, _ in old], boxes(new), [n for n, _ in new])
    assert sorted(found) == pairs


@pytest.mark.parametrize("view", ["reversed", "read-only"])
def test_views_of_other_arrays_are_images_too(view):
    rgb = frame(1).rgb[..., ::-1] if view == "reversed" else frame(1).rgb.copy()
    rgb.setflags(write=False)
    assert started(("mug", MUG)).update(frame(1, rgb=rgb)).objects
