"""How an OpenAI-compatible endpoint is asked, and how much of it may be used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_CHAT = "/chat/completions"


@dataclass(frozen=True)
class Budget:
    """Caps over everything that an answer cache has seen, earlier runs included; None: no cap.

    Attributes:
        requests: HTTP requests, tries after failures included.
        tokens: read and written.
        cost: in the currency of the prices.
        price_read, price_written: of a million tokens.
    """

    requests: int | None = None
    tokens: int | None = None
    cost: float | None = None
    price_read: float = 0.0
    price_written: float = 0.0

    def __post_init__(self) -> None:
        caps = (self.requests, self.tokens, self.cost)
        if any(cap is not None and cap < 0 for cap in caps):
            raise ValueError(f"caps must not be negative; got {self}")
        if min(self.price_read, self.price_written) < 0:
            raise ValueError(f"prices must not be negative; got {self}")
        if self.cost is not None and not (self.price_read or self.price_written):
            raise ValueError("a cap on the cost needs the price of a million tokens")


@dataclass(frozen=True)
class EndpointConfig:
    """An OpenAI-compatible server (vLLM, Ollama, llama.cpp, ``transformers serve``).

    Attributes:
        url: base address, "http://127.0.0.1:8000/v1".
        model: as the server names it.
        temperature: 0 for the likeliest text.
        max_tokens: written for one row, at most.
        concurrency: requests under way at once.
        timeout_s: without a byte from the server until a request is given up.
        attempts: tries of one request.
        backoff_s: before the second try; twice as long before each further one, less jitter.
        max_wait_s: longest wait between two tries; a server that asks for more has refused.
        cache: file that keeps answers and counts; None keeps them in memory.
        budget: what may be used.
        key_file, key_variable: where the API key is, a file or the name of an environment
            variable; none where both are empty.
    """

    url: str
    model: str
    temperature: float = 0.7
    max_tokens: int = 1024
    concurrency: int = 8
    timeout_s: float = 120.0
    attempts: int = 5
    backoff_s: float = 1.0
    max_wait_s: float = 60.0
    cache: Path | None = None
    budget: Budget = Budget()
    key_file: Path | None = None
    key_variable: str = ""

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")) or not self.model:
            raise ValueError(
                f"an endpoint needs a URL like http://127.0.0.1:8000/v1 and a model; "
                f"got {self.url!r}, {self.model!r}"
            )
        if min(self.max_tokens, self.concurrency, self.attempts) < 1:
            raise ValueError("max_tokens, concurrency and attempts must be at least 1")
        if min(self.timeout_s, self.max_wait_s) <= 0 or min(self.backoff_s, self.temperature) < 0:
            raise ValueError("times must be positive, the temperature not negative")
        if self.key_file is not None and self.key_variable:
            raise ValueError("give the API key by a file or by a variable, not by both")

    @property
    def chat_url(self) -> str:
        """Where chats are posted to."""
        base = self.url.rstrip("/")
        return base if base.endswith(_CHAT) else base + _CHAT


def read_key(config: EndpointConfig) -> str:
    """The API key, or "".

    Raises:
        ValueError: it is not where the configuration says; the message never holds it.
    """
    if config.key_file is not None:
        try:
            key = config.key_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(f"cannot read the API key's file: {error}") from error
        where = str(config.key_file)
    elif config.key_variable:
        key = os.environ.get(config.key_variable, "").strip()
        where = f"the environment variable {config.key_variable}"
    else:
        return ""
    if not key:
        raise ValueError(f"there is no API key in {where}")
    return key
