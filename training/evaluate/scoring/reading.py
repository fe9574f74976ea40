"""Lines of JSON as other tools write them: good ones kept, bad ones listed with their reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from .outcomes import ScoreError


class _WithId(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T")
WithId = TypeVar("WithId", bound=_WithId)

_ID_KEYS = ("question_id", "id", "questionId")
_ANSWER_KEYS = ("text", "answer", "prediction", "output", "response")


@dataclass(frozen=True)
class Read(Generic[T]):
    """What a file held.

    Attributes:
        items: the usable entries, in order.
        bad: of each other entry ``{"entry": number, "reason": ...}``.
    """

    items: tuple[T, ...]
    bad: tuple[dict[str, Any], ...] = ()

    @property
    def reasons(self) -> dict[str, int]:
        """How many entries were left out for each reason."""
        return dict(Counter(entry["reason"] for entry in self.bad).most_common())


def read_entries(path: Path, parse: Callable[[Mapping[str, Any]], T]) -> Read[T]:
    """Parse the objects of a JSONL file, or of a JSON file that is one list.

    ``parse`` raises ``ScoreError`` for an entry that cannot be used.

    Raises:
        ScoreError: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ScoreError(f"cannot read {path}: {error}") from error
    items: list[T] = []
    bad: list[dict[str, Any]] = []
    for number, entry in _split(text):
        try:
            items.append(parse(_load(entry)))
        except ScoreError as error:
            bad.append({"entry": number, "reason": str(error)})
    return Read(tuple(items), tuple(bad))


def read_unique(
    path: Path, parse: Callable[[Mapping[str, Any]], WithId], noun: str, of: str = ""
) -> Read[WithId]:
    """Like :func:`read_entries`, but of an id only the first entry counts, and there must be one.

    Args:
        noun: what an entry is, in messages; ``of``: of which kind (" of vsd-open").

    Raises:
        ScoreError: the file cannot be read, or no entry is left.
    """
    seen: set[str] = set()

    def parse_new(data: Mapping[str, Any]) -> WithId:
        item = parse(data)
        if item.id in seen:
            raise ScoreError(f"a second {noun} of the same id")
        seen.add(item.id)
        return item

    return require_items(path, read_entries(path, parse_new), noun + of)


def require_items(path: Path, read: Read[T], what: str) -> Read[T]:
    """What was read of a file.

    Raises:
        ScoreError: nothing was; says what is wrong with the first entry.
    """
    if not read.items:
        first = f"; the first entry: {read.bad[0]['reason']}" if read.bad else ""
        raise ScoreError(f"{path} holds no {what}{first}")
    return read


def find_strangers(
    path: Path, said: Iterable[str], known: Collection[str], noun: str
) -> tuple[str, ...]:
    """The ids of a file of predictions that the truth does not have.

    Args:
        said: the ids of the file, one at least.
        known: those of what is scored.
        noun: what an id is of, in messages: "question", "image".

    Raises:
        ScoreError: it has none of them.
    """
    ids = tuple(said)
    strangers = tuple(name for name in ids if name not in known)
    if len(strangers) == len(ids):
        raise ScoreError(
            f"{path} fits no {noun} that is scored: its first id is {ids[0]!r}, the first {noun} "
            f"is {next(iter(known), None)!r}; give the file that was written for these {noun}s"
        )
    return strangers


def read_answers(path: Path) -> Read[tuple[str, str]]:
    """``(question id, answer)`` of an answers file, LLaVA's included; the first of an id counts.

    The id is under ``question_id`` or ``id``, the answer under ``text``, ``answer``,
    ``prediction``, ``output`` or ``response``.

    Raises:
        ScoreError: the file cannot be read, or no answer is left.
    """
    seen: set[str] = set()

    def parse(data: Mapping[str, Any]) -> tuple[str, str]:
        name = get_id(data)
        if name in seen:
            raise ScoreError("a second answer to the same question")
        for key in _ANSWER_KEYS:
            if isinstance(data.get(key), (str, int, float)):
                seen.add(name)
                return name, str(data[key])
        raise ScoreError(f"no answer under {', '.join(_ANSWER_KEYS)}")

    return require_items(path, read_entries(path, parse), "answer")


def write_answers(path: Path, answers: Mapping[str, str], model: str) -> None:
    """Write an answers file as LLaVA's: ``{"question_id", "text", "model_id"}`` a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for name, text in answers.items():
            entry = {"question_id": name, "text": text, "model_id": model}
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def get_id(data: Mapping[str, Any]) -> str:
    """The id of an entry as text.

    Raises:
        ScoreError: there is none.
    """
    for key in _ID_KEYS:
        if isinstance(data.get(key), (str, int)):
            return str(data[key])
    raise ScoreError(f"no id under {', '.join(_ID_KEYS)}")


def get_first(data: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """The value of the first key that is there and not None, or None."""
    return next((data[key] for key in keys if data.get(key) is not None), None)


def _split(text: str) -> list[tuple[int, str | Any]]:
    if text.lstrip().startswith("["):
        try:
            return list(enumerate(json.loads(text), 1))
        except (ValueError, RecursionError):
            pass  # lines that are lists: each is refused by itself
    return [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]


def _load(entry: str | Any) -> Mapping[str, Any]:
    data = entry
    if isinstance(entry, str):
        try:
            data = json.loads(entry)
        except (ValueError, RecursionError) as error:
            raise ScoreError("not JSON") from error
    if not isinstance(data, dict):
        raise ScoreError(f"an object is expected, got {type(data).__name__}")
    return data
