"""Rows of every task from a frame: golden cases, and what holds for any frame."""

from __future__ import annotations

import io
import json
import random
import re
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")
cv2 = pytest.importorskip("cv2")

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from spacesgg_ros.cli.main import make_app
from spacesgg_ros.graph import VSD_LABELS, parse_graph
from spacesgg_ros.graph.predicates import DIRECTIONAL, INVERSES
from spacesgg_ros.training.data.instructions import (
    FrameFacts,
    InstructionConfig,
    frame_rows,
    pick_evenly,
)
from spacesgg_ros.training.data.rows import TASKS, Row, load_image, read_rows
from spacesgg_ros.training.data.spatial_text import template_words
from spacesgg_ros.training.data.targets import FrameError, named_relations, target_graph
from spacesgg_ros.vlm.text_tokenizer import build_tokenizer

MUG = "<ref>mug</ref><box>[[125, 500, 250, 687]]</box>"


def _rows(record: dict, **config: object) -> dict[str, list[Row]]:
    rows = frame_rows(record, "t.tar/k.jpg", "test", InstructionConfig(**config))  # type: ignore[arg-type]
    return {task: [r for r in rows if r.task == task] for task in TASKS}


def _only_answers(record: dict, task: str, seeds: int = 200) -> set[str]:
    return {
        answer
        for seed in range(seeds)
        for row in _rows(record, seed=seed, tasks=(task,))[task]
        for _, answer in row.exchanges
    }


def test_every_task_gives_rows_that_name_their_frame(record: dict) -> None:
    rows = _rows(record)
    assert {task: len(found) for task, found in rows.items()} == {
        **dict.fromkeys(TASKS, 1),
        "vsd-classify": 4,
        "vsd-describe": 2,
    }
    graph = rows["graph"][0]
    assert (graph.id, graph.image, graph.source) == ("test-000000-0/graph", "t.tar/k.jpg", "test")
    assert (graph.width, graph.height, graph.mirror) == (320, 240, False)
    assert rows["vsd-classify"][2].id == "test-000000-0/vsd-classify/2"


def test_graph_and_objects(record: dict) -> None:
    rows = _rows(record)
    ((prompt, answer),) = rows["graph"][0].exchanges
    assert prompt == "Write the scene graph."
    assert parse_graph(answer) == target_graph(record)
    assert answer.splitlines()[0] == MUG
    ((prompt, answer),) = rows["objects"][0].exchanges
    assert prompt.startswith("List the objects")
    assert parse_graph(answer).objects == target_graph(record).objects
    assert "<pred>" not in answer


def test_captions_speak_of_the_table_and_what_is_on_it(record: dict) -> None:
    # largest first: bowl 80x50, mug 40x60, spoon 40x70 px; the apple is in the bowl
    assert _only_answers(record, "caption") == {
        "A bowl, a spoon and a mug on a table.",
        "On a table is a bowl, a spoon and a mug.",
        "A bowl, a spoon and a mug are on a table.",
        "Here a table carries a bowl, a spoon and a mug.",
        "There is a bowl, a spoon and a mug on a table.",
    }


def test_captions_of_scattered_things_name_the_largest(record: dict) -> None:
    record["relations"] = []
    assert "There is a table, a bowl, a spoon, a mug and other things." in _only_answers(
        record, "caption"
    )
    del record["objects"][4]
    assert "There is a table, a bowl, a spoon and a mug." in _only_answers(record, "caption")
    record["ignored"] = [{"label": "cup", "box_px": [0, 0, 4, 4], "index": 9}]
    assert "There is a table, a bowl, a spoon, a mug and other things." in _only_answers(
        record, "caption"
    )


def test_descriptions_are_layered_and_parse_to_what_holds(record: dict) -> None:
    for seed in range(20):
        ((_, answer),) = _rows(record, seed=seed)["description"][0].exchanges
        assert answer.startswith("Layer 1: ")
        graph = parse_graph(answer)
        assert not graph.issues
        assert {o.label for o in graph.objects} == {"mug", "spoon", "apple", "bowl", "table"}
        layers = {o.label: o.layer for o in graph.objects}
        # visible 0.75-0.85, 0.77-0.87, 0.99-1.09, 1.0-1.1, 1.15-1.25 m
        assert layers == {"mug": 1, "spoon": 1, "apple": 2, "bowl": 2, "table": 3}
        said = {
            (graph.objects[r.subject].label, r.predicate, graph.objects[r.object].label)
            for r in graph.relations
        }
        assert ("apple", "in", "bowl") in said and ("mug", "to the left of", "spoon") in said


def test_questions_are_answered_by_what_holds(record: dict) -> None:
    answers = _only_answers(record, "qa")
    assert answers >= {"The mug.", "The spoon.", "Yes.", "No.", "Five.", "Three."}
    for seed in range(50):
        for question, answer in _rows(record, seed=seed)["qa"][0].exchanges:
            if "farther to the left" in question:
                assert answer == "The mug."
            if "nearer" in question:
                assert answer == "The spoon."
            assert not parse_graph(question).issues


def test_a_question_has_no_pair_twice_and_four_turns_at_most(record: dict) -> None:
    for seed in range(30):
        (row,) = _rows(record, seed=seed)["qa"]
        assert 1 <= len(row.exchanges) <= 4
        pairs = [frozenset(re.findall("<ref>(.*?)</ref>", q)) for q, _ in row.exchanges]
        asked = [pair for pair in pairs if len(pair) == 2]
        assert len(asked) == len(set(asked))


def test_things_are_not_counted_where_some_are_hardly_seen(record: dict) -> None:
    record["ignored"] = [{"label": "cup", "box_px": [0, 0, 4, 4], "index": 9}]
    assert not any("How many" in q for s in range(50) for q, _ in _asked(record, s))


def _asked(record: dict, seed: int) -> tuple[tuple[str, str], ...]:
    return _rows(record, seed=seed)["qa"][0].exchanges


def test_nearer_is_not_asked_where_depth_does_not_agree(record: dict) -> None:
    record["objects"][3]["depth_m"] = [0.75, 0.83, 0.9]  # the bowl behind the spoon, seen steeply
    assert not any("near" in q for s in range(50) for q, _ in _asked(record, s))


def test_conversations_turn_the_view_with_reasons(record: dict) -> None:
    record["relations"] = [[1, "to the left of", 2], [2, "to the right of", 1], [1, "on", 0]]
    (row,) = _rows(record)["conversation"]
    turns = row.exchanges
    assert len(turns) == 4
    expected = {
        ("mug", "the left side"): "the mug is in front of the spoon.",
        ("mug", "the right side"): "the mug is behind the spoon.",
        ("mug", "the back"): "the mug is to the right of the spoon.",
        ("spoon", "the left side"): "the spoon is behind the mug.",
        ("spoon", "the right side"): "the spoon is in front of the mug.",
        ("spoon", "the back"): "the spoon is to the left of the mug.",
    }
    subject = re.findall("<ref>(.*?)</ref>", turns[0][0])[0]
    for question, answer in turns[:3]:
        view = next(v for v in ("the left side", "the right side", "the back") if v in question)
        assert answer.endswith(expected[subject, view])
    assert "still" in turns[3][0]


def test_vsd_asks_both_ways_about_names_that_occur_once(record: dict) -> None:
    record["objects"][2]["label"] = "mug"
    record["ignored"] = [{"label": "apple", "box_px": [0, 0, 4, 4], "index": 9}]
    assert named_relations(record) == [(3, "on", 0), (0, "under", 3)]
    rows = _rows(record)
    assert {r.exchanges[0] for r in rows["vsd-classify"]} == {
        ("What is the spatial relation of the bowl to the table?", "on"),
        ("What is the spatial relation of the table to the bowl?", "under"),
    }


def test_several_vsd_questions_in_a_row_are_about_several_pairs(record: dict) -> None:
    pairs = {frozenset((s, o)) for s, _, o in named_relations(record)}
    rows = _rows(record, tasks=("vsd-classify",), classify_turns=3)["vsd-classify"]
    asked = [prompt for row in rows for prompt, _ in row.exchanges]
    assert len(asked) == len(set(asked)) == len(pairs) > 3
    assert [len(row.exchanges) for row in rows[:-1]] == [3] * (len(rows) - 1)


def test_vsd_open_tells_the_inverse_as_it_was_recorded(record: dict) -> None:
    record["relations"] = [[1, "on", 0], [2, "under", 0]]
    lines = [answer.splitlines() for answer in _only_answers(record, "vsd-open")]
    assert {len(line) for line in lines} == {3}
    told = {re.sub("[.,]", "", " ".join(line).lower()) for line in lines}
    # what rests on something is on it, not above it; what is under without contact is below
    assert not any("mug" in t and " above " in t for t in told)
    assert any("table" in t and "spoon" in t and " above " in t for t in told)


def test_labels_are_asked_as_evenly_as_the_frame_allows() -> None:
    relations = [(0, "on", k) for k in range(1, 50)] + [(0, "in", 60), (0, "behind", 70)]
    picked = pick_evenly(relations, 6, random.Random(0))
    assert Counter(p for _, p, _ in picked) == {"on": 4, "in": 1, "behind": 1}
    assert pick_evenly(relations, 1, random.Random(0))[0][1] == "in"  # rare ones first


def test_mirrored_rows_speak_of_the_flipped_picture(record: dict) -> None:
    rows = frame_rows(record, "a.jpg", "s", InstructionConfig(mirror=True, tasks=("graph",)))
    assert [(r.id, r.mirror) for r in rows] == [
        ("test-000000-0/graph", False),
        ("test-000000-0/graph/mirror", True),
    ]
    graph = parse_graph(rows[1].exchanges[0][1])
    mug = graph.objects[0]
    assert (mug.label, mug.box) == ("mug", (749, 500, 874, 687))
    assert "to the right of" in {r.predicate for r in graph.relations if r.subject == 0}


def test_the_same_seed_gives_the_same_rows_alone_or_together(record: dict) -> None:
    every = _rows(record, seed=3)
    assert every == _rows(record, seed=3)
    assert _rows(record, seed=3, tasks=("qa",))["qa"] == every["qa"]
    assert (
        every["qa"] != _rows(record, seed=4)["qa"] or every["caption"] != _rows(record)["caption"]
    )


def test_a_frame_whose_boxes_coincide_is_refused(record: dict) -> None:
    record["objects"][1]["box_px"] = record["objects"][2]["box_px"]
    with pytest.raises(FrameError, match="same box"):
        frame_rows(record, "a.jpg", "s", InstructionConfig())


def test_unknown_tasks_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown tasks \\['poem'\\]"):
        InstructionConfig(tasks=("poem",))


LABELS = ("mug", "apple", "scissors", "folded clothes", "bread", "wine glass", "hour glass")


@st.composite
def _frames(draw: st.DrawFn) -> dict:
    """Any frame that passes the check: relations of every kind, names that repeat."""
    count = draw(st.integers(0, 7))
    objects = []
    for i in range(count):
        x, y = draw(st.integers(0, 200)), draw(st.integers(0, 150))
        w, h = draw(st.integers(5, 100)), draw(st.integers(5, 80))
        near = draw(st.floats(0.3, 3))
        depth = [near, near + draw(st.floats(0, 0.3)), near + 0.3 + draw(st.floats(0, 2))]
        objects.append(
            {
                "index": i,
                "label": draw(st.sampled_from(LABELS)),
                "box_px": [x, y, x + w, y + h],
                "depth_m": depth,
            }
        )
    relations: list[list] = []
    for s in range(count):
        for o in range(s):
            p = draw(st.sampled_from((None, *VSD_LABELS)))
            relations += [[s, p, o]] if p else []
            if p in DIRECTIONAL or p == "next to":
                relations.append([o, INVERSES[p], s])
    return {"key": "k", "width": 320, "height": 240, "objects": objects, "relations": relations}


def _count_bytes(text: str, tokenizer: object) -> int:
    """Words that the tokenizer has to spell."""
    words = re.findall(" ?[A-Za-z]+", text)
    encode = tokenizer.encode  # type: ignore[attr-defined]
    return sum(len(encode(word, add_special_tokens=False).ids) != 1 for word in words)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(_frames(), st.integers(0, 50))
def test_rows_of_any_frame_hold_parse_and_cost_no_bytes(record: dict, seed: int) -> None:
    try:
        rows = frame_rows(record, "a.jpg", "s", InstructionConfig(seed=seed, mirror=True))
    except FrameError as error:
        assert "same box" in str(error)
        return
    tokenizer = build_tokenizer([*LABELS, *template_words()])
    assert len({row.id for row in rows}) == len(rows)
    listed = {o.box for o in target_graph(record).objects}
    for row in rows:
        assert Row.from_dict(json.loads(json.dumps(row.to_dict()))) == row
        for prompt, answer in row.exchanges:
            assert not _count_bytes(prompt + " " + answer, tokenizer)
            if row.task in ("objects", "graph", "description"):
                graph = parse_graph(answer)
                assert not graph.issues and len(graph.objects) == len(listed)
            if row.task == "vsd-classify":
                assert answer in VSD_LABELS
            if not row.mirror and not prompt.startswith("Describe the spatial layout"):
                boxes = re.findall(r"\[\[(\d+), (\d+), (\d+), (\d+)\]\]", prompt + answer)
                assert {tuple(map(int, box)) for box in boxes} <= listed


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(_frames())
def test_what_is_asked_is_known_from_the_record(record: dict) -> None:
    known = {tuple(r) for r in record["relations"]}
    for s, p, o in named_relations(record):
        assert (s, p, o) in known or any((o, q, s) in known and INVERSES[q] == p for q in INVERSES)
    facts = FrameFacts(record)
    for relation in facts.relations:
        assert (facts.inverse(relation) is None) == (relation[1] == "in")


@pytest.fixture
def shard(record: dict, tmp_path: Path) -> Callable[..., Path]:
    """Writes ``train-00000.tar`` with the given members, after one good frame."""

    def write(**members: bytes) -> Path:
        picture = cv2.imencode(".jpg", np.full((240, 320, 3), 128, np.uint8))[1].tobytes()
        files = {"test-000000-0.jpg": picture, "test-000000-0.json": json.dumps(record).encode()}
        with tarfile.open(tmp_path / "train-00000.tar", "w") as tar:
            for name, data in (files | members).items():
                info = tarfile.TarInfo(name.replace("__", "."))
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return tmp_path

    return write


def _run(folder: Path, *more: str) -> tuple[int, str]:
    out = folder / "rows" / "train.jsonl"
    arguments = ["data", "instructions", "--scenes", str(folder), "--out", str(out), *more]
    result = CliRunner().invoke(make_app(), arguments)
    return result.exit_code, result.output + repr(result.exception or "")


def test_the_command_writes_rows_pictures_and_statistics(
    shard: Callable[..., Path], record: dict
) -> None:
    broken = json.dumps(record | {"relations": [[1, "eats", 2]]}).encode()
    folder = shard(a__jpg=b"", a__json=b"{", b__jpg=b"", b__json=broken, c__json=b"{}")
    code, said = _run(folder)
    assert code == 0, said
    assert "vsd-classify" in said and "eats" in said
    rows = list(read_rows(folder / "rows" / "train.jsonl"))
    assert len(rows) == 13 and {r.task for r in rows} == set(TASKS)
    assert rows[0].image == "../train-00000.tar/test-000000-0.jpg"
    assert load_image(rows[0], folder / "rows").shape == (240, 320, 3)
    statistics = json.loads((folder / "rows" / "train.stats.json").read_text())
    assert statistics["frames"] == 4 and statistics["config"]["seed"] == 0
    assert [(b["frame"], b["reason"][:13]) for b in statistics["bad_frames"]] == [
        ("a", "not JSON: Exp"),
        ("b", "unknown predi"),
        ("c", "the shard has"),
    ]
    assert len(statistics["manifest_sha256"]) == 64
    assert statistics["rows"]["graph"] == 1 and statistics["relations"]["graph"]["on"] == 3
    assert statistics["tokens"]["graph"]["median"] > statistics["learnt_tokens"]["graph"]["median"]


def test_the_command_repeats_itself_byte_for_byte(shard: Callable[..., Path]) -> None:
    folder = shard()
    file = folder / "rows" / "train.jsonl"
    assert _run(folder, "--mirror", "--tasks", "graph,qa")[0] == 0
    first = file.read_bytes()
    assert _run(folder, "--mirror", "--tasks", "graph,qa")[0] == 0
    assert file.read_bytes() == first and len(first.splitlines()) == 4


def test_a_shard_cut_short_is_counted_and_the_rest_goes_on(shard: Callable[..., Path]) -> None:
    folder = shard()
    (folder / "train-00001.tar").write_bytes((folder / "train-00000.tar").read_bytes()[:3000])
    code, said = _run(folder)
    assert code == 0 and "cannot be read" in said


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (("--split", "nothing"), "spacesgg scenes render nothing"),
        (("--tasks", "poem"), "unknown tasks"),
    ],
)
def test_wrong_input_says_what_to_do(
    shard: Callable[..., Path], more: tuple[str, ...], reason: str
) -> None:
    code, said = _run(shard(), *more)
    assert code != 0 and reason in said


def test_frames_that_are_all_bad_are_an_error(shard: Callable[..., Path], record: dict) -> None:
    record["objects"][0]["box_px"] = [0, 0, 0, 0]
    code, said = _run(shard())
    assert code != 0 and "no row came out" in said and "empty or outside" in said
