"""A measured picture made by hand, and a chat server that fails as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from spacesgg_ros.training.data.grounded import GroundedImage, GroundedObject, Measured, Order

# Written down by hand, not computed: what each direction is from the three other sides.
FROM = {
    "left": {"in front of": "to the right of", "to the left of": "in front of"},
    "right": {"in front of": "to the left of", "to the left of": "behind"},
    "back": {"in front of": "behind", "to the left of": "to the right of"},
}


def thing(label: str, box: tuple[int, int, int, int], *depth: float) -> GroundedObject:
    """An object, measured if ``depth`` is given."""
    near_far = (depth[0], depth[1], depth[2]) if depth else None
    measured = Measured(near_far, None, None, None, 100) if near_far else None
    return GroundedObject(label, tuple(map(float, box)), measured=measured)


def from_all_sides(*orders: tuple[int, str, int, float]) -> tuple[Order, ...]:
    """Orders of the camera's view in all four."""
    found = [Order("camera", *order) for order in orders]
    for view, turned in FROM.items():
        found += [Order(view, s, turned.get(p, p), o, gap) for s, p, o, gap in orders]
    return tuple(found)


@pytest.fixture
def kitchen() -> GroundedImage:
    """A mug and a bowl on a table, two chairs behind it; square, so that 1000 px are 999."""
    return GroundedImage(
        id="kitchen",
        image="kitchen.jpg",
        width=999,
        height=999,
        objects=(
            thing("table", (100, 400, 900, 990), 1.0, 1.5, 2.2),
            thing("mug", (200, 500, 260, 600), 1.2, 1.25, 1.3),
            thing("bowl", (500, 510, 600, 600), 1.22, 1.3, 1.4),
            thing("chair", (700, 100, 850, 380), 2.5, 2.7, 2.9),
            thing("chair", (10, 90, 90, 390), 2.6, 2.8, 3.0),
        ),
        relations=((1, "on", 0), (2, "sitting on", 0), (3, "facing", 0)),
        ambiguous=((2, 4),),
        layers=((1, 2), (0,), (3, 4)),
        orders=from_all_sides(
            (1, "to the left of", 2, 0.2),
            (1, "in front of", 3, 1.2),
            (1, "to the left of", 3, 0.5),
            (1, "in front of", 4, 1.3),
            (2, "in front of", 3, 1.1),
            (2, "in front of", 4, 1.2),
            (4, "to the left of", 3, 1.2),
        ),
        source="by hand",
    )


class FakeServer:
    """Answers chats with what ``replies`` returns for the number of the request, from 0.

    A reply is ``(status, headers, body)``, the body a JSON value or raw bytes; or a number of
    seconds to hang. ``Half(bytes)`` promises more bytes than it sends.
    """

    def __init__(self, replies: Callable[[int], object]) -> None:
        self.requests: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self._replies = replies
        self._now = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer._answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            number = len(self.requests)
            self.requests.append(body)
            self.headers.append(dict(handler.headers))
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            self._send(handler, self._replies(number))
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with self._lock:
                self._now -= 1

    def _send(self, handler: BaseHTTPRequestHandler, reply: object) -> None:
        if isinstance(reply, float):
            time.sleep(reply)
            return
        status, headers, body = reply  # type: ignore[misc]
        half = isinstance(body, Half)
        data = body.data if half else body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data) * 2 if half else len(data)))
        handler.end_headers()
        handler.wfile.write(data)
        handler.close_connection = True


class Half:
    """A body that breaks off."""

    def __init__(self, data: bytes) -> None:
        self.data = data


def said(text: object, finish: str = "stop", read: int = 10, written: int = 5) -> tuple:
    """A good chat completion."""
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": read, "completion_tokens": written}
    return 200, {}, {"choices": [choice], "usage": usage}


@pytest.fixture
def serve() -> Iterator[Callable[..., FakeServer]]:
    """Starts servers: ``serve(reply, reply, ...)``, the last one for all further requests."""
    servers = []

    def start(*replies: object) -> FakeServer:
        server = FakeServer(lambda number: replies[min(number, len(replies) - 1)])
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()
