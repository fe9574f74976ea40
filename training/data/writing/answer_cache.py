"""Answers of a language model that were paid for once, and what was spent on them.

One SQLite file, so that a run that is killed goes on without asking again, and processes on one
machine share it. It must be on a local disk: SQLite's locks do not hold on network shares.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .endpoint import Budget
from .generator import Failure, GenerationFailed

_BUSY_S = 60.0
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, text TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS spent (one INTEGER PRIMARY KEY CHECK (one = 1), "
    "requests INTEGER NOT NULL, read INTEGER NOT NULL, written INTEGER NOT NULL)",
    "INSERT OR IGNORE INTO spent VALUES (1, 0, 0, 0)",
)


@dataclass(frozen=True)
class Spent:
    """What was used so far: HTTP requests, and tokens read and written."""

    requests: int
    read: int
    written: int

    def cost(self, budget: Budget) -> float:
        """In the currency of the budget's prices."""
        return (self.read * budget.price_read + self.written * budget.price_written) / 1e6


class AnswerCache:
    """Answers by the hash of their request, and a count of what was used.

    Usable from several threads.
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(
            path or ":memory:", timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        self._db.execute("PRAGMA journal_mode=WAL")
        for statement in _SCHEMA:
            self._db.execute(statement)

    def close(self) -> None:
        """Ends the use of the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def find(self, key: str) -> str | None:
        """The answer to a request that was made before."""
        with self._lock:
            row = self._db.execute("SELECT text FROM answers WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def keep(self, key: str, text: str) -> None:
        """Stores an answer."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, text))

    def spent(self) -> Spent:
        """What was used so far."""
        with self._lock:
            return _read_spent(self._db)

    def reserve(self, read: int, written: int, budget: Budget) -> None:
        """Enters a request before it is sent, with the most tokens that it may use.

        So the caps hold with any number of requests under way, and a request whose end nobody
        saw stays counted: it may have been billed.

        Raises:
            GenerationFailed: a cap would be passed; nothing was entered.
        """
        with self._transaction() as db:
            now = _read_spent(db)
            told = _passed(Spent(now.requests + 1, now.read + read, now.written + written), budget)
            if told:
                raise GenerationFailed(Failure.BUDGET, told)
            db.execute(
                "UPDATE spent SET requests = requests + 1, read = read + ?, written = written + ?",
                (read, written),
            )

    def settle(self, reserved: tuple[int, int], used: tuple[int, int]) -> None:
        """Corrects what :meth:`reserve` entered to what a request used, tokens read and written."""
        with self._transaction() as db:
            db.execute(
                "UPDATE spent SET read = read + ?, written = written + ?",
                (used[0] - reserved[0], used[1] - reserved[1]),
            )


def _read_spent(db: sqlite3.Connection) -> Spent:
    return Spent(*db.execute("SELECT requests, read, written FROM spent").fetchone())


def _passed(after: Spent, budget: Budget) -> str:
    """Which cap would be passed, or ""."""
    if budget.requests is not None and after.requests > budget.requests:
        return f"{budget.requests} requests are used up"
    tokens = after.read + after.written
    if budget.tokens is not None and tokens > budget.tokens:
        return f"another request may bring the tokens to {tokens}, above {budget.tokens}"
    cost = after.cost(budget)
    if budget.cost is not None and cost > budget.cost:
        return f"another request may bring the cost to {cost:.4f}, above {budget.cost:.4f}"
    return ""
