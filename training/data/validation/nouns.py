"""Nouns that name something which the input does not have."""

from __future__ import annotations

from collections.abc import Iterator

from .claims import VERBS, list_words
from .names import split_words, word_forms
from .phrases import match_comparison, match_predicate, match_superlative
from .problems import Problem, ProblemKind
from .tokens import Sentence

_ARTICLES = frozenset({"the", "a", "an", "another"})
_MOST_WORDS = 4
_BOUNDARY = VERBS | frozenset(
    {"and", "or", "but", "so", "while", "whereas", "than", "of", "to", "in", "on", "at", "from",
     "with", "for", "by", "as", "that", "which", "where", "when", "because", "since", "there",
     "here", "stand", "shows", "now", "then", "arranged", "placed", "located", "positioned",
     "situated", "not", "also", "if", "relative", "both", "you", "we", "appears", "seen", "look",
     "swap", "changes", "change", "still", "however", "compared"}
)  # fmt: skip
_ABSTRACT = frozenset(
    split_words("""
    left right front back rear middle center centre side sides hand picture image photo
    photograph scene view viewer viewpoint camera observer lens other others same first second
    third fourth fifth last next one two three four layer layers foreground background top bottom
    distance line row space area edge corner depth axis far near rest way order direction
    perspective point position question gap thing things object objects item items group set
    pair place spot spatial relation relationship layout arrangement opposite angle room indoor
    end eye whole most least nearest closest farthest furthest highest lowest leftmost rightmost
    between bit little lot few number difference answer reason result case part surface surfaces
    sight vantage situation description sentence sentences box boxes name tag relations way person
    looking viewed left-hand height level ground-plane plane half quarter turn rotation change
    swap mirror outside inside best following distant closer nearer higher lower further farther
    frame overview short caption term word words prominent shot snapshot""")
)
"""Nouns of speaking about pictures; ending in "-est" counts, too."""


def check_nouns(sentence: Sentence, allowed: frozenset[str]) -> Iterator[Problem]:
    """Noun phrases with an article that name no object of the input.

    Args:
        allowed: further words that may be used (those of an annotated caption).
    """
    words = list_words(sentence.tokens)
    for at, word in enumerate(words):
        if word not in _ARTICLES:
            continue
        phrase: list[str] = []
        for i in range(at + 1, min(at + 2 + _MOST_WORDS, len(words) + 1)):
            after = words[i] if i < len(words) else None
            if after is not None and not (phrase and _ends_phrase(words, i)):
                phrase.append(after)
                continue
            named = i < len(words) and sentence.tokens[i].kind == "thing"
            if phrase and not named and not _may_be_said(phrase, allowed):
                yield Problem(ProblemKind.UNKNOWN_OBJECT, " ".join(phrase))
            break


def _ends_phrase(words: list[str | None], at: int) -> bool:
    return words[at] in _BOUNDARY or any(
        match(words, at) is not None
        for match in (match_predicate, match_comparison, match_superlative)
    )


def _may_be_said(phrase: list[str], allowed: frozenset[str]) -> bool:
    head = phrase[-1]
    if head.endswith("est") or head in _ABSTRACT or head.removesuffix("'s") in _ABSTRACT:
        return True
    return any(form in allowed or form in _ABSTRACT for form in word_forms(head))


def caption_words(caption: str) -> frozenset[str]:
    """Words of an annotated caption and what they may be plurals of."""
    return frozenset(form for word in split_words(caption) for form in word_forms(word))
