"""data-validator: good rows that are kept and spoilt rows that are caught, kind by kind."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from spacesgg_ros.bench.data_corruptions import CORRUPTIONS, Frame, RowDict, plant_each
from spacesgg_ros.bench.held_out import SHARD
from spacesgg_ros.bench.result import BenchError, BenchResult

_SEEDS = range(9)
_LEAST_GOOD, _LEAST_PLANTED, _LEAST_KINDS = 500, 200, 12
_OF_EACH = 25


def run(quick: bool = False) -> BenchResult:
    """Rows of all tasks about the frames that ship, in several wordings, some mirrored.

    Rows of two makers: frame records with exact truth, and the template generator with the VSD
    builder on what is measured from depth. What is planted comes from
    :mod:`spacesgg_ros.bench.data_corruptions`, which does not know the validator. The baseline
    is what a reader of the format alone would catch: broken rows and tags.
    """
    from spacesgg_ros.training.data.validation import ValidationConfig, validate_rows

    good = [*_frame_rows(_SEEDS[: 1 if quick else None]), *_measured_rows(quick)]
    if not good:
        raise BenchError(f"no row came out of {SHARD}")
    config = ValidationConfig()
    lost: list[dict[str, str]] = []
    started = time.process_time()
    for row, image, _ in good:
        _, rejected = validate_rows([row], image, config)
        lost += [r.to_dict() for r in rejected]
    seconds = time.process_time() - started
    planted = plant_each([(row, frame) for row, _, frame in good], 3 if quick else _OF_EACH, 0)
    caught: Counter[str] = Counter()
    named: Counter[str] = Counter()
    by_format = 0
    missed: list[dict[str, Any]] = []
    for corruption, spoilt, at in planted:
        original, image, _ = good[at]
        reasons = _reasons(original, spoilt, image, config)
        caught[corruption.name] += bool(reasons)
        named[corruption.name] += bool(reasons & {*corruption.named})
        by_format += bool(reasons & _SEEN_BY_FORMAT)
        if not reasons & {*corruption.named}:
            missed.append({"kind": corruption.name, "reasons": sorted(reasons), "row": spoilt})
    of_kind = Counter(corruption.name for corruption, _, _ in planted)
    measured = {
        "good": len(good),
        "good_by_task": dict(sorted(Counter(row["task"] for row, _, _ in good).items())),
        "good_rejected": len(lost),
        "rows_per_s_core": round(len(good) / max(seconds, 1e-9)),
        "planted": len(planted),
        "planted_kinds": len(of_kind),
        "caught": sum(caught.values()),
        "reason_named": sum(named.values()),
        "by_kind": {
            c.name: {"planted": of_kind[c.name], "caught": caught[c.name], "named": named[c.name]}
            for c in CORRUPTIONS
        },
        "examples_lost": lost[:5],
        "examples_missed": missed[:5],
    }
    enough = len(good) >= _LEAST_GOOD and len(planted) >= _LEAST_PLANTED
    return BenchResult(
        name="data-validator",
        measured=measured,
        baseline={"method": "format alone: broken rows, tags and boxes", "caught": by_format},
        ratio=round(sum(caught.values()) / max(by_format, 1), 2),
        bar=(
            f"all of >= {_LEAST_PLANTED} planted rows of >= {_LEAST_KINDS} kinds caught, none of "
            f">= {_LEAST_GOOD} good ones rejected"
        ),
        passed=not lost
        and sum(caught.values()) == len(planted)
        and (quick or (enough and len(of_kind) >= _LEAST_KINDS)),
        quick=quick,
    )


_SEEN_BY_FORMAT = {
    "malformed row", "turns out of order", "empty turn", "image token not once", "broken tag",
}  # fmt: skip


def _reasons(original: RowDict, spoilt: RowDict, image: Any, config: Any) -> set[str]:
    """Every reason against a spoilt row that stands in a set with the one it was made from."""
    from spacesgg_ros.training.data.validation import check_row, drop_duplicates, read_row

    row, problems = read_row(spoilt)
    if row is None:
        return {p.kind.value for p in problems}
    found = {p.kind.value for p in check_row(row, image, config)}
    first, _ = read_row(original)
    assert first is not None
    return found | {r.reason for r in drop_duplicates([first, row])[1]}


def _frame_rows(seeds: range) -> Iterator[tuple[RowDict, Any, Frame]]:
    """Rows from the frames' records, with the record as the truth they are checked against."""
    from spacesgg_ros.training.data.instructions import InstructionConfig, frame_rows, read_frames
    from spacesgg_ros.training.data.targets import mirror_record

    for key, record in read_frames(SHARD):
        if not isinstance(record, dict):
            raise BenchError(f"{SHARD}: frame {key}: {record}")
        image = ground_record(record)
        views = {False: _view(record), True: _view(mirror_record(record))}
        for seed in seeds:
            config = InstructionConfig(seed=seed, mirror=True)
            for row in frame_rows(record, f"{key}.jpg", "held-out", config):
                yield row.to_dict() | {"id": f"{seed}/{row.id}"}, image, views[row.mirror]


def _measured_rows(quick: bool) -> Iterator[tuple[RowDict, Any, Frame]]:
    """Rows of the template generator and the VSD builder about measured images."""
    from spacesgg_ros.training.data.geometry.measure import measure_image
    from spacesgg_ros.training.data.grounded import GroundedImage
    from spacesgg_ros.training.data.sources.rendered import read_rendered
    from spacesgg_ros.training.data.vsd.tasks import VsdConfig, vsd_rows
    from spacesgg_ros.training.data.writing.formats import WriteConfig, write_rows

    for found in read_rendered(SHARD, SHARD.parent):
        if not isinstance(found, GroundedImage):
            raise BenchError(f"{SHARD}: {found}")
        image = measure_image(found, SHARD.parent)
        frame = {
            "width": image.width,
            "height": image.height,
            "objects": [
                {"label": o.label, "box_px": o.box_px, "depth": o.measured.depth}
                for o in image.objects
                if o.measured is not None
            ],
            "ambiguous": image.ambiguous,
        }
        if len(frame["objects"]) < len(image.objects):
            frame["ambiguous"] = ()  # indices would not be those of the list above
        for seed in range(1 if quick else 3):
            rows = write_rows(image, WriteConfig(seed=seed))
            for row in (*rows, *vsd_rows(image, VsdConfig(seed=seed, choice=seed == 1))):
                yield row.to_dict() | {"id": f"{seed}/{row.id}"}, image, frame


def ground_record(record: dict[str, Any]) -> Any:
    """A frame's record as a grounded image: visible depths and true boxes in space."""
    from spacesgg_ros.training.data.grounded import GroundedImage, GroundedObject, Measured

    index = {o["index"]: k for k, o in enumerate(record["objects"])}
    objects = []
    for o in record["objects"]:
        middle, size = o["position_camera"], o["size_camera"]
        low = tuple(m - s / 2 for m, s in zip(middle, size, strict=True))
        high = tuple(m + s / 2 for m, s in zip(middle, size, strict=True))
        measured = Measured(tuple(o["depth_m"]), tuple(middle), low, high, o["visible_px"])
        objects.append(GroundedObject(o["label"], tuple(o["box_px"]), measured=measured))
    return GroundedImage(
        id=record["key"],
        image=f"{record['key']}.jpg",
        width=record["width"],
        height=record["height"],
        objects=tuple(objects),
        relations=tuple((index[s], p, index[t]) for s, p, t in record["relations"]),
        ambiguous=tuple((index[s], index[t]) for s, t in record["ambiguous"]),
        source="rendered",
    )


def _view(record: dict[str, Any]) -> Frame:
    index = {o["index"]: k for k, o in enumerate(record["objects"])}
    return {
        "width": record["width"],
        "height": record["height"],
        "objects": [
            {"label": o["label"], "box_px": tuple(o["box_px"]), "depth": o["depth_m"]}
            for o in record["objects"]
        ],
        "ambiguous": [(index[s], index[t]) for s, t in record["ambiguous"]],
    }
