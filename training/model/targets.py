"""What the decoder learns to write for a rendered frame."""

from __future__ import annotations

import numpy as np

from spacesgg_ros.graph.boxes import encode_box
from spacesgg_ros.graph.types import TextGraph, TextObject, TextRelation
from spacesgg_ros.vlm import prompts

MAX_OBJECTS = 12
INVERSE = {
    "to the left of": "to the right of",
    "to the right of": "to the left of",
    "in front of": "behind",
    "behind": "in front of",
    "next to": "next to",
    "on": "under",
}
_MIRRORED = {"to the left of": "to the right of", "to the right of": "to the left of"}


def mirror_record(record: dict) -> dict:
    """The frame seen in a mirror: boxes, positions and left/right swapped."""
    width = record["width"]
    objects = []
    for o in record["objects"]:
        x0, y0, x1, y1 = o["box_px"]
        x, y, z = o["position_camera"]
        mirrored = {"box_px": [width - x1, y0, width - x0, y1], "position_camera": [-x, y, z]}
        objects.append(o | mirrored)
    relations = [[s, _MIRRORED.get(p, p), o] for s, p, o in record["relations"]]
    return record | {"objects": objects, "relations": relations}


def choose_relations(record: dict, order: list[int]) -> list[tuple[int, str, int]]:
    """The relations worth saying, one a subject, subjects from near to far.

    What an object lies in or on (other than the table) comes first; else how it stands to its
    nearest neighbour, if that is unambiguous and not said the other way round yet; else that
    it is on the table.

    Args:
        record: a frame record of :mod:`spacesgg_ros.training.scenes.dataset`.
        order: scene indices of its objects, near to far.

    Returns:
        ``(subject, predicate, object)`` scene indices.
    """
    position = {o["index"]: np.array(o["position_camera"]) for o in record["objects"]}
    said: set[frozenset[int]] = set()
    chosen = []
    for subject in order:
        mine = [(p, o) for s, p, o in record["relations"] if s == subject and o in position]
        support = [(p, o) for p, o in mine if p in ("in", "on") and o != 0]
        table = [(p, o) for p, o in mine if p == "on" and o == 0]
        beside = [
            (p, o) for p, o in mine if p not in ("in", "on") and frozenset((subject, o)) not in said
        ]
        beside.sort(key=lambda r: float(np.linalg.norm(position[subject] - position[r[1]])))
        for predicate, target in (support + beside + table)[:1]:
            chosen.append((subject, predicate, target))
            said.add(frozenset((subject, target)))
    return chosen


def target_graph(record: dict) -> TextGraph:
    """Objects near to far (median visible depth) with the chosen relations."""
    objects = sorted(record["objects"], key=lambda o: o["depth_m"][1])[:MAX_OBJECTS]
    order = [o["index"] for o in objects]
    place = {index: k for k, index in enumerate(order)}
    return TextGraph(
        tuple(
            TextObject(
                (o["label"],), encode_box(tuple(o["box_px"]), record["width"], record["height"])
            )
            for o in objects
        ),
        tuple(
            TextRelation(place[s], p, place[t])
            for s, p, t in choose_relations(record, order)
            if s in place and t in place
        ),
    )


def spatial_questions(record: dict) -> list[tuple[str, str]]:
    """``(prompt, answer)`` of the three VSD tasks for every relation that holds.

    Classification answers with the bare relation, description with one sentence, open-ended
    description with two. Objects whose label occurs twice are left out: a name would not say
    which one is meant.
    """
    labels = [o["label"] for o in record["objects"]]
    name = {o["index"]: o["label"] for o in record["objects"] if labels.count(o["label"]) == 1}
    held = [(s, p, o) for s, p, o in record["relations"] if s in name and o in name]
    reverse = [(o, "under", s) for s, p, o in held if p == "on"]
    questions = []
    for s, p, o in held + reverse:
        asked = {"subject": name[s], "object": name[o]}
        sentence = f"The {name[s]} is {p} the {name[o]}."
        questions.append((prompts.CLASSIFY_PROMPT.format(**asked), p))
        questions.append((prompts.DESCRIBE_PROMPT.format(**asked), sentence))
        back = INVERSE.get(p)
        if back:
            answer = f"{sentence} The {name[o]} is {back} the {name[s]}."
            questions.append((prompts.OPEN_PROMPT.format(**asked), answer))
    return questions
