"""eval-psg: the golden table of the PSG protocols, and the evaluator's speed on 1,000 images."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

from spacesgg_ros.bench.result import BenchError, BenchResult
from spacesgg_ros.extras import MissingExtraError
from spacesgg_ros.graph import encode_box
from spacesgg_ros.graph.text import format_object, format_relation
from spacesgg_ros.training.evaluate.psg import asmv2, corrected, golden
from spacesgg_ros.training.evaluate.psg.labels import PREDICATES, base_name
from spacesgg_ros.training.evaluate.psg.lemmas import Lemmatiser, load_lemmatiser
from spacesgg_ros.training.evaluate.psg.records import Answer, BoxPx, Question, TrueTuple
from spacesgg_ros.training.evaluate.psg.results import score_psg
from spacesgg_ros.training.evaluate.psg.synonyms import group_by_class, read_synonyms

_STUFF = ("tree-merged", "sky-other-merged", "table-merged", "wall-other-merged", "playingfield")
_MIN_CASES = 60
_RELATIONS = 6
_BAR = f"every one of >= {_MIN_CASES} golden cases gives the counts derived by hand"


def run(quick: bool = False) -> BenchResult:
    """The golden table with every lemmatiser that is installed; then a synthetic set.

    The set is made, not measured: pictures of random objects, answers that are right, displaced,
    misnamed or broken. Its numbers show both protocols and the frequency baseline side by side.
    """
    synonyms = read_synonyms()
    tables = {}
    for name in ("spacy", "simplemma"):
        try:
            lemmatiser = load_lemmatiser(name)
        except MissingExtraError:
            continue
        tables[lemmatiser.name] = _check_golden(lemmatiser, synonyms)
    if not tables:
        raise BenchError("no lemmatiser is installed: pip install 'spacesgg_ros[spacy]'")
    questions, answers = make_set(20 if quick else 1000, synonyms)
    lemmatiser = load_lemmatiser("auto")
    cold, warm = (_time_published(questions, answers, synonyms, lemmatiser) for _ in range(2))
    fixed = _time_corrected(questions, answers, synonyms, lemmatiser)
    result = score_psg("synthetic", questions, answers, synonyms, lemmatiser)
    count = len(questions)
    return BenchResult(
        name="eval-psg",
        measured={
            "golden": tables,
            "synthetic_images": count,
            "lemmatiser": lemmatiser.name,
            "asmv2_images_per_cpu_s_first_time": round(count / cold, 1),
            "asmv2_images_per_cpu_s_words_known": round(count / warm, 1),
            "corrected_images_per_cpu_s": round(count / fixed, 1),
            "synthetic": {k: [m.value, m.low, m.high] for k, m in result.headline.items()},
        },
        baseline={
            "method": "frequency of predicates between two labels, true objects, no pixels",
            "synthetic": {
                k: [m.value, m.low, m.high] for k, m in result.baseline["frequency"].items()
            },
        },
        bar=_BAR,
        passed=all(t["cases"] >= _MIN_CASES and not t["wrong"] for t in tables.values()),
        quick=quick,
    )


def _check_golden(lemmatiser: Lemmatiser, synonyms: dict[str, str]) -> dict[str, Any]:
    cases = [case for case in golden.read_golden() if golden.applies(case, lemmatiser)]
    wrong = [fault for case in cases for fault in golden.check_case(case, synonyms, lemmatiser)]
    return {"cases": len(cases), "wrong": wrong}


def _time_published(
    questions: Sequence[Question],
    answers: Sequence[Answer],
    synonyms: dict[str, str],
    lemmatiser: Lemmatiser,
) -> float:
    start = time.process_time()
    asmv2.score_answers(questions, answers, synonyms, lemmatiser)
    return time.process_time() - start


def _time_corrected(
    questions: Sequence[Question],
    answers: Sequence[Answer],
    synonyms: dict[str, str],
    lemmatiser: Lemmatiser,
) -> float:
    start = time.process_time()
    vocabulary = corrected.make_vocabulary(questions, synonyms, lemmatiser)
    corrected.score_answers(questions, answers, vocabulary)
    return time.process_time() - start


def make_set(
    images: int, synonyms: dict[str, str], seed: int = 0
) -> tuple[list[Question], list[Answer]]:
    """Questions with six relations and answers of mixed quality; every twentieth is missing."""
    rng = random.Random(seed)
    words = group_by_class(synonyms)
    classes = [*sorted(words), *_STUFF]
    questions = [_make_question(str(k), classes, rng) for k in range(images)]
    answers = [_make_answer(q, words, rng) for q in questions]
    return questions, [a for k, a in enumerate(answers) if k % 20]


def _make_question(identity: str, classes: Sequence[str], rng: random.Random) -> Question:
    width, height = rng.choice(((640, 480), (480, 640), (500, 500)))
    things = [(rng.choice(classes), _make_box(width, height, rng)) for _ in range(_RELATIONS)]
    tuples = []
    for (subject, subject_box), (target, target_box) in zip(
        things, things[1:] + things[:1], strict=True
    ):
        # Frequent predicates are frequent, and a label has its habits.
        habit = random.Random(subject + target).randrange(6)
        predicate = PREDICATES[habit] if rng.random() < 0.5 else rng.choice(PREDICATES)
        tuples.append(TrueTuple(subject, subject_box, target, target_box, predicate))
    return Question(identity, f"{identity}.jpg", width, height, tuple(tuples))


def _make_box(width: int, height: int, rng: random.Random) -> BoxPx:
    x0, y0 = rng.uniform(0, 0.6) * width, rng.uniform(0, 0.6) * height
    return (x0, y0, x0 + rng.uniform(0.1, 0.4) * width, y0 + rng.uniform(0.1, 0.4) * height)


def _make_answer(question: Question, words: dict[str, list[str]], rng: random.Random) -> Answer:
    lines = []
    for true in question.tuples:
        boxes = []
        for label, box in (
            (true.subject, true.subject_box),
            (true.object, true.object_box),
        ):
            shift = rng.choice((0.0, 0.0, 0.1, 0.6)) * (box[2] - box[0])
            moved = (box[0] + shift, box[1], box[2] + shift, box[3])
            boxes.append(encode_box(moved, question.width, question.height))
            name = rng.choice(words.get(label, [base_name(label)]))
            lines.append(format_object(rng.choice(("", "the ")) + name, boxes[-1]))
        predicate = true.predicate if rng.random() < 0.7 else rng.choice(PREDICATES)
        lines.append(format_relation(predicate, *boxes))
    text = "\n".join(lines)
    return Answer(question.id, text[: -rng.randint(1, 60)] if rng.random() < 0.1 else text)
