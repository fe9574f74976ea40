"""Whether a free answer says what the truth says, tolerantly but without guessing.

An answer is read as what its truth is: one of the options, yes or no, one of the nine relations,
a number, or a few words. What cannot be read as one of these, or as two at once, is unparseable
and counts as wrong.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass

from spacesgg_ros.graph.predicates import normalize_predicate, resolve_predicate
from spacesgg_ros.training.data.grammar import number_word

YES, NO = "yes", "no"
_YES_WORDS = frozenset({"yes", "yeah", "yep", "true", "correct", "right"})
_NO_WORDS = frozenset({"no", "nope", "false", "incorrect", "wrong"})
_NOT = frozenset({"not", "isn't", "aren't", "never", "isnt", "arent", "neither", "nor"})
_NUMBERS = {number_word(k): str(k) for k in range(21)}
_LETTERS = string.ascii_uppercase
_LETTER_FORMS = (
    re.compile(r"^\(?([A-Za-z])\)?[.):]?$"),
    re.compile(r"^\(?([A-Z])[.):](?=\s|$)"),
    re.compile(r"^\(([A-Z])\)"),
    re.compile(r"(?i:\b(?:answer|option|choice)\b(?:\s+(?:is|would be))?)\s*:?\s*\(?([A-Z])\b"),
)
_UNDECIDED = re.compile(
    r"\bno (?:idea|clue|way to tell|information)\b|\bnot (?:sure|clear|certain|possible|enough)\b"
    r"|\b(?:cannot|can't|unable to) (?:tell|say|determine|see|answer)\b|\bunclear\b"
)
_TAG = re.compile(r"<box>.*?</box>|</?\w+>", re.DOTALL)
_SETTING = re.compile(
    r"\b(?:in|on) (?:the|this) (?:image|picture|photo|photograph|scene|view|frame)\b"
    r"|\bin relation to\b|\bin (?:terms|respect) of\b"
)
_SIDE = re.compile(r"\b(?:on|at|to) (?:the|its|your|my) (left|right)(?: hand)?(?: side)?(?: of)?\b")
_OPENING = re.compile(r"^(?:(?:the )?answer(?: is)?|it is|its|it's|this is|that is)\s+")
_ARTICLES = frozenset({"a", "an", "the"})
_LONGEST_RELATION = 7


@dataclass(frozen=True)
class Verdict:
    """What an answer was read as (None: unparseable), and whether that is the truth."""

    said: str | None
    right: bool


def judge_answer(answer: str, truth: str, options: Sequence[str] = ()) -> Verdict:
    """Read ``answer`` as what ``truth`` is and compare the two.

    Args:
        truth: with ``options`` the text of the right one.
    """
    if options:
        at = read_option(answer, options)
        said = None if at is None else options[at]
        return Verdict(said, said == truth)
    relation = normalize_predicate(plain_words(truth))
    if relation is not None:
        said = read_relation(answer)
        return Verdict(said, said == relation)
    wanted = _true_yes_no(truth)
    if wanted is not None:
        said = read_yes_no(answer)
        return Verdict(said, said == wanted)
    number = read_number(truth) if _is_short(truth) else None
    if number is not None:
        said = read_number(answer)
        return Verdict(said, said == number)
    said = _phrase(answer)
    expected = _phrase(truth)
    return Verdict(said or None, said == expected or said.startswith(f"{expected} "))


def normalize_truth(truth: str, options: Sequence[str] = ()) -> str:
    """What equal truths share, for frequencies: "sitting on" and "on" are one answer."""
    if options:
        return truth
    return (
        normalize_predicate(plain_words(truth))
        or _true_yes_no(truth)
        or (read_number(truth) if _is_short(truth) else None)
        or _phrase(truth)
    )


def read_option(answer: str, options: Sequence[str]) -> int | None:
    """Index of the option that an answer names by its letter or by its words, or None."""
    text = " ".join(plain_words(answer, keep_case=True).split())
    phrases = [_phrase(option) for option in options]
    if _phrase(text) in phrases:
        return phrases.index(_phrase(text))
    for form in _LETTER_FORMS:
        found = form.search(text)
        if found and _LETTERS.index(found.group(1).upper()) < len(options):
            return _LETTERS.index(found.group(1).upper())
    relations = [normalize_predicate(plain_words(option)) for option in options]
    if all(relations) and len(set(relations)) == len(relations):
        relation = read_relation(text)
        return relations.index(relation) if relation in relations else None
    answers = [_true_yes_no(option) for option in options]
    if sorted(a or "" for a in answers) == [NO, YES]:
        said = read_yes_no(text)
        return None if said is None else answers.index(said)
    words = f" {_phrase(text)} "
    inside = [k for k, phrase in enumerate(phrases) if phrase and f" {phrase} " in words]
    # "left" also lies in "far left": the longer option is meant where both are found.
    whole = [k for k in inside if not any(j != k and phrases[k] in phrases[j] for j in inside)]
    return whole[0] if len(whole) == 1 else None


def read_yes_no(answer: str) -> str | None:
    """ "yes", "no", or None; the first word decides, else the only such word; "no idea" is None."""
    words = _words(answer)
    if not words or _UNDECIDED.search(plain_words(answer)):
        return None
    if words[0] in _YES_WORDS:
        return YES
    if words[0] in _NO_WORDS or words[0] in _NOT:
        return NO
    said = {YES for w in words if w in _YES_WORDS - {"right"}}
    said |= {NO for w in words if w in _NO_WORDS}
    return said.pop() if len(said) == 1 else None


def read_relation(answer: str) -> str | None:
    """The one relation of the nine that an answer says of subject to object, or None.

    None where it says two different ones, denies one, or says none.
    """
    text = _SIDE.sub(r"to the \1 of", _SETTING.sub(" ", plain_words(answer)))
    resolved = resolve_predicate(" ".join(text.split()))
    if resolved is not None:
        return None if resolved[1] else resolved[0]
    words = _words(text)
    found: set[str] = set()
    at = 0
    while at < len(words):
        for size in range(min(_LONGEST_RELATION, len(words) - at), 0, -1):
            label = normalize_predicate(" ".join(words[at : at + size]))
            if label is not None:
                if _NOT & {*words[max(0, at - 2) : at]}:
                    return None
                found.add(label)
                at += size
                break
        else:
            at += 1
    return found.pop() if len(found) == 1 else None


def read_number(answer: str) -> str | None:
    """The only number an answer holds, as digits, or None."""
    numbers = {_NUMBERS.get(word, word) for word in _words(answer)}
    said = {str(int(n)) for n in numbers if n.isdecimal()}
    return said.pop() if len(said) == 1 else None


def plain_words(text: str, keep_case: bool = False) -> str:
    """Text without the tags and boxes of a grounded answer."""
    plain = _TAG.sub(" ", text).strip()
    return plain if keep_case else plain.lower()


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9][a-z0-9'’-]*", plain_words(text))


def _phrase(text: str) -> str:
    words = _OPENING.sub("", " ".join(_words(text)))
    return " ".join(word for word in words.split() if word not in _ARTICLES)


def _true_yes_no(truth: str) -> str | None:
    """Whether a truth is a yes or a no: "true", "No, it is behind the cup."."""
    words = _words(truth)
    if words and (words[0] in (YES, NO) or len(words) == 1):
        return read_yes_no(words[0])
    return None


def _is_short(text: str) -> bool:
    return len(_words(text)) == 1
