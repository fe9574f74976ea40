"""PSG's predicates and the base name of a class."""

from __future__ import annotations

PREDICATES = (
    "over", "in front of", "beside", "on", "in", "attached to", "hanging from", "on back of",
    "falling off", "going down", "painted on", "walking on", "running on", "crossing",
    "standing on", "lying on", "sitting on", "flying over", "jumping over", "jumping from",
    "wearing", "holding", "carrying", "looking at", "guiding", "kissing", "eating", "drinking",
    "feeding", "biting", "catching", "picking", "playing with", "chasing", "climbing", "cleaning",
    "playing", "touching", "pushing", "pulling", "opening", "cooking", "talking to", "throwing",
    "slicing", "driving", "riding", "parked on", "driving on", "about to hit", "kicking",
    "swinging", "entering", "exiting", "enclosing", "leaning on",
)  # fmt: skip
"""PSG's 56 predicates in their order (Yang et al., ECCV 2022)."""


def base_name(category: str) -> str:
    """What stands before the first hyphen: ``"wall-other-merged"`` is a wall.

    The rule of ASMv2's evaluator for true labels; COCO things have no hyphen.
    """
    return category.split("-")[0]
