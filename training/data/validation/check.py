"""Everything that is wrong with one row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from spacesgg_ros.graph.types import Viewpoint

from ..grounded import GroundedImage
from ..rejected import Rejected
from ..rows import Row, RowError
from .answers import check_answer, check_names_asked
from .claim_kinds import AnyClaim, Claim, CountClaim, LayerClaim, TurnClaim
from .config import ValidationConfig
from .duplicates import STAGE, check_questions_differ
from .exchanges import ASKING_TASKS, Exchange, read_exchanges
from .form import check_form, check_turns
from .judge import Verdict, judge_claim, judge_count, judge_layer, judge_turn
from .layers import check_layers
from .nouns import caption_words, check_nouns
from .problems import Problem, ProblemKind
from .tags import check_names_at_relations, check_tags
from .truth import Truth, mirror_image
from .vsd import check_vsd

_CAMERA = Viewpoint.CAMERA


def check_row(row: Row, image: GroundedImage, config: ValidationConfig) -> list[Problem]:
    """What is wrong with a row, in the order it was found, each problem once.

    Args:
        image: the grounded image that the row was made from, not mirrored.
    """
    return _check(row, Truth(mirror_image(image) if row.mirror else image), config)


def validate_rows(
    rows: Iterable[Mapping[str, Any]], image: GroundedImage, config: ValidationConfig
) -> tuple[list[Row], list[Rejected]]:
    """The good rows of an image in order, and the others with the first reason against them.

    Args:
        rows: as JSON objects, so that one that is no row at all can be turned away, too.
    """
    truths: dict[bool, Truth] = {}
    good: list[Row] = []
    rejected: list[Rejected] = []
    for data in rows:
        row, problems = read_row(data)
        if row is not None and not problems:
            if row.mirror not in truths:
                truths[row.mirror] = Truth(mirror_image(image) if row.mirror else image)
            problems = _check(row, truths[row.mirror], config)
        if row is not None and not problems:
            good.append(row)
        else:
            rejected.append(reject(str(data.get("id", "")), problems))
    return good, rejected


def read_row(data: Mapping[str, Any]) -> tuple[Row | None, list[Problem]]:
    """A JSON object as a row, or what keeps it from being one."""
    problems = list(check_turns(data.get("conversations")))
    if problems:
        return None, problems
    try:
        return Row.from_dict(data), []
    except RowError as error:
        return None, [Problem(ProblemKind.MALFORMED, str(error))]


def reject(row_id: str, problems: list[Problem]) -> Rejected:
    """The first problem is the reason; all of them are in the detail."""
    told = "; ".join(f"{p.kind.value}: {p.detail}" if p.detail else p.kind.value for p in problems)
    return Rejected(row_id, STAGE, problems[0].kind.value, told)


def _check(row: Row, truth: Truth, config: ValidationConfig) -> list[Problem]:
    return list(dict.fromkeys(_find_problems(row, truth, config)))


def _find_problems(row: Row, truth: Truth, config: ValidationConfig) -> Iterator[Problem]:
    size = truth.image.width, truth.image.height
    if (row.width, row.height) != size:
        detail = f"the row says {row.width}x{row.height}, the image is {size[0]}x{size[1]}"
        yield Problem(ProblemKind.OTHER_IMAGE, detail)
        return
    yield from check_form(row, config)
    yield from check_tags(row, truth)
    yield from check_questions_differ(row)
    if row.task == "description":
        yield from check_layers(row.conversations[1].text, truth)
    allowed = caption_words(truth.image.caption)
    for exchange, (_, answer) in zip(read_exchanges(row, truth), row.exchanges, strict=True):
        yield from _check_exchange(row.task, exchange, answer, allowed, truth, config)


def _check_exchange(
    task: str,
    exchange: Exchange,
    answer: str,
    allowed: frozenset[str],
    truth: Truth,
    config: ValidationConfig,
) -> Iterator[Problem]:
    asks = task in ASKING_TASKS
    if config.strict:
        spoken = (
            (*exchange.asked, *exchange.told) if asks or task.startswith("vsd") else exchange.told
        )
        for sentence in spoken:
            yield from check_nouns(sentence, allowed)
    for sentence in exchange.told:
        yield from check_names_at_relations(sentence)
    if asks or task.startswith("vsd"):
        yield from check_names_asked(exchange, truth)
    if asks:
        yield from check_answer(exchange, truth, config)
    if task.startswith("vsd"):
        yield from check_vsd(task, exchange, answer, truth, config)
    if task == "vsd-classify":
        return
    counted = asks and any("many" in s.said for s in exchange.questions)
    for claim in (*exchange.premises, *exchange.claims):
        if not (counted and isinstance(claim, CountClaim)):
            yield from check_claim(claim, truth, config)


def check_claim(claim: AnyClaim, truth: Truth, config: ValidationConfig) -> Iterator[Problem]:
    """One claim against the truth; what cannot be told is a problem where the config is strict."""
    kind = ProblemKind.CONTRADICTED
    if isinstance(claim, CountClaim):
        verdict, kind = judge_count(truth, claim), ProblemKind.WRONG_COUNT
    elif isinstance(claim, LayerClaim):
        verdict, kind = judge_layer(truth, claim), ProblemKind.WRONG_LAYER
    elif isinstance(claim, TurnClaim):
        if claim.view is _CAMERA:
            return
        verdict, kind = judge_turn(claim), ProblemKind.WRONG_VIEW
    else:
        verdict = judge_claim(truth, claim, config)
        kind = kind if _CAMERA in claim.views else ProblemKind.WRONG_VIEW
    if verdict is Verdict.CONTRADICTS:
        yield Problem(kind, _tell(claim))
    elif verdict is Verdict.AMBIGUOUS:
        yield Problem(ProblemKind.AMBIGUOUS_PAIR, _tell(claim))
    elif verdict is Verdict.UNKNOWN and config.strict:
        yield Problem(ProblemKind.UNSUPPORTED, _tell(claim))


def _tell(claim: AnyClaim) -> str:
    if isinstance(claim, Claim):
        views = "/".join(v.value for v in claim.views) or "every side"
        return f"{claim.predicate} (from {views}): {claim.said}"
    return claim.said
