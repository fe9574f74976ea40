"""What a frame's record says that a text can be held to."""

from __future__ import annotations

from spacesgg_ros.training.data.targets import choose_relations, named_relations

from .matching import Labelled, Triplet


def true_objects(record: dict) -> list[Labelled]:
    """Labels and visible boxes (pixels) of the objects that are asked for."""
    return [(str(o["label"]), tuple(o["box_px"])) for o in record["objects"]]


def ignored_objects(record: dict) -> list[Labelled]:
    """The same of objects too little seen to be asked for."""
    return [(str(o["label"]), tuple(o["box_px"])) for o in record.get("ignored", ())]


def true_triplets(record: dict) -> tuple[list[Triplet], list[Triplet]]:
    """What the training text would say, and every unambiguous relation that holds."""
    names = dict(zip((o["index"] for o in record["objects"]), true_objects(record), strict=True))
    depth = {o["index"]: float(o["depth_m"][1]) for o in record["objects"]}
    chosen = choose_relations(record, sorted(names, key=lambda index: (depth[index], index)))
    wanted = [(names[s], p, names[o]) for s, p, o in chosen]
    every = [
        (names[s], p, names[o]) for s, p, o in record["relations"] if s in names and o in names
    ]
    return wanted, every


def relation_questions(record: dict) -> list[tuple[str, str, str]]:
    """``(subject, relation, object)`` names of every VSD classification question that the
    training data could ask about this frame, from both sides."""
    names = {o["index"]: str(o["label"]) for o in record["objects"]}
    return [(names[s], p, names[o]) for s, p, o in named_relations(record)]


def scene_of(key: str) -> str:
    """Views of one scene share it: a frame's key without its last number."""
    return key.rpartition("-")[0]
