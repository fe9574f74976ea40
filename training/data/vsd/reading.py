"""What a sentence says of two named things: which of the nine relations, and which way round.

The names are found first and become ``S`` and ``O``; what is left is a small grammar of
prepositions, comparisons, verbs and places. A sentence that the grammar does not know is read as
saying nothing, never as saying something near.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from spacesgg_ros.graph.predicates import INVERSES, resolve_predicate

from . import lexicon as words

SUBJECT, OBJECT = "S", "O"
_LONGEST_PHRASE = 6
_CONTRACTED = re.compile(r"\b(there|it|that|here|what|who|where|he|she)'s\b")
_TOKEN = re.compile(r"[a-z0-9]+|'s|[.,;:!?]")
_EYE = re.compile(r"\b(?:to|from) (?:the )?(?:camera|viewer|us) than\b")
_NOT_IN_PHRASE = words.POSTURES | frozenset({*".,;:!?", SUBJECT, OBJECT})


@dataclass(frozen=True)
class Claim:
    """One relation that a sentence says.

    Attributes:
        labels: which of ``VSD_LABELS`` it may be ("holds": in or on); empty for a relation that
            is none of them.
        figure: "S" or "O", the thing that is placed; "" if it is not one of the two.
        landmark: "S" or "O", the thing it is placed by; "" if it is another thing or none.
        words: the phrase, for messages.
    """

    labels: frozenset[str]
    figure: str
    landmark: str
    words: str

    @property
    def is_of_both(self) -> bool:
        return {self.figure, self.landmark} == {SUBJECT, OBJECT}

    def from_subject(self) -> frozenset[str]:
        """The labels told from S: "O is behind S" says that S is in front of O."""
        if self.figure == SUBJECT:
            return self.labels
        return frozenset(INVERSES[label] for label in self.labels if label in INVERSES)


@dataclass(frozen=True)
class Reading:
    """A sentence taken apart.

    Attributes:
        text: lower case, names replaced by S and O, idioms taken out.
        claims: what it relates, in order.
        lost: "S" and "O" that it does not name.
    """

    text: str
    claims: tuple[Claim, ...]
    lost: tuple[str, ...]

    @property
    def labels(self) -> frozenset[str]:
        """What S may be to O by all its claims of the two; empty if they disagree or are none."""
        said = [claim.from_subject() for claim in self.claims if claim.is_of_both]
        return functools.reduce(frozenset.intersection, said) if said else frozenset()


def read_sentence(sentence: str, subject: str, target: str) -> Reading:
    """Names and relations of one sentence; total: any text gives a reading."""
    text = mark_names(sentence, subject, target)
    lost = tuple(role for role in (SUBJECT, OBJECT) if role not in text.split())
    text = " ".join(words.IDIOMS.sub(" ", text).split())
    return Reading(text, tuple(_find_claims(text)), lost)


def split_words(sentence: str) -> list[str]:
    """Lower-case words and stops; contractions written out, hyphens opened."""
    text = sentence.lower().replace("’", "'").replace("-", " ").replace("`", "'")
    text = _CONTRACTED.sub(r"\1 is", text).replace("can't", "can not").replace("n't", " not")
    text = text.replace("'re", " are")
    return _TOKEN.findall(text)


def name_words(name: str) -> list[str]:
    """A name's words without its article."""
    found = split_words(name)
    found = [word for word in found if word not in ".,;:!?"]
    return found[1:] if len(found) > 1 and found[0] in ("a", "an", "the", "some") else found


def mark_names(sentence: str, subject: str, target: str) -> str:
    """The words of a sentence, those of the two names replaced by S and O.

    Plural and singular are one; an adjective of the name may be missing if no other stands
    there. A name in the possessive ("the dog's bowl") is not the thing.
    """
    # "nearer to the camera than" is not about a thing that is called camera.
    tokens = _EYE.sub("than", " ".join(split_words(sentence))).split()
    roles = [(name_words(subject), SUBJECT), (name_words(target), OBJECT)]
    # The longer first: "table lamp" is not the table.
    for name, role in sorted(roles, key=lambda item: -len(item[0])):
        tokens = _mark(tokens, name, role)
    return " ".join(tokens)


def _mark(tokens: list[str], name: list[str], role: str) -> list[str]:
    bare = list(name)
    while len(bare) > 1 and bare[0] in words.ADJECTIVES:
        bare = bare[1:]
    marked: list[str] = []
    at = 0
    while at < len(tokens):
        size = _match(tokens, at, name)
        before = marked[-1] if marked else ""
        if not size and bare != name and (not before or before in words.GLUE):
            size = _match(tokens, at, bare)
        if size and tokens[at + size : at + size + 1] != ["'s"]:
            marked.append(role)
            at += size
        else:
            marked.append(tokens[at])
            at += 1
    return marked


def _match(tokens: list[str], at: int, name: list[str]) -> int:
    """How many tokens from here are the name; 0 if they are not."""
    part = tokens[at : at + len(name)]
    if not name or len(part) < len(name) or part[:-1] != name[:-1]:
        return 0
    return len(name) if words.singular(part[-1]) == words.singular(name[-1]) else 0


_VERB_PATTERNS = [
    (re.compile(rf"{pattern}\b"), frozenset(labels), passive)
    for table, passive in ((words.PASSIVES, True), (words.ACTIVES, False))
    for pattern, labels in table.items()
]
_COMPARISONS = [(re.compile(rf"(?:{p})\b"), label) for p, label in words.COMPARISONS.items()]
_PLACES = [(re.compile(rf"(?:{p})\b"), label) for p, label in words.PLACES.items()]
_ITS_PLACES = [(re.compile(rf"(?:{p})\b"), label) for p, label in words.ITS_PLACES.items()]
_OTHERS = re.compile(rf"(?:{words.OTHER_RELATIONS})\b")
_MUTUAL = re.compile(rf"\b(?:{words.MUTUAL})\b")
_BOTH = re.compile(r"\b(?:S and(?: \w+){0,3} O|O and(?: \w+){0,3} S)\b")
_GAP = re.compile(rf"\b{words.GAP}(?: \w+)? (?:S and(?: \w+)? O|O and(?: \w+)? S)\b")
_PARTICIPLE = re.compile(r"(\w+(?:ed|en|ne|wn|lt)) by$")


def _find_claims(text: str) -> Iterator[Claim]:
    gap = _GAP.search(text)
    if gap:
        yield Claim(frozenset({"next to"}), SUBJECT, OBJECT, gap[0])
        text = text[: gap.start()] + text[gap.end() :]
    mutual = _MUTUAL.search(text)
    if mutual:
        both = _BOTH.search(text)
        ends = (SUBJECT, OBJECT) if both else ("", "")
        yield Claim(frozenset({"next to"}), *ends, mutual[0])
        text = (text[: mutual.start()] + text[mutual.end() :]).strip()
    phrases = _find_phrases(text)
    claims = [_relate(text, phrases, k) for k in range(len(phrases))]
    yield from _pair_places(claims)


@dataclass(frozen=True)
class _Phrase:
    start: int
    end: int
    labels: frozenset[str]
    kind: str  # "before its landmark", "passive", "active", "place", "its place"


def _find_phrases(text: str) -> list[_Phrase]:
    found: list[_Phrase] = []
    starts = [m.start() for m in re.finditer(r"\S+", text)]
    end = 0
    for start in starts:
        if start >= end:
            phrase = _match_phrase(text, start)
            if phrase is not None:
                found.append(phrase)
                end = phrase.end
    return found


def _match_phrase(text: str, start: int) -> _Phrase | None:
    rest = text[start:]
    for pattern, labels, passive in _VERB_PATTERNS:
        hit = pattern.match(rest)
        if hit:
            return _Phrase(start, start + hit.end(), labels, "passive" if passive else "active")
    for pattern, label in _COMPARISONS:
        hit = pattern.match(rest)
        if hit:
            return _Phrase(start, start + hit.end(), frozenset({label}), "before its landmark")
    for pattern, label in _ITS_PLACES:
        hit = pattern.match(rest)
        if hit:
            return _Phrase(start, start + hit.end(), frozenset({label}), "its place")
    preposition, place = _match_preposition(text, start), _match_place(text, start)
    if preposition and place:
        return place if place.end > preposition.end else preposition
    return preposition or place


def _match_preposition(text: str, start: int) -> _Phrase | None:
    rest = text[start:].split()
    other = _OTHERS.match(text[start:])
    shortest = other.end() if other else 0
    for size in range(min(_LONGEST_PHRASE, len(rest)), 0, -1):
        phrase = " ".join(rest[:size])
        if len(phrase) <= shortest or rest[size - 1] in words.NOT_ALONE:
            continue
        if phrase in words.NOT_ALONE or not _NOT_IN_PHRASE.isdisjoint(rest[:size]):
            continue
        label = words.MORE_PREPOSITIONS.get(phrase)
        resolved = (label, False) if label else resolve_predicate(phrase)
        if resolved is None:
            continue
        if phrase == "by" and _PARTICIPLE.search(text[: start + 2]) and not _is_placed(text, start):
            return _Phrase(start, start + 2, frozenset(), "before its landmark")
        kind = "active" if resolved[1] else "before its landmark"
        return _Phrase(start, start + len(phrase), frozenset({resolved[0]}), kind)
    if other:
        return _Phrase(start, start + shortest, frozenset(), "before its landmark")
    return None


def _is_placed(text: str, start: int) -> bool:
    return text[:start].split()[-1] in words.POSTURES


def _match_place(text: str, start: int) -> _Phrase | None:
    for pattern, label in _PLACES:
        hit = pattern.match(text[start:])
        if hit:
            return _Phrase(start, start + hit.end(), frozenset({label}), "place")
    return None


_STOPS = words.POSTURES | words.split_bank("and or with which that who where while has have of")
_AFTER_PRONOUN = re.compile(
    r"(?: (?:it|them|him|her))?(?: ,)?(?: there)? (\w+)(?: \w+){0,3}? ([SO])\b"
)
_PRONOUNS = frozenset({"it", "them", "him", "her", "each"})


def _relate(text: str, phrases: list[_Phrase], k: int) -> Claim:
    """Who is placed by whom: the landmark follows its preposition, or is "it", or is left out."""
    phrase = phrases[k]
    said = text[phrase.start : phrase.end]
    before = text[: phrase.start]
    landmark = "" if phrase.kind in ("place", "its place") else _landmark(text, phrases, k)
    if phrase.kind in ("passive", "active"):
        figure = _nearest_before(before)
        if phrase.kind == "active":
            figure, landmark = landmark, figure
        return Claim(phrase.labels, figure, landmark, said)
    if landmark in (SUBJECT, OBJECT):
        return Claim(phrase.labels, _other(landmark), landmark, f"{said} {landmark}")
    if landmark == "it" or phrase.kind == "its place":
        after = _after_pronoun(text[phrase.end :])
        figure = after or _nearest_before(before)
        named_before = set(before.split()) & {SUBJECT, OBJECT}
        if figure and _other(figure) in named_before:
            return Claim(phrase.labels, figure, _other(figure), f"{said} it")
        return Claim(phrase.labels, "", "", f"{said} it")
    if landmark:
        return Claim(phrase.labels, "", "", f"{said} {landmark}")
    return _relate_place(text, phrase)


def _relate_place(text: str, phrase: _Phrase) -> Claim:
    """A place with no landmark: "with S behind", "that S is behind", "S on the left"."""
    place = _match_place(text, phrase.start)
    labels = place.labels if place and place.end >= phrase.end else phrase.labels
    said = text[phrase.start : place.end if place else phrase.end]
    before = text[: phrase.start].rstrip()
    figure = _nearest_before(before)
    if figure:
        held = rf"{_other(figure)}\b.*\b(?:with|has|have|having|which|that|what)\b[^SO]*{figure}\b"
        if re.search(held, before):
            return Claim(labels, figure, _other(figure), said)
    return Claim(labels, figure, "", said)


def _landmark(text: str, phrases: list[_Phrase], k: int) -> str:
    """ "S", "O", "it", another thing's words, or "" where none follows."""
    end = phrases[k].end
    following = phrases[k + 1] if k + 1 < len(phrases) else None
    # "behind and to the left of O": the landmark of the second is that of the first.
    if following and re.fullmatch(r"(?: ,)?(?: and| or)?(?: also)? ?", text[end : following.start]):
        return _landmark(text, phrases, k + 1) if following.kind == phrases[k].kind else ""
    limit = following.start if following else len(text)
    taken: list[str] = []
    ahead = text[end:limit].split()
    for word, after in zip(ahead, [*ahead, ""][1:], strict=True):
        if word in (SUBJECT, OBJECT):
            return word
        if word in _PRONOUNS and not taken and not (word == "her" and _names_next(text, end)):
            return "it"
        participle = word in words.POSTURES and after in (SUBJECT, OBJECT)  # "a parked S"
        if word in ".,;:!?" or (word in _STOPS and not participle):
            break
        if taken and word in words.DETERMINERS:
            break
        taken.append(word)
    return " ".join(word for word in taken if word not in words.DETERMINERS - {"other"})


def _names_next(text: str, end: int) -> bool:
    return bool(re.match(r" her(?: \w+){0,2} [SO]\b", text[end:]))


def _nearest_before(before: str) -> str:
    names = [word for word in before.split() if word in (SUBJECT, OBJECT)]
    return names[-1] if names else ""


def _after_pronoun(after: str) -> str:
    """The thing in "behind it stands S"; "" if no thing follows a verb."""
    found = re.match(
        r"(?: (?:it|them|him|her))?(?: ,)?(?: there)? (\w+)((?: \w+){0,3}?) ([SO])\b", after
    )
    return found[3] if found and found[1] in words.GLUE - {"and", "the", "a", "an"} else ""


def _other(role: str) -> str:
    return OBJECT if role == SUBJECT else SUBJECT


def _pair_places(claims: list[Claim]) -> Iterator[Claim]:
    """Two places of the two things that are each other's contrary are one relation."""
    open_ends = [c for c in claims if c.figure and not c.landmark and c.labels]
    paired = (
        len(open_ends) == 2
        and open_ends[0].figure != open_ends[1].figure
        and all(INVERSES.get(label) in open_ends[1].labels for label in open_ends[0].labels)
    )
    for claim in claims:
        if paired and claim in open_ends:
            yield Claim(claim.labels, claim.figure, _other(claim.figure), claim.words)
        else:
            yield claim
