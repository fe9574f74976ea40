"""VSD classification: the relation of two named objects, asked about a picture."""

from __future__ import annotations

import itertools
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from spacesgg_ros.graph import VSD_LABELS
from spacesgg_ros.vlm import SceneGraphModel, prompts

from .facts import relation_questions, scene_of
from .frames import TestFrame
from .priors import Priors
from .scores import ratio


@dataclass(frozen=True)
class Answered:
    """A question about a frame of ``scene``, the truth, and what model and names alone say."""

    scene: str
    truth: str
    model: str
    text_only: str | None
    milliseconds: float = 0.0


def ask_questions(
    model: SceneGraphModel, frame: TestFrame, priors: Priors | None, most: int
) -> list[Answered]:
    """Ask at most ``most`` questions about a frame; see :func:`draw_questions`."""
    answers = []
    for subject, truth, target in draw_questions(frame.record, most):
        prompt = prompts.CLASSIFY_PROMPT.format(subject=subject, object=target)
        answer = model.answer(frame.rgb, prompt, choices=VSD_LABELS)
        text_only = None if priors is None else priors.answer(subject, target)
        answers.append(
            Answered(scene_of(frame.key), truth, answer.text, text_only, answer.stage_ms["total"])
        )
    return answers


def draw_questions(record: dict, most: int) -> list[tuple[str, str, str]]:
    """At most ``most`` of a frame's questions, one of each relation in turn.

    In this way the rare relations are asked about as often as a frame allows. The draw depends
    on the frame's key alone.
    """
    rng = np.random.default_rng(zlib.crc32(str(record["key"]).encode()))
    asked = relation_questions(record)
    by_relation: dict[str, list[tuple[str, str, str]]] = {}
    for k in rng.permutation(len(asked)):
        by_relation.setdefault(asked[k][1], []).append(asked[k])
    rounds = itertools.zip_longest(*by_relation.values())
    return [question for turn in rounds for question in turn if question is not None][:most]


def summarise_answers(answers: Sequence[Answered], majority: str | None) -> dict:
    """Accuracy, macro F1 and confusions of the model; with ``majority`` also of the baselines."""
    truth = [a.truth for a in answers]
    groups = [a.scene for a in answers]
    said = [a.model for a in answers]
    result = {"questions": len(answers)} | _grade(truth, said, groups)
    result["by_relation"] = per_label(truth, said)
    result["confusion"] = confusion(truth, said)
    result["milliseconds_an_answer"] = (
        round(median(a.milliseconds for a in answers), 1) if answers else 0.0
    )
    if majority is not None:
        result["baselines"] = {
            "majority": _grade(truth, [majority] * len(truth), groups),
            "text_only": _grade(truth, [str(a.text_only) for a in answers], groups),
        }
    return result


def per_label(truth: Sequence[str], said: Sequence[str]) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 of every label that is true or said somewhere."""
    true, guessed = Counter(truth), Counter(said)
    right = Counter(t for t, s in zip(truth, said, strict=True) if t == s)
    return {
        label: {
            "true": true[label],
            "precision": round(right[label] / max(1, guessed[label]), 4),
            "recall": round(right[label] / max(1, true[label]), 4),
            "f1": round(2 * right[label] / (true[label] + guessed[label]), 4),
        }
        for label in [*VSD_LABELS, *sorted((true.keys() | guessed.keys()) - {*VSD_LABELS})]
        if true[label] + guessed[label]
    }


def macro_f1(truth: Sequence[str], said: Sequence[str]) -> float:
    """Mean F1 over the labels that are true somewhere (0 without any)."""
    rows = [row["f1"] for row in per_label(truth, said).values() if row["true"]]
    return round(float(np.mean(rows)), 4) if rows else 0.0


def confusion(truth: Sequence[str], said: Sequence[str]) -> dict[str, dict[str, int]]:
    """Counts by true label, then by said label."""
    counts = Counter(zip(truth, said, strict=True))
    table: dict[str, dict[str, int]] = {}
    for (true, answer), count in sorted(counts.items()):
        table.setdefault(true, {})[answer] = count
    return table


def _grade(truth: Sequence[str], said: Sequence[str], groups: Sequence[str]) -> dict:
    hits = [t == s for t, s in zip(truth, said, strict=True)]
    return {"accuracy": ratio(hits, [1] * len(hits), groups), "macro_f1": macro_f1(truth, said)}
