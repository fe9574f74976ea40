"""One command from images to a validated instruction set: the pipeline's stages and settings.

read, [estimate depth], measure, write (Desc, QA, Conv), vsd, validate. Between writing and
validating a record is ``{"id", "image": grounded image, "rows": [...]}``, so that every row is
checked against the image that it was made from.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from spacesgg_ros.training.data.geometry.estimator import make_estimate_stage
from spacesgg_ros.training.data.geometry.measure import MeasureConfig, MeasureStage
from spacesgg_ros.training.data.grounded import GroundedError, GroundedImage
from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.validation.config import ValidationConfig
from spacesgg_ros.training.data.validation.stage import ValidateStage
from spacesgg_ros.training.data.vsd.tasks import VsdConfig, vsd_rows
from spacesgg_ros.training.data.writing.formats import WriteConfig, WriteStage
from spacesgg_ros.training.data.writing.generator import FORMATS as WRITTEN
from spacesgg_ros.training.data.writing.generator import TextGenerator
from spacesgg_ros.training.data.writing.template import TemplateGenerator

from .chunks import READ, JsonlSource, Source, read_json_object
from .pipeline import Item, Pipeline, Record, Stage
from .shards import ShardSource

VSD = "vsd"
FORMATS = (*WRITTEN, VSD)
"""What can be made of an image."""


@dataclass(frozen=True)
class Estimate:
    """Depth of a model for images that have none.

    Attributes:
        model: folder or cached hub id of a depth-estimation model; "stub": no model.
        folder: where the depth images go.
        device: "cpu" or "cuda".
        copies: of the model; on Ray that many actors, a GPU each on "cuda".
        batch: pictures that go through it together.
    """

    model: str
    folder: Path
    device: str = "cpu"
    copies: int = 1
    batch: int = 8


@dataclass(frozen=True)
class Generator:
    """Who writes Desc, QA and Conv.

    Attributes:
        make: builds it in a worker; picklable.
        settings: plain JSON, what its texts depend on.
        copies: on Ray, actors that ask a server side by side; 0: it writes by itself.
    """

    make: Callable[[], TextGenerator] = TemplateGenerator
    settings: dict[str, Any] = field(default_factory=lambda: {"name": "template"})
    copies: int = 0


@dataclass(frozen=True)
class BuildConfig:
    """What to build of an input.

    Attributes:
        formats: of ``FORMATS``.
        seed: another seed, other words and questions.
        estimate: None: images without depth are rejected.
        strict: of the validator: reject what the input neither proves nor refutes, too.
    """

    formats: tuple[str, ...] = FORMATS
    seed: int = 0
    generator: Generator = Generator()
    estimate: Estimate | None = None
    strict: bool = True

    def __post_init__(self) -> None:
        unknown = set(self.formats) - set(FORMATS)
        if unknown or not self.formats:
            raise ValueError(f"unknown formats {sorted(unknown)}; some of {', '.join(FORMATS)}")


def find_source(path: Path, root: Path | None = None, split: str | None = None) -> Source:
    """A grounded set (``.jsonl``), a folder of rendered shards or one of them (``.tar``).

    Args:
        root: what the set's images are relative to; by default its folder.

    Raises:
        GroundedError: there are no shards.
        ValueError: it is something else.
    """
    if path.suffix == ".jsonl":
        return JsonlSource(path, check_grounded)
    if path.is_dir() or path.suffix == ".tar":
        if root is not None:
            raise ValueError("--root is for a grounded set; images of shards are in the shards")
        return ShardSource.find(path, split)
    raise ValueError(
        f"{path} is neither a grounded set (.jsonl), a folder of rendered shards nor a shard "
        "(.tar); `spacesgg data import` makes a grounded set of other data sets"
    )


def image_root(path: Path, root: Path | None = None) -> Path:
    """What the images of an input, and of the rows made of it, are relative to."""
    return (root or (path if path.is_dir() else path.parent)).resolve()


def check_grounded(line: str, where: str) -> Item:
    """A line of a grounded set, as the JSON it is."""
    record = read_json_object(line, where)
    if isinstance(record, Rejected):
        return record
    try:
        GroundedImage.from_dict(record)
    except GroundedError as error:
        return Rejected(where, READ, "not a grounded image", str(error))
    return record


def make_pipeline(root: Path, config: BuildConfig) -> Pipeline:
    """The stages that ``config`` asks for, and all that their rows depend on."""
    measure = MeasureConfig()
    written = tuple(name for name in WRITTEN if name in config.formats)
    write = WriteConfig(seed=config.seed, formats=written) if written else None
    vsd = VsdConfig(seed=config.seed) if VSD in config.formats else None
    validation = ValidationConfig(strict=config.strict)
    stages = [Stage("measure", partial(MeasureStage, root, measure))]
    if config.estimate:
        stages.insert(0, _estimate_stage(root, config.estimate))
    copies = config.generator.copies
    stages.append(Stage("write", partial(make_writer, write, config.generator), actors=copies))
    if vsd:
        stages.append(Stage(VSD, partial(VsdWriter, vsd)))
    stages.append(Stage("validate", partial(Validator, ValidateStage(validation))))
    settings = {
        "measure": asdict(measure),
        "estimator": config.estimate and config.estimate.model,
        "generator": config.generator.settings if write else None,
        "write": write and asdict(write),
        "vsd": vsd and asdict(vsd),
        "validate": asdict(validation),
    }
    return Pipeline(tuple(stages), settings)


def _estimate_stage(root: Path, estimate: Estimate) -> Stage:
    folder = Path(os.path.relpath(estimate.folder.resolve(), root)).as_posix()
    on_gpu = estimate.device.startswith("cuda")
    return Stage(
        "estimate",
        partial(make_estimate_stage, root, folder, estimate.model, device=estimate.device),
        batch=estimate.batch,
        gpus=1 if on_gpu else 0,
        actors=estimate.copies,
    )


def make_writer(config: WriteConfig | None, generator: Generator) -> Writer:
    """The writing stage with its generator; a worker calls this once."""
    return Writer(WriteStage(config, generator.make()) if config else None)


@dataclass(frozen=True)
class Writer:
    """Measured images in, each with its rows of Desc, QA and Conv out."""

    write: WriteStage | None

    def __call__(self, batch: Sequence[Record]) -> Iterator[Item]:
        """One out for each one in, then what could not be written."""
        made = {r["id"]: {"id": r["id"], "image": r, "rows": []} for r in batch}
        rejected = []
        for item in self.write(batch) if self.write else ():
            if isinstance(item, Rejected):
                rejected.append(item)
            else:
                made[item["provenance"]["grounded"]]["rows"].append(item)
        yield from made.values()
        yield from rejected


@dataclass(frozen=True)
class VsdWriter:
    """Adds the rows of the VSD tasks."""

    config: VsdConfig

    def __call__(self, batch: Sequence[Record]) -> Iterator[Item]:
        """One out for each one in."""
        for record in batch:
            image = GroundedImage.from_dict(record["image"])
            rows = [row.to_dict() for row in vsd_rows(image, self.config)]
            yield {**record, "rows": [*record["rows"], *rows]}


@dataclass(frozen=True)
class Validator:
    """Rows that hold against their image out, in the order they were written."""

    validate: ValidateStage

    def __call__(self, batch: Sequence[Record]) -> Iterator[Item]:
        """Of each image its good rows, then why the others are not."""
        for record in self.validate(batch):
            yield from record["rows"]
            yield from (Rejected.from_dict(entry) for entry in record["rejected"])
