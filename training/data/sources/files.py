"""A grounded set on disk: ``NAME.jsonl``, an image a line, and the files that it points to.

Paths in a set are relative to a root folder; ``shard.tar/member`` is a member of a tar file.
"""

from __future__ import annotations

import functools
import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from spacesgg_ros.training.data.grounded import GroundedError, GroundedImage
from spacesgg_ros.training.data.rejected import Rejected

_TAR_MEMBER = ".tar/"
_STAGE = "read"


class FileError(GroundedError):
    """A file that a record points to and that cannot be used: which, where, and why."""


def read_grounded(path: Path) -> Iterator[GroundedImage | Rejected]:
    """The images of a set in order; a line that is none is a :class:`Rejected` ``FILE:LINE``.

    A second image with an id that came before is rejected too: later stages go by the id.

    Raises:
        FileError: the file itself cannot be opened.
    """
    path = Path(path)
    try:
        file = path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise FileError(f"cannot read the set {path}: {error}") from error
    with file:
        numbered = ((number, line) for number, line in enumerate(file, 1) if line.strip())
        yield from reject_repeats(_read_line(line, f"{path.name}:{n}") for n, line in numbered)


def reject_repeats(
    records: Iterable[GroundedImage | Rejected],
) -> Iterator[GroundedImage | Rejected]:
    """The records with every image whose id came before rejected."""
    seen: set[str] = set()
    for record in records:
        if isinstance(record, GroundedImage):
            if record.id in seen:
                yield Rejected(record.id, _STAGE, "same id twice", record.image)
                continue
            seen.add(record.id)
        yield record


def _read_line(line: str, where: str) -> GroundedImage | Rejected:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Rejected(where, _STAGE, "not JSON", str(error))
    if not isinstance(data, dict):
        return Rejected(where, _STAGE, "not a JSON object", type(data).__name__)
    try:
        return GroundedImage.from_dict(data)
    except GroundedError as error:
        return Rejected(where, _STAGE, "not a grounded image", str(error))


def write_grounded(path: Path, images: Iterable[GroundedImage]) -> int:
    """Write a set whole or not at all, the same bytes for the same images; returns how many."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    count = 0
    try:
        # A lone surrogate is no UTF-8; with a backslash it is the JSON escape of itself.
        with temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            for image in images:
                data = image.to_dict()
                line = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
                file.write(line + "\n")
                count += 1
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    temporary.replace(path)
    return count


def read_bytes(root: Path, name: str) -> bytes:
    """A file's content: ``name`` relative to ``root``, or ``shard.tar/member``.

    Raises:
        FileError: no such file or member, or the shard is no tar file.
    """
    shard, is_member, member = name.partition(_TAR_MEMBER)
    try:
        if not is_member:
            return (Path(root) / name).read_bytes()
        path = Path(root) / f"{shard}.tar"
        offset, size = _find_member(path, member)
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except FileError:
        raise
    except (OSError, ValueError, tarfile.TarError) as error:  # ValueError: no name of a file
        raise FileError(f"cannot read {name} in {root}: {error}") from error


def file_exists(root: Path, name: str) -> bool:
    """Whether :func:`read_bytes` would find ``name``."""
    shard, is_member, member = name.partition(_TAR_MEMBER)
    if not is_member:
        return (Path(root) / name).is_file()
    try:
        _find_member(Path(root) / f"{shard}.tar", member)
    except (OSError, ValueError, tarfile.TarError):
        return False
    return True


def load_image(root: Path, image: GroundedImage) -> np.ndarray:
    """The picture of ``image``, ``(height, width, 3)`` uint8 RGB.

    Raises:
        FileError: it is not there, is no picture, or has another size than the record says.
    """
    data = np.frombuffer(read_bytes(root, image.image), np.uint8)
    # Boxes speak of the stored pixels: a turn noted in EXIF is not applied.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    bgr = cv2.imdecode(data, flags) if data.size else None
    if bgr is None:
        raise FileError(f"{image.image} is not a picture that OpenCV reads")
    height, width = bgr.shape[:2]
    if (width, height) != (image.width, image.height):
        raise FileError(
            f"{image.image} is {width}x{height}; record {image.id} says "
            f"{image.width}x{image.height}"
        )
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _find_member(path: Path, member: str) -> tuple[int, int]:
    stat = path.stat()
    index = _tar_index(path, stat.st_mtime_ns, stat.st_size)
    if member not in index:
        raise FileError(f"{path} has no member {member}")
    return index[member]


@functools.lru_cache(maxsize=512)
def _tar_index(path: Path, modified_ns: int, size: int) -> dict[str, tuple[int, int]]:
    """``{member: (offset, bytes)}``; a shard that changed has another key, so is read anew."""
    with tarfile.open(path, "r:") as tar:
        return {m.name: (m.offset_data, m.size) for m in tar if m.isfile()}
