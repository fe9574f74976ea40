"""What a sentence claims about where things are: rules over words, nothing learnt.

A claim keeps every object that its names may mean, and every view it may be meant from; it is
wrong only if none of these holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace

from spacesgg_ros.graph.predicates import resolve_predicate
from spacesgg_ros.graph.types import Viewpoint

from ..grammar import NUMBERS
from .claim_kinds import AnyClaim, Claim, CountClaim, Heard, LayerClaim, TurnClaim
from .phrases import (
    EVERY_VIEW,
    match_comparison,
    match_predicate,
    match_superlative,
    match_turned_place,
    match_view,
)
from .tokens import DETERMINERS, PICTURE, Sentence, Token

_BE = frozenset({"is", "are", "was", "were", "be", "been", "being", "isn't", "aren't", "it's"})
_PLURAL_BE = frozenset({"are", "were", "stand", "sit", "lie", "rest", "aren't"})
VERBS = _BE | frozenset(
    {"stands", "sits", "lies", "rests", "stand", "sit", "lie", "rest", "hangs", "hang", "leans",
     "remains", "remain", "appears", "appear", "can", "could", "has", "have", "holds", "carries",
     "carry", "becomes", "comes", "looks", "seems", "does", "do", "find", "see", "stays", "would",
     "will"}
)  # fmt: skip
_FILLERS = VERBS | frozenset(
    {"seen", "found", "located", "placed", "positioned", "situated", "standing", "sitting",
     "lying", "resting", "still", "also", "now", "then", "both", "all", "directly", "just", "not",
     "slightly", "clearly", "much", "that", "which", "currently", "set", "put", "hanging",
     "leaning", "parked", "kept", "again", "always", "visible", "isn't", "aren't", "wasn't", "far",
     "hidden", "a", "bit", "little", "indeed", "therefore", "thus", "instead", "to", "the",
     "never", "well", "right", "up", "more", "and", "or", "they", "it", "really", "actually",
     "so", "too"}
)  # fmt: skip
_CONJUNCTIONS = frozenset({"and", "or", "but", "while", "whereas", "than", "so", "because", "as"})
_NEGATIONS = frozenset({"not", "isn't", "aren't", "wasn't", "never", "no", "longer"})
_PRONOUNS = frozenset({"it", "them", "they"})
_MOST_ADJECTIVES = 3
COUNTED_ANY = frozenset({"object", "objects", "thing", "things", "item", "items"})


def _is_filler(word: str | None) -> bool:
    return word is not None and (word in _FILLERS or word.endswith(("ly", "ed", "ing")))


def read_number(word: str) -> int | None:
    """ "three", "3" or "no" as a number."""
    if word.isdigit() and len(word) < 4:
        return int(word)
    return NUMBERS.index(word) if word in NUMBERS else None


def find_view(sentence: Sentence) -> Viewpoint | str | None:
    """The last view that a sentence names: a viewpoint, "there", "every", or None."""
    words = list_words(sentence.tokens)
    found = [match_view(words, i) for i in range(len(words)) if words[i]]
    named = [view for view in found if view is not None]
    return named[-1][0] if named else None


def extract_claims(sentence: Sentence, heard: Heard) -> tuple[list[AnyClaim], Heard]:
    """The claims of one sentence, and what the next one may refer to."""
    scan = _Scan(sentence, heard)
    claims = list(scan.run())
    return claims, scan.heard


def list_words(tokens: Sequence[Token]) -> list[str | None]:
    """The words, and None for what is no word."""
    return [t.text if t.kind == "word" else None for t in tokens]


@dataclass
class _Scan:
    """One pass over a sentence from left to right."""

    sentence: Sentence
    heard: Heard

    def __post_init__(self) -> None:
        self.tokens = self.sentence.tokens
        self.words = list_words(self.tokens)
        self.past = False
        self.last_subject: list[frozenset[int]] = []

    def run(self) -> Iterator[AnyClaim]:
        before = self.heard
        self._hear_views()
        at = 0
        while at < len(self.tokens):
            token, length = self.tokens[at], 1
            if token.kind == "relation":
                yield self._tagged(token)
                self.last_subject = [token.objects]
            elif token.kind == "word":
                length = yield from self._word(at)
            at += length
        if self.heard.views == EVERY_VIEW:
            self.heard = replace(before, views=before.views or (Viewpoint.CAMERA,))
        if self.last_subject:
            self.heard = replace(self.heard, subject=self.last_subject[0])
        elif self.sentence.things:
            self.heard = replace(self.heard, subject=self.sentence.things[0].objects)

    def _hear_views(self) -> None:
        """The view of a sentence holds for all of it, and for what follows."""
        view = find_view(self.sentence)
        if view is None or view == "there":
            return
        views = EVERY_VIEW if view == "every" else (view,)
        self.heard = replace(self.heard, views=views, settled=True)  # type: ignore[arg-type]

    def _word(self, at: int) -> Generator[AnyClaim, None, int]:
        view = match_view(self.words, at)
        if view is not None:
            return view[1]
        turned = match_turned_place(self.words, at)
        if turned is not None:
            for named in self.heard.views:
                yield TurnClaim(*turned, named, self.sentence.said)
        word = self.words[at] or ""
        if word == "layer":
            return (yield from self._layer(at))
        if word == "between":
            return (yield from self._between(at))
        number = read_number(word)
        if number is not None:
            yield from self._count(at, number)
            return 1
        superlative = match_superlative(self.words, at)
        if superlative is not None:
            yield from self._superlative(at, *superlative)
            return superlative[1]
        comparison = match_comparison(self.words, at)
        if comparison is not None:
            yield from self._comparison(at, *comparison)
            return comparison[2]
        if word in ("foreground", "background"):
            subjects, negated = self._subjects(at - 2)
            subjects = subjects or self._inverted_subjects(at + 1)
            yield from (self._claim(s, word, negated=negated) for s in subjects)
            return 1
        if word in ("on", "to") and self.words[at + 1 : at + 2] == ["the"]:
            sides = yield from self._side(at)
            if sides:
                return sides
        if word in ("has", "have", "having"):
            yield from self._has_inside(at)
            return 1
        predicate = match_predicate(self.words, at)
        if predicate is not None:
            label, swapped, length = predicate
            yield from self._relation(at, at + length, label, swapped)
            return length
        return 1

    def _tagged(self, token: Token) -> Claim:
        resolved = resolve_predicate(token.text)
        label, swapped = resolved if resolved else (token.text, False)
        sides = (token.targets, token.objects) if swapped else (token.objects, token.targets)
        return self._claim(sides[0], label, sides[1], tagged=True)

    def _claim(
        self,
        subject: frozenset[int],
        predicate: str,
        target: frozenset[int] = frozenset(),
        negated: bool = False,
        tagged: bool = False,
        second: frozenset[int] = frozenset(),
    ) -> Claim:
        views = (Viewpoint.CAMERA,) if self.past else self.heard.views
        return Claim(subject, predicate, target, second, views, negated, tagged, self.sentence.said)

    # Who is spoken of.

    def _subjects(self, at: int) -> tuple[list[frozenset[int]], bool]:
        """The things before a phrase of which it is said, and whether it is denied."""
        negated = plural = self.past = False
        i = at - 1
        if i >= 0 and self.tokens[i].text == ",":
            i -= 1
        elif i >= 0 and self.words[i] in ("and", "but", "or") and self.last_subject:
            return self.last_subject, False
        while i >= 0 and _is_filler(self.words[i]):
            word = self.words[i] or ""
            if word in ("and", "or", "but"):
                return self.last_subject, negated
            negated ^= word in _NEGATIONS
            self.past |= word in ("was", "were")
            plural |= word in _PLURAL_BE or word in ("both", "all")
            if word in ("it", "they") and self._it(i):
                return [self._it(i)], negated
            i -= 1
        if i > 0 and self.tokens[i].text == "," and i < at - 1:
            i = self._before_aside(i)
        if i < 0 or self.tokens[i].kind != "thing":
            return [], negated
        subjects = [self.tokens[i].objects]
        if i == at - 2 and self.tokens[at - 1].text == ",":
            first = self.last_subject[:1] or [self.sentence.things[0].objects]
            return [subjects[0] | first[0]], negated
        listed = plural or self._introduced(i)
        while listed and (i := self._listed_before(i)) >= 0:
            subjects.append(self.tokens[i].objects)
        return subjects[::-1], negated

    def _before_aside(self, comma: int) -> int:
        """Where the thing before ", which" or before ", unlike the lamp," stands."""
        if self.words[comma + 1] in ("which", "that"):
            return comma - 1
        start = comma - 1
        while start >= 0 and self.tokens[start].text != ",":
            start -= 1
        return start - 1

    def _it(self, at: int) -> frozenset[int]:
        """What a pronoun may mean: the subject before it, in this sentence or the last."""
        if self.last_subject:
            return self.last_subject[0]
        earlier = [t for t in self.tokens[:at] if t.kind == "thing"]
        return earlier[0].objects if earlier else self.heard.subject

    def _listed_before(self, i: int) -> int:
        """Index of the mention before this one in a list of names, or -1."""
        j = i - 1
        while j >= 0 and self.tokens[j].kind == "word" and self.words[j] not in VERBS:
            if self.words[j] == "and":
                break
            if match_predicate(self.words, j) is not None or i - j > _MOST_ADJECTIVES + 1:
                return -1
            j -= 1
        if j < 0 or (self.words[j] != "and" and self.tokens[j].text != ","):
            return -1
        if self.words[j] == "and" and j and self.tokens[j - 1].text == ",":
            j -= 1
        return j - 1 if j and self.tokens[j - 1].kind == "thing" else -1

    def _introduced(self, i: int) -> bool:
        """Whether the names up to here open the sentence or follow "there are"."""
        first = i
        while (before := self._listed_before(first)) >= 0:
            first = before
        lead = [t for t in self.tokens[:first] if t.text not in DETERMINERS]
        return all(t.kind != "thing" for t in lead) and len(lead) <= 4

    def _object(self, at: int) -> tuple[frozenset[int], int] | None:
        """The thing that a phrase ends with, and where it stands."""
        for j in range(at, min(at + _MOST_ADJECTIVES + 2, len(self.tokens))):
            token = self.tokens[j]
            if token.kind == "thing":
                return token.objects, j
            if token.kind != "word" or token.text in VERBS | _CONJUNCTIONS | PICTURE:
                return None
            if j > at and token.text in DETERMINERS and self.words[j - 1] not in DETERMINERS:
                return None
            if token.text in _PRONOUNS and j == at and self._it(j):
                return self._it(j), j
            if j > at and token.text not in DETERMINERS and match_predicate(self.words, j):
                return None
        return None

    def _objects(self, at: int) -> tuple[list[frozenset[int]], int]:
        """The things that a phrase ends with: one, or several joined by "and"."""
        found = self._object(at)
        if found is None:
            return [], at
        things, end = [found[0]], found[1] + 1
        while end < len(self.tokens) and self.tokens[end].text in ("and", ","):
            step = end + 1
            if self.tokens[end].text == "," and step < len(self.tokens):
                step += self.words[step] == "and"
            more = self._object(step)
            if more is None or (self.words[step] or "") not in (*DETERMINERS, ""):
                break
            after = more[1] + 1
            if after < len(self.tokens) and self.tokens[after].text not in (",", "and", "."):
                break
            things.append(more[0])
            end = after
        return things, end

    # What is said.

    def _relation(self, at: int, end: int, label: str, swapped: bool) -> Iterator[AnyClaim]:
        if self.words[end : end + 2] in (["each", "other"], ["one", "another"]):
            yield from self._reciprocal(at, label)
            return
        subjects, negated = self._subjects(at)
        targets, after = self._objects(end)
        if not targets:
            targets = self._shared_objects(end)
        if not targets:
            return
        if not subjects:
            if swapped or not self._opens(at):
                return
            subjects, targets = self._inverted_subjects(after), targets[:1]
        self.last_subject = subjects or self.last_subject
        for subject in subjects:
            for target in targets:
                sides = (target, subject) if swapped else (subject, target)
                yield self._claim(sides[0], label, sides[1], negated)

    def _shared_objects(self, end: int) -> list[frozenset[int]]:
        """The things of "behind and to the right of the bowl", for "behind"."""
        if self.words[end : end + 1] not in (["and"], ["or"]):
            return []
        second = match_predicate(self.words, end + 1) if end + 1 < len(self.words) else None
        return self._objects(end + 1 + second[2])[0] if second is not None else []

    def _opens(self, at: int) -> bool:
        """Whether a phrase opens its clause: "Behind the cat is a mug."."""
        i = at - 1
        while i >= 0 and self.tokens[i].kind == "word" and self.words[i] in (
            "directly", "just", "and", "then", "also", "right", "slightly", "still", "so", "where",
        ):  # fmt: skip
            i -= 1
        return i < 0 or self.tokens[i].kind == "stop"

    def _inverted_subjects(self, at: int) -> list[frozenset[int]]:
        while at < len(self.tokens) and (
            self.words[at] in _FILLERS | {"there", "you", "we", "one"}
            or self.tokens[at].text == ","
        ):
            at += 1
        return self._objects(at)[0]

    def _reciprocal(self, at: int, label: str) -> Iterator[AnyClaim]:
        subjects, negated = self._subjects(at)
        for first, second in itertools.pairwise(subjects):
            yield self._claim(first, label, second, negated)

    def _comparison(self, at: int, said: str, than: bool, length: int) -> Iterator[AnyClaim]:
        subjects, negated = self._subjects(at)
        if self.sentence.question and not than:
            return
        targets, _ = self._objects(at + length) if than or said == "closer to" else ([], at)
        for subject in subjects[-1:] if len(subjects) == 1 else subjects:
            if targets:
                yield from (self._claim(subject, said, t, negated) for t in targets)
            elif not than and said not in ("closer to", "farther from"):
                here = frozenset().union(*(t.objects for t in self.sentence.things)) - subject
                others = here or self.heard.asked - subject
                if others:
                    yield self._claim(subject, said, others, negated)
        self.last_subject = subjects or self.last_subject

    def _superlative(self, at: int, said: str, length: int) -> Iterator[AnyClaim]:
        if self.sentence.question:
            return
        subjects, negated = self._subjects(at)
        end = at + length
        if not subjects:
            if end < len(self.tokens) and self.tokens[end].kind == "thing":
                return
            while end < len(self.tokens) and (
                self.words[end] in VERBS | COUNTED_ANY | {"one", "there", "of", "all", "two"}
                or self.words[end] in ("the", "three")
            ):
                end += 1
            subjects = self._objects(end)[0]
        together = frozenset().union(*subjects)
        for subject in subjects:
            others = self.heard.asked - subject
            yield self._claim(subject, said, others, negated, second=together)

    def _between(self, at: int) -> Generator[AnyClaim, None, int]:
        targets, end = self._objects(at + 1)
        subjects, negated = self._subjects(at)
        if len(targets) == 1 and len(targets[0]) == 2:  # "between the two chairs"
            targets = [frozenset({i}) for i in sorted(targets[0])]
        if len(targets) == 2 and self.words[max(at - 2, 0) : at] == ["gap", "is"]:
            yield self._claim(targets[0], "next to", targets[1])
        elif len(targets) == 2:
            if not subjects and self._opens(at):
                subjects = self._inverted_subjects(end)
            for subject in subjects:
                yield self._claim(subject, "between", targets[0], negated, second=targets[1])
        return 1

    def _layer(self, at: int) -> Generator[AnyClaim, None, int]:
        number = read_number(self.words[at + 1] or "") if at + 1 < len(self.words) else None
        if number is None or (at + 2 < len(self.tokens) and self.tokens[at + 2].text == ":"):
            return 2 if number is not None else 1
        subjects, _ = self._subjects(at - 1 if at and self.words[at - 1] == "in" else at)
        if not subjects:
            subjects = self._inverted_subjects(at + 2)
        for subject in subjects:
            yield LayerClaim(subject, number, self.sentence.said)
        return 2

    def _count(self, at: int, number: int) -> Iterator[AnyClaim]:
        before = self.words[at - 1] if at else None
        if before in ("the", "these", "those", "of", "layer", "only", "all", "other"):
            return
        after = self.tokens[at + 1] if at + 1 < len(self.tokens) else None
        if after is None or number == 1:
            return
        # "Two mugs on the shelf" need not be all mugs.
        rest = range(at + 2, len(self.words))
        some = self.words[:1] == ["layer"] or any(match_predicate(self.words, i) for i in rest)
        if after.kind == "thing" and not after.boxed:
            yield CountClaim(number, after.objects, some, self.sentence.said)
        elif after.text in COUNTED_ANY and before in ("are", "shows", "contains", "see", "with"):
            yield CountClaim(number, frozenset(), some, self.sentence.said)

    def _side(self, at: int) -> Generator[AnyClaim, None, int]:
        """ "on the left" with nothing after it: of the picture, or of the two spoken of."""
        side = self.words[at + 2] if at + 2 < len(self.words) else None
        if side not in ("left", "right"):
            return 0
        end = at + 3
        while end < len(self.words) and self.words[end] in ("hand", "side"):
            end += 1
        subjects, negated = self._subjects(at)
        label = f"to the {side} of"
        second = self._other_side(end, "right" if side == "left" else "left")
        if second is not None:
            yield from (self._claim(s, label, second, negated) for s in subjects[-1:])
            return len(self.tokens) - at
        closed = end == len(self.tokens) or self.tokens[end].kind == "stop"
        if not subjects and self._opens(at):
            subjects = self._inverted_subjects(end)
            closed = bool(subjects)
        if not closed or self.sentence.question:
            return 0
        for subject in subjects:
            yield self._claim(subject, f"{side}most", self.heard.asked - subject, negated)
        return end - at

    def _other_side(self, at: int, side: str) -> frozenset[int] | None:
        """The thing of "... and the bowl (is) on the right"."""
        found = self._object(at + 1) if self.words[at : at + 1] in (["and"], ["while"]) else None
        if found is None:
            return None
        rest = [w for w in self.words[found[1] + 1 :] if w not in _BE]
        return found[0] if rest[:3] in (["on", "the", side], ["to", "the", side]) else None

    def _has_inside(self, at: int) -> Iterator[AnyClaim]:
        held = self._object(at + 1)
        owners, negated = self._subjects(at)
        if held and owners and "inside" in self.words[held[1] + 1 : held[1] + 3]:
            yield self._claim(held[0], "in", owners[-1], negated)
