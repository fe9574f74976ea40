"""Rendered shards as the input of a pipeline: each chunk is a range of frames of one shard."""

from __future__ import annotations

import hashlib
import tarfile
from dataclasses import dataclass
from pathlib import Path

from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.sources.rendered import find_shards, read_rendered

from .chunks import Chunk, Plan, Planner
from .pipeline import Item

_RECORD = ".json"


@dataclass(frozen=True)
class ShardSource:
    """The frames of a folder of shards, or of one shard.

    Attributes:
        folder: what images are relative to.
        names: of the shards in it, in order.
    """

    folder: Path
    names: tuple[str, ...]

    @staticmethod
    def find(source: Path, split: str | None = None) -> ShardSource:
        """The shards of a folder, of one split or all, or the one shard that ``source`` is.

        Raises:
            SourceError: there are none.
        """
        shards = find_shards(source, split)
        folder = source.parent if source.is_file() else source
        return ShardSource(folder.resolve(), tuple(shard.name for shard in shards))

    def plan(self, size: int, limit: int | None) -> Plan:
        """Chunks by frame. The digest is of the members' names, sizes and times: reading all
        pictures only to tell whether they changed would cost as much as using them."""
        digest = hashlib.sha256()
        planner = Planner(size)
        for name in self.names:
            for number, (key, index) in enumerate(_list_frames(self.folder / name)):
                if planner.records == limit:
                    return planner.finish(digest.hexdigest())
                digest.update(f"{name}/{index}\n".encode())
                planner.add(name, number, number + 1, key)
        return planner.finish(digest.hexdigest())

    def read(self, chunk: Chunk) -> list[Item]:
        """The frames of a chunk as grounded images, and what is wrong in them."""
        frames = slice(chunk.start, chunk.start + chunk.count)
        found = read_rendered(self.folder / chunk.file, self.folder, frames=frames)
        return [item if isinstance(item, Rejected) else item.to_dict() for item in found]


def _list_frames(shard: Path) -> list[tuple[str, str]]:
    """(key, what identifies its members) in order; a broken shard is one frame that cannot be
    read, as it is to the reader."""
    frames: dict[str, list[str]] = {}
    order: list[str] = []
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                key, _, _ = member.name.partition(".")
                frames.setdefault(key, []).append(f"{member.name} {member.size} {member.mtime}")
                if member.name == f"{key}{_RECORD}":
                    order.append(key)
    except (OSError, tarfile.TarError) as error:
        return [(shard.name, f"broken: {error}")]
    return [(key, " ".join(frames[key])) for key in order]
