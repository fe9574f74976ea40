"""Questions and answers in the forms that benchmarks and LLaVA write them in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spacesgg_ros.training.evaluate.scoring.outcomes import ScoreError
from spacesgg_ros.training.evaluate.scoring.questions import likely_answers, read_questions
from spacesgg_ros.training.evaluate.scoring.reading import read_answers, write_answers


def _write(path: Path, entries: list[Any]) -> Path:
    path.write_text("\n".join(e if isinstance(e, str) else json.dumps(e) for e in entries))
    return path


READ = [
    (
        {"id": 1, "image": "a.jpg", "question": "Where?", "answer": "on", "category": "height"},
        ("1", "Where?", "on", (), "height", "a.jpg"),
    ),
    (
        {"question_id": "x", "image": "a.jpg", "text": "<image>\nIs it on?", "label": True},
        ("x", "Is it on?", "yes", (), "all", "a.jpg"),
    ),
    (
        {"id": "o", "question": "Side?", "options": ["left", "right"], "answer": "B"},
        ("o", "Side?\nA. left\nB. right", "right", ("left", "right"), "all", "o"),
    ),
    (
        {"id": "d", "question": "Side?", "options": {"A": "left", "B": "right"}, "answer": "left"},
        ("d", "Side?\nA. left\nB. right", "left", ("left", "right"), "all", "d"),
    ),
    (
        {"id": "n", "question": "Side?", "options": ["A. left", "B. right"], "answer": 1},
        ("n", "Side?\nA. left\nB. right", "right", ("left", "right"), "all", "n"),
    ),
    (
        {"id": "t", "text": "Side?\nA. a cup\nB. a mug\nAnswer by letter.", "answer": "A cup"},
        ("t", "Side?\nA. a cup\nB. a mug\nAnswer by letter.", "a cup", ("a cup", "a mug"), "all",
         "t"),
    ),
    (
        {
            "id": "c",
            "image": "s.tar/k-000001-2.jpg",
            "task": "vsd-classify",
            "provenance": {"frame": "k-000001-2"},
            "conversations": [
                {"from": "human", "value": "<image>\nHow?"},
                {"from": "gpt", "value": "behind"},
            ],
        },
        ("c", "How?", "behind", (), "vsd-classify", "k-000001"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "expected"), READ, ids=[r[1][0] for r in READ])
def test_a_question_is_read(tmp_path: Path, entry: dict, expected: tuple) -> None:
    (question,) = read_questions(_write(tmp_path / "q.jsonl", [entry])).items
    q = question
    assert (q.id, q.text, q.truth, q.options, q.category, q.group) == expected


def test_what_is_no_question_is_listed_with_its_reason(tmp_path: Path) -> None:
    good = {"id": 1, "question": "Where?", "answer": "on"}
    bad = [
        "{",
        "[1]",
        {"question": "Where?", "answer": "on"},
        {"id": 2, "answer": "on"},
        {"id": 3, "question": "Where?"},
        {"id": 4, "question": "Side?", "options": ["left", "left"], "answer": "left"},
        {"id": 5, "question": "Side?", "options": ["left", "right"], "answer": "up"},
        {"id": 6, "conversations": []},
        good,
    ]
    read = read_questions(_write(tmp_path / "q.jsonl", [good, *bad]))
    assert [q.id for q in read.items] == ["1"]
    assert [entry["entry"] for entry in read.bad] == list(range(2, 11))
    assert sum(read.reasons.values()) == 9
    assert read.bad[-1]["reason"] == "a second question of the same id"


def test_a_file_without_questions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="holds no question; the first entry: not JSON"):
        read_questions(_write(tmp_path / "q.jsonl", ["nothing"]))
    with pytest.raises(ScoreError, match="cannot read"):
        read_questions(tmp_path / "none.jsonl")


def test_the_truth_may_be_in_a_file_of_its_own(tmp_path: Path) -> None:
    questions = _write(tmp_path / "q.json", [json.dumps([{"question_id": 1, "text": "Where?"}])])
    truth = _write(tmp_path / "t.jsonl", [{"question_id": 1, "answer": "under"}])
    assert read_questions(questions, truth).items[0].truth == "under"


def test_answers_are_read_as_llava_writes_them_and_as_we_do(tmp_path: Path) -> None:
    entry = {"question_id": 7, "prompt": "Where?", "text": "on", "answer_id": "z", "metadata": {}}
    read = read_answers(_write(tmp_path / "a.jsonl", [entry, {**entry, "text": "in"}, {"id": 8}]))
    assert read.items == (("7", "on"),)
    assert [e["entry"] for e in read.bad] == [2, 3]
    write_answers(tmp_path / "b.jsonl", {"7": "on\nit"}, "m")
    assert dict(read_answers(tmp_path / "b.jsonl").items) == {"7": "on\nit"}


def test_likely_answers_are_those_of_the_kind_of_truth(tmp_path: Path) -> None:
    entries = [
        {"id": k, "question": "?", "answer": truth}
        for k, truth in enumerate(["yes", "behind", "a mug"])
    ]
    yes, relation, words = read_questions(_write(tmp_path / "q.jsonl", entries)).items
    assert likely_answers(yes) == ("yes", "no")
    assert len(likely_answers(relation)) == 9
    assert likely_answers(words) == ()
