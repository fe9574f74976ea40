"""Whether an answer answers its question, and rightly."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from .claim_kinds import Claim
from .claims import list_words, read_number
from .config import ValidationConfig
from .exchanges import Exchange
from .judge import Verdict, judge_claim, judge_pair
from .names import split_words
from .phrases import match_comparison, match_predicate, match_superlative
from .problems import Problem, ProblemKind
from .tokens import Sentence, Token
from .truth import Truth

_AUXILIARIES = frozenset({"is", "are", "was", "were", "does", "do", "can", "would", "could"})
_AMONG = frozenset({"between", "comparing", "compare", "of", "among"})
_CHOOSING = frozenset({"which", "what", "who", "whose"})
_RELATIVE = {
    "nearest": "nearer", "farthest": "farther", "highest": "higher", "lowest": "lower",
    "leftmost": "to the left of", "rightmost": "to the right of",
}  # fmt: skip
_FAMILIES = (
    {"nearer", "farther", "nearest", "farthest", "in front of", "behind", "same layer"},
    {"to the left of", "to the right of", "leftmost", "rightmost"},
    {"higher", "lower", "highest", "lowest", "on", "above", "under", "in"},
)
_SIDE_WORDS = {"left": "to the left of", "right": "to the right of"}
_ORDERS = {
    ("left", "right"): "to the left of", ("right", "left"): "to the right of",
    ("near", "far"): "nearer", ("nearest", "farthest"): "nearer", ("closest", "farthest"): "nearer",
    ("far", "near"): "farther", ("farthest", "nearest"): "farther", ("front", "back"): "nearer",
}  # fmt: skip
_STARTS = {"nearest": "nearer", "closest": "nearer", "farthest": "farther",
           "leftmost": "to the left of", "rightmost": "to the right of"}  # fmt: skip
_ANYTHING = frozenset({"objects", "things", "items"})


def check_answer(exchange: Exchange, truth: Truth, config: ValidationConfig) -> Iterator[Problem]:
    """The last question of a prompt, or what it asks to put in order, against the answer."""
    orders = [s for s in exchange.asked if _asks_order(s, list_words(s.tokens))]
    questions = exchange.questions or orders
    if not questions:
        return
    question = questions[-1]
    words = list_words(question.tokens)
    for matches, check in _KINDS:
        if matches(question, words):
            yield from check(exchange, question, truth, config)
            return
    yield from _check_open(exchange, question, truth, config)


def check_names_asked(exchange: Exchange, truth: Truth) -> Iterator[Problem]:
    """A single thing that is asked about is one, by its name or by its box."""
    for sentence in exchange.asked:
        for thing in sentence.things:
            if thing.boxed or len(thing.objects) < 2:
                continue
            words = split_words(thing.text)
            if any(split_words(truth.labels[i])[-1] == words[-1] for i in thing.objects) and (
                "how" not in list_words(sentence.tokens)[:1]
            ):
                detail = f"{len(thing.objects)} may be called {thing.text}"
                yield Problem(ProblemKind.AMBIGUOUS_NAME, detail)


def _starts_inquiry(question: Sentence, words: list[str | None]) -> bool:
    starts = [0, *(i + 1 for i, t in enumerate(question.tokens) if t.kind == "stop")]
    return any(i < len(words) and words[i] in _AUXILIARIES for i in starts)


def _asks_count(question: Sentence, words: list[str | None]) -> bool:
    return any(pair == ("how", "many") for pair in itertools.pairwise(words))


def _asks_choice(question: Sentence, words: list[str | None]) -> bool:
    among = "or" in words or words[0] in _AMONG or words[1:2] == ["of"]
    return bool(_CHOOSING & {*words}) and among and len(question.things) > 1


def _asks_choice_before(question: Sentence, words: list[str | None]) -> bool:
    """ "Compare the mug and the bowl. Which is nearer?": the things stand in another sentence."""
    return words[0] == "which" and not question.things and _compared(words) is not None


def _asks_order(question: Sentence, words: list[str | None]) -> bool:
    return _order(words) is not None and len(question.things) > 2


def _asks_which(question: Sentence, words: list[str | None]) -> bool:
    return words[0] in _CHOOSING and _asked_relation(question, words) is not None


def _asks_where(question: Sentence, words: list[str | None]) -> bool:
    asks = words[0] in ("where", "how") or bool({"position", "relation"} & {*words})
    return asks and len(question.things) > 1


def _undecided(verdict: Verdict, said: str, config: ValidationConfig) -> Iterator[Problem]:
    if verdict is Verdict.AMBIGUOUS:
        yield Problem(ProblemKind.AMBIGUOUS_PAIR, said)
    elif verdict is Verdict.UNKNOWN and config.strict:
        yield Problem(ProblemKind.UNSUPPORTED, said)


def _check_yes_no(
    exchange: Exchange, question: Sentence, truth: Truth, config: ValidationConfig
) -> Iterator[Problem]:
    first = next((w for s in exchange.told for w in list_words(s.tokens)[:1]), None)
    asked = [c for c in exchange.inquired if isinstance(c, Claim)]
    if not asked and "there" in list_words(question.tokens) and question.things:
        verdict = Verdict.AGREES
    elif not asked:
        verdict = Verdict.UNKNOWN
    else:
        verdicts = [judge_claim(truth, claim, config) for claim in asked]
        verdict = next((v for v in verdicts if v is not Verdict.AGREES), Verdict.AGREES)
    yield from _undecided(verdict, question.said, config)
    if first in ("yes", "no"):
        wrong = Verdict.CONTRADICTS if first == "yes" else Verdict.AGREES
        if verdict is wrong:
            yield Problem(ProblemKind.WRONG_YES_NO, f"{first}: {question.said}")
    elif not exchange.claims:
        yield Problem(ProblemKind.OFF_QUESTION, question.said)


def _compared(words: list[str | None]) -> tuple[str, str] | None:
    """What a choice asks by ("nearer"), and whether of all ("" or "closer to")."""
    for at in range(len(words)):
        if words[at] is None:
            continue
        comparison = match_comparison(words, at)
        if comparison is not None:
            return comparison[0], comparison[0] if comparison[0] == "closer to" else ""
        superlative = match_superlative(words, at)
        if superlative is not None:
            return _RELATIVE[superlative[0]], ""
    for at, word in enumerate(words):
        if word in _SIDE_WORDS and words[at - 1 : at] in (["the"], ["more"]):
            return _SIDE_WORDS[word], ""
        if word == "front" and words[at - 1 : at] == ["in"]:
            return "in front of", ""
        if word in ("behind", "back"):
            return "behind", ""
        if word in ("above", "under", "below"):
            return ("higher" if word == "above" else "lower"), ""
    return None


def _check_choice(
    exchange: Exchange, question: Sentence, truth: Truth, config: ValidationConfig
) -> Iterator[Problem]:
    by = _compared(list_words(question.tokens))
    things = question.things or [t for s in exchange.asked for t in s.things]
    options = [t.objects for t in things]
    chosen = _first_thing(exchange)
    if by is None or by[1] or by[0] == "farther from":
        yield from _undecided(Verdict.UNKNOWN, question.said, config)
    if chosen is None or not any(chosen.objects & option for option in options):
        yield Problem(ProblemKind.OFF_QUESTION, question.said)
        return
    if (
        by is None
        or by[1]
        or by[0] == "farther from"
        or _answers_by_claim(by[0], exchange, truth, config)
    ):
        return
    views = exchange.views or Claim(frozenset(), "").views
    for option in options:
        if option & chosen.objects:
            continue
        claim = Claim(chosen.objects, by[0], option, views=views)
        verdict = judge_claim(truth, claim, config)
        if verdict is Verdict.CONTRADICTS:
            yield Problem(ProblemKind.WRONG_ANSWER, f"{chosen.text}: {question.said}")
        yield from _undecided(verdict, question.said, config)


def _answers_by_claim(by: str, exchange: Exchange, truth: Truth, config: ValidationConfig) -> bool:
    """Whether the answer says a whole sentence on the same axis, which is judged by itself."""
    family = next((f for f in _FAMILIES if by in f), set())
    claims = [c for c in exchange.claims if isinstance(c, Claim) and c.predicate in family]
    return any(c.target and judge_claim(truth, c, config) is Verdict.AGREES for c in claims)


def _first_thing(exchange: Exchange) -> Token | None:
    return next((thing for s in exchange.told for thing in s.things), None)


def _asked_relation(
    question: Sentence, words: list[str | None]
) -> tuple[str, bool, frozenset[int]] | None:
    """ "What is behind the mug?": predicate, whether swapped, its object; else None."""
    if len(question.things) != 1:
        return None
    for at in range(1, len(words)):
        found = match_predicate(words, at) if words[at] is not None else None
        if found is not None:
            label, swapped, length = found
            rest = question.tokens[at + length : at + length + 4]
            thing = next((t for t in rest if t.kind == "thing"), None)
            return (label, swapped, thing.objects) if thing else None
    return None


def _check_which(
    exchange: Exchange, question: Sentence, truth: Truth, config: ValidationConfig
) -> Iterator[Problem]:
    """ "What is behind the mug?" against each thing that the answer names without a claim."""
    asked = _asked_relation(question, list_words(question.tokens))
    answered = [t for s in exchange.told for t in s.things]
    if asked is None or not answered:
        yield Problem(ProblemKind.OFF_QUESTION, question.said)
        return
    label, swapped, target = asked
    if any(isinstance(c, Claim) for c in exchange.claims):
        return
    for thing in answered:
        if thing.objects == target:
            continue
        sides = (target, thing.objects) if swapped else (thing.objects, target)
        views = exchange.views or Claim(frozenset(), "").views
        verdict = judge_claim(truth, Claim(sides[0], label, sides[1], views=views), config)
        if verdict is Verdict.CONTRADICTS:
            yield Problem(ProblemKind.WRONG_ANSWER, f"{thing.text}: {question.said}")
        yield from _undecided(verdict, question.said, config)


def _check_count(
    exchange: Exchange, question: Sentence, truth: Truth, config: ValidationConfig
) -> Iterator[Problem]:
    numbers = [read_number(w) for s in exchange.told for w in list_words(s.tokens) if w]
    said = [0 if n is None else n for n in numbers if n is not None]
    if not said:
        yield Problem(ProblemKind.OFF_QUESTION, question.said)
        return
    counted = _counted(question, truth, config)
    if counted is None:
        yield from _undecided(Verdict.UNKNOWN, question.said, config)
    elif counted != said[0]:
        yield Problem(ProblemKind.WRONG_COUNT, f"{said[0]}, not {counted}: {question.said}")


def _order(words: list[str | None]) -> str | None:
    """ "nearer" for "from near to far": how each asked-for thing stands to the next."""
    said = [word for word in words if word != "the"]
    for at in range(1, len(said) - 1):
        if said[at] == "to" and (said[at - 1], said[at + 1]) in _ORDERS:
            return _ORDERS[said[at - 1] or "", said[at + 1] or ""]
    for first, second in itertools.pairwise(said):
        end = first if second == "first" else second if first == "with" else None
        if end in _STARTS:
            return _STARTS[end or ""]
    return None


def _check_order(
    exchange: Exchange, question: Sentence, truth: Truth, config: ValidationConfig
) -> Iterator[Problem]:
    """All that is to be put in order is, and each stands so to the next."""
    by = _order(list_words(question.tokens)) or ""
    answered = list(dict.fromkeys(t.objects for s in exchange.told for t in s.things))
    if {*answered} != {t.objects for t in question.things}:
        yield Problem(ProblemKind.OFF_QUESTION, question.said)
        return
    for first, second in itertools.pairwise(answered):
        verdict = judge_claim(truth, Claim(first, by, second), config)
        if verdict is Verdict.CONTRADICTS:
            yield Problem(ProblemKind.WRONG_ANSWER, f"not in order: {question.said}")
        yield from _undecided(verdict, question.said, config)


def _counted(question: Sentence, truth: Truth, config: ValidationConfig) -> int | None:
    """How many there are of what is asked for; None if that is not known."""
    words = list_words(question.tokens)
    at = words.index("many") + 1
    kind = next((t for t in question.tokens[at : at + 3] if t.kind == "thing"), None)
    if kind is not None and words[at] not in _ANYTHING:
        of = truth.reader.names.find(split_words(kind.text)) or kind.objects
    elif words[at : at + 1] and {*words[at : at + 3]} & _ANYTHING:
        of = frozenset(range(len(truth.labels)))
    else:
        return None
    for i in range(at + 1, len(words)):
        found = match_predicate(words, i) if words[i] is not None else None
        if found is None:
            continue
        holders = [t.objects for t in question.tokens[i + found[2] :] if t.kind == "thing"]
        if holders and len(holders[0]) == 1:
            return _count_related(truth, of, found[0], next(iter(holders[0])), config)
        return None if holders else len(of)
    return len(of)


def _count_related(
    truth: Truth, of: frozenset[int], label: str, holder: int, config: ValidationConfig
) -> int | None:
    if label in ("on", "in"):
        return sum(label in truth.annotated.get((i, holder), frozenset()) for i in of)
    verdicts = [judge_pair(truth, i, label, holder, config) for i in of if i != holder]
    if {Verdict.AMBIGUOUS, Verdict.UNKNOWN} & {*verdicts}:
        return None
    return verdicts.count(Verdict.AGREES)


def _check_where(
    exchange: Exchange, question: Sentence, truth: Truth, config: ValidationConfig
) -> Iterator[Problem]:
    """The answer relates the two things asked about, in either order."""
    pair = question.things[:2]
    for claim in exchange.claims:
        if isinstance(claim, Claim):
            for a, b in ((0, 1), (1, 0)):
                if claim.subject & pair[a].objects and claim.target & pair[b].objects:
                    return
    yield Problem(ProblemKind.OFF_QUESTION, question.said)


def _check_open(
    exchange: Exchange, question: Sentence, truth: Truth, config: ValidationConfig
) -> Iterator[Problem]:
    """The answer speaks of something asked about; a change of view is answered by a claim."""
    answered = frozenset().union(*(t.objects for s in exchange.told for t in s.things))
    asked = frozenset().union(*(t.objects for s in exchange.asked for t in s.things))
    related = any(isinstance(c, Claim) for c in exchange.claims)
    if not (answered or related) or (asked and not related and not answered & asked):
        yield Problem(ProblemKind.OFF_QUESTION, question.said)


_Check = Callable[[Exchange, Sentence, Truth, ValidationConfig], Iterator[Problem]]
_KINDS: tuple[tuple[Callable[[Sentence, list[str | None]], bool], _Check], ...] = (
    (_asks_count, _check_count),
    (_asks_order, _check_order),
    (_asks_choice, _check_choice),
    (_asks_choice_before, _check_choice),
    (_starts_inquiry, _check_yes_no),
    (_asks_which, _check_which),
    (_asks_where, _check_where),
)
"""Kinds of question in the order in which they are tried."""
