"""What VSD's files consist of, counted as its papers count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from spacesgg_ros.graph.predicates import VSD_LABELS

from ..rejected import Rejected, count_reasons
from .files import DescribedImage, Triple
from .meaning import says_opposite
from .reading import read_sentence

AGREEMENTS = ("same", "inverse told", "opposite", "another", "not read")
"""How a caption stands to its picture's one triple; see :func:`compare_caption`."""


@dataclass(frozen=True)
class FileStatistics:
    """Counts of one file.

    Attributes:
        images, triples, captions: read.
        captions_per_image_unique: captions, repeats within a picture left out.
        captions_unique: different texts in the file.
        words: of all captions, split at spaces.
        labels: triples by label.
        same_names: triples of two things with one name.
        agreement: captions of pictures with one triple, by ``AGREEMENTS``.
        rejected: reasons and how often.
    """

    images: int
    triples: int
    captions: int
    captions_per_image_unique: int
    captions_unique: int
    words: int
    labels: Mapping[str, int]
    same_names: int
    agreement: Mapping[str, int]
    rejected: Mapping[str, int]

    @property
    def mean_words(self) -> float:
        """Of a caption, repeats included; 0 without captions."""
        return self.words / self.captions if self.captions else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        plain = {k: getattr(self, k) for k in self.__dataclass_fields__}
        plain |= {k: dict(plain[k]) for k in ("labels", "agreement", "rejected")}
        return plain | {"mean_words": round(self.mean_words, 3)}


def count_file(images: Sequence[DescribedImage], rejected: Iterable[Rejected]) -> FileStatistics:
    """The statistics of what was read from one file."""
    captions = [caption for image in images for caption in image.captions]
    triples = [triple for image in images for triple in image.triples]
    labels = Counter(triple.predicate for triple in triples)
    agreement = Counter(
        compare_caption(caption, image.triples[0])
        for image in images
        if len(image.triples) == 1
        for caption in dict.fromkeys(image.captions)
    )
    return FileStatistics(
        images=len(images),
        triples=len(triples),
        captions=len(captions),
        captions_per_image_unique=sum(len(set(image.captions)) for image in images),
        captions_unique=len(set(captions)),
        words=sum(len(caption.split()) for caption in captions),
        labels={label: labels[label] for label in VSD_LABELS},
        same_names=sum(t.subject.lower() == t.object.lower() for t in triples),
        agreement={key: agreement[key] for key in AGREEMENTS},
        rejected=count_reasons(rejected),
    )


def compare_caption(caption: str, triple: Triple) -> str:
    """Whether a caption says the triple's label, its inverse, the contrary, or something else.

    "not read": it does not name both things, or relates them in no way that is understood. Of
    two things with one name nothing can be told.
    """
    reading = read_sentence(caption, triple.subject, triple.object)
    said = [claim for claim in reading.claims if claim.is_of_both]
    if triple.subject.lower() == triple.object.lower() or reading.lost or not reading.labels:
        return "not read"
    # The label of "the table is under the mug" is "on" as well as "above".
    implied = reading.labels | ({"on"} if reading.labels == {"above"} else frozenset())
    if said[0].figure == "O" and triple.predicate in implied:
        return "inverse told"
    if triple.predicate in reading.labels:
        return "same"
    opposite = says_opposite(caption, triple.subject, triple.predicate, triple.object)
    return "opposite" if opposite else "another"


def statistics_table(files: Mapping[str, FileStatistics]) -> Table:
    """Files against counts."""
    table = Table("file", title="visual spatial description")
    for name in ("images", "triples", "captions", "unique", "texts", "words", "one name"):
        table.add_column(name, justify="right")
    for name, s in files.items():
        numbers = (s.images, s.triples, s.captions, s.captions_per_image_unique, s.captions_unique)
        table.add_row(name, *(f"{n:,}" for n in numbers), f"{s.mean_words:.1f}", str(s.same_names))
    return table


def label_table(files: Mapping[str, FileStatistics]) -> Table:
    """Labels against files."""
    return _table(
        "relation", "triples by relation", VSD_LABELS, {k: s.labels for k, s in files.items()}
    )


def agreement_table(files: Mapping[str, FileStatistics]) -> Table:
    """How captions stand to the label of the one triple of their picture."""
    title = "captions against their label"
    return _table("caption says", title, AGREEMENTS, {k: s.agreement for k, s in files.items()})


def _table(
    head: str, title: str, keys: Sequence[str], columns: Mapping[str, Mapping[str, int]]
) -> Table:
    table = Table(head, title=title)
    for name in columns:
        table.add_column(name, justify="right")
    for key in keys:
        table.add_row(key, *(f"{counts.get(key, 0):,}" for counts in columns.values()))
    return table
