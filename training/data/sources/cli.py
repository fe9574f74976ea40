"""``spacesgg data import``: a data set to a grounded set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.progress import Progress
from rich.table import Table

from spacesgg_ros.cli.console import InputError, messages, output
from spacesgg_ros.training.data.grounded import GroundedError, GroundedImage
from spacesgg_ros.training.data.input_files import check_source
from spacesgg_ros.training.data.rejected import (
    Rejected,
    count_reasons,
    rejected_table,
    write_rejected,
)

from .recognise import Kind

if TYPE_CHECKING:
    from .draft import Expect
    from .pictures import Pictures

Record: TypeAlias = GroundedImage | Rejected


class _NothingUsable(Exception):
    """Ends the writing of a set that would be empty."""


_WITH_SPLITS = (Kind.PSG, Kind.RENDERED)
_WITH_MASKS = (Kind.COCO_PANOPTIC, Kind.PSG)
_WITH_PICTURES = (Kind.COCO_PANOPTIC, Kind.COCO_INSTANCES, Kind.PSG, Kind.ASV2)


def register(data: typer.Typer) -> None:
    """Add the subcommand to ``spacesgg data``."""
    data.command("import")(import_set)


def import_set(
    kind: Annotated[Kind, typer.Argument(help="format of the data set")],
    source: Annotated[Path, typer.Argument(callback=check_source, help="its file or folder")],
    out: Annotated[Path, typer.Option(help="grounded set (.jsonl) to write")],
    root: Annotated[
        Path | None, typer.Option(help="what paths in the set are relative to; default: OUT's")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="folder (or .tar) of the pictures; default: SOURCE's")
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(help="folder of the panoptic PNGs; psg without it: boxes only"),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="psg: train or test; rendered: which shards SPLIT-*.tar")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="at most so many images")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="bag: a model that reads keyframes, in place of recorded graphs"),
    ] = None,
    look: Annotated[
        bool, typer.Option(help="reject records whose picture is missing or of another size")
    ] = True,
) -> None:
    """Read a data set into a grounded set; what is unusable goes to OUT.rejected.jsonl."""
    from .files import reject_repeats, write_grounded
    from .pictures import Pictures

    _refuse(kind, "--split", split is not None, _WITH_SPLITS)
    _refuse(kind, "--masks", masks is not None, _WITH_MASKS)
    _refuse(kind, "--model", model is not None, (Kind.BAG,))
    _refuse(kind, "--images", images is not None, _WITH_PICTURES)
    base = root or out.parent
    pictures = Pictures(images or source.parent, base, look)
    counts = SetCounts()
    rejected: list[Rejected] = []
    aside = out.with_suffix(".rejected.jsonl")
    with Progress(console=messages) as progress:
        bar = progress.add_task(f"writing {out.name}", total=limit)

        def expect(images: int) -> None:
            progress.update(bar, total=min(limit or images, images))

        def read() -> Iterator[GroundedImage]:
            if kind is Kind.BAG:
                records = _open_bag(source, out, base, model)
            else:
                records = _open(kind, source, pictures, masks, split, expect)
            for image in islice(_keep_good(reject_repeats(records), rejected, counts), limit):
                progress.advance(bar)
                yield image
            if not counts.images:
                raise _NothingUsable
            progress.update(bar, total=counts.images)

        try:
            write_grounded(out, read())
        except _NothingUsable:
            pass
        except GroundedError as error:
            raise InputError(str(error)) from error
    write_rejected(aside, rejected)
    missing = _tell_missing(rejected, pictures)
    if not counts.images:
        output.print(rejected_table(count_reasons(rejected)))
        first = f"; the first: {rejected[0].reason} ({rejected[0].detail})" if rejected else ""
        raise InputError(
            f"no usable image in {source}, so {out} is not written: {len(rejected)} rejected, see "
            f"{aside}{first}" + (f"; {missing}" if missing else "")
        )
    output.print(counts.table(str(kind.value)))
    if rejected:
        output.print(rejected_table(count_reasons(rejected)))
    output.print(f"{counts.images} images: {out}; {len(rejected)} rejected: {aside.name}")
    if missing:
        messages.print(missing, highlight=False, soft_wrap=True)


def _tell_missing(rejected: list[Rejected], pictures: Pictures) -> str:
    """How many pictures cannot be read where they were looked for, and what says where they are."""
    from .pictures import NO_PICTURE

    count = sum(entry.reason == NO_PICTURE for entry in rejected)
    if not count:
        return ""
    return (
        f"pictures not found in {pictures.folder}: {count}; --images DIR says where they are, "
        "--no-look takes annotations without them"
    )


def _refuse(kind: Kind, option: str, given: bool, meant_for: tuple[Kind, ...]) -> None:
    if given and kind not in meant_for:
        kinds = ", ".join(k.value for k in meant_for)
        raise InputError(f"{option} is for {kinds}; {kind.value} has no use for it")


def _open(
    kind: Kind,
    source: Path,
    pictures: Pictures,
    masks: Path | None,
    split: str | None,
    expect: Expect,
) -> Iterator[Record]:
    from . import asv2, coco_panoptic, psg, rendered

    if kind is Kind.COCO_PANOPTIC:
        return coco_panoptic.read_coco_panoptic(source, pictures, masks, expect)
    if kind is Kind.COCO_INSTANCES:
        return coco_panoptic.read_coco_instances(source, pictures, expect)
    if kind is Kind.PSG:
        return psg.read_psg(source, pictures, masks, split, expect)
    if kind is Kind.ASV2:
        return asv2.read_asv2(source, pictures, expect)
    return rendered.read_rendered(source, pictures.root, split)


def _open_bag(source: Path, out: Path, root: Path, model: str | None) -> Iterator[Record]:
    from spacesgg_ros.demo import DemoError
    from spacesgg_ros.demo.recording import Recording

    from .bag import read_bag

    labeller = None
    if model is not None:
        from spacesgg_ros.vlm.model import SceneGraphModel

        labeller = SceneGraphModel.load(model)
    try:
        with Recording(source) as recording:
            yield from read_bag(recording, root, out.parent / out.stem, labeller)
    except DemoError as error:
        raise InputError(str(error)) from error


def _keep_good(
    records: Iterable[Record], rejected: list[Rejected], counts: SetCounts
) -> Iterator[GroundedImage]:
    for record in records:
        if isinstance(record, Rejected):
            rejected.append(record)
        else:
            counts.add(record)
            yield record


@dataclass
class SetCounts:
    """What is in a set."""

    images: int = 0
    objects: int = 0
    masks: int = 0
    ignored: int = 0
    relations: int = 0
    with_relations: int = 0
    with_caption: int = 0
    with_depth: int = 0
    with_camera: int = 0
    with_pose: int = 0
    labels: set[str] = field(default_factory=set)
    predicates: set[str] = field(default_factory=set)

    def add(self, image: GroundedImage) -> None:
        """Count one image in."""
        self.images += 1
        self.objects += len(image.objects)
        self.masks += sum(o.mask is not None for o in image.objects)
        self.ignored += len((image.provenance or {}).get("ignored", ()))
        self.relations += len(image.relations)
        self.with_relations += bool(image.relations)
        self.with_caption += bool(image.caption)
        self.with_depth += image.depth is not None
        self.with_camera += image.camera is not None
        self.with_pose += image.camera_to_world is not None
        self.labels.update(o.label for o in image.objects)
        self.predicates.update(p for _, p, _ in image.relations)

    def table(self, title: str) -> Table:
        """For people."""
        table = Table(title, "count")
        for name, value in vars(self).items():
            number = len(value) if isinstance(value, set) else value
            table.add_row(name.replace("_", " "), f"{number:,}")
        return table
