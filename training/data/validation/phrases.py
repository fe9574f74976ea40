"""Phrases that say where something is or from where it is seen, found in words."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from spacesgg_ros.graph.predicates import resolve_predicate
from spacesgg_ros.graph.types import Viewpoint

EVERY_VIEW: tuple[Viewpoint, ...] = ()
"""What "from every side" stands for."""

_LONGEST_PREDICATE = 6
_CAMERA = ("camera", "viewer", "observer", "lens", "us", "you", "me", "front", "eye")
_SIDES = {
    "left": Viewpoint.LEFT, "right": Viewpoint.RIGHT, "back": Viewpoint.BACK,
    "rear": Viewpoint.BACK, "behind": Viewpoint.BACK, "opposite": Viewpoint.BACK,
    "camera": Viewpoint.CAMERA, "here": Viewpoint.CAMERA, "where": Viewpoint.CAMERA,
    "front": Viewpoint.CAMERA,
    "viewer": Viewpoint.CAMERA, "original": Viewpoint.CAMERA, "observer": Viewpoint.CAMERA,
}  # fmt: skip
_VIEW_NOUNS = ("view", "viewpoint", "perspective", "vantage", "angle")
_THERE = ("there", "that", "this")
_COMPARED = {
    "nearer": "nearer", "closer": "nearer", "farther": "farther", "further": "farther",
    "higher": "higher", "lower": "lower", "deeper": "farther",
}  # fmt: skip
_SUPERLATIVE = {
    "nearest": "nearest", "closest": "nearest", "farthest": "farthest", "furthest": "farthest",
    "leftmost": "leftmost", "rightmost": "rightmost", "highest": "highest", "lowest": "lowest",
    "topmost": "highest",
}  # fmt: skip
_PLACES = {
    ("near",): "in front of", ("nearest",): "in front of", ("in", "front"): "in front of",
    ("far",): "behind", ("farthest",): "behind", ("behind",): "behind",
    ("at", "the", "back"): "behind", ("in", "the", "back"): "behind",
    ("on", "the", "left"): "to the left of", ("to", "the", "left"): "to the left of",
    ("left",): "to the left of", ("on", "the", "right"): "to the right of",
    ("to", "the", "right"): "to the right of", ("right",): "to the right of",
}  # fmt: skip
_TURN_WORDS = {"is", "are", "was", "were", "here", "there", "now", "becomes", "become", "turns",
               "into", "lies", "at", "from", "what", "in", "the", "picture"}  # fmt: skip


_resolve = functools.lru_cache(maxsize=1 << 16)(resolve_predicate)


def match_predicate(words: Sequence[str | None], at: int) -> tuple[str, bool, int] | None:
    """The longest VSD predicate that starts at a word: label, whether swapped, words used.

    ``None`` among the words stands for what is no word.
    """
    for length in range(_LONGEST_PREDICATE, 0, -1):
        phrase = words[at : at + length]
        if len(phrase) < length or None in phrase or phrase[0] in ("is", "are", "was", "be"):
            continue
        found = _resolve(" ".join(w for w in phrase if w))
        if found is not None:
            return (*found, length)
    return None


def match_comparison(words: Sequence[str | None], at: int) -> tuple[str, bool, int] | None:
    """A comparison at a word: what is claimed, whether "than" follows, words used.

    "nearer to the camera than" is ``("nearer", True, 5)``, "farther to the left" ``("to the
    left of", False, 4)``, "closer to" with something else after it ``("closer to", False, 2)``.
    """
    word = words[at]
    if word not in _COMPARED and word != "more":
        return None
    said = _COMPARED.get(word or "", "")
    end = at + 1
    side = _skip(words, end, ("away", "back", "off", "up", "down", "out", "over"))
    after = _skip(words, side, ("to", "on", "toward", "towards"))
    after = _skip(words, after, ("the",))
    if _word(words, after) in ("left", "right") and said in ("", "farther"):
        said, end = f"to the {words[after]} of", after + 1
    elif not said:
        return None
    else:
        end = side
        joined = _skip(words, end, ("to", "from", "toward", "towards"))
        if joined > end:
            camera = _skip(words, joined, ("the", "our"))
            if _word(words, camera) in _CAMERA:
                end = camera + 1
            elif _word(words, joined) not in _CAMERA and said in ("nearer", "farther"):
                return ("closer to" if said == "nearer" else "farther from"), False, joined - at
    if _word(words, end) == "in" and _word(words, end + 2) in ("picture", "image"):
        end += 3
    than = _word(words, end) == "than"
    return said, than, end + than - at


def match_superlative(words: Sequence[str | None], at: int) -> tuple[str, int] | None:
    """A superlative at a word ("farthest away", "farthest to the left"), and the words used."""
    said = _SUPERLATIVE.get(words[at] or "")
    if said is None:
        return None
    end = _skip(words, at + 1, ("away", "back", "up", "down"))
    side = _skip(words, _skip(words, end, ("to", "on")), ("the",))
    if said == "farthest" and _word(words, side) in ("left", "right"):
        return f"{words[side]}most", side + 1 - at
    joined = _skip(words, _skip(words, end, ("to", "from")), ("the",))
    if joined > end and _word(words, joined) in _CAMERA:
        end = joined + 1
    elif joined > end:
        return None
    return said, end - at


def match_view(words: Sequence[str | None], at: int) -> tuple[Viewpoint | str, int] | None:
    """From where something is seen, and the words that say so.

    A viewpoint, "there" (the one spoken of before) or "every". "from left to right" and
    "farther from the camera" say nothing of that.
    """
    if words[at] == "from":
        return _match_from(words, at)
    if words[at] in ("camera's", "viewer's", "original") and _word(words, at + 1) in _VIEW_NOUNS:
        return Viewpoint.CAMERA, 2
    if words[at : at + 3] == ["at", "the", "camera"]:
        return Viewpoint.CAMERA, 3
    if words[at] in ("left", "right", "back", "rear") and at:
        end = _skip(words, at + 1, ("hand",))
        end = _skip(words, end, ("side",))
        if _word(words, end) in _VIEW_NOUNS:
            return _SIDES[words[at] or ""], end + 1 - at
    return None


def _match_from(words: Sequence[str | None], at: int) -> tuple[Viewpoint | str, int] | None:
    if at and words[at - 1] in ("farther", "further", "away", "far", "distance", "farthest"):
        return None
    end = at + 1
    for skipped in (("the",), ("scene's", "room's", "table's", "very"), ("far",)):
        end = _skip(words, end, skipped)
    word = _word(words, end)
    if word in ("every", "all", "any", "each"):
        end = _skip(words, end + 1, ("four", "other", "the"))
        return "every", min(end + 1, len(words)) - at
    if word == "other" and _word(words, end + 1) in ("side", "end"):
        return Viewpoint.BACK, end + 2 - at
    if word in _THERE:
        end = _skip(words, end + 1, ("side", *_VIEW_NOUNS))
        return "there", end - at
    if word not in _SIDES or _word(words, end + 1) == "to":
        return None
    after = _skip(words, end + 1, ("hand",))
    after = _skip(words, after, ("side", *_VIEW_NOUNS))
    return _SIDES[word], after - at


def match_turned_place(words: Sequence[str | None], at: int) -> tuple[str, str] | None:
    """ "what is near here is far there": the two places as directions; None if not said."""
    if words[at] != "what" or _word(words, at + 1) not in ("is", "was", "were", "are"):
        return None
    places: list[str] = []
    at += 2
    while at < len(words) and len(places) < 2:
        for length in (3, 2, 1):
            place = _PLACES.get(tuple(w or "" for w in words[at : at + length]))
            if place:
                places.append(place)
                at += length
                break
        else:
            if words[at] not in _TURN_WORDS:
                return None
            at += 1
    return (places[0], places[1]) if len(places) == 2 else None


def _word(words: Sequence[str | None], at: int) -> str:
    return (words[at] or "") if at < len(words) else ""


def _skip(words: Sequence[str | None], at: int, skipped: Sequence[str]) -> int:
    return at + 1 if _word(words, at) in skipped else at
