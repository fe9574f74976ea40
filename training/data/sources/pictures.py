"""The picture files of a data set: what a record calls them, and whether they are there."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from .files import FileError, read_bytes

NO_PICTURE = "no such picture"
"""Why a record is rejected whose picture is not found, or is none."""

_PNG = b"\x89PNG\r\n\x1a\n"
_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's start-of-frame markers; the three others of the range are tables."""
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True)
class Pictures:
    """Where a data set's pictures are.

    Attributes:
        folder: what the data set's own file names are relative to; may be or lie in a ``.tar``.
        root: the folder that paths in the written set are relative to.
        look: whether a missing or unfit file rejects its record; False takes all on trust, for
            annotations without their pictures.
    """

    folder: Path
    root: Path
    look: bool = True

    @cached_property
    def _prefix(self) -> str:
        return os.path.relpath(self.folder.resolve(), self.root.resolve())

    def name(self, file_name: str) -> str:
        """``file_name`` as the written set has it."""
        return Path(os.path.normpath(os.path.join(self._prefix, file_name))).as_posix()

    def size(self, name: str) -> tuple[int, int]:
        """``(width, height)`` of the stored picture.

        Raises:
            FileError: it is not there or no picture.
        """
        size = read_size(read_bytes(self.root, name))
        if size is None:
            raise FileError(f"{name} is not a picture that OpenCV reads")
        return size

    def find_fault(self, name: str, width: int, height: int) -> tuple[str, str] | None:
        """Reason and detail of why the picture does not fit a record of that size, or None."""
        if not self.look:
            return None
        try:
            found = self.size(name)
        except FileError as error:
            return NO_PICTURE, str(error)
        if found != (width, height):
            return "picture of another size", f"{name} is {found}; expected {(width, height)}"
        return None


def read_size(data: bytes) -> tuple[int, int] | None:
    """``(width, height)`` of a JPEG or PNG from its head, of another picture by decoding it.

    None where it is no picture. A turn noted in EXIF is not applied.
    """
    if data.startswith(_PNG) and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
        return width, height
    if data.startswith(b"\xff\xd8"):
        return _read_jpeg_size(data)
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    return None if picture is None else (picture.shape[1], picture.shape[0])


def _read_jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif marker in _BARE_MARKERS:
            at += 2
        elif marker in _SIZE_MARKERS:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None
