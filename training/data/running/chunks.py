"""The input, cut into numbered chunks that any worker can read by itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from spacesgg_ros.training.data.rejected import Rejected

from .pipeline import Batch, Item, Record, RunError, Stopwatch

READ = "read"
"""The stage that a record rejected on reading is listed under."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive records of one file.

    Attributes:
        number: from 0, through the whole input.
        file: which file of the source.
        start: where it begins: bytes in a JSONL file, frames in a shard.
        count: records (lines that are not blank).
        first: number of its first line, from 1.
        seen: ids in it that an earlier chunk has, too.
    """

    number: int
    file: str
    start: int
    count: int
    first: int = 1
    seen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All chunks of an input, and a digest that another input does not have."""

    chunks: tuple[Chunk, ...]
    sha256: str

    @property
    def records(self) -> int:
        """Of all chunks."""
        return sum(chunk.count for chunk in self.chunks)


class Planner:
    """Collects records into chunks: a chunk ends when it is full, and with its file."""

    def __init__(self, size: int) -> None:
        self.records = 0
        self._size = size
        self._chunks: list[Chunk] = []
        self._owner: dict[str, int] = {}

    def add(self, file: str, start: int, number: int, key: str | None) -> None:
        """The next record.

        Args:
            start: where it begins in the file.
            number: of its line or frame, from 1.
            key: its id, if it has one.
        """
        self.records += 1
        last = self._chunks[-1] if self._chunks else None
        if last is None or last.count == self._size or last.file != file:
            last = Chunk(len(self._chunks), file, start, 0, number)
            self._chunks.append(last)
        elsewhere = key is not None and self._owner.setdefault(key, last.number) != last.number
        seen = (*last.seen, key) if elsewhere and key is not None else last.seen
        self._chunks[-1] = replace(last, count=last.count + 1, seen=seen)

    def finish(self, sha256: str) -> Plan:
        """All chunks."""
        return Plan(tuple(self._chunks), sha256)


class Source(Protocol):
    """An input that can be cut and read in parts; picklable."""

    def plan(self, size: int, limit: int | None) -> Plan:
        """Chunks of at most ``size`` records, of the first ``limit`` records."""

    def read(self, chunk: Chunk) -> list[Item]:
        """The records of a chunk, and what cannot be read of it."""


def read_chunk(source: Source, chunk: Chunk) -> Batch:
    """A chunk as the first stage gets it; repeated ids are rejected."""
    watch = Stopwatch()
    seen = set(chunk.seen)
    good: list[Record] = []
    bad: list[Rejected] = []
    for item in source.read(chunk):
        if isinstance(item, Rejected):
            bad.append(item)
        elif item["id"] in seen:
            bad.append(Rejected(str(item["id"]), READ, "same id twice", chunk.file))
        else:
            seen.add(item["id"])
            good.append(item)
    return Batch(chunk.number, tuple(good), tuple(bad), chunk.count, {READ: watch.read()})


def read_json_object(line: str, where: str) -> Item:
    """A line of JSONL as a record; it needs an ``id``."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Rejected(where, READ, "not JSON", str(error))
    if not isinstance(data, dict) or not isinstance(data.get("id"), str) or not data["id"]:
        return Rejected(where, READ, "not a JSON object with an id", f"{data!r:.80}")
    return data


@dataclass(frozen=True)
class JsonlSource:
    """A JSONL file, a record a line.

    Attributes:
        parse: a line and ``FILE:LINE`` to a record; picklable.
    """

    path: Path
    parse: Callable[[str, str], Item] = read_json_object

    def plan(self, size: int, limit: int | None) -> Plan:
        """One pass over the file: chunks by byte, repeated ids, SHA-256 of what is used.

        Raises:
            RunError: the file cannot be read.
        """
        digest = hashlib.sha256()
        planner = Planner(size)
        for number, offset, line in self._lines():
            if planner.records == limit:
                break
            digest.update(line)
            planner.add(self.path.name, offset, number, _id_of(line))
        return planner.finish(digest.hexdigest())

    def read(self, chunk: Chunk) -> list[Item]:
        """The lines of a chunk, parsed."""
        items: list[Item] = []
        with self.path.open("rb") as file:
            file.seek(chunk.start)
            for number, line in enumerate(file, chunk.first):
                if line.strip():
                    text = line.decode("utf-8", errors="replace")
                    items.append(self.parse(text, f"{self.path.name}:{number}"))
                if len(items) == chunk.count:
                    break
        return items

    def _lines(self) -> Iterator[tuple[int, int, bytes]]:
        """(number, offset, bytes) of the lines that are not blank."""
        offset = 0
        try:
            with self.path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield number, offset, line
                    offset += len(line)
        except OSError as error:
            raise RunError(f"cannot read {self.path}: {error}") from error


def _id_of(line: bytes) -> str | None:
    try:
        data: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    key = data.get("id") if isinstance(data, dict) else None
    return key if isinstance(key, str) else None
