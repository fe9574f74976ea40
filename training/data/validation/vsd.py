"""Rows of visual spatial description: a label of the nine, or sentences about one pair."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from spacesgg_ros.graph.predicates import VSD_LABELS

from .claim_kinds import Claim
from .config import ValidationConfig
from .exchanges import Exchange
from .judge import Verdict, judge_pair
from .problems import Problem, ProblemKind
from .truth import Truth


def check_vsd(
    task: str, exchange: Exchange, answer: str, truth: Truth, config: ValidationConfig
) -> Iterator[Problem]:
    """The pair that the prompt names, in its order, against the label or the sentences."""
    things = [thing for s in exchange.asked for thing in s.things]
    if len(things) < 2:
        yield Problem(ProblemKind.UNKNOWN_OBJECT, "the prompt must name two objects of the input")
        return
    subjects, targets = things[0].objects, things[1].objects
    if task == "vsd-classify":
        yield from _check_label(answer, subjects, targets, truth, config)
        return
    told = [c for c in exchange.claims if isinstance(c, Claim)]
    both = [{*c.subject, *c.target} for c in told]
    related = any(said & subjects and said & targets for said in both)
    if not related and config.strict:
        yield Problem(ProblemKind.NO_RELATION, f"of {things[0].text} and {things[1].text}")


def _check_label(
    answer: str,
    subjects: frozenset[int],
    targets: frozenset[int],
    truth: Truth,
    config: ValidationConfig,
) -> Iterator[Problem]:
    label = answer.strip()
    if label not in VSD_LABELS:
        yield Problem(ProblemKind.WRONG_LABEL, f"{label[:40]!r} is none of the nine")
        return
    verdicts = set()
    for s, o in product(subjects, targets):
        annotated = truth.annotated.get((s, o), frozenset())
        if annotated and frozenset((s, o)) not in truth.ambiguous:
            verdicts.add(Verdict.AGREES if label in annotated else Verdict.CONTRADICTS)
        elif s != o:
            verdicts.add(judge_pair(truth, s, label, o, config))
    if Verdict.AGREES in verdicts:
        return
    if Verdict.AMBIGUOUS in verdicts:
        yield Problem(ProblemKind.AMBIGUOUS_PAIR, label)
    elif Verdict.UNKNOWN in verdicts:
        if config.strict:
            yield Problem(ProblemKind.UNSUPPORTED, label)
    else:
        yield Problem(ProblemKind.WRONG_LABEL, f"{label} does not hold")
