"""The page's HTTP server: this machine only, standard library only.

``GET /`` and its files; ``GET /events``: Server-Sent Events, one JSON object a graph;
``GET /image/<version>.jpg``; ``POST /query``: a JSON question, a JSON answer.

It listens on the loopback address. A page of another site that the operator has open must not
reach it either: requests whose Host is no loopback name are refused (DNS rebinding), a question
needs a JSON content type (which another origin cannot send unasked) and a loopback Origin, and
pictures carry Cross-Origin-Resource-Policy.
"""

from __future__ import annotations

import errno
import json
import re
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from spacesgg_ros.viewer.state import Question, ViewerState

LOOPBACK = "127.0.0.1"
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_LARGEST_QUESTION_BYTES = 4096
_MOST_CLIENTS = 16
_KEEP_ALIVE_S = 5.0
_PAGE_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/viewer.js": ("viewer.js", "text/javascript; charset=utf-8"),
    "/picture.js": ("picture.js", "text/javascript; charset=utf-8"),
    "/topview.js": ("topview.js", "text/javascript; charset=utf-8"),
    "/lists.js": ("lists.js", "text/javascript; charset=utf-8"),
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class ViewerServer:
    """Serves a :class:`ViewerState` in background threads until :meth:`stop`."""

    def __init__(self, state: ViewerState, port: int = 8000, tries: int = 20) -> None:
        """Listen on ``port`` or, where it is taken, on the first free one of the next ``tries``.

        ``port`` 0 takes any free one.

        Raises:
            OSError: none of them is free, or the port may not be used.
        """
        self._state = state
        self._server = _listen(state, port, tries)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/"

    def start(self) -> None:
        """Serve, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End every connection and free the port."""
        self._state.close()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, state: ViewerState) -> None:
        self.state = state
        super().__init__((LOOPBACK, port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that is closed while it is served is no error; all else is shown."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def _listen(state: ViewerState, port: int, tries: int) -> _Server:
    last = port if port == 0 else min(port + tries, 65535)
    for candidate in range(port, last + 1):
        try:
            return _Server(candidate, state)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or candidate == last:
                raise
    raise OSError(errno.EADDRINUSE, f"no free port from {port} to {last}")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "spacesgg"
    sys_version = ""
    timeout = 30.0  # a page that neither sends nor reads for so long is let go

    def do_GET(self) -> None:
        if not self._is_local():
            return
        path = urlsplit(self.path).path
        if path in _PAGE_FILES:
            name, kind = _PAGE_FILES[path]
            page = resources.files("spacesgg_ros.viewer") / "page" / name
            self._send(HTTPStatus.OK, kind, page.read_bytes())
        elif path == "/events":
            self._stream()
        elif match := re.fullmatch(r"/image/(\d{1,15})\.jpg", path):
            jpeg = self.server.state.jpeg(int(match[1]))
            if jpeg is None:
                self._refuse(HTTPStatus.NOT_FOUND, "this picture is gone")
            else:
                self._send(HTTPStatus.OK, "image/jpeg", jpeg)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "no such page")

    def do_POST(self) -> None:
        # Whatever is refused is refused unread, so the connection cannot be used again.
        self.close_connection = True
        if not self._is_local():
            return
        if urlsplit(self.path).path != "/query":
            return self._refuse(HTTPStatus.NOT_FOUND, "no such page")
        if self.headers.get_content_type() != "application/json":
            return self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _LARGEST_QUESTION_BYTES:
            return self._refuse(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {_LARGEST_QUESTION_BYTES} bytes"
            )
        try:
            question = read_question(self.rfile.read(int(length)))
        except ValueError as error:
            return self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        answer = self.server.state.answer
        if answer is None:
            return self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "nobody answers questions here")
        self._send_json(HTTPStatus.OK, answer(question))

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal shows the graph."""

    def _is_local(self) -> bool:
        """Whether the request came by a loopback name and from no foreign page."""
        for header, missing_is_fine in (("Host", False), ("Origin", True)):
            value = self.headers.get(header)
            if value is None and missing_is_fine:
                continue
            if not _is_loopback(value or "", has_scheme=header == "Origin"):
                self.close_connection = True
                self._refuse(
                    HTTPStatus.FORBIDDEN, f"{header} must be localhost: open {LOOPBACK} itself"
                )
                return False
        return True

    def _stream(self) -> None:
        state = self.server.state
        if not state.join(_MOST_CLIENTS):
            return self._refuse(
                HTTPStatus.SERVICE_UNAVAILABLE, f"{_MOST_CLIENTS} pages are listening already"
            )
        try:
            self.close_connection = True
            self._start(HTTPStatus.OK, "text/event-stream")
            self.end_headers()
            self.wfile.write(b"retry: 1000\n\n")
            version = 0
            while not state.closed:
                update = state.wait_newer(version, _KEEP_ALIVE_S)
                if update is None:
                    self.wfile.write(b": still here\n\n")
                else:
                    version = update.version
                    text = json.dumps(_finite(update.to_dict()), separators=(",", ":"))
                    self.wfile.write(f"data: {text}\n\n".encode())
                self.wfile.flush()
        except (ConnectionError, TimeoutError):
            pass  # the page was closed or sleeps
        finally:
            state.leave()

    def _start(self, status: HTTPStatus, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self._start(status, content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_json(self, status: HTTPStatus, value: Any) -> None:
        self._send(status, "application/json", json.dumps(_finite(value)).encode())

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self._send_json(status, {"error": reason})


def read_question(body: bytes) -> Question:
    """The question in a JSON object with the fields of :class:`Question`, all optional.

    Raises:
        ValueError: not a JSON object, an unknown field, or a value that is no short text.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the question is not JSON: {error}") from error
    names = tuple(Question.__dataclass_fields__)
    if not isinstance(value, dict) or not set(value) <= set(names):
        raise ValueError(f"the question must be an object with some of {', '.join(names)}")
    for name, text in value.items():
        if not isinstance(text, str) or len(text) > 200:
            raise ValueError(f"{name} must be a text of at most 200 characters")
    return Question(**value)


def _is_loopback(value: str, has_scheme: bool) -> bool:
    try:
        host = urlsplit(value if has_scheme else f"//{value}").hostname
    except ValueError:
        return False
    return host in _LOOPBACK_NAMES


def _finite(value: Any) -> Any:
    """``value`` with NaN and infinities as None: JSON has none, and a browser would refuse it."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
