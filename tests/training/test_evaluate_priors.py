"""The pixel-free baseline, and the grading of answers, counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("cv2")

from spacesgg_ros.training.evaluate.facts import relation_questions
from spacesgg_ros.training.evaluate.priors import learn_priors, load_priors, save_priors
from spacesgg_ros.training.evaluate.questions import (
    Answered,
    confusion,
    draw_questions,
    macro_f1,
    per_label,
    summarise_answers,
)


def shifted(record: dict, by: int) -> dict:
    objects = [
        o | {"box_px": [o["box_px"][0] + by, o["box_px"][1], o["box_px"][2] + by, o["box_px"][3]]}
        for o in record["objects"]
    ]
    return record | {"objects": objects}


def test_the_list_is_the_most_frequent_labels_at_their_mean_boxes(record: dict) -> None:
    fewer = record | {"objects": record["objects"][:2]}
    fewer["relations"] = [[1, "on", 0]]
    priors = learn_priors([record, shifted(fewer, 32)])
    assert priors.objects_a_frame == 3.5  # five and two
    listed = priors.list_objects(320, 240)
    assert [label for label, _ in listed] == ["table", "mug", "spoon", "bowl"]
    assert listed[0][1] == pytest.approx((16, 100, 336, 240), abs=0.05)  # between 0 and 32
    assert listed[1][1] == pytest.approx((56, 120, 96, 180), abs=0.05)


def test_a_pair_gets_the_relation_said_most(record: dict) -> None:
    other = record | {"relations": [[4, "on", 3]]}
    priors = learn_priors([record, record, other])
    objects = [("bowl", (0, 0, 1, 1)), ("apple", (0, 0, 1, 1)), ("ship", (0, 0, 1, 1))]
    assert (1, "in", 0) in priors.relate(objects)
    assert all(2 not in (s, o) for s, _, o in priors.relate(objects))
    assert priors.answer("apple", "bowl") == "in"
    assert priors.answer("ship", "apple") == priors.majority == "on"


def test_equally_frequent_relations_do_not_depend_on_the_order(record: dict) -> None:
    one, two = record | {"relations": [[4, "on", 3]]}, record | {"relations": [[4, "in", 3]]}
    assert learn_priors([one, two]) == learn_priors([two, one])


def test_priors_come_back_from_their_file(record: dict, tmp_path: Path) -> None:
    priors = learn_priors([record])
    save_priors(priors, tmp_path / "priors.json")
    assert load_priors(tmp_path / "priors.json") == priors


def test_priors_need_a_frame() -> None:
    with pytest.raises(ValueError, match="no training frame"):
        learn_priors([])


def test_the_baseline_is_scored_with_listed_and_with_true_objects(record: dict) -> None:
    listed, given = learn_priors([record]).score(record)
    assert all(o.found for o in (*listed.objects, *given.objects))  # its own training frame
    assert all(hit for _, hit in given.triplets["text"].wanted)


def test_a_name_that_occurs_twice_is_not_asked_about(record: dict) -> None:
    asked = relation_questions(record)
    assert ("apple", "in", "bowl") in asked
    assert ("table", "under", "mug") in asked
    record["ignored"] = [{"index": 9, "label": "mug", "box_px": [0, 0, 9, 9]}]
    assert not any("mug" in (s, o) for s, _, o in relation_questions(record))


def test_questions_take_each_relation_in_turn(record: dict) -> None:
    asked = draw_questions(record, 100)
    relations = [p for _, p, _ in asked]
    kinds = len(set(relations))
    assert sorted(asked) == sorted(relation_questions(record))
    assert len(set(relations[:kinds])) == kinds
    assert draw_questions(record, 3) == asked[:3]


TRUTH = ["on", "on", "on", "in", "in", "behind"]
SAID = ["on", "on", "in", "in", "on", "above"]


def test_macro_f1_is_the_mean_over_true_labels() -> None:
    rows = per_label(TRUTH, SAID)
    # on: 2 right of 3 true and 3 said; in: 1 of 2 and 2; behind: 0; "above" is nowhere true.
    assert [rows[name]["f1"] for name in ("on", "in", "behind", "above")] == [0.6667, 0.5, 0, 0]
    assert rows["on"] == {"true": 3, "precision": 0.6667, "recall": 0.6667, "f1": 0.6667}
    assert macro_f1(TRUTH, SAID) == pytest.approx((0.6667 + 0.5 + 0) / 3, abs=1e-4)
    assert macro_f1([], []) == 0.0


def test_answers_are_counted_by_truth() -> None:
    assert confusion(TRUTH, SAID) == {
        "on": {"on": 2, "in": 1},
        "in": {"in": 1, "on": 1},
        "behind": {"above": 1},
    }


def test_answers_are_graded_beside_both_baselines() -> None:
    answers = [
        Answered("scene", true, said, "on", 20.0) for true, said in zip(TRUTH, SAID, strict=True)
    ]
    report = summarise_answers(answers, "in")
    assert report["accuracy"]["value"] == 0.5
    assert report["baselines"]["majority"]["accuracy"]["value"] == 0.3333
    assert report["baselines"]["text_only"]["accuracy"]["value"] == 0.5
    assert report["baselines"]["text_only"]["macro_f1"] == 0.2222  # F1 of "on" 2/3, over three
    assert "baselines" not in summarise_answers(answers, None)
