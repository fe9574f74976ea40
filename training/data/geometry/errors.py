"""The one error of this package."""

from __future__ import annotations


class GeometryError(ValueError):
    """An image, a depth file or a depth model that cannot be used.

    Attributes:
        reason: a short fixed phrase, countable; the message says what was seen and expected.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
