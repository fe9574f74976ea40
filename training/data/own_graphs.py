"""A model's own graphs as training rows: how to go on from a list that it wrote itself.

Trained on true texts alone, a model never meets its own lists: a thing named twice, a box between
two things. From there it copies boxes wrongly, unless the grammar holds it. What it writes under
the grammar shows how to go on; only that is learnt, the list is given. (DAgger, Ross et al. 2011,
arXiv 1011.0686, with the grammar as the expert.)
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

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


def own_graph(model: SceneGraphModel, row: Row, root: Path, valid_share: float) -> Row | None:
    """``row`` with what the model writes of its image; None if that is not kept.

    Not kept is what is valid without the grammar and above its share, what has no relation, and
    what a limit cut off.

    Raises:
        RowError: the image cannot be read.
    """
    rgb = load_image(row, root)
    free = model.write_freely(rgb)
    text = free.text
    if not free.valid:
        written = model.write_graph(rgb)
        text = written.text if written.finish_reason == "eos" else ""
    elif zlib.crc32(row.id.encode()) >= valid_share * 2**32:
        return None
    given, found, _ = text.partition(_RELATIONS)
    if not found:
        return None
    told: dict[str, Any] = {"text": "model", "model": model.model_id, "corrected": not free.valid}
    return replace(
        row,
        id=f"{row.id}/own",
        conversations=make_turns([(model.graph_prompt, text)]),
        provenance={**row.provenance, **told},
        given=given,
    )


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
                own = own_graph(self.model, row, self.root, self.valid_share)
            except RowError as error:
                yield Rejected(row.id, STAGE, "image cannot be read", str(error))
                continue
            if own is not None:
                yield own.to_dict()
