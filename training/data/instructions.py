"""Frame records with exact truth, turned into instruction rows of every task.

Only what the record relates unambiguously is said or asked; a row depends on nothing but the
record, the seed and its own id, so the same input gives the same bytes in any order.
"""

from __future__ import annotations

import json
import random
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from spacesgg_ros.graph.boxes import encode_box
from spacesgg_ros.graph.layers import assign_layers
from spacesgg_ros.graph.predicates import DIRECTIONAL
from spacesgg_ros.graph.text import write_graph
from spacesgg_ros.graph.types import TextGraph, Viewpoint
from spacesgg_ros.vlm import prompts

from . import spatial_text as text
from .rows import TASKS, Row, make_turns
from .spatial_text import Exchange, Fact, Thing
from .targets import (
    FrameError,
    FrameRecord,
    Relation,
    check_frame,
    choose_relations,
    inverse_relations,
    known_relations,
    list_objects,
    mirror_record,
    named_relations,
    target_graph,
)

_CAPTION_THINGS = 4
_DESCRIBED_RELATIONS = 6
_MIN_DEPTH_GAP_M = 0.03
_RARE_LABELS = ("above", "in", "next to")
"""Asked wherever they hold: most frames have none of them."""
_SIDES = (Viewpoint.LEFT, Viewpoint.RIGHT, Viewpoint.BACK)


@dataclass(frozen=True)
class InstructionConfig:
    """What to make of a frame.

    Attributes:
        seed: another seed, other paraphrases and questions.
        tasks: of ``TASKS``.
        mirror: also make the rows of the mirrored frame.
        qa_turns: questions in a qa row.
        classify_rows, describe_rows, open_rows: VSD rows of a frame, at most.
        classify_turns: questions in a vsd-classify row; several share the image's tokens.
    """

    seed: int = 0
    tasks: tuple[str, ...] = TASKS
    mirror: bool = False
    qa_turns: int = 4
    classify_rows: int = 4
    classify_turns: int = 1
    describe_rows: int = 2
    open_rows: int = 1

    def __post_init__(self) -> None:
        unknown = set(self.tasks) - set(TASKS)
        if unknown or not self.tasks:
            raise ValueError(f"unknown tasks {sorted(unknown)}; some of {', '.join(TASKS)}")
        counts = (
            self.qa_turns,
            self.classify_rows,
            self.classify_turns,
            self.describe_rows,
            self.open_rows,
        )
        if min(counts) < 1:
            raise ValueError(f"turns and rows must be at least 1, got {counts}")


@dataclass(frozen=True)
class FrameFacts:
    """What may be said of a checked frame record; relations by scene index."""

    record: FrameRecord

    @cached_property
    def objects(self) -> dict[int, dict]:
        """Listed objects by index, near to far."""
        return {o["index"]: o for o in list_objects(self.record)}

    @cached_property
    def things(self) -> dict[int, Thing]:
        """The listed objects as text names them, near to far."""
        width, height = self.record["width"], self.record["height"]
        return {
            i: Thing(o["label"], encode_box(tuple(o["box_px"]), width, height))
            for i, o in self.objects.items()
        }

    @cached_property
    def relations(self) -> list[Relation]:
        """Every unambiguous relation of two listed objects of different names."""
        return [
            (s, p, o)
            for s, p, o in known_relations(self.record, self.things)
            if self.things[s].label != self.things[o].label
        ]

    @cached_property
    def counts_are_sure(self) -> bool:
        """Whether all that is seen is listed."""
        return not self.record.get("ignored") and len(self.things) == len(self.record["objects"])

    def fact(self, relation: Relation) -> Fact:
        subject, predicate, target = relation
        return Fact(self.things[subject], predicate, self.things[target])

    def inverse(self, relation: Relation) -> Fact | None:
        """The same told from the other thing: as recorded ("on" for "under"), or by rule."""
        subject, _, target = relation
        recorded = [r for r in self.relations if (r[0], r[2]) == (target, subject)]
        inverses = recorded or inverse_relations([relation])
        return self.fact(inverses[0]) if inverses else None

    def depth_agrees(self, relation: Relation) -> bool:
        """Whether in front of means nearer, too (median visible depth): seen from above, it may
        not."""
        subject, predicate, target = relation
        gap = self.objects[target]["depth_m"][1] - self.objects[subject]["depth_m"][1]
        return {"in front of": gap, "behind": -gap}.get(predicate, 1.0) >= _MIN_DEPTH_GAP_M

    def layers(self) -> tuple[list[list[Thing]], list[bool]]:
        """Things by depth layer, near to far, and whether all of a layer lies at one depth.

        A thing that reaches from before another to behind it (a table) is in the layer of its
        middle.
        """
        spans = {i: (o["depth_m"][0], o["depth_m"][2]) for i, o in self.objects.items()}
        numbers = dict(zip(spans, assign_layers(np.array(list(spans.values()))), strict=True))
        layers = [[i for i in spans if numbers[i] == k] for k in sorted(set(numbers.values()))]
        return (
            [[self.things[i] for i in layer] for layer in layers],
            text.flat_layers(spans, layers),
        )


def frame_rows(
    record: FrameRecord, image: str, source: str, config: InstructionConfig
) -> list[Row]:
    """The rows of one frame, in the order of ``TASKS``, then those of its mirror image.

    Args:
        image: how rows name the picture (see :class:`Row`).
        source: the data set.

    Raises:
        FrameError: the record cannot be taught from.
    """
    check_frame(record)
    rows = []
    for mirror in (False, True) if config.mirror else (False,):
        facts = FrameFacts(mirror_record(record) if mirror else record)
        if len(set(thing.box for thing in facts.things.values())) < len(facts.things):
            raise FrameError("two objects have the same box, so that no text tells them apart")
        for task in (t for t in TASKS if t in config.tasks):
            base = f"{record['key']}/{task}" + ("/mirror" if mirror else "")
            rng = random.Random(f"{config.seed}/{base}")
            for k, exchanges in enumerate(_WRITERS[task](facts, config, rng)):
                rows.append(
                    Row(
                        id=f"{base}/{k}" if task.startswith("vsd") else base,
                        image=image,
                        width=record["width"],
                        height=record["height"],
                        task=task,
                        conversations=make_turns(exchanges),
                        mirror=mirror,
                        source=source,
                        provenance={"frame": record["key"], "text": "template"},
                    )
                )
    return rows


Writer = Callable[[FrameFacts, InstructionConfig, random.Random], Iterator[Sequence[Exchange]]]


def _write_caption(
    facts: FrameFacts, config: InstructionConfig, rng: random.Random
) -> Iterator[Sequence[Exchange]]:
    """Names the largest of what is on the thing that carries most of the picture, or of all."""
    if not facts.things:
        return
    carried: dict[int, list[int]] = {}
    for s, p, o in facts.relations:
        if p == "on":
            carried.setdefault(o, []).append(s)
    surface = max(carried, key=lambda i: len(carried[i]), default=None)
    if surface is not None and 2 * len(carried[surface]) + 2 < len(facts.things):
        surface = None
    among = list(facts.things) if surface is None else carried[surface]
    named = sorted(among, key=lambda i: (-_area(facts.objects[i]["box_px"]), i))
    complete = len(named) <= _CAPTION_THINGS and (surface is not None or facts.counts_are_sure)
    things = [facts.things[i] for i in named[:_CAPTION_THINGS]]
    place = None if surface is None else facts.things[surface]
    answer = text.write_caption(things, place, complete, rng)
    yield [(text.write_prompt("caption", rng), answer)]


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _write_objects(
    facts: FrameFacts, config: InstructionConfig, rng: random.Random
) -> Iterator[Sequence[Exchange]]:
    if facts.things:
        answer = write_graph(TextGraph(target_graph(facts.record).objects))
        yield [(text.write_prompt("objects", rng), answer)]


def _write_graph(
    facts: FrameFacts, config: InstructionConfig, rng: random.Random
) -> Iterator[Sequence[Exchange]]:
    if facts.things:
        yield [(prompts.SCENE_GRAPH_PROMPT, write_graph(target_graph(facts.record)))]


def _write_description(
    facts: FrameFacts, config: InstructionConfig, rng: random.Random
) -> Iterator[Sequence[Exchange]]:
    """Each pair is told once; neighbours rather than supports, of which most are alike."""
    if not facts.things:
        return
    pairs = {
        frozenset((s, o)): (s, p, o)
        for s, p, o in reversed(choose_relations(facts.record, list(facts.things)))
    }
    place = {index: k for k, index in enumerate(facts.things)}
    told = sorted(pairs.values(), key=lambda r: (r[1] == "on", place[r[0]], r[1]))
    told = sorted(told[:_DESCRIBED_RELATIONS], key=lambda r: (place[r[0]], r[1]))
    answer = text.write_description(*facts.layers(), [facts.fact(r) for r in told], rng)
    yield [(text.write_prompt("description", rng), answer)]


def _write_qa(
    facts: FrameFacts, config: InstructionConfig, rng: random.Random
) -> Iterator[Sequence[Exchange]]:
    """Questions of different kinds, no pair asked twice."""
    asked: list[Exchange] = []
    pairs: set[frozenset[int]] = set()
    kinds = ["choice", "choice", "yes-no", "where", "count"]
    rng.shuffle(kinds)
    for kind in kinds:
        if len(asked) == config.qa_turns:
            break
        if kind == "count":
            exchange = _ask_count(facts, rng)
        else:
            left = [r for r in facts.relations if frozenset((r[0], r[2])) not in pairs]
            exchange = None
            for relation in pick_evenly(left, len(left), rng):
                exchange = _ask_relation(kind, facts, relation, rng)
                if exchange is not None:
                    pairs.add(frozenset((relation[0], relation[2])))
                    break
        if exchange is not None:
            asked.append(exchange)
    if asked:
        yield asked


def _ask_relation(
    kind: str, facts: FrameFacts, relation: Relation, rng: random.Random
) -> Exchange | None:
    fact = facts.fact(relation)
    if kind == "choice":
        return text.write_choice(fact, rng) if facts.depth_agrees(relation) else None
    return text.write_yes_no(fact, rng) if kind == "yes-no" else text.write_where(fact, rng)


def _ask_count(facts: FrameFacts, rng: random.Random) -> Exchange | None:
    """How many things there are, or are on or in one of them."""
    if not facts.counts_are_sure or not facts.things:
        return None
    held: dict[tuple[str, int], int] = {}
    for _, p, o in known_relations(facts.record, facts.things):
        if p in ("on", "in"):
            held[p, o] = held.get((p, o), 0) + 1
    if not held or rng.random() < 0.3:
        return text.write_count(len(facts.things), "on", None, rng)
    predicate, surface = rng.choice(list(held))
    return text.write_count(held[predicate, surface], predicate, facts.things[surface], rng)


def _write_conversation(
    facts: FrameFacts, config: InstructionConfig, rng: random.Random
) -> Iterator[Sequence[Exchange]]:
    """A direction seen from the three other sides, then something that no view changes."""
    directions = [r for r in facts.relations if r[1] in DIRECTIONAL]
    if not directions:
        return
    (turning,) = pick_evenly(directions, 1, rng)
    exchanges = text.write_views(facts.fact(turning), rng.sample(_SIDES, len(_SIDES)), rng)
    others = [r for r in facts.relations if r[1] not in DIRECTIONAL]
    exchanges += [text.write_unchanged(facts.fact(r), rng) for r in pick_evenly(others, 1, rng)]
    yield exchanges


def _vsd_writer(prompt: str, rows: str, answer: Callable, turns: str = "") -> Writer:
    """Rows that ask ``prompt`` about pairs drawn evenly over the labels that the frame has.

    ``rows`` and ``turns`` name the settings that say how many; no ``turns``: one.
    """

    def write(
        facts: FrameFacts, config: InstructionConfig, rng: random.Random
    ) -> Iterator[Sequence[Exchange]]:
        relations = [
            r
            for r in named_relations(facts.record)
            if r[0] in facts.things and r[2] in facts.things
        ]
        in_a_row = getattr(config, turns) if turns else 1
        chosen = pick_evenly(relations, getattr(config, rows) * in_a_row, rng)
        if in_a_row > 1:  # the answer about a pair must not stand in the turn before
            chosen = list({frozenset((r[0], r[2])): r for r in chosen}.values())
        exchanges = []
        for relation in chosen:
            fact = facts.fact(relation)
            names = {"subject": fact.subject.label, "object": fact.object.label}
            exchanges.append((prompt.format(**names), answer(facts, relation, rng)))
        for start in range(0, len(exchanges), in_a_row):
            yield exchanges[start : start + in_a_row]

    return write


def pick_evenly(relations: Sequence[Relation], count: int, rng: random.Random) -> list[Relation]:
    """At most ``count``, one of each label in turn: the rare labels, then the others at random."""
    by_label: dict[str, list[Relation]] = {}
    for relation in relations:
        by_label.setdefault(relation[1], []).append(relation)
    labels = sorted(by_label)
    rng.shuffle(labels)
    labels.sort(key=lambda label: label not in _RARE_LABELS)
    for label in labels:
        rng.shuffle(by_label[label])
    picked: list[Relation] = []
    while len(picked) < min(count, len(relations)):
        picked += [by_label[label].pop() for label in labels if by_label[label]]
    return picked[:count]


_WRITERS: dict[str, Writer] = {
    "caption": _write_caption,
    "objects": _write_objects,
    "graph": _write_graph,
    "description": _write_description,
    "qa": _write_qa,
    "conversation": _write_conversation,
    "vsd-classify": _vsd_writer(
        prompts.CLASSIFY_PROMPT,
        "classify_rows",
        lambda facts, relation, rng: relation[1],
        turns="classify_turns",
    ),
    "vsd-describe": _vsd_writer(
        prompts.DESCRIBE_PROMPT,
        "describe_rows",
        lambda facts, relation, rng: text.write_relation(facts.fact(relation), rng),
    ),
    "vsd-open": _vsd_writer(
        prompts.OPEN_PROMPT,
        "open_rows",
        lambda facts, relation, rng: text.write_open_description(
            facts.fact(relation), facts.inverse(relation), facts.depth_agrees(relation), rng
        ),
    ),
}


def read_frames(shard: Path) -> Iterator[tuple[str, FrameRecord | FrameError]]:
    """``(key, record)`` of every frame of a shard; in place of a record the reason it has none.

    A frame without picture, or whose JSON cannot be read, is such a one; of a shard that cannot
    be read there is only this.
    """
    try:
        # tarfile takes an archive cut short between two members for a whole one.
        with shard.open("rb") as file:
            file.seek(-tarfile.BLOCKSIZE, 2)
            if any(file.read()):
                raise tarfile.ReadError("it is cut short")
        with tarfile.open(shard) as tar:
            members = {member.name: member for member in tar if member.isfile()}
            for name, member in members.items():
                key, _, suffix = name.partition(".")
                data = tar.extractfile(member) if suffix == "json" else None
                if data is not None:
                    yield key, _read_record(data.read(), f"{key}.jpg" in members)
    except (OSError, tarfile.TarError, EOFError) as error:
        yield shard.name, FrameError(f"the shard cannot be read: {error}")


def _read_record(data: bytes, has_picture: bool) -> FrameRecord | FrameError:
    if not has_picture:
        return FrameError("the shard has no picture of this frame")
    try:
        record = json.loads(data)
        check_frame(record)
    except (ValueError, RecursionError) as error:
        return error if isinstance(error, FrameError) else FrameError(f"not JSON: {error}")
    return record
