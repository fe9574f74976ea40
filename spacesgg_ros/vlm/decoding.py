"""Greedy decoding, free or held to a constraint, on any ``Runtime``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from spacesgg_ros.vlm.folder import TokenEmbeddings
from spacesgg_ros.vlm.runtime import Runtime

EOS, LIMIT, STOPPED = "eos", "limit", "stopped"
"""Why decoding ended: the text was complete, a token limit, or ``should_stop``."""


class Constraint(Protocol):
    """What may come next in a text that must follow a grammar."""

    def choose(self, logits: np.ndarray) -> int | None:
        """The likeliest allowed token; None where the text is complete and ends here."""
        ...

    def accept(self, token: int) -> list[int]:
        """Take ``token``; the tokens that must follow it are taken too, and returned."""
        ...


@dataclass(frozen=True)
class Decoded:
    """``token_ids`` without the end token of a finished text, except from decode_freely."""

    token_ids: tuple[int, ...]
    finish_reason: str
    steps: int
    """Runs of the decoder; less than the tokens where some were forced."""


def decode_freely(
    runtime: Runtime,
    embeddings: TokenEmbeddings,
    logits: np.ndarray,
    eos_ids: Sequence[int],
    max_tokens: int,
    should_stop: Callable[[], bool] | None = None,
) -> Decoded:
    """Argmax after argmax; ``token_ids`` end with the end token, as transformers' generate."""
    tokens: list[int] = []
    while True:
        token = int(logits.argmax())
        tokens.append(token)
        if token in eos_ids:
            return Decoded(tuple(tokens), EOS, len(tokens) - 1)
        if len(tokens) >= max_tokens:
            return Decoded(tuple(tokens), LIMIT, len(tokens) - 1)
        if should_stop is not None and should_stop():
            return Decoded(tuple(tokens), STOPPED, len(tokens) - 1)
        logits = runtime.step(embeddings.embed([token]))


def decode_constrained(
    runtime: Runtime,
    embeddings: TokenEmbeddings,
    logits: np.ndarray,
    constraint: Constraint,
    max_tokens: int,
    should_stop: Callable[[], bool] | None = None,
) -> Decoded:
    """Argmax among what ``constraint`` allows; forced tokens go in one chunk, unread."""
    tokens: list[int] = []
    steps = 0
    while True:
        token = constraint.choose(logits)
        if token is None:
            return Decoded(tuple(tokens), EOS, steps)
        chunk = [token, *constraint.accept(token)]
        tokens += chunk
        if len(tokens) >= max_tokens:
            return Decoded(tuple(tokens), LIMIT, steps)
        if should_stop is not None and should_stop():
            return Decoded(tuple(tokens), STOPPED, steps)
        logits = runtime.step(embeddings.embed(chunk))
        steps += 1
