"""Visual spatial description: the relation of two things, and sentences that say it.

Of LLaVA-VSD's three tasks ``vsd-classify`` is scored by accuracy and macro F1 over the labels that
occur, ``vsd-describe`` and ``vsd-open`` by sentence metrics. Each line of an open answer is a
sentence of its own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spacesgg_ros.graph.predicates import VSD_LABELS
from spacesgg_ros.training.data.vsd.diversity import measure_diversity
from spacesgg_ros.training.evaluate.questions import confusion, per_label

from .answers import plain_words, read_relation
from .captions import BLEU_4, CIDER, METEOR, ROUGE_L, CaptionScorer, CaptionScores
from .outcomes import CLASS_RATIO, RATIO, Outcomes, ScoreError, f1_item
from .result import ScoreResult, make_result
from .spatial import first
from .vsd_items import CLASSIFY, DESCRIBE, VsdItem

PROTOCOL = "vsd"
SENTENCE_METRICS = (BLEU_4, METEOR, ROUGE_L, CIDER)
UNPARSEABLE = "classify: unparseable"
UNREAD = "(none)"


def score_vsd(
    items: Sequence[VsdItem],
    answers: Mapping[str, str],
    *,
    name: str,
    train: Sequence[VsdItem] | None = None,
    tokenizer: str = "auto",
    spice: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> ScoreResult:
    """Every metric of the tasks that ``items`` holds, and what is known without pictures.

    A missing answer is wrong, or an empty sentence. Baselines: ``majority``, the most frequent
    relation of the items scored (of ``train`` if given); with ``train`` also ``names``, the most
    frequent relation of the two names there, else the majority. For the sentence tasks they say
    "The SUBJECT is RELATION the OBJECT.".

    Raises:
        ScoreError: there is nothing to score.
        MissingExtraError: sentences, and the extra ``text-metrics`` is not installed.
    """
    if not items:
        raise ScoreError("no question to score")
    blind = make_baselines(items, train)
    per_item: dict[str, Outcomes] = {}
    baseline: dict[str, dict[str, Outcomes]] = {guesser: {} for guesser in blind}
    groups: dict[str, str] = {}
    details: dict[str, Any] = {"missing": sum(item.id not in answers for item in items)}
    noted: dict[str, Any] = dict(settings or {})
    asked = [item for item in items if item.task == CLASSIFY]
    if asked:
        said = {item.id: _read_label(answers.get(item.id, "")) for item in asked}
        per_item |= grade_labels(asked, said)
        details["classify"] = _label_details(asked, said)
        groups |= {item.id: item.group for item in asked}
        for guesser, guess in blind.items():
            graded = grade_labels(asked, {item.id: guess(item) for item in asked})
            baseline[guesser] |= {k: v for k, v in graded.items() if k != UNPARSEABLE}
    spoken = [item for item in items if item.task != CLASSIFY]
    if spoken:
        sentences = _split_lines(spoken, answers)
        made = {
            guesser: {i.id: {f"{i.id}#1": write_blindly(i.names, guess(i))} for i in spoken}
            for guesser, guess in blind.items()
        }
        scorer = CaptionScorer(tokenizer, spice)
        scorer.prepare(_all_texts(spoken, [sentences, *made.values()]))
        groups |= {line: item.group for item in spoken for line in sentences[item.id]}
        for task in dict.fromkeys(item.task for item in spoken):
            those = [item for item in spoken if item.task == task]
            scores = _score_sentences(scorer, those, sentences)
            per_item |= _prefix(task, scores)
            noted |= {"tokenizer": scores.tokenizer, "not measured": dict(scores.missing)}
            texts = {item.id: sentences[item.id] for item in those}
            details[_short(task)] = {
                "pooled": dict(scores.pooled),
                "text": _text_details(texts),
            }
            for guesser, lines in made.items():
                baseline[guesser] |= _prefix(task, _score_sentences(scorer, those, lines))
    return make_result(
        name,
        PROTOCOL,
        per_item,
        groups=groups,
        baseline=baseline,
        settings=noted,
        details=details,
    )


def make_baselines(
    items: Sequence[VsdItem], train: Sequence[VsdItem] | None
) -> dict[str, Callable[[VsdItem], str]]:
    """Functions that name a relation without a picture."""
    source = [item for item in train or items if item.task == CLASSIFY]
    counts = Counter(item.references[0] for item in source)
    majority = first(counts) if counts else VSD_LABELS[0]
    guesses: dict[str, Callable[[VsdItem], str]] = {"majority": lambda item: majority}
    if train:
        met: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for item in source:
            met[item.names][item.references[0]] += 1
        table = {names: first(counter) for names, counter in met.items()}
        guesses["names"] = lambda item: table.get(item.names, majority)
    return guesses


def write_blindly(names: tuple[str, str], relation: str) -> str:
    """The sentence that needs no picture."""
    subject, target = (name or "thing" for name in names)
    return f"The {subject} is {relation} the {target}."


def grade_labels(items: Sequence[VsdItem], said: Mapping[str, str | None]) -> dict[str, Outcomes]:
    """Accuracy, macro F1 over the labels that are true somewhere, and the share without a label."""
    true = {item.references[0] for item in items}
    f1 = {
        item.id: {
            label: share
            for label, share in f1_item(item.references[0], said[item.id] or UNREAD).items()
            if label in true
        }
        for item in items
    }
    hits = {i.id: [int(said[i.id] == i.references[0]), 1] for i in items}
    unread = {i.id: [int(said[i.id] is None), 1] for i in items}
    return {
        "classify: accuracy": Outcomes(RATIO, hits),
        "classify: macro F1": Outcomes(CLASS_RATIO, f1),
        UNPARSEABLE: Outcomes(RATIO, unread),
    }


def _read_label(answer: str) -> str | None:
    return read_relation(answer) if answer.strip() else None


def _split_lines(items: Sequence[VsdItem], answers: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Sentences of each item by ``ID#LINE``; a description is one, whatever its lines."""
    lines: dict[str, dict[str, str]] = {}
    for item in items:
        text = plain_words(answers.get(item.id, ""), keep_case=True)
        said = [line.strip() for line in text.split("\n") if line.strip()] or [""]
        if item.task == DESCRIBE:
            said = [" ".join(said)]
        lines[item.id] = {f"{item.id}#{k}": line for k, line in enumerate(said, 1)}
    return lines


def _all_texts(
    items: Sequence[VsdItem], sides: Sequence[Mapping[str, Mapping[str, str]]]
) -> list[str]:
    said = [text for side in sides for lines in side.values() for text in lines.values()]
    return said + [text for item in items for text in item.references]


def _score_sentences(
    scorer: CaptionScorer,
    items: Sequence[VsdItem],
    sentences: Mapping[str, Mapping[str, str]],
) -> CaptionScores:
    said = {line: text for item in items for line, text in sentences[item.id].items()}
    references = {line: item.references for item in items for line in sentences[item.id]}
    return scorer.score(said, references)


def _prefix(task: str, scores: CaptionScores) -> dict[str, Outcomes]:
    names = dict.fromkeys([*SENTENCE_METRICS, *scores.outcomes])
    nothing = Outcomes(RATIO, {})
    return {f"{_short(task)}: {name}": scores.outcomes.get(name, nothing) for name in names}


def _short(task: str) -> str:
    return task.removeprefix("vsd-")


def _label_details(items: Sequence[VsdItem], said: Mapping[str, str | None]) -> dict[str, Any]:
    truth = [item.references[0] for item in items]
    answers = [said[item.id] or UNREAD for item in items]
    return {"by_relation": per_label(truth, answers), "confusion": confusion(truth, answers)}


def _text_details(sentences: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    lines = [text for said in sentences.values() for text in said.values()]
    words = [len(text.split()) for text in lines]
    varied = {k: v for k, v in measure_diversity(lines)._asdict().items() if k != "sentences"}
    return {
        "sentences": len(lines),
        "empty": sum(not text for text in lines),
        "words a sentence": round(sum(words) / max(1, len(words)), 2),
        **{key.replace("_", " "): round(value, 4) for key, value in varied.items()},
    }
