"""One file of rows a chunk, and the mark that it is done: both appear whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spacesgg_ros.extras import require
from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.rows import Row

from .pipeline import Batch, Record, RunError, Stopwatch, Times

WRITE_PART = "write part"
_TMP = ".tmp"


@dataclass(frozen=True)
class Done:
    """What the mark of a chunk says.

    Attributes:
        number: of the chunk.
        read, rows: records that went in, rows that came out.
        bytes, sha256: of the file of rows.
        tasks: rows, exchanges (a question and its answer) and words of the answers, by task.
        rejected: with reasons, in order.
        times: by stage.
    """

    number: int
    read: int
    rows: int
    bytes: int
    sha256: str
    tasks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    rejected: tuple[Rejected, ...] = ()
    times: Mapping[str, Times] = field(default_factory=dict)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Done:
        """Inverse of ``asdict``."""
        rejected = tuple(Rejected.from_dict(r) for r in data["rejected"])
        times = {stage: Times(*values) for stage, values in data["times"].items()}
        return Done(**{**data, "rejected": rejected, "times": times})


@dataclass(frozen=True)
class Parts:
    """The folder of the chunks' files.

    Attributes:
        folder: on a cluster, one that every machine sees.
        output: "jsonl" or "parquet".
    """

    folder: Path
    output: str

    def rows_file(self, number: int) -> Path:
        """Of a chunk."""
        return self.folder / f"{number:06d}.{self.output}"

    def done_file(self, number: int) -> Path:
        """The mark of a chunk."""
        return self.folder / f"{number:06d}.done.json"

    def write(self, batch: Batch) -> Done:
        """The rows of a finished chunk, then its mark."""
        watch = Stopwatch()
        data = encode_rows(batch.records, self.output)
        write_whole(self.rows_file(batch.number), data)
        done = Done(
            number=batch.number,
            read=batch.read,
            rows=len(batch.records),
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            tasks=_count_tasks(batch.records),
            rejected=batch.rejected,
            times={**batch.times, WRITE_PART: watch.read()},
        )
        mark = json.dumps(asdict(done), ensure_ascii=False).encode()
        write_whole(self.done_file(batch.number), mark)
        return done

    def read_done(self, number: int) -> Done | None:
        """The mark of a chunk; None where it is not done, or its file is gone or cut."""
        try:
            done = Done.from_dict(json.loads(self.done_file(number).read_bytes()))
            complete = self.rows_file(number).stat().st_size == done.bytes
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RunError(
                f"{self.done_file(number)} is not a mark of this run ({error}); "
                "delete it to have its chunk made again"
            ) from error
        return done if complete else None

    def read_rows(self, done: Done) -> bytes:
        """The file of a chunk as it was written.

        Raises:
            RunError: something else wrote to it since.
        """
        data = self.rows_file(done.number).read_bytes()
        if hashlib.sha256(data).hexdigest() != done.sha256:
            raise RunError(
                f"{self.rows_file(done.number)} has changed since it was written; "
                "delete it and run again"
            )
        return data

    def remove_leftovers(self) -> None:
        """What a killed run was writing; no chunk refers to it."""
        for path in self.folder.glob(f".*{_TMP}"):
            path.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all, even after a kill or a power cut."""
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}{_TMP}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def encode_rows(rows: Sequence[Record], output: str) -> bytes:
    """Rows as the bytes of a file, the same for the same rows.

    Raises:
        MissingExtraError: Parquet without the extra ``parquet``.
    """
    if output == "parquet":
        return _encode_parquet(rows)
    return "".join(f"{_to_json(row)}\n" for row in rows).encode()


def _encode_parquet(rows: Sequence[Record]) -> bytes:
    arrow = require("pyarrow", "parquet")
    parquet = require("pyarrow.parquet", "parquet")
    turn = arrow.struct([("from", arrow.string()), ("value", arrow.string())])
    # Stated, not inferred: a part without rows, or without one task, has the others' columns.
    schema = arrow.schema(
        [
            ("id", arrow.string()),
            ("image", arrow.string()),
            ("width", arrow.int32()),
            ("height", arrow.int32()),
            ("task", arrow.string()),
            ("conversations", arrow.list_(turn)),
            ("mirror", arrow.bool_()),
            ("source", arrow.string()),
            ("provenance", arrow.string()),  # JSON: its keys differ from task to task
        ]
    )
    flat = [{**row, "provenance": _to_json(row.get("provenance", {}))} for row in rows]
    table = arrow.Table.from_pylist(flat, schema=schema)
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def read_parquet_rows(path: Path) -> Iterator[Row]:
    """The rows of a Parquet part in order.

    Raises:
        MissingExtraError: without the extra ``parquet``.
        RowError: a row is none.
    """
    parquet = require("pyarrow.parquet", "parquet")
    for data in parquet.read_table(path).to_pylist():
        yield Row.from_dict({**data, "provenance": json.loads(data["provenance"])})


def _count_tasks(rows: Sequence[Record]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        answers = [t["value"] for t in row.get("conversations", ()) if t["from"] == "gpt"]
        words = sum(len(answer.split()) for answer in answers)
        task = counts.setdefault(str(row.get("task", "")), Counter())
        task.update(rows=1, exchanges=len(answers), words=words)
    return {task: dict(count) for task, count in sorted(counts.items())}
