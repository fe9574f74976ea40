"""Which objects of an image a name may mean: plurals, synonyms and heads of compounds."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_IRREGULAR = {
    "people": "person", "men": "man", "women": "woman", "children": "child", "mice": "mouse",
    "geese": "goose", "feet": "foot", "teeth": "tooth", "oxen": "ox",
}  # fmt: skip
_GROUPS = (
    ("sofa", "couch", "settee"),
    ("television", "tv", "tv set", "tv monitor"),
    ("refrigerator", "fridge"),
    ("bicycle", "bike"),
    ("motorcycle", "motorbike"),
    ("airplane", "plane", "aeroplane", "aircraft"),
    ("car", "automobile"),
    ("cell phone", "phone", "mobile phone", "smartphone", "cellphone", "mobile"),
    ("potted plant", "house plant", "houseplant", "plant"),
    ("dining table", "table"),
    ("mug", "cup", "coffee cup", "coffee mug"),
    ("rug", "carpet"),
    ("trash can", "bin", "waste bin", "wastebasket", "garbage can", "dustbin"),
    ("laptop", "notebook computer", "laptop computer"),
    ("remote", "remote control"),
    ("hair drier", "hair dryer", "hairdryer"),
    ("teddy bear", "teddy"),
    ("person", "man", "woman", "boy", "girl", "child", "lady", "guy", "kid", "player", "human"),
    ("cupboard", "cabinet"),
    ("doughnut", "donut"),
    ("pavement", "sidewalk"),
    ("street", "road"),
    ("sneaker", "shoe"),
    ("boat", "ship"),
    ("lamp", "light"),
    ("stove", "cooker"),
)
_SYNONYMS = {name: set(group) - {name} for group in _GROUPS for name in group}


def split_words(text: str) -> tuple[str, ...]:
    """Lower-case words."""
    return tuple(_WORD.findall(text.lower()))


@functools.lru_cache(maxsize=1 << 14)
def word_forms(word: str) -> tuple[str, ...]:
    """The word, then what it may be the plural of."""
    forms = [word]
    if word in _IRREGULAR:
        forms.append(_IRREGULAR[word])
    if word.endswith("s") and not word.endswith("ss") and len(word) > 2:
        forms.append(word[:-1])
        if word.endswith("es"):
            forms.append(word[:-2])
        if word.endswith("ies"):
            forms.append(word[:-3] + "y")
        if word.endswith("ves"):
            forms += [word[:-3] + "f", word[:-3] + "fe"]
    return tuple(forms)


@functools.lru_cache(maxsize=1 << 14)
def name_forms(words: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """A name, then what it may be the plural of."""
    return tuple((*words[:-1], form) for form in word_forms(words[-1])) if words else ()


@functools.lru_cache(maxsize=1 << 12)
def name_fits(name: str, label: str) -> bool:
    """Whether an object of this label may be called so.

    "mugs", "red mug" and "coffee mug" fit "mug", "table" fits "coffee table", "couch" fits "sofa".
    """
    said, known = split_words(name), split_words(label)
    if not said or not known:
        return False
    accepted = {form for known_as in _called(known) for form in name_forms(known_as)}
    return any(
        form[start:] in accepted for form in name_forms(said) for start in range(len(form))
    ) or any(known[-len(form) :] == form for form in name_forms(said))


@functools.lru_cache(maxsize=1 << 12)
def _called(label: tuple[str, ...]) -> list[tuple[str, ...]]:
    names = {" ".join(form) for form in name_forms(label)}
    return [label, *(split_words(s) for n in sorted(names) for s in sorted(_SYNONYMS.get(n, ())))]


@dataclass(frozen=True)
class NameIndex:
    """Objects by every name that may mean them; what is exactly called so goes before."""

    tiers: tuple[dict[tuple[str, ...], frozenset[int]], ...] = field(repr=False)
    longest: int = 1
    """Words of the longest name."""

    @staticmethod
    def of(labels: Sequence[str]) -> NameIndex:
        """Index of the objects' labels; plain labels, then synonyms, then heads of compounds."""
        tiers: tuple[dict[tuple[str, ...], set[int]], ...] = ({}, {}, {})
        for index, label in enumerate(labels):
            words = split_words(label)
            for form in name_forms(words):
                tiers[0].setdefault(form, set()).add(index)
            for synonym in _called(words)[1:]:
                for form in name_forms(synonym):
                    tiers[1].setdefault(form, set()).add(index)
            for form in name_forms(words[-1:]) if len(words) > 1 else ():
                tiers[2].setdefault(form, set()).add(index)
        longest = max((len(name) for tier in tiers for name in tier), default=1)
        found = tuple({k: frozenset(v) for k, v in tier.items()} for tier in tiers)
        return NameIndex(found, longest)

    def find(self, words: Sequence[str]) -> frozenset[int]:
        """Objects that these words may name; empty if none."""
        forms = name_forms(tuple(words))
        for tier in self.tiers:
            for form in forms:
                if form in tier:
                    return tier[form]
        return frozenset()
