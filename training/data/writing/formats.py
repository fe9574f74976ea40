"""SpaceSGG's three formats as instruction rows: Desc, QA and Conv (LLaVA-SpaceSGG, stage 2)."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spacesgg_ros.training.data.geometry.estimator import tell_estimated
from spacesgg_ros.training.data.grounded import GroundedError, GroundedImage
from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.rows import Row, RowError, make_turns
from spacesgg_ros.training.data.running.pipeline import RunStopped

from .facts import FactConfig, read_facts
from .generator import FORMATS, STOPPING, TextGenerator, WritingRequest, WritingResult
from .template import TemplateGenerator

STAGE = "write"


@dataclass(frozen=True)
class WriteConfig:
    """What to write of an image.

    Attributes:
        seed: another seed, other paraphrases and questions.
        formats: of ``FORMATS``; a row each.
        turns: questions of a QA row, exchanges of a Conv row, at most.
        facts: what is sure enough to be said.
        images: from the rows' folder to what image paths in the grounded set start from.
    """

    seed: int = 0
    formats: tuple[str, ...] = tuple(FORMATS)
    turns: int = 4
    facts: FactConfig = field(default_factory=FactConfig)
    images: str = ""

    def __post_init__(self) -> None:
        unknown = set(self.formats) - FORMATS.keys()
        if unknown or not self.formats:
            raise ValueError(f"unknown formats {sorted(unknown)}; some of {', '.join(FORMATS)}")
        if self.turns < 1:
            raise ValueError(f"a row has at least one turn; got {self.turns}")


DEFAULT_WRITE = WriteConfig()
TEMPLATE = TemplateGenerator()


def write_rows(
    image: GroundedImage,
    config: WriteConfig = DEFAULT_WRITE,
    generator: TextGenerator = TEMPLATE,
) -> list[Row]:
    """The rows of one measured image, in the order of ``config.formats``.

    A format of which there is nothing to say, or whose text failed, gives no row:
    :func:`write_batch` says which and why.
    """
    return write_batch([image], config, generator)[0]


def write_batch(
    images: Sequence[GroundedImage],
    config: WriteConfig = DEFAULT_WRITE,
    generator: TextGenerator = TEMPLATE,
) -> tuple[list[Row], list[Rejected]]:
    """The rows of measured images in order, and one entry for each row that there is not.

    All requests of a batch go to the generator at once, which may work on them side by side.
    """
    requests: list[tuple[GroundedImage, WritingRequest]] = []
    rejected = []
    for image in images:
        facts = read_facts(image, config.facts)
        if not facts.things:
            detail = f"none of {len(image.objects)} objects is in a layer: measure the image first"
            rejected.append(Rejected(image.id, STAGE, "not measured", detail))
            continue
        for name in config.formats:
            row = f"{image.id}/{name}"
            requests.append((image, WritingRequest(row, name, facts, config.seed, config.turns)))
    rows: list[Row] = []
    results = generator.write([request for _, request in requests])
    for (image, request), result in zip(requests, results, strict=True):
        item = _make_row(image, request, result, config.images)
        (rejected if isinstance(item, Rejected) else rows).append(item)
    return rows, rejected


def _make_row(
    image: GroundedImage, request: WritingRequest, result: WritingResult, images: str
) -> Row | Rejected:
    if result.failure is not None:
        failure = result.failure
        return Rejected(request.id, STAGE, failure.reason.value, str(failure))
    provenance = {
        "grounded": image.id,
        "format": request.format,
        "seed": request.seed,
        **result.provenance,
        **tell_estimated(image),
    }
    try:
        return Row(
            id=request.id,
            image=posixpath.normpath(posixpath.join(images, image.image)),
            width=image.width,
            height=image.height,
            task=FORMATS[request.format],
            conversations=make_turns(result.exchanges),
            source=image.source,
            provenance=provenance,
        )
    except RowError as error:
        return Rejected(request.id, STAGE, "not a row", str(error))


@dataclass(frozen=True)
class WriteStage:
    """:func:`write_batch` over JSON records, for any runner: rows out, and what was turned away.

    What is already the record of a ``Rejected`` passes.
    """

    config: WriteConfig = DEFAULT_WRITE
    generator: TextGenerator = TEMPLATE

    def __call__(self, batch: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | Rejected]:
        """Rows as JSON in order, then what could not be written.

        Raises:
            RunStopped: the endpoint is gone, refuses everything, or the budget is spent. The
                rest of the run would fare no better; answers so far are in the cache.
        """
        passed: list[Rejected] = []
        images = []
        for record in batch:
            if "reason" in record:
                passed.append(Rejected.from_dict(record))
                continue
            try:
                images.append(GroundedImage.from_dict(record))
            except GroundedError as error:
                key = str(record.get("id", "unknown"))
                passed.append(Rejected(key, STAGE, "not a grounded image", str(error)))
        rows, rejected = write_batch(images, self.config, self.generator)
        stopped = [r for r in rejected if r.reason in _STOPPING_REASONS]
        if stopped:
            raise RunStopped(f"{stopped[0].reason}: {stopped[0].detail}")
        return [*(row.to_dict() for row in rows), *passed, *rejected]


_STOPPING_REASONS = frozenset(failure.value for failure in STOPPING)
