"""LLaVA-VSD's three tasks (arXiv 2408.04957) from facts about two things that are named.

``vsd-classify`` asks for one of the nine labels, ``vsd-describe`` for one sentence, ``vsd-open``
for three. Facts come from VSD's files, from VSR's captions, or from grounded images. Things are
named without boxes, so a name must mean one thing.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spacesgg_ros.graph.predicates import DIRECTIONAL, INVERSES, VSD_LABELS, resolve_predicate
from spacesgg_ros.vlm import prompts

from .. import spatial_text as text
from ..geometry.estimator import tell_estimated
from ..grammar import verb
from ..grounded import GroundedError, GroundedImage
from ..instructions import pick_evenly as pick_evenly
from ..rejected import Rejected
from ..rows import Row, make_turns
from ..spatial_text import Fact, Thing
from ..targets import Relation, inverse_relations

VSD_TASKS = ("vsd-classify", "vsd-describe", "vsd-open")

CHOICE_PROMPT = (
    'Which words fill the blank best: "The {subject} {is_} [BLANK] the {object}."? '
    f"Choose one of: {', '.join(VSD_LABELS)}."
)
"""The question as LLaVA-VSD asks it: a blank and the nine labels in their order."""

_NO_BOX = (0, 0, 0, 0)
"""VSD's sentences have no boxes, and its files no sizes of pictures to encode them by."""


@dataclass(frozen=True)
class VsdConfig:
    """What to make of pictures.

    Attributes:
        seed: another seed, other pairs and sentences.
        tasks: of ``VSD_TASKS``.
        choice: ask for a label by a blank and the list of the nine, as LLaVA-VSD does; else by
            the question that this project's models are trained on.
        classify_rows, describe_rows, open_rows: of a grounded image, at most.
        dominance: a direction that was only measured is a pair's label if its gap is this many
            times that of any other direction of the pair.
    """

    seed: int = 0
    tasks: tuple[str, ...] = VSD_TASKS
    choice: bool = False
    classify_rows: int = 4
    describe_rows: int = 2
    open_rows: int = 1
    dominance: float = 2.0

    def __post_init__(self) -> None:
        unknown = set(self.tasks) - set(VSD_TASKS)
        if unknown or not self.tasks:
            raise ValueError(f"unknown tasks {sorted(unknown)}; some of {', '.join(VSD_TASKS)}")
        counts = (self.classify_rows, self.describe_rows, self.open_rows)
        if min(counts) < 0 or self.dominance < 1:
            raise ValueError(
                f"rows must be 0 or more and dominance 1 or more, got {counts}, {self.dominance}"
            )


@dataclass(frozen=True)
class Picture:
    """How rows name an image file; 1 x 1 where its size is not known."""

    path: str
    width: int = 1
    height: int = 1


def write_question(task: str, fact: Fact, choice: bool) -> str:
    """The prompt of a task about the two things of a fact."""
    prompt = {
        "vsd-classify": CHOICE_PROMPT if choice else prompts.CLASSIFY_PROMPT,
        "vsd-describe": prompts.DESCRIBE_PROMPT,
        "vsd-open": prompts.OPEN_PROMPT,
    }[task]
    subject, target = fact.subject.label, fact.object.label
    return prompt.format(subject=subject, object=target, is_=verb(subject, "is", "are"))


def make_fact(subject: str, predicate: str, target: str) -> Fact:
    """A fact of two names, for sentences without boxes."""
    return Fact(Thing(subject, _NO_BOX), predicate, Thing(target, _NO_BOX))


def make_row(
    name: str,
    picture: Picture,
    task: str,
    fact: Fact,
    answer: str,
    config: VsdConfig,
    source: str,
    provenance: dict[str, Any],
) -> Row:
    """A row of one question; its provenance says the fact, so that refinement can check it."""
    size = {} if picture.width > 1 else {"size": "unknown"}
    told = {"subject": fact.subject.label, "predicate": fact.predicate}
    return Row(
        id=name,
        image=picture.path,
        width=picture.width,
        height=picture.height,
        task=task,
        conversations=make_turns([(write_question(task, fact, config.choice), answer)]),
        source=source,
        provenance=provenance | told | {"object": fact.object.label, "seed": config.seed} | size,
    )


def vsd_rows(image: GroundedImage, config: VsdConfig) -> list[Row]:
    """The rows of a grounded image: pairs of different, unique names, even over their labels.

    What is annotated comes first, told from both sides. A pair that no annotation relates has the
    direction that was measured, if one dominates. Nothing is said of ambiguous pairs, nor of
    those whose annotation the measured order contradicts.
    """
    known = find_relations(image, config.dominance)
    said = Counter((s, o) for s, _, o in known)
    single = [r for r in known if said[r[0], r[2]] == 1]
    rows = []
    for task in (t for t in VSD_TASKS if t in config.tasks):
        base = f"{image.id}/{task}"
        rng = random.Random(f"{config.seed}/{base}")
        wanted = {
            "vsd-classify": config.classify_rows,
            "vsd-describe": config.describe_rows,
            "vsd-open": config.open_rows,
        }[task]
        # Two labels that hold at once have no one answer, but each makes a true sentence.
        among = single if task == "vsd-classify" else known
        for k, relation in enumerate(pick_evenly(among, wanted, rng) if among else []):
            fact = make_fact(
                image.objects[relation[0]].label, relation[1], image.objects[relation[2]].label
            )
            rows.append(
                make_row(
                    f"{base}/{k}",
                    Picture(image.image, image.width, image.height),
                    task,
                    fact,
                    write_answer(task, fact, _depth_agrees(image, relation), rng),
                    config,
                    image.source,
                    {"generator": "template", "grounded": image.id} | tell_estimated(image),
                )
            )
    return rows


def write_answer(task: str, fact: Fact, depth_agrees: bool, rng: random.Random) -> str:
    """The template's answer to a task."""
    if task == "vsd-classify":
        return fact.predicate
    if task == "vsd-describe":
        return text.write_relation(fact, rng)
    return text.write_open_description(fact, fact.inverse, depth_agrees, rng)


def find_relations(image: GroundedImage, dominance: float) -> list[Relation]:
    """What may be said of pairs by name: annotated or measured, and the inverse of each."""
    names = Counter(thing.label.strip().lower() for thing in image.objects)
    unique = {k for k, thing in enumerate(image.objects) if names[thing.label.strip().lower()] == 1}
    closed = {frozenset(pair) for pair in image.ambiguous}
    measured = _measured_directions(image)
    annotated: list[Relation] = []
    for subject, predicate, target in image.relations:
        resolved = resolve_predicate(predicate)
        if resolved is None:
            continue
        label, swapped = resolved
        relation = (target, label, subject) if swapped else (subject, label, target)
        contrary = INVERSES.get(label) if label in DIRECTIONAL else None
        if contrary in measured.get((relation[0], relation[2]), {}):
            closed.add(frozenset((subject, target)))
        annotated.append(relation)
    related = {frozenset((s, o)) for s, _, o in annotated}
    directions = [
        (s, label, o)
        for (s, o), gaps in measured.items()
        if frozenset((s, o)) not in related
        for label in [_dominant(gaps, dominance)]
        if label is not None
    ]
    known = [
        r
        for r in [*annotated, *directions]
        if r[0] in unique and r[2] in unique and frozenset((r[0], r[2])) not in closed
    ]
    told = {(s, o) for s, _, o in known}
    backward = [r for r in inverse_relations(known) if (r[0], r[2]) not in told]
    return list(dict.fromkeys([*known, *backward]))


def _measured_directions(image: GroundedImage) -> dict[tuple[int, int], dict[str, float]]:
    """The camera's orders: pair to label to gap."""
    found: dict[tuple[int, int], dict[str, float]] = {}
    for order in image.orders:
        if order.view == "camera" and order.predicate in VSD_LABELS:
            found.setdefault((order.subject, order.target), {})[order.predicate] = order.gap
    return found


def _dominant(gaps: dict[str, float], dominance: float) -> str | None:
    """The one direction that describes a pair; above and under only where no other is measured.

    A lamp that hangs higher than a mug is above it only if it hangs over it.
    """
    ranked = sorted(gaps.items(), key=lambda item: (-item[1], item[0]))
    if len(ranked) > 1 and ranked[0][1] < dominance * ranked[1][1]:
        return None
    best = ranked[0][0]
    return best if best in DIRECTIONAL or len(ranked) == 1 else None


def _depth_agrees(image: GroundedImage, relation: Relation) -> bool:
    """Whether "in front of" means nearer here: the medians differ by 2 % of their depth."""
    subject, target = (image.objects[k].measured for k in (relation[0], relation[2]))
    if subject is None or target is None:
        return False
    gap = target.depth[1] - subject.depth[1]
    gap = {"in front of": gap, "behind": -gap}.get(relation[1], float("inf"))
    return gap > 0.02 * max(subject.depth[1], target.depth[1])


@dataclass(frozen=True)
class VsdStage:
    """Grounded images in, rows out, as plain JSON; in place of what cannot be used the reason."""

    config: VsdConfig = VsdConfig()

    def __call__(self, batch: Sequence[dict[str, Any]]) -> list[dict[str, Any] | Rejected]:
        out: list[dict[str, Any] | Rejected] = []
        for record in batch:
            try:
                rows = vsd_rows(GroundedImage.from_dict(record), self.config)
            except GroundedError as error:
                name = str(record.get("id", "?")) if isinstance(record, dict) else "?"
                out.append(Rejected(name, "vsd", "not a grounded image", str(error)))
                continue
            out += [row.to_dict() for row in rows]
        return out
