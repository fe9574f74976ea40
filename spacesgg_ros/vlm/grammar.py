"""Constraints that keep model text inside the scene graph format (llguidance).

Two formats:

canonical
    What the embedded model is trained to write and ``spacesgg_ros.graph.write_graph`` writes:
    objects, one a line, then relations, one a line. Decoded in two phases: once the first
    ``<pred>`` stands, the boxes that exist are known, and relations can have no others;
    most of a relation is then forced and costs no decoder step. No relation is told twice.
tagged
    Free prose around well-formed tags, as checkpoints trained on AS-V2 or SpaceSGG write it.
    There a relation may name a box that the text introduces later, so boxes are not tied.

A constraint never changes a token that already fits: decoding under it equals free greedy
decoding wherever that is well-formed and, in canonical text, tells no relation twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from llguidance import LLMatcher, LLTokenizer
from tokenizers import Tokenizer

from spacesgg_ros.graph.predicates import TOLD_KINDS, VSD_LABELS
from spacesgg_ros.vlm.errors import ModelError
from spacesgg_ros.vlm.text_tokenizer import COORDINATE_FORMS, find_coordinates

_NAME = r"/[A-Za-z0-9]([A-Za-z0-9 \-]{0,38}[A-Za-z0-9])?/"
_BELOW_999 = "/[0-9]|[1-9][0-9]|[1-8][0-9][0-9]|9[0-8][0-9]|99[0-8]/"
_ABOVE_0 = "/[1-9][0-9]{0,2}/"
_WRITTEN_BOX = re.compile(r"</ref><box>\[\[(\d+, \d+, \d+, \d+)\]\]</box>")
_PART_BOX = re.compile(r"\[\[((?:\d+, ){0,3})$")
_LAST_BOX = re.compile(r"\[\[(\d+, \d+, \d+, \d+)\]\]</box>")
_KINDS = tuple(frozenset(kind) for kind in TOLD_KINDS.values())
_PART_BOX_CHARS = len("[[999, 999, 999, ")


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


class Untold:
    """Which relations a canonical text may still tell of its objects' boxes."""

    def __init__(self, boxes: Sequence[str]) -> None:
        self._boxes = boxes
        self._told: set[tuple[str, str]] = set()
        self._said: dict[frozenset[str], set[str]] = {kind: set() for kind in _KINDS}
        self.count = 0

    def predicates(self, limit: Sequence[str]) -> Sequence[str]:
        """Those of ``limit`` (empty: any) that some object can still be the subject of.

        Empty means any name, so that words beyond the nine labels stay possible until a kind is
        used up.
        """
        among = limit or VSD_LABELS
        left = [label for label in among if self.subjects(label)]
        return limit if len(left) == len(among) else left

    def has_room(self, limit: Sequence[str]) -> bool:
        """Whether anything is left to tell."""
        return any(self.subjects(label) for label in limit or VSD_LABELS)

    def subjects(self, predicate: str) -> list[str]:
        """Boxes that may stand first."""
        return [box for box in self._boxes if self.targets(predicate, box)]

    def targets(self, predicate: str, subject: str) -> list[str]:
        """Boxes that may stand second."""
        if any(predicate in kind and subject in said for kind, said in self._said.items()):
            return []
        return [b for b in self._boxes if b != subject and (subject, b) not in self._told]

    def tell(self, predicate: str, subject: str, target: str) -> None:
        """Note a relation that the text has told."""
        self.count += 1
        self._told.add((subject, target))
        for kind, said in self._said.items():
            if predicate in kind:
                said.add(subject)


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
        # Tokenizers of small models hold each coordinate in one token, maybe one with its comma
        # too: then a box can be kept from being empty. (forms, 1000); second index = value.
        ids = [find_coordinates(tokenizer, form) for form in COORDINATE_FORMS]
        self.coordinate_ids = np.array([some for some in ids if some]) if ids[0] else None


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
    """Canonical text; what is written decides what may follow.

    A relation relates two different objects in a way not told yet, and an object says once what
    carries it, once what is over it and once how it stands to a neighbour.
    """

    def __init__(self, tokenizer: GrammarTokenizer, limits: GraphLimits) -> None:
        self._limits = limits
        self._boxes: tuple[str, ...] = ()
        self._relations: Untold | None = None
        self._candidates: Sequence[str] = ()
        super().__init__(tokenizer, write_object_grammar(limits))

    def _take(self, tokens: list[int]) -> None:
        super()._take(tokens)
        grammar = self._write_next()
        if grammar is not None:
            self._matcher = _start_matcher(self._tokenizer, grammar)
            self._note_completeness()

    def _write_next(self) -> str | None:
        """The grammar of what follows, where the last token changed it."""
        tail = self._bytes
        if tail.endswith(b"\n<pred>"):
            if self._relations is None:
                self._boxes = tuple(dict.fromkeys(_WRITTEN_BOX.findall(self.text)))
                self._relations = Untold(self._boxes)
            labels = self._relations.predicates(self._limits.predicates)
            return f'start: NAME "</pred><box>[["\nNAME: {_write_names(labels)}\n'
        if self._relations is None:
            return None
        last = self.text.rpartition("<pred>")[2]
        if tail.endswith(b"</pred><box>[["):
            label = last.partition("</pred>")[0]
            self._candidates = self._relations.subjects(label) or self._boxes
            return f'start: BOX "]]</box><box>[["\nBOX: {_write_boxes(self._candidates)}\n'
        if tail.endswith(b"]]</box><box>[["):
            label, subject = last.partition("</pred>")[0], _LAST_BOX.findall(last)[-1]
            self._candidates = self._relations.targets(label, subject) or self._boxes
            return f'start: BOX "]]</box>"\nBOX: {_write_boxes(self._candidates)}\n'
        if tail.endswith(b"]]</box>"):
            self._relations.tell(last.partition("</pred>")[0], *_LAST_BOX.findall(last))
            more = self._relations.count < self._limits.max_relations
            more = more and self._relations.has_room(self._limits.predicates)
            return 'start: ("\\n" "<pred>")?\n' if more else 'start: ""\n'
        return None

    def _ban(self, logits: np.ndarray) -> np.ndarray:
        ids = self._tokenizer.coordinate_ids
        tail = self._bytes[-_PART_BOX_CHARS:].decode("utf-8", errors="replace")
        part = _PART_BOX.search(tail)
        if ids is None or part is None:
            return logits
        written = part[1]
        banned = logits.copy()
        if self._relations is not None:
            # "1" begins "134", but is another coordinate.
            boxes = [box for box in self._candidates if box.startswith(written)]
            values = {int(box[len(written) :].partition(",")[0]) for box in boxes}
            banned[np.delete(ids, sorted(values), axis=1)] = -np.inf
            return banned
        corner = [int(value) for value in written.split(", ")[:-1]]
        if len(corner) > 1:
            banned[ids[:, : corner[len(corner) - 2] + 1]] = -np.inf
        return banned


def write_object_grammar(limits: GraphLimits) -> str:
    """The objects of canonical text, up to the first ``<pred>`` if there is one."""
    more = limits.max_objects - 1
    # A relation takes two objects.
    relations = ' ("\\n" "<pred>")?' if limits.max_relations else ""
    others = f'(("\\n" object){{1,{more}}}{relations})?' if more else ""
    return f"""
start: SPACE? (object {others})?
object: "<ref>" LABEL "</ref><box>[[" LOW ", " LOW ", " HIGH ", " HIGH "]]</box>"
SPACE: " "
LABEL: {_write_names(limits.labels)}
LOW: {_BELOW_999}
HIGH: {_ABOVE_0}
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


def _write_boxes(boxes: Sequence[str]) -> str:
    return " | ".join(json.dumps(box) for box in boxes)


def _write_names(names: Sequence[str]) -> str:
    return " | ".join(json.dumps(name, ensure_ascii=False) for name in names) or _NAME


def _start_matcher(tokenizer: GrammarTokenizer, grammar: str) -> LLMatcher:
    matcher = LLMatcher(tokenizer.engine, LLMatcher.grammar_from_lark(grammar), log_level=0)
    if matcher.is_error():
        raise ModelError(f"a grammar does not compile: {matcher.get_error()}")
    return matcher
