"""An HTTP server for a page on this machine, standard library only.

It listens on the loopback address. A page of another site that the operator has open must not
reach it either: requests whose Host is no loopback name are refused (DNS rebinding), what is
posted needs a JSON content type (which another origin cannot send unasked) and a loopback
Origin, and answers carry Cross-Origin-Resource-Policy.
"""

from __future__ import annotations

import errno
import json
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_LARGEST_POST_BYTES = 4096


class LocalServer:
    """Serves with ``handler`` in background threads between ``start`` and ``stop``."""

    def __init__(self, handler: type[LocalHandler], content: Any, port: int, tries: int) -> None:
        """Listen on ``port`` or, where it is taken, on the first free one of the next ``tries``.

        Args:
            content: what the handler finds as ``self.server.content``.
            port: 0 takes any free one.

        Raises:
            OSError: none of them is free, or the port may not be used.
        """
        self._server = _listen(handler, content, port, tries)
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


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, handler: type[LocalHandler], content: Any) -> None:
        self.content = content
        super().__init__((LOOPBACK, port), handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that is closed while it is served is no error; all else is shown."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def _listen(handler: type[LocalHandler], content: Any, port: int, tries: int) -> _Server:
    last = port if port == 0 else min(port + tries, 65535)
    for candidate in range(port, last + 1):
        try:
            return _Server(candidate, handler, content)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or candidate == last:
                raise
    raise OSError(errno.EADDRINUSE, f"no free port from {port} to {last}")


class LocalHandler(BaseHTTPRequestHandler):
    """What every local page checks and sends; a page adds ``do_GET`` and ``do_POST``."""

    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "spacesgg"
    sys_version = ""
    timeout = 30.0  # a page that neither sends nor reads for so long is let go

    inline = False
    """Whether the page's scripts and styles stand in it."""
    _headers: ClassVar[dict[str, str]] = {
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal shows where the page is."""

    def is_local(self) -> bool:
        """Whether the request came by a loopback name and from no foreign page; else refuses it."""
        for header, missing_is_fine in (("Host", False), ("Origin", True)):
            value = self.headers.get(header)
            if value is None and missing_is_fine:
                continue
            if not _is_loopback(value or "", has_scheme=header == "Origin"):
                self.close_connection = True
                self.refuse(
                    HTTPStatus.FORBIDDEN, f"{header} must be localhost: open {LOOPBACK} itself"
                )
                return False
        return True

    def read_posted(self, path: str) -> bytes | None:
        """The body of a local JSON request to ``path``, or None when it was refused."""
        # Whatever is refused is refused unread, so the connection cannot be used again.
        keep, self.close_connection = self.close_connection, True
        if not self.is_local():
            return None
        length = self.headers.get("Content-Length", "")
        if urlsplit(self.path).path != path:
            self.refuse(HTTPStatus.NOT_FOUND, "no such page")
        elif self.headers.get_content_type() != "application/json":
            self.refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
        elif not length.isdecimal() or int(length) > _LARGEST_POST_BYTES:
            reason = f"at most {_LARGEST_POST_BYTES} bytes"
            self.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)
        else:
            self.close_connection = keep
            return self.rfile.read(int(length))
        return None

    def begin(self, status: HTTPStatus, content_type: str) -> None:
        """Status line and the headers that every answer has; more may follow."""
        own = "'unsafe-inline'" if self.inline else "'self'"
        policy = (
            f"default-src 'none'; script-src {own}; style-src {own}; img-src 'self' data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Security-Policy", policy)
        for name, value in self._headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")

    def send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        """A whole answer."""
        self.begin(status, content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_json(self, status: HTTPStatus, value: Any) -> None:
        """A whole answer as JSON, NaN and infinities as null."""
        self.send(status, "application/json", json.dumps(finite(value)).encode())

    def refuse(self, status: HTTPStatus, reason: str) -> None:
        """An error with its reason."""
        self.send_json(status, {"error": reason})


def finite(value: Any) -> Any:
    """``value`` with NaN and infinities as None: JSON has none, and a browser would refuse it."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def _is_loopback(value: str, has_scheme: bool) -> bool:
    try:
        host = urlsplit(value if has_scheme else f"//{value}").hostname
    except ValueError:
        return False
    return host in _LOOPBACK_NAMES
