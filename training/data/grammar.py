"""English around names of things: articles, number, lists, sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence

NUMBERS = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    "twenty",
)  # fmt: skip

GRAMMAR_WORDS = (
    "a", "an", "some", "another", "more", "the", "A", "An", "Some", "Another", "More", "The", "and",
    "is", "are", "it", "they", *NUMBERS, *(word.capitalize() for word in NUMBERS),
)  # fmt: skip
"""Every word this module may add."""

_SINGULAR_IN_S = frozenset(
    {"lens", "canvas", "gas", "atlas", "iris", "tennis", "chassis", "series", "pancreas"}
)
_PLURAL = frozenset(
    {"people", "men", "women", "children", "feet", "teeth", "geese", "mice", "cattle", "police",
     "skis", "dice"}
)  # fmt: skip
_MASS = frozenset(
    {"bread", "tape", "clothing", "cutlery", "furniture", "luggage", "rice", "cheese", "toast",
     "grass", "sand", "water", "snow", "gravel", "dirt", "mud", "ice", "food", "fruit", "hay",
     "meat", "pasta", "broccoli", "popcorn", "soup", "hair", "fabric", "smoke", "fog", "coffee",
     "tea", "milk", "beer", "wine", "juice", "vegetation", "foliage", "trash", "garbage",
     "silverware", "jewelry", "machinery", "equipment", "wood", "traffic"}
)  # fmt: skip
_MASS_NAMES = frozenset({"toilet paper", "wrapping paper"})
_ONE_OF_ITS_KIND = frozenset({"sky", "sea", "ocean", "sun", "moon", "horizon", "ground", "floor",
                              "ceiling"})  # fmt: skip
_PREPOSITION = re.compile(" (?:of|with|in|on|at|from|for|under|near) ")
_SOUNDS_LIKE_YOU = re.compile("(uni(?!n)|use|usu|ute|uku|eu|one\\b|once\\b|ubi)", re.IGNORECASE)
_SILENT_H = re.compile("(hour|honest|heir|honou?r)", re.IGNORECASE)
_SPELT_OUT = re.compile("([A-Z]{2,}\\b|[A-Za-z](?![A-Za-z]))")


def _head(label: str) -> str:
    """The noun that decides: "chest of drawers" is a chest, "wine glass" a glass."""
    words = _PREPOSITION.split(label)[0].split()
    return words[-1].lower() if words else ""


def is_mass(label: str) -> bool:
    """Takes "some" and a singular verb: bread."""
    return _head(label) in _MASS or label.lower() in _MASS_NAMES


def is_plural(label: str) -> bool:
    """Takes "some" and a plural verb: scissors, folded clothes."""
    head = _head(label)
    if head in _SINGULAR_IN_S or is_mass(label):
        return False
    return head in _PLURAL or (head.endswith("s") and not head.endswith(("ss", "us", "is")))


def starts_with_vowel_sound(word: str) -> bool:
    """Whether "an" goes before it, by its sound as far as the spelling tells."""
    if _SPELT_OUT.match(word):
        return word[0].lower() in "aefhilmnorsx8"
    if _SILENT_H.match(word):
        return True
    return word[:1].lower() in {*"aeiou8"} and not _SOUNDS_LIKE_YOU.match(word)


def article(label: str, again: bool = False) -> str:
    """ "a", "an" or "some"; with ``again`` for a further one of the same name.

    "the" for what there is one of: the sky, the floor.
    """
    if label.lower() in _ONE_OF_ITS_KIND and not again:
        return "the"
    if is_plural(label) or is_mass(label):
        return "more" if again else "some"
    if again:
        return "another"
    return "an" if starts_with_vowel_sound(label) else "a"


def verb(label: str, singular: str, plural: str) -> str:
    """The form of a verb that agrees with a thing."""
    return plural if is_plural(label) else singular


def join_names(names: Sequence[str]) -> str:
    """ "a mug", "a mug and a cup", "a mug, a cup and a fork"."""
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def number_word(count: int) -> str:
    """Up to twenty in words, then in digits."""
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


def sentence(text: str) -> str:
    """``text`` with a capital first letter."""
    return text[:1].upper() + text[1:]
