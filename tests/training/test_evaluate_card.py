"""Pictures and the model card, made from small reports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")

from safetensors.numpy import save_file

from spacesgg_ros.cli.console import InputError
from spacesgg_ros.graph import parse_graph
from spacesgg_ros.training.evaluate import pictures, report
from spacesgg_ros.training.evaluate.card import choose_classes, write_card
from spacesgg_ros.training.evaluate.evaluation import summarise_free
from spacesgg_ros.training.evaluate.frames import TestFrame
from spacesgg_ros.training.evaluate.priors import learn_priors, save_priors
from spacesgg_ros.training.evaluate.questions import Answered, summarise_answers
from spacesgg_ros.training.evaluate.scores import score_frame, summarise
from spacesgg_ros.vlm.model import FreeText


def some_of(record: dict, scene: int, count: int):
    """A frame of another scene of which ``count`` objects were found."""
    boxes = [(o["label"], tuple(o["box_px"])) for o in record["objects"][:count]]
    return score_frame(record | {"key": f"test-seen-{scene:06d}-0"}, boxes)


@pytest.fixture
def split_report(record: dict) -> dict:
    scores = [some_of(record, scene, 1 + scene) for scene in range(3)]
    listed, given = (summarise([score]) for score in learn_priors([record]).score(record))
    text = FreeText("", parse_graph("<ref>mug</ref>").issues, True)
    return {
        "model": "tiny",
        "precision": "int8",
        "split": "test-seen",
        "frames": 3,
        "graphs": summarise(scores),
        "pixel_free": {
            "training_frames": 1,
            "objects": listed["objects"],
            "boxes": listed["boxes"],
            "triplets": listed["triplets"]["text"],
            "triplets_given_true_objects": given["triplets"]["text"],
            "every_relation_given_true_objects": given["triplets"]["every_relation"],
            "said_and_true_given_true_objects": given["said_and_true"],
        },
        "vsd-classify": summarise_answers([Answered("a", "on", "on", "in", 9.0)], "on"),
        "valid-output": summarise_free([("a-0", text)], scores),
    }


def test_the_worst_frames_come_first_and_typical_ones_from_the_middle(record: dict) -> None:
    scores = [some_of(record, scene, count) for scene, count in enumerate((5, 1, 3))]
    keys = [score.key for score in pictures.pick_frames(scores, "worst", 2)]
    assert keys == ["test-seen-000001-0", "test-seen-000002-0"]
    assert [score.key for score in pictures.pick_frames(scores, "typical", 1)] == keys[1:]
    with pytest.raises(ValueError, match="worst, typical"):
        pictures.pick_frames(scores, "best", 1)


def test_one_view_of_a_scene_is_drawn(record: dict) -> None:
    views = [score_frame(record | {"key": f"test-seen-000001-{view}"}, []) for view in range(3)]
    assert len(pictures.pick_frames(views, "worst", 3)) == 1


def test_a_frame_without_objects_and_predictions_is_right(record: dict) -> None:
    assert pictures.object_f1(score_frame(record | {"objects": [], "relations": []}, [])) == 1.0


def test_a_sheet_keeps_within_its_size(record: dict, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    frame = TestFrame(noise, np.ones((240, 320), np.float32), record)
    pair = pictures.draw_pair(frame, some_of(record, 1, 3))
    sheet = pictures.draw_sheet([pair] * 3)
    assert sheet.shape == (2 * 386 + 6, 2 * 960 + 6, 3)
    pictures.save_sheet(sheet, tmp_path / "images" / "sheet.jpg", most_bytes=300_000)
    assert (tmp_path / "images" / "sheet.jpg").stat().st_size <= 300_000
    with pytest.raises(ValueError, match="no frame"):
        pictures.draw_sheet([])


def test_what_was_found_is_drawn_in_another_colour_than_what_was_missed(record: dict) -> None:
    black = TestFrame(np.zeros((240, 320, 3), np.uint8), np.ones((240, 320), np.float32), record)
    found, missed = (pictures.draw_pair(black, some_of(record, 1, n)) for n in (5, 0))
    left_edge = (26 + 225, 60)  # of the mug's box (40, 120, 80, 180), drawn at 1.5
    assert tuple(found[left_edge]) != tuple(missed[left_edge])


def test_texts_without_the_grammar_are_counted() -> None:
    valid = FreeText("", (), True)
    unknown_box = FreeText(
        "",
        parse_graph(
            "<ref>mug</ref><box>[[1, 1, 9, 9]]</box>\n"
            "<pred>on</pred><box>[[1, 1, 9, 9]]</box><box>[[2, 2, 9, 9]]</box>"
        ).issues,
        True,
    )
    unfinished = FreeText("", (), False)
    result = summarise_free(
        [("a-0", valid), ("b-0", unknown_box), ("c-0", unfinished), ("d-0", valid)], []
    )
    assert result["without_grammar"]["value"] == 0.5
    assert result["well_formed"]["value"] == 0.75
    assert result["incomplete"] == 1
    assert [row["frame"] for row in result["examples"]] == ["b-0", "c-0"]
    assert "with_grammar" not in result


def test_reports_come_back_from_their_file(split_report: dict, tmp_path: Path) -> None:
    report.write_report(split_report, tmp_path / "sub" / "report.json")
    assert json.loads((tmp_path / "sub" / "report.json").read_text()) == split_report


def test_the_best_and_the_worst_classes_are_named() -> None:
    counts = {f"c{k:02d}": {"true": 20, "found": k} for k in range(20)}
    counts["rare"] = {"true": 9, "found": 9}
    assert choose_classes(counts, most=2) == ["c19", "c18", "c01", "c00"]


@pytest.fixture
def model_folder(split_report: dict, record: dict, tmp_path: Path) -> Path:
    model = tmp_path / "models" / "tiny"
    (model / "onnx").mkdir(parents=True)
    config = {
        "vision_config": {"id2label": {"0": "mug", "1": "apple"}, "image_size": 320},
        "text_config": {"num_hidden_layers": 4, "hidden_size": 192},
        "image_seq_length": 36,
    }
    (model / "config.json").write_text(json.dumps(config))
    (model / "TRAINING.md").write_text("Two stages.\n")
    save_file({"a": np.zeros((1000, 1000), np.float16)}, model / "model.safetensors")
    save_priors(learn_priors([record]), model / "priors.json")
    report.write_report(split_report, model / "evaluation" / "test-seen.json")
    return model


def test_the_card_says_what_was_measured(model_folder: Path, tmp_path: Path) -> None:
    images = tmp_path / "docs" / "images"
    images.mkdir(parents=True)
    (images / "test-seen-worst.jpg").write_bytes(b"")
    text = write_card(model_folder, images).read_text()
    assert "1.0 M" in text and "apple, mug." in text and "Two stages." in text
    # Found: 1, 2 and 3 objects of five.
    assert "| objects: recall | 0.400 |" in text
    assert "![test-seen: worst frames](../../docs/images/test-seen-worst.jpg)" in text
    assert "{{" not in text


@pytest.mark.parametrize("lost", ["TRAINING.md", "priors.json", "evaluation/test-seen.json"])
def test_a_card_needs_all_its_sources(model_folder: Path, lost: str) -> None:
    (model_folder / lost).unlink()
    with pytest.raises(InputError, match="spacesgg evaluate"):
        write_card(model_folder)
