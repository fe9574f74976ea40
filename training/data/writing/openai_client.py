"""Chats with an OpenAI-compatible server: side by side, retried, cached, within a budget."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any

from spacesgg_ros.extras import require

from .answer_cache import AnswerCache
from .endpoint import EndpointConfig, read_key
from .generator import STOPPING, Failure, GenerationFailed

_EXTRA = "generate"
_DETAIL = 200
_REFUSES_ALL = (401, 402, 403, 404, 405)
_BUSY = (408, 409, 425, 500, 502, 503, 504, 529)
_BACKOFF_FACTOR = 2.0
_TEMPLATE_TOKENS = 64


@dataclass(frozen=True)
class Chat:
    """One question to the model.

    Attributes:
        system, user: the two messages.
        seed: sampling is repeatable where the server honours it.
    """

    system: str
    user: str
    seed: int = 0


class _TryAgain(Exception):
    """A failure that another try may mend; ``wait_s`` as the server asks, 0 if it does not."""

    def __init__(self, failed: GenerationFailed, wait_s: float = 0.0) -> None:
        super().__init__(str(failed))
        self.failed = failed
        self.wait_s = wait_s


class ChatClient:
    """Asks an endpoint; a context manager. The first failure that is in ``STOPPING`` ends it:
    what is asked after that fails alike, without a request."""

    def __init__(self, config: EndpointConfig, sleep: Callable[[float], None] = time.sleep) -> None:
        """
        Args:
            sleep: waits; replaced in tests.

        Raises:
            MissingExtraError: httpx is not installed.
            ValueError: the API key is not where the configuration says.
        """
        self._httpx = require("httpx", _EXTRA)
        self._config = config
        self._key = read_key(config)
        self._sleep = sleep
        self._stopped: GenerationFailed | None = None
        self._resume_at = 0.0
        self._jitter = random.Random()
        self._cache = AnswerCache(config.cache)
        limits = self._httpx.Limits(max_connections=config.concurrency)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._http = self._httpx.Client(timeout=config.timeout_s, limits=limits, headers=headers)

    def __enter__(self) -> ChatClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()
        self._cache.close()

    def ask_all(self, chats: Sequence[Chat]) -> list[str | GenerationFailed]:
        """The answer to each chat, or why there is none, in order."""
        with ThreadPoolExecutor(self._config.concurrency) as pool:
            return list(pool.map(self._ask, chats))

    def _ask(self, chat: Chat) -> str | GenerationFailed:
        body = self._body(chat)
        key = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        found = self._cache.find(key)
        if found is not None:
            return found
        try:
            text = self._try(body)
        except GenerationFailed as failed:
            if failed.reason in STOPPING:
                self._stopped = failed
            return failed
        self._cache.keep(key, text)
        return text

    def _body(self, chat: Chat) -> dict[str, Any]:
        return {
            "model": self._config.model,
            "messages": [
                {"role": "system", "content": chat.system},
                {"role": "user", "content": chat.user},
            ],
            "temperature": self._config.temperature,
            "max_tokens": self._config.max_tokens,
            "seed": chat.seed,
            "stream": False,
        }

    def _try(self, body: dict[str, Any]) -> str:
        for attempt in range(1, self._config.attempts + 1):
            if self._stopped is not None:
                raise self._stopped
            self._wait(self._resume_at - time.monotonic())
            try:
                return self._send(body)
            except _TryAgain as again:
                longest = self._config.max_wait_s
                if attempt == self._config.attempts or again.wait_s > longest:
                    raise again.failed from again
                backoff = self._config.backoff_s * _BACKOFF_FACTOR ** (attempt - 1)
                if again.wait_s:
                    # What holds for this request holds for those beside it.
                    self._resume_at = max(self._resume_at, time.monotonic() + again.wait_s)
                self._wait(max(min(backoff, longest) * self._jitter.uniform(0.5, 1), again.wait_s))
        raise AssertionError("unreachable: the last attempt raises or returns")

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(seconds)

    def _send(self, body: dict[str, Any]) -> str:
        """One request.

        Raises:
            _TryAgain: it failed in a way that may pass.
            GenerationFailed: it failed for good.
        """
        httpx, config = self._httpx, self._config
        # A token is a byte at least, so no prompt has more of them; templates add a few.
        prompt = sum(len(message["content"].encode()) for message in body["messages"])
        most = (prompt + _TEMPLATE_TOKENS, config.max_tokens)
        self._cache.reserve(*most, config.budget)
        try:
            response = self._http.post(config.chat_url, json=body)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            self._cache.settle(most, (0, 0))
            raise self._again(Failure.UNREACHABLE, f"{config.chat_url}: {error}") from error
        except httpx.TimeoutException as error:
            told = f"no answer within {config.timeout_s:g} s"
            raise self._again(Failure.TIMEOUT, told) from error
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.DecodingError) as error:
            raise self._again(Failure.TRUNCATED, str(error)) from error
        except httpx.TransportError as error:
            raise self._again(Failure.SERVER_ERROR, str(error)) from error
        if response.status_code != 200:
            self._cache.settle(most, (0, 0))
            raise self._refusal(response)
        text, finish, used = self._read(response)
        self._cache.settle(most, used or most)
        if finish == "length":
            told = f"cut off after {config.max_tokens} tokens; raise max_tokens"
            raise GenerationFailed(Failure.TRUNCATED, told)
        if finish == "content_filter":
            raise GenerationFailed(Failure.REFUSED, "the server's content filter")
        return text

    def _refusal(self, response: Any) -> Exception:
        status = response.status_code
        told = f"HTTP {status}: {response.text[:_DETAIL]}"
        if status == 429 or status in _BUSY:
            reason = Failure.RATE_LIMITED if status == 429 else Failure.SERVER_ERROR
            return self._again(reason, told, _retry_after(response.headers.get("Retry-After")))
        refuses_all = status in _REFUSES_ALL or status < 400
        return self._failed(Failure.MISCONFIGURED if refuses_all else Failure.REFUSED, told)

    def _read(self, response: Any) -> tuple[str, str, tuple[int, int] | None]:
        """The text, why it ended, and tokens read and written where the server counts them."""
        try:
            data = response.json()
            choice = data["choices"][0]
            text = choice["message"]["content"]
            finish = str(choice.get("finish_reason") or "")
            usage = data.get("usage") or {}
            if not isinstance(text, str):
                raise TypeError(f"content is {type(text).__name__}")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            told = f"{type(error).__name__}: {error}; got {response.text[:_DETAIL]!r}"
            raise self._again(Failure.NOT_JSON, told) from error
        counts = tuple(usage.get(name) for name in ("prompt_tokens", "completion_tokens"))
        if all(isinstance(count, int) and count >= 0 for count in counts):
            return text, finish, counts  # type: ignore[return-value]
        return text, finish, None

    def _again(self, reason: Failure, told: str, wait_s: float = 0.0) -> _TryAgain:
        return _TryAgain(self._failed(reason, told), wait_s)

    def _failed(self, reason: Failure, told: str) -> GenerationFailed:
        """A failure whose message cannot hold the key, even where the server repeats it."""
        return GenerationFailed(reason, told.replace(self._key, "***") if self._key else told)


def _retry_after(header: str | None) -> float:
    """Seconds that a ``Retry-After`` header asks for, a number or a date; 0 for anything else."""
    if not header:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            then = parsedate_to_datetime(header)
        except (TypeError, ValueError):
            return 0.0
        then = then if then.tzinfo else then.replace(tzinfo=timezone.utc)
        seconds = (then - datetime.now(timezone.utc)).total_seconds()
    return max(seconds, 0.0) if seconds < float("inf") else 0.0
