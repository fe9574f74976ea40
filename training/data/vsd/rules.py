"""A paraphraser that needs no model: sentences about two things in other words of our own.

It knows one kind of sentence, two noun phrases and one of the nine relations between them, and
gives any other back as it was. What it does with one depends on the seed and the sentence alone.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from spacesgg_ros.graph.predicates import INVERSES, VSD_LABELS

from .. import grammar
from . import lexicon as words

_PHRASES: dict[str, tuple[str, ...]] = {
    "on": ("on", "on top of"),
    "in": ("in", "inside", "within"),
    "next to": ("next to", "beside", "alongside", "right next to"),
    "under": ("under", "below", "beneath", "underneath"),
    "above": ("above", "over"),
    "behind": ("behind", "directly behind", "to the rear of"),
    "in front of": ("in front of", "directly in front of"),
    "to the left of": ("to the left of", "on the left of", "left of", "on the left side of"),
    "to the right of": ("to the right of", "on the right of", "right of", "on the right side of"),
}
"""Words that say a label and nothing else."""

_FRAMES = (
    "{A} {is} {r} {b}.",
    "{R} {b} {is} {a}.",
    "{R} {b} there {is} {some_a}.",
    "There {is} {some_a} {r} {b}.",
    "You can see {a} {r} {b}.",
    "You find {a} {r} {b}.",
    "Look {r} {b} to find {a}.",
    "In the picture, {a} {is} {r} {b}.",
    "{A} can be found {r} {b}.",
    "{A} {is} placed {r} {b}.",
    "It is {a} that {is} {r} {b}.",
)
"""``a`` stands in relation ``r`` to ``b``."""

_ITS_FRAMES = ("{B} {has} {a} {r} {it}.", "{B} {is_b} shown with {a} {r} {it}.")

_SPECIAL: dict[str, tuple[str, ...]] = {
    "on": (
        "{B} {carries} {a}.",
        "{B} {supports} {a}.",
        "{A} {is} supported by {b}.",
        "{B} {has} {a} on top.",
    ),
    "in": (
        "{B} {contains} {a}.",
        "{B} {holds} {a}.",
        "{A} {is} contained in {b}.",
        "{B} {has} {a} inside.",
    ),
    "next to": (
        "{A} and {b} are side by side.",
        "{A} and {b} are next to each other.",
        "{A} and {b} are close to each other.",
    ),
    "to the left of": ("{B} {has} {a} on {its} left.",),
    "to the right of": ("{B} {has} {a} on {its} right.",),
}

_TOLD_FROM_BOTH = tuple(label for label in INVERSES if label != "on")
"""Labels whose inverse says as much; "under" says less than "on"."""

_KNOWN = sorted(
    ((phrase, label) for label in VSD_LABELS for phrase in (*_PHRASES[label], label)),
    key=lambda pair: -len(pair[0]),
)
_RELATION = "|".join(re.escape(phrase) for phrase, _ in _KNOWN)
_START = r"(?:there (?:is|are)|you (?:can )?(?:find|see)|here (?:is|are)|in the picture,?)"
_VERB = (
    r"(?:is|are|can be seen|can be found|sits?|stands?|lies?|rests?|sitting|standing|lying|"
    r"resting|located|placed|shown|positioned|parked|put|laying|seen)"
)
_NOUNS = r"(?:the|an?|some|one|two|three|many|several|his|her|its|their)(?: [\w'-]+){1,5}?"
_FORMS = (
    re.compile(
        rf"(?:{_START} )?(?P<a>{_NOUNS})(?: {_VERB})* (?P<r>{_RELATION}) (?P<b>{_NOUNS})",
        re.IGNORECASE,
    ),
    re.compile(
        rf"(?P<r>{_RELATION}) (?P<b>{_NOUNS}),?(?: there)? (?:{_VERB} ?)+ (?P<a>{_NOUNS})",
        re.IGNORECASE,
    ),
)
_IN_PHRASES = frozenset(word for phrase, _ in _KNOWN for word in phrase.split())
_NOT_IN_NOUNS = words.DETERMINERS | (_IN_PHRASES - {"left", "right", "top", "of"})
_NOT_IN_NOUNS |= words.split_bank(
    "and or with that which who while as is are was were be being not has have"
)
_ARTICLES = ("the", "a", "an", "some")


@dataclass(frozen=True)
class RuleRewriter:
    """Rewrites by the frames above; a :class:`~.refinement.Rewriter`.

    Attributes:
        seed: another seed, other words.
    """

    seed: int = 0
    name: str = "rules"

    def rewrite(self, sentences: list[str]) -> list[str]:
        """A paraphrase of each; the sentence itself where it is of no known form."""
        return [self._rewrite_one(sentence) for sentence in sentences]

    def _rewrite_one(self, sentence: str) -> str:
        parsed = _parse(sentence)
        if parsed is None:
            return sentence
        rng = random.Random(f"{self.seed}/{sentence}")
        a, label, b = parsed
        if label in _TOLD_FROM_BOTH and rng.random() < 0.5:
            a, label, b = b, INVERSES[label], a
        frames = (*_FRAMES, *_ITS_FRAMES, *_SPECIAL.get(label, ()) * 2)
        slots = _slots(a, b) | {"r": rng.choice(_PHRASES[label])}
        capitals = {key.upper(): grammar.sentence(slots[key]) for key in ("a", "b", "r")}
        return rng.choice(frames).format(**slots, **capitals)


def _parse(sentence: str) -> tuple[str, str, str] | None:
    """Two noun phrases and the label between them."""
    text = " ".join(sentence.split()).rstrip(". ")
    for form in _FORMS:
        found = form.fullmatch(text)
        if found:
            a, b = (_lower_first(found[key]) for key in ("a", "b"))
            if all(_NOT_IN_NOUNS.isdisjoint(nouns.lower().split()[1:]) for nouns in (a, b)):
                return a, dict(_KNOWN)[found["r"].lower()], b
    return None


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _slots(a: str, b: str) -> dict[str, str]:
    many_a, many_b = _is_plural(a), _is_plural(b)
    verbs = {"has": "have", "carries": "carry", "supports": "support"}
    verbs |= {"contains": "contain", "holds": "hold"}
    slots = {one: (many if many_b else one) for one, many in verbs.items()}
    return slots | {
        "a": a,
        "b": b,
        "some_a": _indefinite(a),
        "is": "are" if many_a else "is",
        "is_b": "are" if many_b else "is",
        "it": "them" if many_b else "it",
        "its": "their" if many_b else "its",
    }


def _is_plural(nouns: str) -> bool:
    first, *_, last = nouns.split()
    if first in ("a", "an", "one"):
        return False
    counted = first in ("two", "three", "many", "several")
    return counted or grammar.is_plural(nouns) or last in words.IRREGULAR


def _indefinite(nouns: str) -> str:
    """ "the mug" as "a mug"; other determiners stay."""
    first, _, label = nouns.partition(" ")
    if first not in _ARTICLES:
        return nouns
    return f"some {label}" if _is_plural(nouns) else f"{grammar.article(label)} {label}"
