"""What one picture got, and the numbers that pictures add up to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spacesgg_ros.training.evaluate.scoring.outcomes import CLASS_RATIO, RATIO, Outcomes


@dataclass(frozen=True)
class ImageOutcome:
    """One answer against its question.

    Attributes:
        image: id of the question.
        predicates: of every true relation.
        found: whether each was found.
        tuples: how many relations were said.
        well_formed: whether the answer keeps the format; None where there is no answer.
        stops_published: the published script raises an error on this answer, so that it has no
            number for the whole file.
    """

    image: str
    predicates: tuple[str, ...]
    found: tuple[bool, ...]
    tuples: int = 0
    well_formed: bool | None = None
    stops_published: bool = False


def recall(outcomes: Iterable[ImageOutcome]) -> float | None:
    """Found over true, pooled over all pictures; None without a true relation."""
    found = [hit for outcome in outcomes for hit in outcome.found]
    return sum(found) / len(found) if found else None


def recall_by_predicate(outcomes: Iterable[ImageOutcome]) -> dict[str, tuple[int, int]]:
    """Predicate to found and true, pooled, in order of first occurrence."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for outcome in outcomes:
        for predicate, hit in zip(outcome.predicates, outcome.found, strict=True):
            counts[predicate][0] += hit
            counts[predicate][1] += 1
    return {predicate: (found, true) for predicate, (found, true) in counts.items()}


def mean_recall(outcomes: Iterable[ImageOutcome]) -> float | None:
    """Mean over the predicates that occur of their pooled recall; None where none occurs."""
    recalls = [found / true for found, true in recall_by_predicate(outcomes).values()]
    return sum(recalls) / len(recalls) if recalls else None


def pool_by_image(outcomes: Sequence[ImageOutcome]) -> Mapping[str, Outcomes]:
    """``recall``, ``mean recall`` and ``tuples an image``, an item an answer.

    A second answer to a question is an item of its own, ``IMAGE (2)``.
    """
    seen: Counter[str] = Counter()
    pooled: dict[str, list[int]] = {}
    by_predicate: dict[str, dict[str, list[int]]] = {}
    tuples: dict[str, list[int]] = {}
    for outcome in outcomes:
        seen[outcome.image] += 1
        again = seen[outcome.image]
        item = outcome.image if again == 1 else f"{outcome.image} ({again})"
        pooled[item] = [sum(outcome.found), len(outcome.found)]
        counts = recall_by_predicate([outcome])
        by_predicate[item] = {name: list(pair) for name, pair in counts.items()}
        tuples[item] = [outcome.tuples, 1]
    return {
        "recall": Outcomes(RATIO, pooled),
        "mean recall": Outcomes(CLASS_RATIO, by_predicate),
        "tuples an image": Outcomes(RATIO, tuples),
    }
