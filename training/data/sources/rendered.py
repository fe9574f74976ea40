"""Our rendered shards (``docs/scenes.md``): exact masks, depth, camera, pose and relations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from spacesgg_ros.graph.types import Intrinsics
from spacesgg_ros.training.data.grounded import DepthFile, GroundedImage
from spacesgg_ros.training.data.instructions import read_frames
from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.targets import FrameError, FrameRecord

from .draft import BROKEN, STAGE, Draft, SourceError
from .files import FileError, file_exists, read_bytes
from .masks import MaskError, Rle, encode_labels, mask_box, read_instances

_MILLIMETRE = 0.001
_ALL_FRAMES = slice(0, None)


def find_shards(source: Path, split: str | None = None) -> list[Path]:
    """The shards of a folder, by name, of one split or all; or the one shard itself.

    Raises:
        SourceError: it is not there, or there are none in it.
    """
    source = Path(source)
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise SourceError(f"there is no shard or folder {source}")
    shards = sorted(source.glob(f"{split or '*'}-*.tar"))
    if not shards:
        what = f"no shards of split {split!r}" if split else "no shards"
        raise SourceError(f"{what} in {source}: run `spacesgg scenes render` first")
    return shards


def read_rendered(
    source: Path, root: Path, split: str | None = None, frames: slice = _ALL_FRAMES
) -> Iterator[GroundedImage | Rejected]:
    """The frames of one shard or a folder of them.

    Frames keep their key as id. What is seen but not labelled goes to ``provenance["ignored"]``
    as label and box; the picture of what gives no depth reading, where there is one, to
    ``provenance["holes"]``.

    Args:
        root: the folder that paths in the set are relative to.
        split: only ``SPLIT-*.tar``.
        frames: of each shard, which ones.

    Raises:
        SourceError: there are no shards.
    """
    base = Path(root).resolve()
    for shard in find_shards(source, split):
        place = Path(os.path.relpath(shard.resolve(), base)).as_posix()
        for key, record in islice(read_frames(shard), frames.start, frames.stop):
            try:
                if isinstance(record, FrameError):
                    raise record
                yield from _read_frame(base, f"{place}/{key}", key, record)
            except FrameError as error:
                yield Rejected(key, STAGE, "broken frame", str(error))
            except FileError as error:
                yield Rejected(key, STAGE, "no such member", str(error))
            except MaskError as error:
                yield Rejected(key, STAGE, "unfit mask picture", str(error))
            except BROKEN as error:
                yield Rejected(key, STAGE, "broken frame", repr(error))


def _read_frame(
    root: Path, member: str, key: str, record: FrameRecord
) -> Iterator[GroundedImage | Rejected]:
    width, height = int(record["width"]), int(record["height"])
    draft = Draft(key, f"{member}.jpg", width, height, "rendered")
    masks = _read_masks(root, member, width, height)
    for o in record["objects"]:
        mask = masks.get(o["index"] + 1)
        if mask is None or mask_box(mask) != tuple(float(v) for v in o["box_px"]):
            detail = f"{o['label']}: mask {mask and mask_box(mask)}, box {o['box_px']}"
            draft.reject_object(o["index"], "mask and box disagree", detail)
            continue
        draft.add_object(o["index"], o["label"], o["box_px"], mask)
    for subject, predicate, target in record["relations"]:
        draft.relate(subject, predicate, target)
    for subject, target in record.get("ambiguous", ()):
        draft.doubt(subject, target)
    for o in record.get("ignored", ()):
        draft.ignore(o["label"], o["box_px"])
    draft.extra["kind"] = str(record.get("kind", ""))
    if file_exists(root, f"{member}.holes.png"):
        draft.extra["holes"] = f"{member}.holes.png"
    depth = f"{member}.depth.png"
    pose = record.get("camera_to_world")
    fx, fy, cx, cy = (float(v) for v in record["intrinsics"])
    yield from draft.finish(
        camera=Intrinsics(fx, fy, cx, cy, width, height),
        camera_to_world=pose and tuple(tuple(float(v) for v in row) for row in pose),
        depth=DepthFile(depth, "metric", _MILLIMETRE) if file_exists(root, depth) else None,
    )


def _read_masks(root: Path, member: str, width: int, height: int) -> dict[int, Rle]:
    name = f"{member}.instances.png"
    instances = read_instances(read_bytes(root, name))
    if instances.shape != (height, width):
        raise MaskError(f"{name} is {instances.shape[::-1]}; expected {(width, height)}")
    return dict(encode_labels(instances))
