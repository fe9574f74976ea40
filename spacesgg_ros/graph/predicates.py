"""Predicate vocabulary: the nine VSD labels, their synonyms and inverses."""

from __future__ import annotations

VSD_LABELS: tuple[str, ...] = (
    "on",
    "in",
    "next to",
    "under",
    "above",
    "behind",
    "in front of",
    "to the left of",
    "to the right of",
)
"""The relations of visual spatial description, in the order of LLaVA-VSD's question."""

TOPOLOGICAL = frozenset({"on", "in", "under", "above"})
DIRECTIONAL = frozenset({"behind", "in front of", "to the left of", "to the right of"})

TOLD_KINDS: dict[str, tuple[str, ...]] = {
    "support": ("in", "on"),
    "overhead": ("under", "above"),
    "neighbour": ("to the left of", "to the right of", "in front of", "behind", "next to"),
}
"""What a canonical text says at most once of an object, in this order: what carries it, what is
over it, its neighbour (docs/data.md)."""

TOLD_PREDICATES = tuple(predicate for kind in TOLD_KINDS.values() for predicate in kind)
"""In the order in which the tower's relation head scores them."""

INVERSES: dict[str, str] = {
    "on": "under",
    "above": "under",
    "under": "above",
    "next to": "next to",
    "behind": "in front of",
    "in front of": "behind",
    "to the left of": "to the right of",
    "to the right of": "to the left of",
}
"""``a p b`` implies ``b INVERSES[p] a``; "in" has no inverse among the nine."""

_SYNONYMS: dict[str, tuple[str, ...]] = {
    "on": ("on top of", "atop", "upon", "on the top of", "onto", "ontop of"),
    "in": ("inside", "inside of", "within", "into", "enclosed by", "contained in", "enclosed in"),
    "next to": (
        "beside", "besides", "near", "nearby", "close to", "by", "adjacent to", "alongside",
        "at the side of", "to the side of", "next", "near to", "at the right or left of",
    ),
    "under": ("below", "beneath", "underneath", "under the", "down from", "down"),
    "above": ("over", "higher than"),
    "behind": (
        "at the back of", "in back of", "beyond", "in the back of", "to the back of",
        "farther than", "further than",
    ),
    "in front of": (
        "ahead of", "before", "at the front of", "in the front of", "front of", "closer than",
        "to the front of", "in front",
    ),
    "to the left of": (
        "left of", "left", "at the left side of", "on the left of", "to the left", "at the left of",
        "on the left side of", "to the left side of", "at left side of", "left side of",
    ),
    "to the right of": (
        "right of", "right", "at the right side of", "on the right of", "to the right",
        "at the right of", "on the right side of", "to the right side of", "at right side of",
        "right side of",
    ),
}  # fmt: skip

_SWAPPED: dict[str, tuple[str, ...]] = {
    "in": ("contains", "containing", "holds inside", "has inside"),
    "on": ("supports", "supporting", "carries"),
}

_VERBS = frozenset(
    {"is", "are", "was", "be", "being", "sits", "sitting", "stands", "standing", "lies", "lying",
     "laying", "rests", "resting", "placed", "located", "positioned", "situated", "laid", "put",
     "directly", "just", "right", "immediately", "slightly", "hanging", "hangs", "parked"}
)  # fmt: skip

_LOOKUP: dict[str, tuple[str, bool]] = {label: (label, False) for label in VSD_LABELS}
_LOOKUP.update({word: (label, False) for label, words in _SYNONYMS.items() for word in words})
_LOOKUP.update({word: (label, True) for label, words in _SWAPPED.items() for word in words})


def resolve_predicate(predicate: str) -> tuple[str, bool] | None:
    """The VSD label that a predicate says, and whether subject and object swap places.

    "sitting on top of" is ``("on", False)``; "contains" is ``("in", True)``. None where
    the predicate says nothing that the nine labels do.
    """
    words = predicate.lower().replace("_", " ").replace("-", " ").strip(" .,;:").split()
    while words:
        found = _LOOKUP.get(" ".join(words))
        if found is not None:
            return found
        if words[0] not in _VERBS:
            return None
        words = words[1:]
    return None


def normalize_predicate(predicate: str) -> str | None:
    """The VSD label with the same subject and object, or None ("wearing", "contains")."""
    resolved = resolve_predicate(predicate)
    return resolved[0] if resolved is not None and not resolved[1] else None
