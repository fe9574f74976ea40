"""Results of the three protocols, each with the pixel-free baseline beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spacesgg_ros.training.data.rejected import Rejected, count_reasons
from spacesgg_ros.training.evaluate.scoring.outcomes import Outcomes
from spacesgg_ros.training.evaluate.scoring.result import (
    Measure,
    ScoreResult,
    draw_weights,
    make_result,
)

from . import asmv2, corrected, openpsg, predcls
from .frequency import Frequencies, answer_questions, relate_objects, score_pairs
from .lemmas import Lemmatiser
from .outcome import ImageOutcome, pool_by_image, recall_by_predicate
from .records import Answer, Question

BASELINE = "frequency"
PROTOCOLS = ("both", "asmv2", "corrected")


def score_psg(
    name: str,
    questions: Sequence[Question],
    answers: Sequence[Answer],
    synonyms: Mapping[str, str],
    lemmatiser: Lemmatiser,
    *,
    protocol: str = "both",
    frequencies: Frequencies | None = None,
    one_to_one: bool = False,
    settings: Mapping[str, Any] | None = None,
    rejected: Sequence[Rejected] = (),
) -> ScoreResult:
    """Recall and mean recall by the published and by the corrected protocol, always both.

    Args:
        protocol: whose numbers come first; both are always there.
        frequencies: from training; None: every image is judged by the others of this set.
        rejected: rows left out, for the details.
    """
    vocabulary = corrected.make_vocabulary(questions, synonyms, lemmatiser)

    def score(those: Sequence[Answer]) -> dict[str, list[ImageOutcome]]:
        both = {
            "asmv2": asmv2.score_answers(questions, those, synonyms, lemmatiser),
            "corrected": corrected.score_answers(questions, those, vocabulary, one_to_one),
        }
        first = protocol if protocol in both else "asmv2"
        return {rule: both[rule] for rule in sorted(both, key=lambda rule: rule != first)}

    outcomes = score(answers)
    blind = score(answer_questions(questions, frequencies))
    published = outcomes["asmv2"]
    answered = {answer.question_id for answer in answers}
    details = {
        "questions": len(questions),
        "without an answer": sum(q.id not in answered for q in questions),
        "well formed": _share(o.well_formed is True for o in published),
        "answers that stop the published script": [o.image for o in published if o.stops_published],
        "by predicate": {rule: _by_predicate(those) for rule, those in outcomes.items()},
        **_list_rejected(rejected),
    }
    return make_result(
        name,
        "psg",
        _flatten(outcomes),
        groups=_group_repeats(published),
        baseline={BASELINE: _flatten(blind)},
        settings={
            "lemmatiser": lemmatiser.name,
            "one to one (corrected)": one_to_one,
            "baseline learnt from": _source(frequencies),
            **(settings or {}),
        },
        details=details,
    )


def score_predcls(
    name: str,
    questions: Sequence[predcls.PairQuestion],
    answers: Sequence[predcls.PairAnswer],
    *,
    as_published: bool = False,
    per_pair: int = 0,
    top: Sequence[int] = predcls.TOP,
    frequencies: Frequencies | None = None,
    settings: Mapping[str, Any] | None = None,
    rejected: Sequence[Rejected] = (),
) -> ScoreResult:
    """R@K and mR@K over pooled options; with ``as_published`` also with the script's defects."""
    blind = score_pairs(questions, frequencies)

    def score(those: Sequence[predcls.PairAnswer]) -> dict[str, Outcomes]:
        metrics: dict[str, Outcomes] = {}
        for k in top:
            for published in (False, True)[: 1 + as_published]:
                outcomes = predcls.rank_pairs(
                    questions, those, k, as_published=published, per_pair=per_pair
                )
                pooled = pool_by_image(outcomes)
                end = " as published" if published else ""
                metrics[f"R@{k}{end}"] = pooled["recall"]
                metrics[f"mR@{k}{end}"] = pooled["mean recall"]
        return metrics

    answered = {answer.question_id for answer in answers}
    return make_result(
        name,
        "psg-predcls",
        score(answers),
        baseline={BASELINE: score(blind)},
        settings={
            "options a pair": per_pair or "all",
            "baseline learnt from": _source(frequencies),
            **(settings or {}),
        },
        details={
            "questions": len(questions),
            "without an answer": sum(q.id not in answered for q in questions),
            **_list_rejected(rejected),
        },
    )


def score_ranked(
    name: str,
    truth: Sequence[openpsg.LabelledObjects],
    predictions: Mapping[str, openpsg.LabelledObjects],
    *,
    masks: bool = False,
    top: Sequence[int] = openpsg.TOP,
    frequencies: Frequencies | None = None,
    settings: Mapping[str, Any] | None = None,
    rejected: Sequence[Rejected] = (),
) -> ScoreResult:
    """R@K, mR@K and F1@K, with the graph constraint and without (``ng``)."""
    kept = openpsg.filter_truth(truth)
    blind = relate_objects(kept, frequencies, limit=max(top))

    def score(those: Mapping[str, openpsg.LabelledObjects]) -> dict[str, Outcomes]:
        metrics: dict[str, Outcomes] = {}
        for constraint, start in ((True, ""), (False, "ng ")):
            pooled = openpsg.pool_images(kept, those, top, graph_constraint=constraint, masks=masks)
            metrics |= {start + metric: outcomes for metric, outcomes in pooled.items()}
        return metrics

    said, guessed = score(predictions), score(blind)
    result = make_result(
        name,
        "psg-recall",
        said,
        baseline={BASELINE: guessed},
        settings={
            "overlap": "masks" if masks else "boxes",
            "baseline learnt from": _source(frequencies),
            **(settings or {}),
        },
        details={
            "images": len(kept),
            "without a relation": len(truth) - len(kept),
            "without a prediction": sum(image.image not in predictions for image in kept),
            **_list_rejected(rejected),
        },
    )
    return replace(
        result,
        headline={**result.headline, **_measure_f1(said, top)},
        baseline={BASELINE: {**result.baseline[BASELINE], **_measure_f1(guessed, top)}},
    )


def _measure_f1(metrics: Mapping[str, Outcomes], top: Sequence[int]) -> dict[str, Measure]:
    """F1@K with its interval from the same draws as R@K and mR@K."""
    measures = {}
    for start in ("", "ng "):
        for k in top:
            pair = metrics[f"{start}R@{k}"], metrics[f"{start}mR@{k}"]
            items = list(pair[0].items)
            if not items:
                measures[f"{start}F1@{k}"] = Measure(None, None, None, 0)
                continue
            weights = draw_weights(items, {})
            value = openpsg.harmonic_mean(*(outcomes.evaluate() for outcomes in pair))[0]
            drawn = openpsg.harmonic_mean(*(outcomes.evaluate(weights) for outcomes in pair))
            low, high = np.percentile(drawn, [2.5, 97.5])
            numbers = (round(float(number), 4) for number in (value, low, high))
            measures[f"{start}F1@{k}"] = Measure(*numbers, len(items))
    return measures


def _flatten(outcomes: Mapping[str, Sequence[ImageOutcome]]) -> dict[str, Outcomes]:
    return {
        f"{rule} {metric}": pooled
        for rule, those in outcomes.items()
        for metric, pooled in pool_by_image(those).items()
    }


def _group_repeats(outcomes: Sequence[ImageOutcome]) -> dict[str, str]:
    """A second answer to a question stands and falls with the first."""
    items = pool_by_image(outcomes)["recall"].items
    return {
        item: outcome.image
        for item, outcome in zip(items, outcomes, strict=True)
        if item != outcome.image
    }


def _by_predicate(outcomes: Sequence[ImageOutcome]) -> dict[str, list[int]]:
    counts = recall_by_predicate(outcomes)
    return {name: list(counts[name]) for name in sorted(counts)}


def _list_rejected(rejected: Sequence[Rejected]) -> dict[str, Any]:
    return {
        "left out": count_reasons(rejected),
        "left out entries": [entry.to_dict() for entry in rejected],
    }


def _share(values: Any) -> float | None:
    listed = list(values)
    return round(sum(listed) / len(listed), 4) if listed else None


def _source(frequencies: Frequencies | None) -> str:
    return "the other images of this set" if frequencies is None else "training annotations"
