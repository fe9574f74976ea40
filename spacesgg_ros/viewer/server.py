"""The demo's page: a :class:`.local_server.LocalServer` of the live graph.

``GET /`` and its files; ``GET /events``: Server-Sent Events, one JSON object a graph;
``GET /image/<version>.jpg``; ``POST /query``: a JSON question, a JSON answer.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from importlib import resources
from urllib.parse import urlsplit

from spacesgg_ros.viewer.local_server import LocalHandler, LocalServer, finite
from spacesgg_ros.viewer.state import Question, ViewerState

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


class ViewerServer(LocalServer):
    """Serves a :class:`ViewerState` in background threads until :meth:`stop`."""

    def __init__(self, state: ViewerState, port: int = 8000, tries: int = 20) -> None:
        """Arguments and errors as of :class:`LocalServer`."""
        self._state = state
        super().__init__(_Handler, state, port, tries)

    def stop(self) -> None:
        """End every connection and free the port."""
        self._state.close()
        super().stop()


class _Handler(LocalHandler):
    def do_GET(self) -> None:
        if not self.is_local():
            return
        path = urlsplit(self.path).path
        if path in _PAGE_FILES:
            name, kind = _PAGE_FILES[path]
            page = resources.files("spacesgg_ros.viewer") / "page" / name
            self.send(HTTPStatus.OK, kind, page.read_bytes())
        elif path == "/events":
            self._stream()
        elif match := re.fullmatch(r"/image/(\d{1,15})\.jpg", path):
            jpeg = self.server.content.jpeg(int(match[1]))
            if jpeg is None:
                self.refuse(HTTPStatus.NOT_FOUND, "this picture is gone")
            else:
                self.send(HTTPStatus.OK, "image/jpeg", jpeg)
        else:
            self.refuse(HTTPStatus.NOT_FOUND, "no such page")

    def do_POST(self) -> None:
        body = self.read_posted("/query")
        if body is None:
            return
        try:
            question = read_question(body)
        except ValueError as error:
            return self.refuse(HTTPStatus.BAD_REQUEST, str(error))
        answer = self.server.content.answer
        if answer is None:
            return self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "nobody answers questions here")
        self.send_json(HTTPStatus.OK, answer(question))

    def _stream(self) -> None:
        state = self.server.content
        if not state.join(_MOST_CLIENTS):
            return self.refuse(
                HTTPStatus.SERVICE_UNAVAILABLE, f"{_MOST_CLIENTS} pages are listening already"
            )
        try:
            self.close_connection = True
            self.begin(HTTPStatus.OK, "text/event-stream")
            self.end_headers()
            self.wfile.write(b"retry: 1000\n\n")
            version = 0
            while not state.closed:
                update = state.wait_newer(version, _KEEP_ALIVE_S)
                if update is None:
                    self.wfile.write(b": still here\n\n")
                else:
                    version = update.version
                    text = json.dumps(finite(update.to_dict()), separators=(",", ":"))
                    self.wfile.write(f"data: {text}\n\n".encode())
                self.wfile.flush()
        except (ConnectionError, TimeoutError):
            pass  # the page was closed or sleeps
        finally:
            state.leave()


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
