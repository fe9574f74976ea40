"""A model's own graphs as training rows: how to go on from a list that it wrote itself.

Trained on true texts alone, a model never meets its own lists: a thing named twice, a box between
two things. From there it copies boxes wrongly, unless the grammar holds it. What it writes under
the grammar shows how to go on; only that is learnt, the list is given. A list that names a thing
twice makes a second row, which goes on without the repeat. (DAgger, Ross et al. 2011,
arXiv 1011.0686, with the grammar and the merging of repeats as the experts.)
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from spacesgg_ros.graph import merge_repeats, parse_graph, write_graph
from spacesgg_ros.vlm import SceneGraphModel

from .rejected import Rejected
from .rows import Row, RowError, load_image, make_turns
from .running.chunks import READ, read_json_object
from .running.pipeline import Item, Pipeline, Record, Stage

STAGE = "own-graphs"
_RELATIONS = "\n<pred>"
"""Where a text's list of objects ends."""


@dataclass(frozen=True)
class OwnGraphConfig:
    """What decides the rows.

    Attributes:
        model, precision: as of ``SceneGraphModel.load``.
        valid_share: of the texts that are valid without the grammar, how many are kept; the
            others, which the grammar corrected, all are.
    """

    model: str
    precision: str = "auto"
    valid_share: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.valid_share <= 1:
            raise ValueError(f"valid_share is from 0 to 1; got {self.valid_share}")


def own_graph_pipeline(config: OwnGraphConfig, root: Path, model_id: str) -> Pipeline:
    """The pipeline from "graph" rows to the model's own; rows of other tasks are passed over.

    Args:
        root: what the images are relative to, and stay.
        model_id: says which weights write; another one is another run.
    """
    settings = asdict(config) | {"model": model_id}
    return Pipeline((Stage(STAGE, partial(_start, config, root), actors=1),), settings)


def check_row(line: str, where: str) -> Item:
    """A line of a rows file, as the JSON it is."""
    record = read_json_object(line, where)
    if isinstance(record, Rejected):
        return record
    try:
        Row.from_dict(record)
    except RowError as error:
        return Rejected(where, READ, "not a row", str(error))
    return record


def own_graphs(model: SceneGraphModel, row: Row, root: Path, valid_share: float) -> list[Row]:
    """``row`` with what the model writes of its image; none if that is not kept.

    Not kept is what is valid without the grammar and above its share, what has no relation, and
    what a limit cut off.

    Raises:
        RowError: the image cannot be read.
    """
    rgb = load_image(row, root)
    free = model.write_freely(rgb)
    if free.valid and zlib.crc32(row.id.encode()) >= valid_share * 2**32:
        return []
    written = model.write_graph(rgb)  # valid or not: it relates nothing to itself
    text = written.text if written.finish_reason == "eos" else ""
    told: dict[str, Any] = {"text": "model", "model": model.model_id, "corrected": not free.valid}
    return [
        replace(
            row,
            id=f"{row.id}/{name}",
            conversations=make_turns([(model.graph_prompt, said)]),
            provenance={**row.provenance, **told},
            given=given,
        )
        for name, said, given in continue_lists(text)
    ]


def continue_lists(text: str) -> list[tuple[str, str, str]]:
    """What a valid graph text teaches: name, text, and the beginning of it that is given.

    "own": its relations, after its list. "once": the text without what its list repeats, after
    the things before the first repeat.
    """
    given, found, _ = text.partition(_RELATIONS)
    if not found:
        return []
    graph = parse_graph(text)
    once = merge_repeats(graph)
    same = sum(a == b for a, b in zip(graph.objects, once.objects, strict=False))
    taught = [("own", text, given)]
    if len(once.objects) < len(graph.objects):
        merged = write_graph(once)
        taught.append(("once", merged, "\n".join(merged.split("\n")[:same])))
    return taught


def _start(config: OwnGraphConfig, root: Path) -> _Writer:
    model = SceneGraphModel.load(config.model, precision=config.precision, threads=1)
    return _Writer(model, root, config.valid_share)


@dataclass(frozen=True)
class _Writer:
    model: SceneGraphModel
    root: Path
    valid_share: float

    def __call__(self, batch: Sequence[Record]) -> Iterator[Item]:
        for record in batch:
            row = Row.from_dict(record)
            if row.task != "graph":
                continue
            try:
                made = own_graphs(self.model, row, self.root, self.valid_share)
            except RowError as error:
                yield Rejected(row.id, STAGE, "image cannot be read", str(error))
                continue
            yield from (own.to_dict() for own in made)
