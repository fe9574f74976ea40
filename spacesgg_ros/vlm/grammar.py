"""Constraints that keep model text inside the scene graph format (llguidance).

Two formats:

canonical
    What the embedded model is trained to write and ``spacesgg_ros.graph.write_graph`` writes:
    objects, one a line, then relations, one a line. Decoded in two phases: once the first
    ``<pred>`` stands, the boxes that exist are known, and a second grammar allows no others;
    most of a relation is then forced and costs no decoder step.
tagged
    Free prose around well-formed tags, as checkpoints trained on AS-V2 or SpaceSGG write it.
    There a relation may name a box that the text introduces later, so boxes are not tied.

A constraint never changes a token that already fits: decoding under it equals free greedy
decoding wherever that is well-formed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from llguidance import LLMatcher, LLTokenizer
from tokenizers import Tokenizer

from spacesgg_ros.vlm.errors import ModelError

_NAME = r"/[A-Za-z0-9]([A-Za-z0-9 \-]{0,38}[A-Za-z0-9])?/"
_BELOW_999 = "/[0-9]|[1-9][0-9]|[1-8][0-9][0-9]|9[0-8][0-9]|99[0-8]/"
_ABOVE_0 = "/[1-9][0-9]{0,2}/"
_WRITTEN_BOX = re.compile(r"</ref><box>\[\[(\d+, \d+, \d+, \d+)\]\]</box>")
_HALF_BOX = re.compile(r"\[\[(\d+), (\d+), (?:(\d+), )?$")
_HALF_BOX_CHARS = len("[[999, 999, 999, ")


@dataclass(frozen=True)
class GraphLimits:
    """How much a graph may hold.

    Attributes:
        max_objects, max_relations: canonical text; their sum caps the tags of tagged text.
        max_tokens: of the whole text; an object or relation it cuts is dropped.
        labels, predicates: the only ones allowed (canonical text); empty: any of letters,
            digits, spaces and hyphens, 40 characters at most.
    """

    max_objects: int = 24
    max_relations: int = 48
    max_tokens: int = 1024
    labels: tuple[str, ...] = ()
    predicates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("max_objects", "max_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.max_relations < 0:
            raise ValueError(f"max_relations must not be negative, got {self.max_relations}")
        for name in (*self.labels, *self.predicates):
            if not name or re.search(r"[<>\[\]\n]", name):
                raise ValueError(f"{name!r} cannot be a label or predicate: empty, or has <>[]")


class GrammarTokenizer:
    """A model's tokenizer as the grammar engine sees it; made once a model."""

    def __init__(self, tokenizer: Tokenizer, eos_ids: Sequence[int], vocabulary: int) -> None:
        """
        Args:
            vocabulary: width of the logits, which may exceed the tokenizer's own size.

        Raises:
            ModelError: the engine does not understand the tokenizer.
        """
        try:
            self.engine = LLTokenizer(
                tokenizer.to_str(), n_vocab=vocabulary, eos_token=list(eos_ids)
            )
        except (ValueError, RuntimeError) as error:
            raise ModelError(
                f"the tokenizer cannot be used for constrained decoding ({error}); "
                "expected a tokenizer.json with byte-level or byte-fallback decoding"
            ) from error
        self.eos_ids = frozenset(eos_ids)
        self.vocabulary = vocabulary
        # Tokenizers of small models hold each coordinate in one token: then a box can be kept
        # from being empty. Index = value.
        integers = [tokenizer.token_to_id(str(value)) for value in range(1000)]
        self.integer_ids = None if None in integers else np.array(integers)


class GrammarConstraint:
    """Text of one static Lark grammar (llguidance's dialect)."""

    def __init__(self, tokenizer: GrammarTokenizer, grammar: str) -> None:
        self._tokenizer = tokenizer
        self._matcher = _start_matcher(tokenizer, grammar)
        self._bytes = bytearray()
        self._complete = 0

    @property
    def text(self) -> str:
        """Everything accepted so far."""
        return self._bytes.decode("utf-8", errors="replace")

    @property
    def complete_text(self) -> str:
        """The longest beginning of ``text``, seen while decoding, that the grammar accepts."""
        self._note_completeness()
        return self._bytes[: self._complete].decode("utf-8", errors="replace")

    def choose(self, logits: np.ndarray) -> int | None:
        """The likeliest allowed token; None where the text ends."""
        if self._matcher.is_stopped():
            return None
        logits = self._ban(logits)
        token = int(logits.argmax())
        if logits[token] == -np.inf or self._matcher.validate_tokens([token]) != 1:
            allowed = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
            mask = np.unpackbits(allowed, bitorder="little", count=logits.size)
            token = int(np.where(mask, logits, -np.inf).argmax())
        return None if token in self._tokenizer.eos_ids else token

    def accept(self, token: int) -> list[int]:
        """Take ``token`` and return (and take) what must follow it."""
        self._take([token])
        forced: list[int] = []
        while not self._matcher.is_stopped():
            more = [
                following
                for following in self._matcher.compute_ff_tokens()
                if following not in self._tokenizer.eos_ids
            ]
            if not more:
                break
            self._take(more)
            forced += more
        self._note_completeness()
        return forced

    def _take(self, tokens: list[int]) -> None:
        if not self._matcher.consume_tokens(tokens):
            raise ModelError(f"constrained decoding failed: {self._matcher.get_error()}")
        self._bytes += self._tokenizer.engine.decode_bytes(tokens)

    def _note_completeness(self) -> None:
        if self._matcher.is_accepting():
            self._complete = len(self._bytes)

    def _ban(self, logits: np.ndarray) -> np.ndarray:
        """A hook for what no static grammar can say."""
        return logits


class CanonicalConstraint(GrammarConstraint):
    """Canonical text: the second phase starts at the first relation."""

    def __init__(self, tokenizer: GrammarTokenizer, limits: GraphLimits) -> None:
        super().__init__(tokenizer, write_object_grammar(limits))
        self._limits = limits
        self._in_relations = False

    def _take(self, tokens: list[int]) -> None:
        super()._take(tokens)
        if not self._in_relations and self._bytes.endswith(b"\n<pred>"):
            self._in_relations = True
            boxes = dict.fromkeys(_WRITTEN_BOX.findall(self.text))
            self._matcher = _start_matcher(
                self._tokenizer, write_relation_grammar(self._limits, tuple(boxes))
            )

    def _ban(self, logits: np.ndarray) -> np.ndarray:
        integer_ids = self._tokenizer.integer_ids
        if self._in_relations or integer_ids is None:
            return logits
        tail = self._bytes[-_HALF_BOX_CHARS:].decode("utf-8", errors="replace")
        half = _HALF_BOX.search(tail)
        if half is None:
            return logits
        x_min, y_min, x_max = half.groups()
        smallest = int(x_min if x_max is None else y_min)
        banned = logits.copy()
        banned[integer_ids[: smallest + 1]] = -np.inf
        return banned


def write_object_grammar(limits: GraphLimits) -> str:
    """The objects of canonical text, up to the first ``<pred>`` if there is one."""
    more = limits.max_objects - 1
    relations = ' ("\\n" "<pred>")?' if limits.max_relations else ""
    return f"""
start: SPACE? (object ("\\n" object){{0,{more}}}{relations})?
object: "<ref>" LABEL "</ref><box>[[" LOW ", " LOW ", " HIGH ", " HIGH "]]</box>"
SPACE: " "
LABEL: {_write_names(limits.labels)}
LOW: {_BELOW_999}
HIGH: {_ABOVE_0}
"""


def write_relation_grammar(limits: GraphLimits, boxes: Sequence[str]) -> str:
    """What follows the first ``<pred>``; ``boxes`` as in ``"412, 640, 498, 771"``."""
    return f"""
start: relation ("\\n" "<pred>" relation){{0,{limits.max_relations - 1}}}
relation: PREDICATE "</pred><box>[[" BOX "]]</box><box>[[" BOX "]]</box>"
PREDICATE: {_write_names(limits.predicates)}
BOX: {" | ".join(json.dumps(box) for box in boxes)}
"""


def write_tagged_grammar(limits: GraphLimits) -> str:
    """Prose with well-formed tags."""
    return f"""
start: PROSE? (tag PROSE?){{0,{limits.max_objects + limits.max_relations}}}
tag: "<ref>" NAME "</ref>" boxes | "<pred>" NAME "</pred>" boxes boxes
boxes: "<box>" "[" box (", " box){{0,{limits.max_objects - 1}}} "]" "</box>"
box: "[" LOW ", " LOW ", " HIGH ", " HIGH "]"
PROSE: /[^<>]+/
NAME: /[^<>\\[\\]\\s]([^<>\\[\\]\\n]{{0,58}}[^<>\\[\\]\\s])?/
LOW: {_BELOW_999}
HIGH: {_ABOVE_0}
"""


def write_choice_grammar(choices: Sequence[str]) -> str:
    """One of ``choices``, maybe after a space.

    Raises:
        ValueError: no choice, or an empty one.
    """
    if not choices or not all(choices):
        raise ValueError(f"choices must be non-empty strings, got {list(choices)!r}")
    return f'start: SPACE? CHOICE\nSPACE: " "\nCHOICE: {_write_names(choices)}\n'


def _write_names(names: Sequence[str]) -> str:
    return " | ".join(json.dumps(name, ensure_ascii=False) for name in names) or _NAME


def _start_matcher(tokenizer: GrammarTokenizer, grammar: str) -> LLMatcher:
    matcher = LLMatcher(tokenizer.engine, LLMatcher.grammar_from_lark(grammar), log_level=0)
    if matcher.is_error():
        raise ModelError(f"a grammar does not compile: {matcher.get_error()}")
    return matcher
