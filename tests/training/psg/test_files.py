"""Files in, rows left out, and the commands."""

import json

import pytest

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.cli.main import main
from spacesgg_ros.training.data.rejected import count_reasons
from spacesgg_ros.training.evaluate.psg.frequency import load_frequencies
from spacesgg_ros.training.evaluate.psg.predcls import read_pair_answers, read_pair_questions
from spacesgg_ros.training.evaluate.psg.records import read_answers, read_questions
from spacesgg_ros.training.evaluate.psg.synonyms import read_synonyms
from spacesgg_ros.training.evaluate.psg.truth import read_predictions

BOX_A, BOX_B = [0, 0, 10, 10], [20, 0, 30, 10]
QUESTION = {
    "question_id": 1,
    "image": "a.jpg",
    "width": 100,
    "height": 100,
    "relation_tuples": [["man", BOX_A, "dog", BOX_B, "on"]],
}


def write(path, rows):
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    return path


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"question_id": None}, "no question_id"),
        ({"question_id": True}, "no question_id"),
        ({"width": 0}, "width and height are not positive whole numbers"),
        ({"height": "100"}, "width and height are not positive whole numbers"),
        ({"relation_tuples": None}, "no relation_tuples"),
        (
            {"relation_tuples": [["man", BOX_A, "dog", BOX_B]]},
            "a relation is not [subject, box, object, box, predicate]",
        ),
        ({"relation_tuples": [["man", [0, 0, 1], "dog", BOX_B, "on"]]},
         "a box is not four numbers"),
        ({"relation_tuples": [["man", [0, 0, 1, float("nan")], "dog", BOX_B, "on"]]},
         "a box is not four numbers"),
    ],
)  # fmt: skip
def test_bad_question_is_listed_with_its_line(tmp_path, change, reason) -> None:
    file = write(tmp_path / "q.jsonl", [QUESTION, {**QUESTION, **change}])
    questions, rejected = read_questions(file)
    assert len(questions) == 1
    assert [(r.id, r.reason) for r in rejected] == [("q.jsonl:2", reason)]


def test_last_question_of_an_id_counts(tmp_path) -> None:
    file = write(tmp_path / "q.jsonl", [QUESTION, {**QUESTION, "image": "b.jpg"}])
    questions, rejected = read_questions(file)
    assert questions[0].image == "b.jpg" and rejected[0].id == "q.jsonl:1"


def test_bad_answers_are_counted_by_reason(tmp_path) -> None:
    questions, _ = read_questions(write(tmp_path / "q.jsonl", [QUESTION]))
    rows = ["{", [1], {"question_id": 1}, {"question_id": 2, "text": ""}]
    rows += [{"question_id": 1, "text": "a"}, {"question_id": 1, "text": "b"}]
    answers, rejected = read_answers(write(tmp_path / "a.jsonl", rows), questions)
    assert [answer.text for answer in answers] == ["a", "b"]
    assert count_reasons(rejected) == {
        f"read: {reason}": 1
        for reason in ("no such question", "no text", "not JSON", "not an object", "second answer")
    }


def test_rows_left_out_are_listed_in_order_of_the_file_with_their_id(tmp_path) -> None:
    rows = [QUESTION, "{", {**QUESTION, "question_id": 5, "width": 0}, QUESTION, "", [1]]
    _, rejected = read_questions(write(tmp_path / "q.jsonl", rows))
    assert [(r.id, r.reason) for r in rejected] == [
        ("q.jsonl:2", "not JSON"),
        ("q.jsonl:3", "width and height are not positive whole numbers"),
        ("q.jsonl:1", "same id again later"),
        ("q.jsonl:6", "not an object"),
    ]
    assert [r.detail for r in rejected[1:]] == ["5", "", "list"]


def test_file_without_a_question_says_what_is_expected(tmp_path) -> None:
    with pytest.raises(InputError, match="relation_tuples"):
        read_questions(write(tmp_path / "q.jsonl", ["{}"]))
    with pytest.raises(InputError, match="cannot read"):
        read_questions(tmp_path / "none.jsonl")


def test_options_without_a_score_each_are_left_out(tmp_path) -> None:
    row = {"question_id": 1, "image": "a", "subj": "man", "obj": "dog", "correct_option": ["on"]}
    questions, _ = read_pair_questions(write(tmp_path / "q.jsonl", [row]))
    rows = [
        {"question_id": 1, "text": ["on", "in"], "scores": [0.1]},
        {"question_id": 1, "text": ["on"], "scores": [0.1]},
    ]
    answers, rejected = read_pair_answers(write(tmp_path / "s.jsonl", rows), questions)
    assert len(answers) == 1
    assert [r.reason for r in rejected] == ["as many scores as options are needed"]


def test_predictions_are_sorted_by_score_and_checked(tmp_path) -> None:
    objects = [{"label": "man", "box": BOX_A}, {"label": "dog", "box": BOX_B}]
    rows = [
        {"image_id": "x", "objects": objects, "relations": [[0, "on", 1, 0.1], [1, "in", 0, 0.9]]},
        {"image_id": "y", "objects": objects, "relations": [[0, "on", 2]]},
        {"image_id": "z", "objects": objects, "relations": []},
    ]
    said, rejected = read_predictions(write(tmp_path / "p.jsonl", rows), ["x", "y"])
    assert said["x"].relations == ((1, "in", 0), (0, "on", 1))
    assert {r.id: r.reason for r in rejected} == {
        "p.jsonl:2": "a relation is not [subject, predicate, object] of the objects' indices",
        "p.jsonl:3": "no such image",
    }


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return stop.value.code or 0


def test_psg_prints_both_protocols_and_the_baseline(tmp_path, capsys) -> None:
    pytest.importorskip("simplemma")
    questions = write(tmp_path / "q.jsonl", [QUESTION, {**QUESTION, "question_id": 2}])
    answers = write(tmp_path / "a.jsonl", [{"question_id": 1, "text": ""}, "oops"])
    code = run("score", "psg", "--questions", questions, "--answers", answers,
               "--lemmatiser", "simplemma", "--out", tmp_path / "out")  # fmt: skip
    assert code == 0
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    for metrics in (result["headline"], result["baseline"]["frequency"]):
        assert {"asmv2 recall", "asmv2 mean recall", "corrected recall"} <= set(metrics)
    assert result["details"]["without an answer"] == 1
    assert result["details"]["left out"] == {"read: not JSON": 1}
    assert "simplemma" in (tmp_path / "out" / "report.md").read_text()
    assert "frequency" in capsys.readouterr().out


def _psg_json(path):
    entry = {
        "image_id": "7", "file_name": "7.jpg", "width": 100, "height": 100,
        "annotations": [{"bbox": BOX_A, "category_id": 0}, {"bbox": BOX_B, "category_id": 1}],
        "segments_info": [{"id": 1}, {"id": 2}], "pan_seg_file_name": "7.png",
        "relations": [[0, 1, 1], [0, 1, 1]],
    }  # fmt: skip
    data = {
        "data": [entry, {**entry, "image_id": "8"}, {**entry, "image_id": "9", "relations": []}],
        "thing_classes": ["person"], "stuff_classes": ["tree-merged"],
        "predicate_classes": ["over", "in front of"], "test_image_ids": ["7", "9"],
    }  # fmt: skip
    path.write_text(json.dumps(data))
    return path


def test_psg_recall_and_frequency_read_psg_json(tmp_path, capsys) -> None:
    truth = _psg_json(tmp_path / "psg.json")
    assert run("score", "psg-frequency", truth, "--out", tmp_path / "f.json") == 0
    assert json.loads((tmp_path / "f.json").read_text()) == [["person", "in front of", "tree", 1]]
    objects = [{"label": "person", "box": BOX_A}, {"label": "tree-merged", "box": BOX_B}]
    row = {"image_id": "7", "objects": objects, "relations": [[0, "in front of", 1]]}
    predictions = write(tmp_path / "p.jsonl", [row])
    code = run("score", "psg-recall", "--truth", truth, "--predictions", predictions,
               "--frequency", tmp_path / "f.json", "--out", tmp_path / "out")  # fmt: skip
    assert code == 0
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["headline"]["R@20"]["value"] == 1.0
    assert result["headline"]["mR@20 (all 56)"]["value"] == round(1 / 56, 4)
    assert result["headline"]["F1@20"]["value"] == 1.0
    assert result["baseline"]["frequency"]["R@20"]["value"] == 1.0
    assert result["details"]["without a relation"] == 1


def test_masks_are_asked_for_where_they_are_missing(tmp_path, capsys) -> None:
    truth = _psg_json(tmp_path / "psg.json")
    row = {"image_id": "7", "objects": [], "relations": []}
    predictions = write(tmp_path / "p.jsonl", [row])
    assert run("score", "psg-recall", "--truth", truth, "--predictions", predictions,
               "--masks") == 3  # fmt: skip
    assert "--panoptic" in capsys.readouterr().err


def test_truth_without_a_relation_is_refused(tmp_path, capsys) -> None:
    thing = {"label": "mug", "box_px": [0, 0, 4, 4]}
    image = {"id": "7", "image": "7.jpg", "width": 8, "height": 8, "objects": [thing]}
    truth = write(tmp_path / "t.jsonl", [{**image, "relations": []}])
    predictions = write(tmp_path / "p.jsonl", [{"image_id": "7", "objects": [], "relations": []}])
    assert run("score", "psg-recall", "--truth", truth, "--predictions", predictions) == 3
    assert "has a relation" in capsys.readouterr().err
    assert run("score", "psg-frequency", truth, "--out", tmp_path / "f.json") == 3
    with pytest.raises(InputError, match="all empty"):
        read_questions(write(tmp_path / "q.jsonl", [{**QUESTION, "relation_tuples": []}]))
    pair = {"question_id": 1, "image": "a", "subj": "man", "obj": "dog", "correct_option": []}
    with pytest.raises(InputError, match="always empty"):
        read_pair_questions(write(tmp_path / "pq.jsonl", [pair]))


@pytest.mark.parametrize("content", ["hello", "{}", "[]"])
def test_tables_of_nothing_are_refused(tmp_path, content) -> None:
    (tmp_path / "table").write_text(content)
    for read in (load_frequencies, read_synonyms):
        with pytest.raises(InputError, match="no table of"):
            read(tmp_path / "table")


def test_predcls_command_adds_the_published_columns_when_asked(tmp_path) -> None:
    row = {"question_id": 1, "image": "a", "subj": "man", "obj": "dog", "correct_option": ["on"]}
    questions = write(tmp_path / "q.jsonl", [row])
    scores = write(tmp_path / "s.jsonl", [{"question_id": 1, "text": ["on"], "scores": [0.0]}])
    code = run("score", "predcls", "--questions", questions, "--scores", scores,
               "--as-published", "--out", tmp_path / "out")  # fmt: skip
    assert code == 0
    headline = json.loads((tmp_path / "out" / "result.json").read_text())["headline"]
    assert headline["R@20"]["value"] == 1.0
    assert headline["R@20 as published"]["value"] == 0.0
