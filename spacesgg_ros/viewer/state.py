"""What the page shows now, handed from the thread that knows it to those that serve it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

_IMAGES_KEPT = 12
_JPEG_QUALITY = 85


@dataclass(frozen=True)
class Question:
    """A query over the graph; empty strings match anything (``QueryRelations.srv``)."""

    subject: str = ""
    predicate: str = ""
    object: str = ""
    viewpoint: str = "camera"


@dataclass(frozen=True)
class Update:
    """One graph for the page. ``version`` counts up from 1; ``has_image``: its picture is kept."""

    version: int
    graph: Mapping[str, Any]
    status: Mapping[str, Any]
    has_image: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "version": self.version,
            "graph": self.graph,
            "status": self.status,
            "has_image": self.has_image,
        }


@dataclass
class ViewerState:
    """The newest graph and the pictures of the last few; every method may be called by any thread.

    Attributes:
        answer: answers a question by a JSON-ready mapping; called in the server's threads.
    """

    answer: Callable[[Question], Mapping[str, Any]] | None = None
    _latest: Update | None = field(default=None, init=False)
    _images: OrderedDict[int, np.ndarray | bytes] = field(default_factory=OrderedDict, init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)
    _clients: int = field(default=0, init=False)
    _closed: bool = field(default=False, init=False)

    def publish(
        self,
        graph: Mapping[str, Any],
        status: Mapping[str, Any],
        rgb: np.ndarray | None = None,
    ) -> None:
        """Show ``graph`` (``graph_to_dict``), over its picture ``(H, W, 3)`` uint8 if there is one.

        ``rgb`` is kept, not copied: do not write into it afterwards.
        """
        with self._changed:
            version = self._latest.version + 1 if self._latest else 1
            self._latest = Update(version, graph, status, rgb is not None)
            if rgb is not None:
                self._images[version] = rgb
                while len(self._images) > _IMAGES_KEPT:
                    self._images.popitem(last=False)
            self._changed.notify_all()

    def wait_newer(self, version: int, timeout_s: float) -> Update | None:
        """The newest update after ``version``, or None after ``timeout_s`` or :meth:`close`."""

        def is_newer() -> bool:
            return self._closed or (self._latest is not None and self._latest.version > version)

        with self._changed:
            if not self._changed.wait_for(is_newer, timeout_s) or self._closed:
                return None
            return self._latest

    def jpeg(self, version: int) -> bytes | None:
        """The picture of an update as JPEG (encoded when first asked for), None once it is gone."""
        with self._changed:
            image = self._images.get(version)
        if image is None or isinstance(image, bytes):
            return image
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
        with self._changed:
            if version in self._images:
                self._images[version] = encoded
        return encoded

    def join(self, limit: int) -> bool:
        """Count one more listening page; False when ``limit`` are listening already."""
        with self._changed:
            if self._clients >= limit:
                return False
            self._clients += 1
            return True

    def leave(self) -> None:
        """Count one listening page less."""
        with self._changed:
            self._clients -= 1

    @property
    def clients(self) -> int:
        """Pages that listen now: pictures need not be fed while there are none."""
        with self._changed:
            return self._clients

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        with self._changed:
            return self._closed

    def close(self) -> None:
        """Wake every waiting thread; nothing is served any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
