"""Boxes by COCO's rules: hand-made cases, and our intervals' numbers against COCOeval's."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pycocotools")

from spacesgg_ros.training.data.grounded import GroundedImage, GroundedObject
from spacesgg_ros.training.evaluate.scoring.boxes import (
    ImageBoxes,
    LabelledBox,
    read_categories,
    read_predictions,
    read_truth,
    write_predictions,
)
from spacesgg_ros.training.evaluate.scoring.detection import list_frequent_boxes, score_detection
from spacesgg_ros.training.evaluate.scoring.outcomes import ScoreError


def _values(truth: list[ImageBoxes], predicted: list[ImageBoxes]) -> dict[str, float]:
    result = score_detection(truth, predicted, name="m")
    return {metric: m.value for metric, m in result.headline.items()}


def _image(name: str, *boxes: LabelledBox) -> ImageBoxes:
    return ImageBoxes(name, boxes, 200, 100)


MUG, PLATE = LabelledBox("mug", (10, 10, 50, 50)), LabelledBox("mug", (100, 10, 150, 60))


def test_a_wrong_box_between_two_right_ones() -> None:
    predicted = _image(
        "a",
        LabelledBox("mug", MUG.box_px, 0.9),
        LabelledBox("mug", (160, 70, 190, 90), 0.8),
        LabelledBox("mug", PLATE.box_px, 0.7),
    )
    values = _values([_image("a", MUG, PLATE)], [predicted])
    expected = (51 + 50 * 2 / 3) / 101  # precision 1 up to recall 0.5, then 2/3
    assert values["AP"] == values["AP50"] == pytest.approx(expected, abs=1e-4)
    assert values["AR"] == 1.0


def test_overlap_decides_at_which_thresholds_a_box_counts() -> None:
    # 40 x 40 against 40 x 28 inside: IoU 0.7, found at 0.5 .. 0.7, five of ten thresholds.
    predicted = _image("a", LabelledBox("mug", (10, 10, 50, 38), 1.0))
    values = _values([_image("a", MUG)], [predicted])
    assert (values["AP50"], values["AP75"]) == (1.0, 0.0)
    assert values["AP"] == values["AR"] == pytest.approx(0.5)


def test_what_lies_in_a_crowd_is_neither_right_nor_wrong() -> None:
    crowd = LabelledBox("mug", (100, 0, 200, 100), crowd=True)
    inside = LabelledBox("mug", (120, 20, 160, 60), 0.9)
    found = LabelledBox("mug", MUG.box_px, 0.5)
    values = _values([_image("a", MUG, crowd)], [_image("a", inside, found)])
    assert values["AP"] == values["AR"] == 1.0


def test_nothing_predicted_finds_nothing() -> None:
    result = score_detection([_image("a", MUG)], [], name="m")
    assert result.headline["AP"].value == 0
    assert result.details["images without prediction"] == 1


def test_unknown_images_and_labels_are_counted() -> None:
    predicted = [_image("a", LabelledBox("cat", (0, 0, 9, 9))), _image("z", MUG)]
    details = score_detection([_image("a", MUG)], predicted, name="m").details
    assert details["predictions of unknown labels"] == 1
    assert details["predictions for unknown images"] == 1


def _random_world(seed: int) -> tuple[list[ImageBoxes], list[ImageBoxes]]:
    rng = np.random.default_rng(seed)
    truth, predicted = [], []
    for k in range(12):
        true, guessed = [], []
        for _ in range(rng.integers(0, 7)):
            label = str(rng.choice(["mug", "plate", "cat"]))
            x, y, w, h = rng.uniform(5, 90, 4)
            true.append(LabelledBox(label, (x, y, x + w, y + h), crowd=bool(rng.random() < 0.1)))
            if rng.random() < 0.8:
                box = np.array([x, y, x + w, y + h]) + rng.normal(0, 0.06 * min(w, h), 4)
                guessed.append(LabelledBox(label, tuple(box.tolist()), float(rng.random())))
            if rng.random() < 0.4:
                a, b = rng.uniform(5, 100, 2)
                guessed.append(LabelledBox(label, (a, b, a + 30, b + 20), float(rng.random())))
        truth.append(ImageBoxes(str(k), tuple(true), 200, 200))
        predicted.append(ImageBoxes(str(k), tuple(guessed)))
    return truth, predicted


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_numbers_from_outcomes_are_those_of_cocoeval(seed: int) -> None:
    result = score_detection(*_random_world(seed), name="m")
    stats = result.details["coco_stats"]
    values = {metric: m.value for metric, m in result.headline.items()}
    assert values["AP"] == pytest.approx(stats[0], abs=2e-4)
    assert values["AP50"] == pytest.approx(stats[1], abs=2e-4)
    assert values["AP75"] == pytest.approx(stats[2], abs=2e-4)
    assert values["AR"] == pytest.approx(stats[8], abs=2e-4)
    rows = result.details["by_class"].values()
    assert values["AP"] == pytest.approx(np.mean([row["AP"] for row in rows]), abs=2e-4)
    assert result.headline["AP"].low < values["AP"] < result.headline["AP"].high


def test_frequent_boxes_are_at_their_mean_place() -> None:
    train = [_image("t1", MUG), _image("t2", LabelledBox("mug", (20, 20, 70, 60)))]
    (listed,) = list_frequent_boxes(train, [ImageBoxes("a", (), 400, 100)])
    (box,) = listed.boxes
    assert (box.label, box.score) == ("mug", 1.0)
    assert box.box_px == pytest.approx((30, 15, 120, 55))


def test_coco_files_are_read(tmp_path: Path) -> None:
    truth = tmp_path / "instances.json"
    note = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 10, 40, 40], "iscrowd": 0}
    truth.write_text(
        json.dumps(
            {
                "images": [{"id": 7, "width": 200, "height": 100, "file_name": "7.jpg"}],
                "categories": [{"id": 3, "name": "mug"}],
                "annotations": [note],
            }
        )
    )
    results = tmp_path / "results.json"
    box = {"image_id": 7, "category_id": 3, "bbox": [10, 10, 40, 40], "score": 0.5}
    results.write_text(json.dumps([box, {**box, "category_id": 4}, {"image_id": 7}]))
    true = read_truth([truth]).items
    assert true == (ImageBoxes("7", (MUG,), 200, 100, "", "7.jpg"),)
    guessed = read_predictions(results, read_categories(truth))
    assert guessed.items == (ImageBoxes("7", (LabelledBox("mug", MUG.box_px, 0.5),)),)
    assert len(guessed.bad) == 2


def test_grounded_sets_and_frame_records_are_read(tmp_path: Path, record: dict) -> None:
    image = GroundedImage("g", "g.jpg", 200, 100, (GroundedObject("mug", MUG.box_px),))
    (tmp_path / "set.jsonl").write_text(json.dumps(image.to_dict()) + "\n")
    record["ignored"] = [{"label": "mug", "box_px": [1, 2, 3, 4]}]
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        payload = json.dumps(record).encode()
        member = tarfile.TarInfo(f"{record['key']}.json")
        member.size = len(payload)
        tar.addfile(member, io.BytesIO(payload))
    grounded, frame = read_truth([tmp_path / "set.jsonl", tmp_path / "s.tar"]).items
    assert grounded == ImageBoxes("g", (MUG,), 200, 100, "", "g.jpg")
    assert (frame.group, frame.file) == ("test-000000", "s.tar/test-000000-0.jpg")
    assert [b.crowd for b in frame.boxes] == [False] * len(record["objects"]) + [True]


def test_predictions_are_read_as_they_are_written(tmp_path: Path) -> None:
    images = (ImageBoxes("a", (LabelledBox("mug", (1.0, 2.0, 3.0, 4.5), 0.25),)),)
    write_predictions(tmp_path / "p.jsonl", images)
    assert read_predictions(tmp_path / "p.jsonl").items == images
    with (tmp_path / "p.jsonl").open("a") as file:
        file.write('{"id": 1, "objects": [{"label": "m", "box_px": [3, 1, 1]}]}')
    read = read_predictions(tmp_path / "p.jsonl")
    assert (read.items, len(read.bad)) == (images, 1)


@pytest.mark.parametrize(("name", "text"), [("a.txt", ""), ("a.json", "[]"), ("a.tar", "no")])
def test_other_files_are_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ScoreError, match=name):
        read_truth([tmp_path / name])
