"""The client of a chat server: what goes wrong, what is tried again, what is paid for once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("httpx")

from spacesgg_ros.training.data.writing.answer_cache import AnswerCache
from spacesgg_ros.training.data.writing.endpoint import Budget, EndpointConfig, read_key
from spacesgg_ros.training.data.writing.generator import Failure, GenerationFailed
from spacesgg_ros.training.data.writing.openai_client import Chat, ChatClient, _retry_after

from .conftest import FakeServer, Half, said

Serve = Callable[..., FakeServer]
CHAT = Chat("Be brief.", "Where is the mug?")


def _config(server: FakeServer | str, **options: object) -> EndpointConfig:
    url = server if isinstance(server, str) else server.url
    defaults = {"attempts": 3, "backoff_s": 0.001, "concurrency": 4, "timeout_s": 5.0}
    return EndpointConfig(url=url, model="tiny", **defaults | options)  # type: ignore[arg-type]


def _ask(config: EndpointConfig, *chats: Chat, waits: list[float] | None = None) -> list:
    sleep = (lambda _: None) if waits is None else waits.append
    with ChatClient(config, sleep=sleep) as client:
        return client.ask_all(chats or (CHAT,))


def _reason(answer: object) -> Failure:
    assert isinstance(answer, GenerationFailed), answer
    return answer.reason


def test_a_chat_is_posted_as_openai_has_it(serve: Serve) -> None:
    server = serve(said("On the table."))
    assert _ask(_config(server, temperature=0.2, max_tokens=7)) == ["On the table."]
    assert server.requests == [
        {
            "model": "tiny",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Where is the mug?"},
            ],
            "temperature": 0.2,
            "max_tokens": 7,
            "seed": 0,
            "stream": False,
        }
    ]


FAULTS = [
    ("server error", (500, {}, b"oops"), Failure.SERVER_ERROR, 3),
    ("overloaded", (503, {}, b"<html>busy</html>"), Failure.SERVER_ERROR, 3),
    ("rate limit", (429, {"Retry-After": "1"}, b"slow down"), Failure.RATE_LIMITED, 3),
    ("asks to wait an hour", (429, {"Retry-After": "3600"}, b""), Failure.RATE_LIMITED, 1),
    ("body breaks off", (200, {}, Half(b'{"choices": [{"mess')), Failure.TRUNCATED, 3),
    ("not JSON", (200, {}, b"<html>login</html>"), Failure.NOT_JSON, 3),
    ("JSON, cut", (200, {}, b'{"choices": [{"message"'), Failure.NOT_JSON, 3),
    ("no choices", (200, {}, {"choices": []}), Failure.NOT_JSON, 3),
    ("a list", (200, {}, [1, 2]), Failure.NOT_JSON, 3),
    ("no text", said(None), Failure.NOT_JSON, 3),
    ("text is a number", said(7), Failure.NOT_JSON, 3),
    ("invalid UTF-8", (200, {}, b'{"choices": "\xff\xfe"}'), Failure.NOT_JSON, 3),
    ("half answer", said("On the", finish="length"), Failure.TRUNCATED, 1),
    ("filtered", said("", finish="content_filter"), Failure.REFUSED, 1),
    ("prompt too long", (400, {}, {"error": "context length"}), Failure.REFUSED, 1),
    ("wrong key", (401, {}, {"error": "no"}), Failure.MISCONFIGURED, 1),
    ("no such model", (404, {}, {"error": "no model"}), Failure.MISCONFIGURED, 1),
    ("moved", (301, {"Location": "/v2"}, b""), Failure.MISCONFIGURED, 1),
]


@pytest.mark.parametrize(
    ("reply", "reason", "requests"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_a_fault_is_a_typed_failure(
    serve: Serve, reply: object, reason: Failure, requests: int
) -> None:
    server = serve(reply)
    assert _reason(_ask(_config(server))[0]) is reason
    assert len(server.requests) == requests


@pytest.mark.parametrize("reply", [f[1] for f in FAULTS if f[3] == 3])
def test_a_fault_that_passes_is_tried_again(serve: Serve, reply: object) -> None:
    server = serve(reply, said("good"))
    assert _ask(_config(server)) == ["good"]
    assert len(server.requests) == 2


def test_a_server_that_hangs_is_given_up(serve: Serve) -> None:
    server = serve(0.5)
    answer = _ask(_config(server, timeout_s=0.05, attempts=2))[0]
    assert _reason(answer) is Failure.TIMEOUT
    assert len(server.requests) == 2


def test_waits_grow_with_jitter_and_honour_the_server(serve: Serve) -> None:
    waits: list[float] = []
    _ask(_config(serve((500, {}, b"")), attempts=4, backoff_s=1.0), waits=waits)
    assert [0.5 <= wait / 2**k <= 1 for k, wait in enumerate(waits)] == [True] * 3
    waits.clear()
    server = serve((429, {"Retry-After": "7"}, b""), said("good"))
    assert _ask(_config(server), waits=waits) == ["good"]
    assert max(waits) >= 7


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3.0), ("0.5", 0.5), ("-1", 0.0), ("soon", 0.0), ("", 0.0), (None, 0.0), ("inf", 0.0),
     ("nan", 0.0), ("Fri, 01 Jan 1999 00:00:00 GMT", 0.0)],
)  # fmt: skip
def test_retry_after_is_read(header: str | None, seconds: float) -> None:
    assert _retry_after(header) == seconds


def test_retry_after_may_be_a_date() -> None:
    assert _retry_after("Fri, 01 Jan 2100 00:00:00 GMT") > 1e8


def test_a_server_that_is_not_there_is_tried_for_one_chat_only() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    waits: list[float] = []
    chats = [replace(CHAT, seed=k) for k in range(20)]
    answers = _ask(_config(url, concurrency=1), *chats, waits=waits)
    assert {_reason(a) for a in answers} == {Failure.UNREACHABLE}
    assert len(waits) == 2  # between the three tries of the first


def test_a_wrong_key_is_not_tried_for_every_chat(serve: Serve) -> None:
    server = serve((401, {}, b"no"))
    answers = _ask(_config(server, concurrency=1), *[replace(CHAT, seed=k) for k in range(9)])
    assert {_reason(a) for a in answers} == {Failure.MISCONFIGURED}
    assert len(server.requests) == 1


def test_chats_are_asked_side_by_side_and_answered_in_order(serve: Serve) -> None:
    barrier = threading.Barrier(4, timeout=5)
    server = serve()
    server._replies = lambda number: (barrier.wait(), said("x"))[1]
    chats = [replace(CHAT, user=str(k)) for k in range(8)]
    assert _ask(_config(server), *chats) == ["x"] * 8
    assert server.most_at_once == 4


def test_an_answer_is_asked_for_once(serve: Serve, tmp_path: Path) -> None:
    server = serve((500, {}, b""), said("one"), said("two"))
    config = _config(server, cache=tmp_path / "new" / "answers.sqlite")
    assert _ask(config) == ["one"]
    before = len(server.requests)
    assert _ask(config) == ["one"]
    assert _ask(replace(config, url=server.url + "/")) == ["one"]
    assert len(server.requests) == before
    assert _ask(config, replace(CHAT, user="Another?")) == ["two"]


def test_a_failure_is_asked_for_again(serve: Serve, tmp_path: Path) -> None:
    server = serve((500, {}, b""), said("one"))
    config = _config(server, cache=tmp_path / "answers.sqlite", attempts=1)
    assert _reason(_ask(config)[0]) is Failure.SERVER_ERROR
    assert _ask(config) == ["one"]


def test_requests_are_capped_over_runs_and_tries(serve: Serve, tmp_path: Path) -> None:
    server = serve((500, {}, b""), said("good"))
    config = _config(server, cache=tmp_path / "a.sqlite", budget=Budget(requests=3), concurrency=1)
    first = _ask(config, CHAT)  # two requests: one failed
    rest = _ask(config, *[replace(CHAT, seed=k) for k in range(1, 6)])
    assert first == ["good"]
    assert rest[0] == "good"
    assert {_reason(a) for a in rest[1:]} == {Failure.BUDGET}
    assert len(server.requests) == 3
    assert _ask(config) == ["good"]  # what is cached costs nothing


@pytest.mark.parametrize(
    ("budget", "sent"),
    [
        (Budget(tokens=1000), 3),  # 90 + 100 reserved, 15 used: 3 * 15 + 190 > 200 below
        (Budget(tokens=200), 1),
        (Budget(tokens=100), 0),
        (Budget(cost=0.001, price_written=9.0), 1),  # 100 written reserved cost 0.0009
        (Budget(cost=0.001, price_written=11.0), 0),
    ],
)
def test_a_cap_is_never_passed(serve: Serve, budget: Budget, sent: int) -> None:
    server = serve(said("good", read=10, written=20))
    config = _config(server, budget=budget, concurrency=1, max_tokens=100)
    answers = _ask(config, *[replace(CHAT, seed=k) for k in range(3)])
    assert [a == "good" for a in answers] == [k < sent for k in range(3)]
    assert len(server.requests) == sent


def test_what_the_server_does_not_count_is_counted_at_the_most(
    serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "a.sqlite"
    _ask(_config(serve((200, {}, {"choices": said("good")[2]["choices"]})), cache=path))
    _ask(_config(serve((500, {}, b"")), cache=path), replace(CHAT, seed=1))
    cache = AnswerCache(path)
    spent = cache.spent()
    cache.close()
    assert spent.requests == 1 + 3
    assert (spent.read, spent.written) == (len("Be brief.Where is the mug?") + 64, 1024)


def test_the_key_is_sent_and_never_told(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text("s3cret\n")
    server = serve((400, {}, b"bad key s3cret"))
    answer = _ask(_config(server, key_file=file, cache=tmp_path / "a.sqlite"))[0]
    assert server.headers[0]["Authorization"] == "Bearer s3cret"
    assert "***" in str(answer) and "s3cret" not in str(answer)
    assert b"s3cret" not in (tmp_path / "a.sqlite").read_bytes()
    assert "s3cret" not in repr(_config(server, key_file=file))
    monkeypatch.setenv("MY_KEY", "other")
    assert read_key(_config(server, key_variable="MY_KEY")) == "other"


@pytest.mark.parametrize("options", [{"key_file": Path("/no/such")}, {"key_variable": "NO_SUCH"}])
def test_a_key_that_is_not_there_is_an_error(options: dict) -> None:
    with pytest.raises(ValueError, match=r"/no/such|NO_SUCH"):
        read_key(_config("http://localhost/v1", **options))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"url": "localhost:8000"}, "http://"),
        ({"model": ""}, "a model"),
        ({"attempts": 0}, "at least 1"),
        ({"timeout_s": 0.0}, "positive"),
        ({"key_file": Path("x"), "key_variable": "X"}, "not by both"),
    ],
)
def test_a_wrong_endpoint_is_refused(options: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        EndpointConfig(**{"url": "http://x/v1", "model": "m", **options})


@pytest.mark.parametrize("options", [{"requests": -1}, {"cost": 1.0}, {"price_read": -1.0}])
def test_a_wrong_budget_is_refused(options: dict) -> None:
    with pytest.raises(ValueError, match=r"negative|price"):
        Budget(**options)
