"""Recall and precision of scene graphs on rendered frames.

Objects: label equal and IoU >= 0.5, one to one. Triplets: ASMv2's rule (a true triplet
counts when some predicted one has the same labels and predicate and both boxes at IoU >= 0.5).
Two sets of triplets: those the training text would say, against the model's text alone; and
every unambiguous relation that holds, against model and depth together, as the node reports
(it reports a pair once; its queries answer the inverse too, so the inverse counts as said).
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from spacesgg_ros.graph import LiveSceneGraph, decode_box
from spacesgg_ros.graph.boxes import box_iou
from spacesgg_ros.graph.types import Intrinsics, RGBDFrame, SceneGraph, TextGraph
from spacesgg_ros.training.model.targets import INVERSE, choose_relations
from spacesgg_ros.training.scenes.dataset import add_depth_noise, read_shards
from spacesgg_ros.vlm import SceneGraphModel

Labelled = tuple[str, Sequence[float]]
Triplet = tuple[Labelled, str, Labelled]


@dataclass
class Tally:
    """Counts of one kind of thing; recall and precision with Wilson 95 % intervals."""

    wanted: int = 0
    found: int = 0
    predicted: int = 0
    by_name: dict[str, list[int]] = field(default_factory=dict)

    def add(self, name: str, hit: bool) -> None:
        """One true thing of class ``name``."""
        self.wanted += 1
        self.found += hit
        counts = self.by_name.setdefault(name, [0, 0])
        counts[0] += hit
        counts[1] += 1

    def summary(self) -> dict:
        """Plain numbers for a report."""
        result = {
            "wanted": self.wanted,
            "found": self.found,
            "predicted": self.predicted,
            "recall": _ratio(self.found, self.wanted),
            "recall_95": wilson(self.found, self.wanted),
            "mean_recall": round(float(np.mean([h / n for h, n in self.by_name.values()])), 4)
            if self.by_name
            else 0.0,
        }
        return result


@dataclass(frozen=True)
class GraphScores:
    """What one evaluation measured."""

    objects: Tally
    objects_precise: int
    triplets: Tally
    all_triplets: Tally
    frames: int
    unparsed: int
    tokens: int

    def summary(self) -> dict:
        """Plain numbers for a report."""
        objects = self.objects.summary()
        objects["precision"] = _ratio(self.objects_precise, self.objects.predicted)
        objects["precision_95"] = wilson(self.objects_precise, self.objects.predicted)
        return {
            "frames": self.frames,
            "frames_with_text_issues": self.unparsed,
            "tokens_per_frame": round(self.tokens / max(1, self.frames), 1),
            "objects": objects,
            "triplets_model": self.triplets.summary(),
            "triplets_model_and_depth": self.all_triplets.summary(),
            "object_recall_by_class": {
                k: [h, n] for k, (h, n) in sorted(self.objects.by_name.items())
            },
            "triplet_recall_by_predicate": {
                k: [h, n] for k, (h, n) in sorted(self.triplets.by_name.items())
            },
        }


def evaluate_graphs(
    model: SceneGraphModel, shards: list[Path], limit: int | None = None
) -> Iterator[GraphScores]:
    """Score frame by frame; yields the running scores after each frame."""
    objects, triplets, all_triplets = Tally(), Tally(), Tally()
    precise = unparsed = tokens = 0
    for frames, (record, files) in enumerate(itertools.islice(read_shards(shards), limit), 1):
        rgb = cv2.cvtColor(
            cv2.imdecode(np.frombuffer(files["jpg"], np.uint8), cv2.IMREAD_COLOR),
            cv2.COLOR_BGR2RGB,
        )
        written = model.write_graph(rgb)
        tokens += written.token_count
        unparsed += bool(written.graph.issues)
        truth = [(o["label"], o["box_px"]) for o in record["objects"]]
        names = {o["index"]: t for o, t in zip(record["objects"], truth, strict=True)}
        predicted = text_objects(written.graph, record["width"], record["height"])
        for (label, _), hit in zip(truth, match_objects(predicted, truth), strict=True):
            objects.add(label, hit)
        objects.predicted += len(predicted)
        precise += sum(match_objects(truth, predicted))
        order = sorted(names, key=lambda i: _median_depth(record, i))
        wanted = [(names[s], p, names[o]) for s, p, o in choose_relations(record, order)]
        said = [
            (predicted[r.subject], r.predicate, predicted[r.object])
            for r in written.graph.relations
        ]
        _score_triplets(triplets, said, wanted)
        live = _lift(record, rgb, files["depth.png"], written.graph)
        place = {o.id: (o.label, o.box_px) for o in live.objects}
        measured = [(place[r.subject_id], r.predicate, place[r.object_id]) for r in live.relations]
        measured += [(o, INVERSE[p], s) for s, p, o in measured if p in INVERSE]
        holds = [
            (names[s], p, names[o]) for s, p, o in record["relations"] if s in names and o in names
        ]
        _score_triplets(all_triplets, measured, holds)
        yield GraphScores(objects, precise, triplets, all_triplets, frames, unparsed, tokens)


def text_objects(graph: TextGraph, width: int, height: int) -> list[Labelled]:
    """Labels and pixel boxes of a parsed text."""
    return [(o.label, decode_box(o.box, width, height)) for o in graph.objects]


def match_objects(predicted: Sequence[Labelled], truth: Sequence[Labelled]) -> list[bool]:
    """For every true object whether a predicted one of its label overlaps it, one to one."""
    if not predicted or not truth:
        return [False] * len(truth)
    overlap = box_iou(
        np.array([b for _, b in truth], float), np.array([b for _, b in predicted], float)
    )
    free = np.ones(len(predicted), bool)
    hits = []
    for (label, _), row in zip(truth, overlap, strict=True):
        same = np.array([name == label for name, _ in predicted])
        candidates = np.flatnonzero(free & same & (row >= 0.5))
        if len(candidates):
            free[candidates[row[candidates].argmax()]] = False
        hits.append(bool(len(candidates)))
    return hits


def match_triplets(predicted: Sequence[Triplet], truth: Sequence[Triplet]) -> list[bool]:
    """For every true triplet whether a predicted one says the same (ASMv2's rule)."""
    return [any(_same(p, t) for p in predicted) for t in truth]


def wilson(hits: int, total: int) -> list[float]:
    """95 % Wilson score interval of a proportion."""
    if not total:
        return [0.0, 1.0]
    z, p = 1.959964, hits / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z * np.sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return [round(float(middle - half), 4), round(float(middle + half), 4)]


def _same(a: Triplet, b: Triplet) -> bool:
    if a[1] != b[1] or a[0][0] != b[0][0] or a[2][0] != b[2][0]:
        return False
    first = np.array([a[0][1], a[2][1]], float)
    second = np.array([b[0][1], b[2][1]], float)
    return bool((np.diag(box_iou(first, second)) >= 0.5).all())


def _score_triplets(tally: Tally, predicted: Sequence[Triplet], truth: Iterable[Triplet]) -> None:
    truth = list(truth)
    for triplet, hit in zip(truth, match_triplets(predicted, truth), strict=True):
        tally.add(triplet[1], hit)
    tally.predicted += len(predicted)


def _median_depth(record: dict, index: int) -> float:
    return next(float(o["depth_m"][1]) for o in record["objects"] if o["index"] == index)


def _lift(record: dict, rgb: np.ndarray, depth_png: bytes, text: TextGraph) -> SceneGraph:
    """The graph the node would publish for this frame, from noisy depth."""
    millimetres = cv2.imdecode(np.frombuffer(depth_png, np.uint8), cv2.IMREAD_UNCHANGED)
    rng = np.random.default_rng(zlib.crc32(record["key"].encode()))
    depth_m = add_depth_noise(millimetres / np.float32(1000), rng)
    depth_m[depth_m == 0] = np.nan
    k = Intrinsics(*record["intrinsics"], record["width"], record["height"])
    frame = RGBDFrame(1, "camera_optical_frame", rgb, depth_m, k)
    live = LiveSceneGraph()
    live.update(frame)
    live.add_keyframe(frame.stamp_ns, text)
    return live.update(RGBDFrame(2, frame.frame_id, rgb, depth_m, k))


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
