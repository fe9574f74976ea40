"""The review page: a :class:`spacesgg_ros.viewer.local_server.LocalServer` of a review folder.

``GET /``: the page; ``GET /api/review``: everything it shows; ``GET /image/KEY.jpg``;
``POST /api/decide``: one action of :class:`.review.ReviewStore` as JSON, answered with what
changed.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from spacesgg_ros.viewer.local_server import LocalHandler, LocalServer

from .review import ReviewStore
from .review_record import ReviewError, image_path

PAGE = Path(__file__).with_name("review_page.html")
_IMAGE = re.compile(r"/image/(\d{6})\.jpg")


class ReviewServer(LocalServer):
    """Serves a :class:`ReviewStore` in background threads between ``start`` and ``stop``."""

    def __init__(self, store: ReviewStore, port: int = 8010, tries: int = 20) -> None:
        """Arguments and errors as of :class:`LocalServer`."""
        super().__init__(_Handler, store, port, tries)

    def __enter__(self) -> ReviewServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Handler(LocalHandler):
    inline = True

    def do_GET(self) -> None:
        if not self.is_local():
            return
        path = urlsplit(self.path).path
        if path == "/":
            self.send(HTTPStatus.OK, "text/html; charset=utf-8", PAGE.read_bytes())
        elif path == "/api/review":
            self.send_json(HTTPStatus.OK, self.server.content.state())
        elif match := _IMAGE.fullmatch(path):
            file = image_path(self.server.content.folder, match[1])
            if file.is_file():
                self.send(HTTPStatus.OK, "image/jpeg", file.read_bytes())
            else:
                self.refuse(HTTPStatus.NOT_FOUND, "no such picture")
        else:
            self.refuse(HTTPStatus.NOT_FOUND, "no such page")

    def do_POST(self) -> None:
        body = self.read_posted("/api/decide")
        if body is None:
            return
        try:
            action = json.loads(body)
            if not isinstance(action, dict):
                raise ReviewError("an action is a JSON object")
            self.send_json(HTTPStatus.OK, self.server.content.apply(action))
        except ReviewError as error:
            self.refuse(HTTPStatus.CONFLICT, str(error))
        except (ValueError, RecursionError) as error:
            self.refuse(HTTPStatus.BAD_REQUEST, f"not JSON: {error}")
