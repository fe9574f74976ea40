"""Whether a rewritten sentence still says the same of the same two things.

A rewrite passes if it is one plain statement that names both things, relates them as the
original does (or as the label does, told from either side) and says nothing more: no other
relation, number, point of view or third thing. What cannot be read does not pass.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from spacesgg_ros.graph.predicates import INVERSES

from . import lexicon as words
from .reading import OBJECT, SUBJECT, Claim, Reading, name_words, read_sentence, split_words

MAX_WORDS = 40
"""A sentence about two things is shorter; a longer one says more than their relation."""

_OPPOSITES = {
    "behind": {"in front of"},
    "in front of": {"behind"},
    "to the left of": {"to the right of"},
    "to the right of": {"to the left of"},
    "above": {"under"},
    "on": {"under"},
    "under": {"above", "on"},
}
_MARKUP = re.compile(r"[\n\r<>{}\[\]|*#_=]|\w\n|\b\d+[.)]\s")
_SENTENCE_END = re.compile(r"[.!?;](?=\s*\S)")
_ADVERB = re.compile(r"[a-z]{2,}ly")
_ENDS_ADJECTIVES = words.GLUE | {SUBJECT, OBJECT}
_VERB_FORM = re.compile(r"[a-z]{2,}(?:s|ed|ing)")


class Reason(str, enum.Enum):
    """Why a rewrite does not pass; the values are what tables show."""

    EMPTY = "empty"
    NOT_A_SENTENCE = "not one plain sentence"
    QUESTION = "a question"
    SAME_NAMES = "both things have one name"
    NOT_UNDERSTOOD = "the original is not understood"
    NAME_LOST = "a name is lost"
    NEGATED = "negated"
    HEDGED = "hedged"
    VIEW = "another point of view"
    NUMBER = "another number"
    RELATION_LOST = "the relation is lost"
    OTHER_RELATION = "another relation"
    SAYS_MORE = "says more"


@dataclass(frozen=True)
class Verdict:
    """What the check found.

    Attributes:
        reason: None where the rewrite passes.
        detail: the words that decided.
    """

    reason: Reason | None = None
    detail: str = ""

    @property
    def kept(self) -> bool:
        return self.reason is None


def check_rewrite(
    original: str, rewrite: str, subject: str, target: str, label: str | None = None
) -> Verdict:
    """Whether ``rewrite`` says of ``subject`` and ``target`` what ``original`` says.

    Args:
        label: how the subject stands to the target, one of ``VSD_LABELS``. It is another truth
            that a rewrite may say, and the only one where the original cannot be read.
    """
    verdict = _check_form(rewrite)
    if not verdict.kept:
        return verdict
    if [*map(words.singular, name_words(subject))] == [*map(words.singular, name_words(target))]:
        return Verdict(Reason.SAME_NAMES, subject)
    before = read_sentence(original, subject, target)
    after = read_sentence(rewrite, subject, target)
    if before.lost and after.lost == before.lost:
        return Verdict(Reason.NOT_UNDERSTOOD, original)
    if after.lost:
        names = {SUBJECT: subject, OBJECT: target}
        return Verdict(Reason.NAME_LOST, ", ".join(names[role] for role in after.lost))
    told = set(split_words(original))
    verdict = _check_force(before, after, told)
    if not verdict.kept:
        return verdict
    expected = _expect(before, label)
    if not expected:
        return Verdict(Reason.NOT_UNDERSTOOD, original)
    verdict = _check_claims(before, after, expected)
    return verdict if not verdict.kept else _check_words(before, after, told)


def says_opposite(sentence: str, subject: str, label: str, target: str) -> bool:
    """Whether a sentence plainly says the contrary of a label ("behind": "in front of")."""
    reading = read_sentence(sentence, subject, target)
    return not reading.lost and bool(reading.labels & _OPPOSITES.get(label, set()))


def _check_form(rewrite: str) -> Verdict:
    text = rewrite.strip()
    if not re.search(r"\w", text):
        return Verdict(Reason.EMPTY)
    if "?" in text:
        return Verdict(Reason.QUESTION, text)
    long = len(text.split()) > MAX_WORDS
    if long or _MARKUP.search(text) or _SENTENCE_END.search(text):
        return Verdict(Reason.NOT_A_SENTENCE, text)
    return Verdict()


def _check_force(before: Reading, after: Reading, told: set[str]) -> Verdict:
    """Whether it is still stated, of as many things, from the same place."""
    said = after.text.split()
    for bank, reason in (
        (words.NEGATIONS, Reason.NEGATED),
        (words.HEDGES, Reason.HEDGED),
        (words.NUMBERS, Reason.NUMBER),
    ):
        new = [word for word in said if word in bank and word not in told]
        # "next to each other" counts nothing.
        new = [w for w in new if not (w == "each" and "each other" in after.text)]
        if new:
            return Verdict(reason, ", ".join(new))
    view = words.VIEWS.search(after.text)
    if view and view[0] not in before.text:
        return Verdict(Reason.VIEW, view[0])
    return Verdict()


def _expect(before: Reading, label: str | None) -> frozenset[tuple[str, str]]:
    """What may be said, as ``(label, figure)``: the original's claims, the label, what they imply.

    "S on O" implies "O under S", but "O under S" does not imply that they touch. Of a claim that
    leaves two labels open ("holds"), only the one that is the row's counts.
    """
    said = {(label, SUBJECT)} if label else set()
    for claim in before.claims:
        open_labels = claim.labels if len(claim.labels) == 1 else claim.labels & {label}
        if claim.is_of_both:
            said |= {(found, claim.figure) for found in open_labels}
    swap = {SUBJECT: OBJECT, OBJECT: SUBJECT}
    implied = {(INVERSES[found], swap[at]) for found, at in said if found in INVERSES}
    return frozenset(said | implied)


def _check_claims(before: Reading, after: Reading, expected: frozenset[tuple[str, str]]) -> Verdict:
    """Every claim about the two is expected, there is one, and no new claim about others."""
    agreed = False
    for claim in after.claims:
        if claim.is_of_both:
            if not any((label, claim.figure) in expected for label in claim.labels):
                return Verdict(Reason.OTHER_RELATION, claim.words)
            agreed = True
        elif not _was_said(claim, before):
            return Verdict(Reason.SAYS_MORE, claim.words)
    return Verdict() if agreed else Verdict(Reason.RELATION_LOST, after.text)


def _was_said(claim: Claim, before: Reading) -> bool:
    return any(
        (claim.figure, claim.landmark, claim.words) == (old.figure, old.landmark, old.words)
        for old in before.claims
    )


def _check_words(before: Reading, after: Reading, told: set[str]) -> Verdict:
    """New words are glue, words of the relations, or describe: an adjective, an adverb, a verb."""
    known = {words.singular(word) for word in told}
    related = {word for claim in after.claims for word in claim.words.split()}
    said = after.text.split()
    for at, word in enumerate(said):
        if word in words.DEGREES and word not in related | told:
            return Verdict(Reason.SAYS_MORE, word)
        old = word in words.GLUE | related or words.singular(word) in known
        if old or word in (SUBJECT, OBJECT) or not word.isalnum():
            continue
        if not (_ADVERB.fullmatch(word) or _describes(said, at) or _is_verb(said, at, related)):
            return Verdict(Reason.SAYS_MORE, word)
    return _check_adjectives(before, after)


def _describes(said: list[str], at: int) -> bool:
    """An adjective stands between a determiner and a name: "the [old] S"."""
    ahead = at + 1
    while (
        ahead < len(said) and ahead < at + 3 and said[ahead] not in words.GLUE | {SUBJECT, OBJECT}
    ):
        ahead += 1
    if ahead >= len(said) or said[ahead] not in (SUBJECT, OBJECT):
        return False
    back = at - 1
    while back >= 0 and back > at - 3 and said[back] not in words.GLUE and said[back].isalpha():
        back -= 1
    return back < 0 or said[back] in words.DETERMINERS or said[back] in (SUBJECT, OBJECT)


def _is_verb(said: list[str], at: int, related: set[str]) -> bool:
    """A verb stands between a name (or "is") and the relation: "the S [dozes] behind"."""
    before = said[at - 1] if at else ""
    ahead = said[at + 1] if at + 1 < len(said) else ""
    return bool(
        _VERB_FORM.fullmatch(said[at])
        and (before in (SUBJECT, OBJECT) or before in words.POSTURES or _ADVERB.fullmatch(before))
        and (ahead in related or _ADVERB.fullmatch(ahead))
    )


def _check_adjectives(before: Reading, after: Reading) -> Verdict:
    """What described a thing may go, and something may come, but not one for the other."""
    for role in (SUBJECT, OBJECT):
        old, new = _adjectives(before.text, role), _adjectives(after.text, role)
        if old - new and new - old:
            swapped = f"{' '.join(sorted(new - old))} for {' '.join(sorted(old - new))}"
            return Verdict(Reason.SAYS_MORE, swapped)
    return Verdict()


def _adjectives(text: str, role: str) -> set[str]:
    said = text.split()
    found: set[str] = set()
    for at, word in enumerate(said):
        back = at - 1
        while word == role and back >= 0 and said[back] in words.ADJECTIVES:
            found.add(said[back])
            back -= 1
    return found
