"""The golden table: hand-made answers with the counts that the published rules give them.

The expectations were derived from the rules by hand (``why`` says how), not computed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import asmv2, corrected
from .lemmas import Lemmatiser, SpacyLemmatiser
from .outcome import ImageOutcome
from .records import Answer, Question, TrueTuple

GOLDEN_FILE = Path(__file__).with_name("golden_cases.jsonl")


@dataclass(frozen=True)
class GoldenCase:
    """One answer to one question.

    Attributes:
        text: None: no answer.
        found, tuples, well_formed: by the published protocol.
        corrected_found, corrected_true: by the corrected one.
        one_to_one_found: by the corrected one with ``one_to_one``.
        only_spacy: depends on spaCy's lemma.
    """

    name: str
    question: Question
    text: str | None
    found: int
    tuples: int
    well_formed: bool | None
    corrected_found: int
    corrected_true: int
    one_to_one_found: int
    only_spacy: bool
    why: str

    @property
    def answers(self) -> list[Answer]:
        """The answers file of this question alone."""
        return [] if self.text is None else [Answer(self.question.id, self.text)]


def read_golden() -> list[GoldenCase]:
    """All cases, in order."""
    lines = GOLDEN_FILE.read_text(encoding="utf-8").splitlines()
    return [_make_case(json.loads(line)) for line in lines]


def _make_case(row: Mapping[str, Any]) -> GoldenCase:
    width, height = row["size"]
    truth = tuple(TrueTuple(s, tuple(a), o, tuple(b), p) for s, a, o, b, p in row["truth"])
    fixed = row["corrected_found"]
    return GoldenCase(
        row["name"],
        Question(row["name"], row["name"], width, height, truth),
        row["text"],
        row["found"],
        row["tuples"],
        row["well_formed"],
        fixed,
        row.get("corrected_true", len(truth)),
        row.get("one_to_one_found", fixed),
        row.get("only") == "spacy",
        row["why"],
    )


def check_case(
    case: GoldenCase, synonyms: Mapping[str, str], lemmatiser: Lemmatiser
) -> Iterator[str]:
    """What differs from the expectation, in words; nothing where all is as expected."""
    published = asmv2.score_answers([case.question], case.answers, synonyms, lemmatiser)
    expected = [] if case.text is None else [(case.found, case.tuples, case.well_formed)]
    got = [(sum(o.found), o.tuples, o.well_formed) for o in published]
    if got != expected:
        yield f"{case.name}: asmv2 (found, tuples, well formed) {got}, expected {expected}"
    vocabulary = corrected.make_vocabulary([case.question], synonyms, lemmatiser)
    for one_to_one, found in ((False, case.corrected_found), (True, case.one_to_one_found)):
        fixed = corrected.score_answers([case.question], case.answers, vocabulary, one_to_one)
        counts = _count(fixed)
        if counts != (found, case.corrected_true):
            rule = "corrected, one to one" if one_to_one else "corrected"
            yield f"{case.name}: {rule} {counts}, expected {(found, case.corrected_true)}"


def _count(outcomes: list[ImageOutcome]) -> tuple[int, int]:
    return sum(sum(o.found) for o in outcomes), sum(len(o.found) for o in outcomes)


def applies(case: GoldenCase, lemmatiser: Lemmatiser) -> bool:
    """Whether the expectation holds with this lemmatiser."""
    return not case.only_spacy or isinstance(lemmatiser, SpacyLemmatiser)
