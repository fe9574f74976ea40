"""What can be wrong with a row, by kind, so that a cause can be counted."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class ProblemKind(enum.Enum):
    """The value is the reason that a rejected row carries."""

    MALFORMED = "malformed row"
    TURN_ORDER = "turns out of order"
    EMPTY_TURN = "empty turn"
    IMAGE_TOKEN = "image token not once"
    NO_IMAGE = "no grounded image"
    OTHER_IMAGE = "row of another image"
    BROKEN_TAG = "broken tag"
    UNKNOWN_BOX = "box not of the input"
    WRONG_NAME = "name does not fit the box"
    BOX_BEFORE_NAME = "box of a relation was not named before"
    SWAPPED_NAMES = "names and boxes of a relation disagree"
    CONTRADICTED = "claim contradicts the geometry"
    WRONG_VIEW = "claim wrong from that view"
    AMBIGUOUS_PAIR = "claim about an ambiguous pair"
    UNSUPPORTED = "unsupported claim"
    LAYER_ORDER = "layers out of order"
    WRONG_LAYER = "object in the wrong layer"
    WRONG_COUNT = "wrong count"
    UNKNOWN_OBJECT = "object that is not there"
    AMBIGUOUS_NAME = "name of several objects"
    WRONG_ANSWER = "wrong answer"
    WRONG_YES_NO = "wrong yes or no"
    OFF_QUESTION = "answer off the question"
    SOURCE_LEAK = "source leak"
    REFUSAL = "refusal or filler"
    PLACEHOLDER = "placeholder left over"
    GARBAGE = "garbage characters"
    REPETITION = "repetition"
    TOO_LONG = "too long"
    TRUNCATED = "truncated"
    WRONG_LABEL = "wrong VSD label"
    NO_RELATION = "no relation said"
    DUPLICATE_ROW = "duplicate row"
    DUPLICATE_QUESTION = "duplicate question"


@dataclass(frozen=True)
class Problem:
    """One reason against a row: its kind, and what was seen."""

    kind: ProblemKind
    detail: str = ""
