"""The review page's HTTP server: this machine only, standard library only.

``GET /``: the page; ``GET /api/review``: everything it shows; ``GET /image/KEY.jpg``;
``POST /api/decide``: one action of :class:`.review.ReviewStore` as JSON, answered with what
changed. A page of another site must not reach it: requests whose Host is no loopback name are
refused (DNS rebinding), an action needs a JSON content type and a loopback Origin.
"""

from __future__ import annotations

import errno
import json
import re
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .review import ReviewStore
from .review_record import ReviewError, image_path

LOOPBACK = "127.0.0.1"
PAGE = Path(__file__).with_name("review_page.html")
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_LARGEST_ACTION_BYTES = 4096
_IMAGE = re.compile(r"/image/(\d{6})\.jpg")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class ReviewServer:
    """Serves a :class:`ReviewStore` in background threads between ``start`` and ``stop``."""

    def __init__(self, store: ReviewStore, port: int = 8010, tries: int = 20) -> None:
        """Listen on ``port`` or the first free one of the next ``tries``; 0 takes any.

        Raises:
            OSError: none of them is free.
        """
        self._server = _listen(store, port, tries)
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
        """Finish what is being answered and free the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> ReviewServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, store: ReviewStore) -> None:
        self.store = store
        super().__init__((LOOPBACK, port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that is closed while it is served is no error; all else is shown."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def _listen(store: ReviewStore, port: int, tries: int) -> _Server:
    last = port if port == 0 else min(port + tries, 65535)
    for candidate in range(port, last + 1):
        try:
            return _Server(candidate, store)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or candidate == last:
                raise
    raise OSError(errno.EADDRINUSE, f"no free port from {port} to {last}")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "spacesgg"
    sys_version = ""
    timeout = 30.0

    def do_GET(self) -> None:
        if not self._is_local():
            return
        path = urlsplit(self.path).path
        if path == "/":
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", PAGE.read_bytes())
        elif path == "/api/review":
            self._send_json(HTTPStatus.OK, self.server.store.state())
        elif match := _IMAGE.fullmatch(path):
            file = image_path(self.server.store.folder, match[1])
            if file.is_file():
                self._send(HTTPStatus.OK, "image/jpeg", file.read_bytes())
            else:
                self._refuse(HTTPStatus.NOT_FOUND, "no such picture")
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "no such page")

    def do_POST(self) -> None:
        # What is refused is refused unread, so the connection cannot be used again.
        if not self._is_local():
            return
        length = self.headers.get("Content-Length", "")
        if urlsplit(self.path).path != "/api/decide":
            return self._refuse(HTTPStatus.NOT_FOUND, "no such page", close=True)
        if self.headers.get_content_type() != "application/json":
            return self._refuse(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json", close=True
            )
        if not length.isdecimal() or int(length) > _LARGEST_ACTION_BYTES:
            reason = f"at most {_LARGEST_ACTION_BYTES} bytes"
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason, close=True)
        try:
            action = json.loads(self.rfile.read(int(length)))
            if not isinstance(action, dict):
                raise ReviewError("an action is a JSON object")
            self._send_json(HTTPStatus.OK, self.server.store.apply(action))
        except ReviewError as error:
            self._refuse(HTTPStatus.CONFLICT, str(error))
        except (ValueError, RecursionError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"not JSON: {error}")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal shows where the page is."""

    def _is_local(self) -> bool:
        """Whether the request came by a loopback name and from no foreign page."""
        for header, missing_is_fine in (("Host", False), ("Origin", True)):
            value = self.headers.get(header)
            if value is None and missing_is_fine:
                continue
            if not _is_loopback(value or "", has_scheme=header == "Origin"):
                reason = f"{header} must be localhost: open {LOOPBACK} itself"
                self._refuse(HTTPStatus.FORBIDDEN, reason, close=True)
                return False
        return True

    def _send(
        self, status: HTTPStatus, content_type: str, body: bytes, close: bool = False
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if close:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _send_json(self, status: HTTPStatus, value: Any, close: bool = False) -> None:
        self._send(status, "application/json", json.dumps(value).encode(), close)

    def _refuse(self, status: HTTPStatus, reason: str, close: bool = False) -> None:
        self._send_json(status, {"error": reason}, close)


def _is_loopback(value: str, has_scheme: bool) -> bool:
    try:
        host = urlsplit(value if has_scheme else f"//{value}").hostname
    except ValueError:
        return False
    return host in _LOOPBACK_NAMES
