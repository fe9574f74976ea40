"""Instruction rows: one JSON object a line, in the shape of LLaVA's conversations.

``{"id", "image", "width", "height", "task", "conversations": [{"from": "human", "value":
"<image>\\n..."}, {"from": "gpt", "value": "..."}, ...], "mirror", "source", "provenance"}``

``image`` is relative to the folder of the rows (or to an image root); a member of a tar shard
is written ``shard.tar/KEY.jpg``. With ``mirror`` the image is flipped left to right when it is
loaded; the text already speaks of the flipped image.
"""

from __future__ import annotations

import functools
import hashlib
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import cv2
import numpy as np

from spacesgg_ros.vlm.prompts import IMAGE_TOKEN

TASKS = (
    "caption",
    "objects",
    "graph",
    "description",
    "qa",
    "conversation",
    "vsd-classify",
    "vsd-describe",
    "vsd-open",
)
"""Every task a row may be of."""

IMAGE_PREFIX = f"{IMAGE_TOKEN}\n"
"""What the first human turn starts with."""

_SPEAKERS = ("human", "gpt")
_TAR_MEMBER = ".tar/"


class RowError(ValueError):
    """A row, or the image of a row, that cannot be used: what was seen, what was expected."""


class Turn(NamedTuple):
    """One part of a conversation.

    Attributes:
        speaker: "human" or "gpt".
        text: what is said; the first human turn starts with ``IMAGE_PREFIX``.
    """

    speaker: str
    text: str


@dataclass(frozen=True)
class Row:
    """An image and a conversation about it.

    Attributes:
        id: unique in its file.
        image: relative path, or ``shard.tar/member``.
        width, height: of the image, pixels.
        task: one of ``TASKS``.
        conversations: human and gpt in turns, human first, gpt last.
        mirror: the image is to be flipped left to right; the text speaks of the flipped one.
        source: the data set it was made from.
        provenance: how it was made, plain JSON values.
        given: what the first answer begins with and is not learnt: another's words that the
            rest goes on from.
    """

    id: str
    image: str
    width: int
    height: int
    task: str
    conversations: tuple[Turn, ...]
    mirror: bool = False
    source: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict, hash=False)
    given: str = ""

    def __post_init__(self) -> None:
        if not self.id or not self.image:
            raise RowError(f"a row needs an id and an image; got {self.id!r}, {self.image!r}")
        if PurePosixPath(self.image).is_absolute():
            raise RowError(f"the image must be a relative path; got {self.image!r}")
        if self.width < 1 or self.height < 1:
            raise RowError(f"width and height must be positive; got {self.width}x{self.height}")
        if self.task not in TASKS:
            raise RowError(f"unknown task {self.task!r}; one of {', '.join(TASKS)}")
        speakers = [turn.speaker for turn in self.conversations]
        if not speakers or speakers != [*_SPEAKERS] * (len(speakers) // 2):
            raise RowError(f"human and gpt must take turns, gpt last; got {speakers}")
        if not all(turn.text.strip() for turn in self.conversations):
            raise RowError("a turn is empty")
        if not self.conversations[0].text.startswith(IMAGE_PREFIX):
            raise RowError(f"the first turn must start with {IMAGE_PREFIX!r}")
        if sum(turn.text.count(IMAGE_TOKEN) for turn in self.conversations) != 1:
            raise RowError(f"{IMAGE_TOKEN} must occur once in a row")
        if not self.conversations[1].text.startswith(self.given):
            raise RowError(f"the first answer must start with what is given: {self.given!r:.60}")

    @property
    def exchanges(self) -> tuple[tuple[str, str], ...]:
        """``(prompt, answer)`` of every turn, without the image's placeholder."""
        texts = [turn.text for turn in self.conversations]
        texts[0] = texts[0].removeprefix(IMAGE_PREFIX)
        return tuple(zip(texts[::2], texts[1::2], strict=True))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of the row."""
        return {
            "id": self.id,
            "image": self.image,
            "width": self.width,
            "height": self.height,
            "task": self.task,
            "conversations": [{"from": t.speaker, "value": t.text} for t in self.conversations],
            "mirror": self.mirror,
            "source": self.source,
            "provenance": dict(self.provenance),
            **({"given": self.given} if self.given else {}),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Row:
        """Inverse of :meth:`to_dict`; keys that a row does not have are passed over.

        Raises:
            RowError: a key is missing or holds something else than it should.
        """
        missing = [key for key in _REQUIRED if key not in data]
        if missing:
            raise RowError(f"missing {', '.join(missing)}")
        for key, kind in _TYPES.items():
            value = data.get(key)
            wrong = not isinstance(value, kind) or (kind is int and isinstance(value, bool))
            if key in data and wrong:
                raise RowError(f"{key} must be {kind.__name__}, got {value!r:.60}")
        turns = []
        for turn in data["conversations"]:
            if not isinstance(turn, dict) or not all(
                isinstance(turn.get(key), str) for key in ("from", "value")
            ):
                raise RowError(f"a turn needs the texts 'from' and 'value', got {turn!r:.60}")
            turns.append(Turn(turn["from"], turn["value"]))
        known = {key: data[key] for key in _TYPES if key in data}
        return Row(**known | {"conversations": tuple(turns)})


_REQUIRED = ("id", "image", "width", "height", "task", "conversations")
_TYPES: dict[str, type] = {
    "id": str,
    "image": str,
    "width": int,
    "height": int,
    "task": str,
    "conversations": list,
    "mirror": bool,
    "source": str,
    "provenance": dict,
    "given": str,
}


def make_turns(exchanges: Iterable[tuple[str, str]]) -> tuple[Turn, ...]:
    """Prompts and answers as the turns of a row, the image's placeholder in front."""
    turns = [
        Turn(speaker, text)
        for exchange in exchanges
        for speaker, text in zip(_SPEAKERS, exchange, strict=True)
    ]
    return (Turn(turns[0].speaker, IMAGE_PREFIX + turns[0].text), *turns[1:]) if turns else ()


def _read_line(line: str) -> Row:
    try:
        data = json.loads(line)
    except json.JSONDecodeError as error:
        raise RowError(f"not JSON: {error}") from error
    if not isinstance(data, dict):
        raise RowError(f"a row must be a JSON object, got {type(data).__name__}")
    return Row.from_dict(data)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank; broken UTF-8 becomes a replacement character."""
    with Path(path).open(encoding="utf-8", errors="replace") as file:
        yield from ((number, line) for number, line in enumerate(file, 1) if line.strip())


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file in order.

    Raises:
        RowError: names the file, the line and what is wrong with it.
    """
    for number, line in _lines(path):
        try:
            yield _read_line(line)
        except RowError as error:
            raise RowError(f"{path}, line {number}: {error}") from error


def read_rows_checked(path: Path) -> tuple[list[Row], list[tuple[int, str]]]:
    """The good rows of a file in order, and ``(line number, reason)`` of the others."""
    rows, bad = [], []
    for number, line in _lines(path):
        try:
            rows.append(_read_line(line))
        except RowError as error:
            bad.append((number, str(error)))
    return rows, bad


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write rows whole or not at all, the same bytes for the same rows; returns how many."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    count = 0
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row.to_dict(), ensure_ascii=False, separators=(",", ":")) + "\n")
            count += 1
    temporary.replace(path)
    return count


def load_image(row: Row, root: Path) -> np.ndarray:
    """The image of a row, ``(height, width, 3)`` uint8 RGB, flipped where the row says so.

    Args:
        root: the folder that ``row.image`` is relative to.

    Raises:
        RowError: it is not there, is no image, or has another size than the row says.
    """
    data = np.frombuffer(_read_bytes(row.image, Path(root)), np.uint8)
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if bgr is None:
        raise RowError(f"{row.image} is not an image that OpenCV reads")
    height, width = bgr.shape[:2]
    if (width, height) != (row.width, row.height):
        raise RowError(
            f"{row.image} is {width}x{height}, row {row.id} says {row.width}x{row.height}"
        )
    rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(rgb[:, ::-1]) if row.mirror else rgb


def _read_bytes(image: str, root: Path) -> bytes:
    shard, found, member = image.partition(_TAR_MEMBER)
    try:
        if not found:
            return (root / image).read_bytes()
        path = root / f"{shard}.tar"
        stat = path.stat()
        index = _tar_index(path, stat.st_mtime_ns, stat.st_size)
        if member not in index:
            raise RowError(f"{path} has no member {member}")
        offset, size = index[member]
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except (OSError, tarfile.TarError) as error:
        raise RowError(f"cannot read {image} in {root}: {error}") from error


@functools.lru_cache(maxsize=512)
def _tar_index(path: Path, modified_ns: int, size: int) -> dict[str, tuple[int, int]]:
    """``{member: (offset, bytes)}``; a shard that changed has another key, so is read anew."""
    with tarfile.open(path) as tar:
        return {m.name: (m.offset_data, m.size) for m in tar if m.isfile()}


def manifest_hash(paths: Iterable[Path]) -> str:
    """SHA-256 over the names and contents of files, whatever their order and folder."""
    lines = []
    for path in paths:
        digest = hashlib.sha256()
        with Path(path).open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        lines.append(f"{digest.hexdigest()}  {Path(path).name}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
