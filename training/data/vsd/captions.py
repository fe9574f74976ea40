"""People's captions as rows: VSD's files, v1 with v2, and VSR's true captions.

A caption is used where it belongs to the pair that is asked about and does not plainly say the
contrary of its label; what is left out is listed.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from .. import spatial_text as text
from ..grammar import sentence
from ..rejected import Rejected
from ..rows import Row
from ..spatial_text import Fact
from .files import DescribedImage, Triple
from .meaning import says_opposite
from .reading import read_sentence
from .tasks import VSD_TASKS, Picture, VsdConfig, make_fact, make_row
from .vsr import VerifiedCaption

STAGE = "vsd"
NO_IMAGE = "no such image"
_OPEN_SENTENCES = 3
_SUFFIXES = ("", ".jpg", ".png")

Out = Iterator[Row | Rejected]


class PictureFolder:
    """Finds pictures by the names that data sets give them, and their sizes.

    Attributes:
        root: the folder of the rows file, which their paths are relative to.
        images: the folder of pictures; None where there is none, and sizes stay unknown.
    """

    def __init__(self, images: Path | None, root: Path) -> None:
        self.images = images
        self.root = root

    def find(self, name: str) -> Picture | Rejected:
        """The picture, or why it cannot be used."""
        if self.images is None:
            return Picture(name if Path(name).suffix else f"{name}.jpg")
        from PIL import Image, UnidentifiedImageError

        files = (self.images / f"{name}{suffix}" for suffix in _SUFFIXES)
        path = next((file for file in files if file.is_file()), None)
        if path is None:
            return Rejected(name, STAGE, NO_IMAGE, f"in {self.images}")
        try:
            with Image.open(path) as image:  # the header alone
                width, height = image.size
        except (OSError, UnidentifiedImageError) as error:
            return Rejected(name, STAGE, "image cannot be read", str(error))
        place = Path(os.path.relpath(path.resolve(), self.root.resolve())).as_posix()
        return Picture(place, width, height)


def tidy_caption(caption: str) -> str:
    """One space between words, none before a stop; a capital first and a full stop last."""
    tidied = " ".join(caption.split())
    for stop in ".,;!":
        tidied = tidied.replace(f" {stop}", stop)
    tidied = sentence(tidied.rstrip(". "))
    return f"{tidied}." if tidied else ""


def described_rows(
    image: DescribedImage,
    longer: Sequence[str],
    pictures: PictureFolder,
    config: VsdConfig,
    fill: bool = False,
) -> Out:
    """The rows of a picture of VSD: of each pair a label, one short caption, three sentences.

    Args:
        longer: v2's captions of the picture; the third sentence is one of them, as in LLaVA-VSD,
            else a further short one.
        fill: where people wrote fewer than three sentences, templates say the rest.
    """
    picture = pictures.find(image.id)
    if isinstance(picture, Rejected):
        yield picture
        return
    triples = {(t.subject.lower(), t.predicate, t.object.lower()): t for t in image.triples}
    related = Counter((s, o) for s, _, o in triples)
    for number, triple in enumerate(triples.values()):
        name = f"{image.id}/{number}"
        names = (triple.subject.lower(), triple.object.lower())
        if names[0] == names[1]:
            yield Rejected(name, STAGE, "both things have one name", triple.subject)
        elif related[names] > 1:
            yield Rejected(name, STAGE, "one pair of names, two relations", " and ".join(names))
        else:
            several = len(triples) > 1
            short = yield from _choose_captions(name, image.captions, triple, several)
            long = yield from _choose_captions(name, longer, triple, several)
            yield from _triple_rows(name, picture, triple, short, long, config, fill)


def _choose_captions(
    name: str, captions: Iterable[str], triple: Triple, several: bool
) -> Generator[Rejected, None, list[str]]:
    """The captions of this pair, tidied, each once; returned, the contradicting ones yielded."""
    chosen: list[str] = []
    for caption in dict.fromkeys(map(tidy_caption, captions)):
        if several and read_sentence(caption, triple.subject, triple.object).lost:
            continue  # of another pair
        if says_opposite(caption, triple.subject, triple.predicate, triple.object):
            told = f"{triple.subject} {triple.predicate} {triple.object}: {caption}"
            yield Rejected(name, STAGE, "caption says the opposite", told)
        else:
            chosen.append(caption)
    return chosen


def _triple_rows(
    name: str,
    picture: Picture,
    triple: Triple,
    short: Sequence[str],
    long: Sequence[str],
    config: VsdConfig,
    fill: bool,
) -> Out:
    fact = make_fact(triple.subject, triple.predicate, triple.object)
    provenance = {
        "generator": "people",
        "subject_box_px": list(triple.subject_box),
        "object_box_px": list(triple.object_box),
    }
    for task in (t for t in VSD_TASKS if t in config.tasks):
        rng = random.Random(f"{config.seed}/{name}/{task}")
        made = dict(provenance)
        if task == "vsd-classify":
            answer = triple.predicate
        elif task == "vsd-describe":
            if not (short or long):
                yield Rejected(name, STAGE, "no caption of the pair", task)
                continue
            answer = rng.choice(short or long)
        else:
            lines = _three_sentences(short, long, rng)
            if fill and len(lines) < _OPEN_SENTENCES:
                made["generator"] = "people and template" if lines else "template"
                lines = [*lines, *_fill(fact, lines, rng)][:_OPEN_SENTENCES]
            if len(lines) < _OPEN_SENTENCES:
                yield Rejected(name, STAGE, "fewer than three sentences", f"{len(lines)}")
                continue
            answer = "\n".join(lines)
        yield make_row(f"vsd/{name}/{task}", picture, task, fact, answer, config, "vsd", made)


def _three_sentences(short: Sequence[str], long: Sequence[str], rng: random.Random) -> list[str]:
    """Two short ones and a longer one; of either more, where the other is lacking."""
    long = [caption for caption in long if caption not in short]
    last = rng.sample(long, min(len(long), 1))
    first = rng.sample(short, min(len(short), _OPEN_SENTENCES - len(last)))
    more = [caption for caption in long if caption not in last]
    return [*first, *more[: _OPEN_SENTENCES - len(first) - len(last)], *last]


def _fill(fact: Fact, lines: Sequence[str], rng: random.Random) -> list[str]:
    """Sentences of templates, the inverse first; nothing about near and far, which is unknown."""
    said = text.write_open_description(fact, fact.inverse, False, rng).split("\n")
    more = [*said[1:], said[0], text.write_relation(fact, rng), text.write_relation(fact, rng)]
    return [line for line in dict.fromkeys(more) if line not in lines]


def verified_rows(item: VerifiedCaption, pictures: PictureFolder, config: VsdConfig) -> Out:
    """The rows of a true caption of VSR; templates write what one caption does not say."""
    picture = pictures.find(item.image)
    if isinstance(picture, Rejected):
        yield picture
        return
    if item.subject.lower() == item.object.lower():
        yield Rejected(item.id, STAGE, "both things have one name", item.caption)
        return
    fact = make_fact(item.subject, item.predicate, item.object)
    caption = tidy_caption(item.caption)
    for task in (t for t in VSD_TASKS if t in config.tasks):
        rng = random.Random(f"{config.seed}/{item.id}/{task}")
        answer = {"vsd-classify": item.predicate, "vsd-describe": caption}.get(task)
        generator = "people"
        if answer is None:
            lines = [caption, *_fill(fact, [caption], rng)][:_OPEN_SENTENCES]
            answer, generator = "\n".join(lines), "people and template"
        made = {"generator": generator, "relation": item.relation}
        yield make_row(f"vsr/{item.id}/{task}", picture, task, fact, answer, config, "vsr", made)


def gather_captions(files: Iterable[Sequence[DescribedImage]]) -> Mapping[str, tuple[str, ...]]:
    """Captions by picture, over all files in order."""
    gathered: dict[str, tuple[str, ...]] = {}
    for images in files:
        for image in images:
            gathered[image.id] = gathered.get(image.id, ()) + image.captions
    return gathered
