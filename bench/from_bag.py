"""from-bag: a thing the embedded model has no word for, from a recording to the model in minutes.

The steps are those of the command line, in one process: ``spacesgg data from-bag``, the review
page's API driven by a reviewer that knows the truth, ``spacesgg data accept`` and ``add-words``,
``spacesgg train`` and ``export``. Before and after are measured with the exported int8 model on
rendered scenes that are in no recording: those with the thing, and those without it for what is
forgotten.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from spacesgg_ros.bench.from_bag_reviewer import ScriptedReviewer
from spacesgg_ros.bench.from_bag_scenes import Shot, Studio, choose_newcomer, record_bag
from spacesgg_ros.bench.result import BenchError, BenchResult
from spacesgg_ros.demo.recording import Recording
from spacesgg_ros.extras import require
from spacesgg_ros.graph import decode_box
from spacesgg_ros.training.data.from_bag import build_review
from spacesgg_ros.training.data.from_bag_frames import KeyframeConfig
from spacesgg_ros.training.data.instructions import InstructionConfig, frame_rows
from spacesgg_ros.training.data.new_words import add_words, find_new_words
from spacesgg_ros.training.data.review import ReviewStore
from spacesgg_ros.training.data.review_accept import accept_review
from spacesgg_ros.training.data.review_record import write_whole
from spacesgg_ros.training.data.review_server import ReviewServer
from spacesgg_ros.training.data.rows import write_rows
from spacesgg_ros.training.defaults import CACHE_DIR
from spacesgg_ros.training.evaluate.intervals import wilson
from spacesgg_ros.training.evaluate.matching import Labelled, find_excused, match_objects
from spacesgg_ros.vlm.grammar import GraphLimits
from spacesgg_ros.vlm.model import SceneGraphModel

RECIPE = "embedded/from-bag"
TASKS = ("graph", "objects")
_OBJECTS_ONLY = GraphLimits(max_relations=1)
"""Objects come first in a graph's text and are all that is scored. One relation is let in: were
none allowed, a model that is done with the objects would have to name more of them."""
_LEAST_GAIN = 0.5
_MOST_LOSS = 0.05
_MINUTES = 30.0


@dataclass(frozen=True)
class Size:
    """Scenes of each part (``views`` pictures each) and training steps; 0: the recipe's."""

    recorded: int
    replayed: int
    tested: int
    views: int = 3
    steps: int = 0


FULL, QUICK = Size(40, 60, 40), Size(3, 2, 2, steps=3)


class Clock:
    """Minutes of each step."""

    def __init__(self) -> None:
        self.minutes: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what is inside."""
        start = time.monotonic()
        yield
        self.minutes[name] = round((time.monotonic() - start) / 60, 2)


def run(quick: bool = False) -> BenchResult:
    """The whole loop in a temporary folder."""
    require("accelerate", "train")
    size, clock = (QUICK if quick else FULL), Clock()
    with tempfile.TemporaryDirectory(prefix="from-bag-") as folder:
        measured, baseline = run_loop(Path(folder), size, clock)
    gain = measured["newcomer_recall"] - baseline["newcomer_recall"]
    loss = baseline["old_recall"] - measured["old_recall"]
    robot = sum(m for name, m in clock.minutes.items() if name not in ("render", "test"))
    measured |= {"minutes": clock.minutes, "minutes_of_the_loop": round(robot, 2)}
    return BenchResult(
        name="from-bag",
        measured=measured,
        baseline=baseline,
        bar=f"recall of the new class rises by >= {_LEAST_GAIN} on held-out scenes, recall of the "
        f"old ones falls by <= {_MOST_LOSS}, in <= {_MINUTES:g} minutes",
        passed=gain >= _LEAST_GAIN and loss <= _MOST_LOSS and robot <= _MINUTES,
        quick=quick,
    )


def run_loop(
    work: Path, size: Size, clock: Clock, embedded: str = "embedded"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """All steps with their files in ``work``; what was measured after, and before."""
    from spacesgg_ros.training.engine.recipe import find_recipe, read_recipe
    from spacesgg_ros.training.engine.run import train_recipe
    from spacesgg_ros.vlm.export import export_model

    model = SceneGraphModel.load(embedded)
    known = set(model.folder.vision_config.get("id2label", {}).values())
    with clock.step("render"):
        newcomer = choose_newcomer(known, work)
        studio = Studio(CACHE_DIR, newcomer)
        truth = record_bag(
            work / "robot.mcap", studio.shoot("bag", 101, size.recorded, size.views, True)
        )
        write_replay(work, studio.shoot("replay", 102, size.replayed, size.views, False))
        tests = {
            "newcomer": [s for v in studio.shoot("new", 103, size.tested, 2, True) for s in v],
            "old": [s for v in studio.shoot("old", 104, size.tested, 2, False) for s in v],
        }
    with clock.step("label"), Recording(work / "robot.mcap") as recording:
        review = build_review(
            recording, work / "review", model, KeyframeConfig(every_s=0.5), sorted(known)
        )
    with clock.step("review"), ReviewServer(ReviewStore(work / "review"), port=0) as server:
        reviewer = ScriptedReviewer(server.url, truth)
        accepted = reviewer.review_all()
    with clock.step("accept"):
        rows = accept_review(work / "review", work, 0.2, mirror=True, tasks=TASKS)
        write_rows(work / "new.jsonl", rows.train)
        words = find_new_words(model.folder.load_tokenizer(), rows.train)
        base = add_words(embedded, words, work / "base")
    settings = [
        f"model={base}",
        f"data.0.rows={work / 'new.jsonl'}",
        f"data.1.rows={work / 'replay.jsonl'}",
        f"cache={work / 'cache'}",
        *([f"max_steps={size.steps}"] if size.steps else []),
    ]
    with clock.step("train"):
        tuned = train_recipe(read_recipe(find_recipe(RECIPE), settings), work / "run")
    with clock.step("export"):
        export_model(str(tuned), ["fp32", "int8"])
    with clock.step("test"):
        before = score(model, tests, newcomer.label)
        after = score(SceneGraphModel.load(tuned), tests, newcomer.label)
    after |= {
        "newcomer": newcomer.label,
        "new_words": words,
        "recorded_frames": sum(review.counts.values()),
        "keyframes": len(review.frames),
        "accepted": accepted,
        "training_frames": len(rows.train_frames),
        "newcomers_to_train": rows.labels[newcomer.label],
        "reviewer_actions": dict(reviewer.actions),
        "actions_a_frame": round(sum(reviewer.actions.values()) / max(1, len(review.frames)), 1),
    }
    return after, before


def write_replay(work: Path, scenes: Iterator[list[Shot]]) -> None:
    """Rows of pictures without the newcomer, so that training does not only see the new."""
    (work / "replay").mkdir()
    config = InstructionConfig(tasks=TASKS, mirror=True)
    rows = []
    for shot in (shot for shots in scenes for shot in shots if shot.record["objects"]):
        name = f"replay/{shot.record['key']}.jpg"
        jpeg = cv2.imencode(".jpg", cv2.cvtColor(shot.rgb, cv2.COLOR_RGB2BGR))[1]
        write_whole(work / name, jpeg.tobytes())
        rows += frame_rows(shot.record, name, "replay", config)
    if not rows:
        raise BenchError("no replay picture shows an object: render more scenes")
    write_rows(work / "replay.jsonl", rows)


def score(model: SceneGraphModel, tests: dict[str, list[Shot]], newcomer: str) -> dict[str, Any]:
    """Recall and precision of the newcomer on its scenes, and of all else on both kinds."""
    counts = {name: [0, 0, 0] for name in ("newcomer", "beside", "old")}  # wanted, found, said
    for name, shots in tests.items():
        for shot in shots:
            said = _name_objects(model, shot)
            for part, mine in (
                ("newcomer", True),
                ("old" if name == "old" else "beside", False),
            ):
                if part == "newcomer" and name == "old":
                    continue
                some = [o for o in said if (o[0] == newcomer) is mine]
                tally = _count(some, shot.record, newcomer, mine)
                counts[part] = [a + b for a, b in zip(counts[part], tally, strict=True)]
    report: dict[str, Any] = {}
    for name, (wanted, found, spoken) in counts.items():
        report[f"{name}_recall"] = round(found / max(1, wanted), 3)
        report[f"{name}_recall_95"] = wilson(found, wanted)
        report[f"{name}_precision"] = round(found / max(1, spoken), 3)
        report[f"{name}_objects"] = wanted
    return report


def _name_objects(model: SceneGraphModel, shot: Shot) -> list[Labelled]:
    height, width = shot.rgb.shape[:2]
    objects = model.write_graph(shot.rgb, limits=_OBJECTS_ONLY).graph.objects
    return [(o.label, decode_box(o.box, width, height)) for o in objects]


def _count(
    said: Sequence[Labelled], record: dict[str, Any], newcomer: str, mine: bool
) -> tuple[int, int, int]:
    """Objects wanted, found, and said without an excuse, of the newcomer or of all others."""
    truth = [
        (o["label"], o["box_px"]) for o in record["objects"] if (o["label"] == newcomer) is mine
    ]
    ignored = [(o["label"], o["box_px"]) for o in record.get("ignored", [])]
    found = sum(index is not None for index in match_objects(said, truth))
    excused = sum(find_excused(said, truth, ignored))
    return len(truth), found, len(said) - excused
