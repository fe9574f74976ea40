"""Text as sentences of words, mentions of objects, and tagged relations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from spacesgg_ros.graph.types import BoxNorm

from .names import NameIndex, split_words

_PIECE = re.compile(
    r"<ref>(?P<name>[^<>]*)</ref>\s*<box>(?P<boxes>[^<>]*)</box>"
    r"|<pred>(?P<pred>[^<>]*)</pred>\s*<box>(?P<subject>[^<>]*)</box>\s*<box>(?P<object>[^<>]*)</box>"
    r"|(?P<tag><[^<>]*>)"
    r"|(?P<word>[A-Za-z0-9]+(?:['’][A-Za-z]+)?)"
    r"|(?P<end>[.!?]+(?=\s|$|[\"')])|\n+)"
    r"|(?P<stop>[,;:()—–])"
)
_BOX = re.compile(r"\[\s*(-?\d+)\s*,\s*(-?\d+)\s*,\s*(-?\d+)\s*,\s*(-?\d+)\s*\]")
PICTURE = frozenset({"picture", "image", "photo", "photograph", "scene", "view"})
_SETTING = PICTURE | {"frame", "shot", "snapshot"}
"""What "in this ..." opens a sentence with, whatever objects are called so."""
_EVERYDAY = PICTURE | {"can", "light", "fan", "watch"}
"""Labels that are also everyday words: "can be seen", "in the picture"."""
_WITHIN = frozenset({"in", "on", "within", "inside", "throughout", "across"})
_COMPARED = frozenset(
    {"nearer", "closer", "farther", "further", "nearest", "closest", "farthest", "furthest",
     "away", "back", "distance", "seen", "viewed", "up"}
)  # fmt: skip
"""What "to the camera" or "from the camera" follows where the viewer's is meant."""
DETERMINERS = frozenset(
    {"the", "a", "an", "some", "another", "this", "that", "its", "their", "more", "each", "every",
     "these", "those", "other", "one"}
)  # fmt: skip


@dataclass(frozen=True)
class Token:
    """A piece of a sentence.

    Attributes:
        kind: "word", "stop" (comma, colon, ...), "thing" (a mention) or "relation" (tagged).
        text: lower case; a mention's name, a tagged relation's predicate.
        objects: that a mention may mean; a tagged relation's subjects.
        targets: a tagged relation's objects.
        boxed: a mention with a box.
    """

    kind: str
    text: str
    objects: frozenset[int] = frozenset()
    targets: frozenset[int] = frozenset()
    boxed: bool = False


@dataclass(frozen=True)
class Sentence:
    """Tokens up to a full stop, a question or exclamation mark, or a line's end."""

    tokens: tuple[Token, ...]
    question: bool
    said: str

    @property
    def things(self) -> list[Token]:
        return [t for t in self.tokens if t.kind == "thing"]


@dataclass(frozen=True)
class Reader:
    """Reads text about one image.

    Attributes:
        names: of its objects.
        boxes: which objects a box is of, as text writes boxes: two that fill the picture share one.
    """

    names: NameIndex
    boxes: Mapping[BoxNorm, frozenset[int]]

    def boxed(self, text: str) -> frozenset[int]:
        """Objects that the text names with their boxes."""
        return frozenset().union(
            *(self._named(hit) for hit in _PIECE.finditer(text) if hit["boxes"])
        )

    def read(
        self, text: str, lately: frozenset[int] = frozenset(), before: frozenset[int] = frozenset()
    ) -> list[Sentence]:
        """The sentences of a text.

        Args:
            lately: objects boxed in the same exchange; a name that fits some of them means those.
            before: objects boxed earlier in the row; they come second.
        """
        sentences: list[Sentence] = []
        pieces: list[Token] = []
        start = 0
        for hit in _PIECE.finditer(text):
            if hit["end"] is None:
                token = self._token(hit, lately, before)
                if token is not None:
                    pieces.append(token)
                continue
            question = "?" in hit["end"]
            if pieces:
                said = text[start : hit.end()].strip()
                sentences.append(self._sentence(pieces, question, said, lately, before))
            pieces, start = [], hit.end()
        if pieces:
            sentences.append(self._sentence(pieces, False, text[start:].strip(), lately, before))
        return sentences

    def _objects(self, content: str) -> frozenset[int]:
        found = (tuple(int(v) for v in box) for box in _BOX.findall(content))
        return frozenset().union(*(self.boxes.get(box, frozenset()) for box in found))  # type: ignore[arg-type]

    def _named(self, hit: re.Match[str]) -> frozenset[int]:
        """Objects at the boxes of a mention; of several at one box those of its name."""
        there = self._objects(hit["boxes"])
        return there & self.names.find(split_words(hit["name"])) or there

    def _token(
        self, hit: re.Match[str], lately: frozenset[int], before: frozenset[int]
    ) -> Token | None:
        if hit["boxes"] is not None:
            return Token("thing", hit["name"].strip().lower(), self._named(hit), boxed=True)
        if hit["subject"] is not None:
            subjects, targets = self._objects(hit["subject"]), self._objects(hit["object"])
            return Token("relation", hit["pred"].strip().lower(), subjects, targets)
        if hit["word"] is not None:
            return Token("word", hit["word"].lower().replace("’", "'"))
        return Token("stop", hit["stop"]) if hit["stop"] is not None else None

    def _sentence(
        self,
        pieces: list[Token],
        question: bool,
        said: str,
        lately: frozenset[int],
        before: frozenset[int],
    ) -> Sentence:
        return Sentence(tuple(self._merge(pieces, lately, before)), question, said[:120])

    def _merge(
        self, pieces: list[Token], lately: frozenset[int], before: frozenset[int]
    ) -> Iterator[Token]:
        """Words that name objects become mentions, the longest names first."""
        at = 0
        while at < len(pieces):
            run = at
            while (
                run < len(pieces) and run - at < self.names.longest and pieces[run].kind == "word"
            ):
                run += 1
            for end in range(run, at, -1):
                words = [t.text for t in pieces[at:end]]
                found = self.names.find(words)
                if found and self._is_name(pieces, at, end):
                    meant = found & lately or found & before or found
                    yield Token("thing", " ".join(words), meant)
                    at = end
                    break
            else:
                yield pieces[at]
                at += 1

    @staticmethod
    def _is_name(pieces: list[Token], start: int, end: int) -> bool:
        """Whether an everyday word is used as a name: "a can", not "can be seen"."""
        word = pieces[start].text
        if end - start > 1:
            return True
        before = [pieces[start - k].text if start >= k else "" for k in (1, 2, 3)]
        after = pieces[end].text if end < len(pieces) else ""
        if word in _SETTING and start == 2 and before[1] in _WITHIN:
            return False
        if word == "camera":
            viewer = before[1] in ("to", "from") and before[2] in _COMPARED
            return not (viewer or before[1] == "from")
        if word not in _EVERYDAY:
            return True
        if word in PICTURE and (
            before[1] in ("in", "of", "from", "at") or after in ("of", "shows")
        ):
            return False
        return before[0] in DETERMINERS and after != "be"


def count_words(text: str) -> int:
    """Words of a text; a mention or relation with its boxes counts as its words."""
    return sum(
        len(split_words(hit["name"] or hit["pred"] or hit["word"] or ""))
        for hit in _PIECE.finditer(text)
    )
