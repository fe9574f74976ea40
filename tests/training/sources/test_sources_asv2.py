import json
from pathlib import Path
from typing import Any

import pytest

from spacesgg_ros.training.data.grounded import GroundedImage
from spacesgg_ros.training.data.sources.asv2 import read_asv2
from spacesgg_ros.training.data.sources.draft import SourceError
from spacesgg_ros.training.data.sources.pictures import Pictures

# In a picture of 200 x 100 the padded square has side 200, with 50 pixels above and below:
# x = 200 c / 999 and y = 200 c / 999 - 50.
CUP = "[[0, 250, 500, 500]]"
TABLE = "[[0, 500, 999, 749]]"
TEXT = (
    f"A <ref>cup</ref><box>{CUP}</box> stands <pred>on</pred><box>{CUP}</box><box>{TABLE}</box> "
    f"a <ref>table</ref><box>{TABLE}</box>."
)


def row(*answers: str, **changes: Any) -> dict[str, Any]:
    turns = []
    for answer in answers:
        turns += [{"from": "human", "value": "<image>\nSay."}, {"from": "gpt", "value": answer}]
    return {"id": "r", "image": "a.png", "conversations": turns, **changes}


@pytest.fixture
def pictures(tmp_path: Path, write_picture) -> Pictures:
    write_picture("a.png", 200, 100)
    return Pictures(tmp_path, tmp_path)


def test_boxes_are_decoded_from_the_padded_square_to_pixels(pictures, write_json) -> None:
    (image,) = read_asv2(write_json("r.json", [row(TEXT)]), pictures)
    cup, table = image.objects
    assert (cup.label, table.label) == ("cup", "table")
    assert cup.box_px == pytest.approx((0, 0.05, 100.1, 50.1), abs=0.01)
    assert table.box_px == pytest.approx((0, 50.1, 200, 99.95), abs=0.01)
    assert image.relations == ((0, "on", 1),)
    assert image.caption == TEXT
    assert (image.width, image.height, image.source) == (200, 100, "as-v2")


def test_the_answers_of_all_turns_are_one_caption(pictures, write_json) -> None:
    later = f"The <ref>spoon</ref><box>{CUP}</box>"
    asked = [{"from": "human", "value": f"<ref>region</ref><box>{CUP}</box>?"}]
    entry = row(
        f"It is a <ref>cup</ref><box>{CUP}</box>", f"And a <ref>table</ref><box>{TABLE}</box>"
    )
    entry["conversations"] += asked
    (image,) = read_asv2(write_json("r.json", [entry]), pictures)
    assert [o.label for o in image.objects] == ["cup", "table"]
    assert image.caption.count("\n") == 1
    assert later not in image.caption


def test_lines_are_read_like_a_list_and_repeated_ids_are_told_apart(
    tmp_path: Path, pictures
) -> None:
    path = tmp_path / "r.jsonl"
    lines = [json.dumps(row(TEXT)), "", "{half", "7", json.dumps(row(TEXT))]
    path.write_text("\n".join(lines))
    first, broken, number, second = read_asv2(path, pictures)
    assert (first.id, second.id) == ("r", "r-2")
    assert (broken.id, broken.reason) == ("r.jsonl:3", "not JSON")
    assert (number.id, number.reason) == ("r.jsonl:4", "not a JSON object")


def test_a_row_without_an_id_is_called_after_its_picture(pictures, write_json) -> None:
    entry = row(TEXT)
    del entry["id"]
    (image,) = read_asv2(write_json("r.json", [entry]), pictures)
    assert image.id == "a"


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        (f"{TEXT} <ref>fork</ref>", ["caption: ref without box"]),
        (f"{TEXT} <ref>fork</ref><box>[[1, 2, 3]]</box>", ["caption: broken box"]),
        (
            f"{TEXT} <ref>fork</ref><box>[[9, 300, 9, 400]]</box>",
            ["caption: empty box", "empty box"],
        ),
        (f"{TEXT} <ref>fork</ref><box>[[9, 0, 90, 200]]</box>", ["box outside the picture"]),
        (
            f"{TEXT} <pred>by</pred><box>{CUP}</box><box>[[9, 300, 90, 400]]</box>",
            [
                "caption: unknown box",
                "object without a name",
                "relation to a rejected object",
            ],
        ),
        (f"{TEXT} <pred>by</pred><box>{CUP}</box><box>{CUP}</box>", ["object related to itself"]),
    ],
)
def test_a_defect_of_the_text_is_listed_and_the_rest_is_used(
    pictures, write_json, text: str, reasons: list[str]
) -> None:
    *bad, image = read_asv2(write_json("r.json", [row(text)]), pictures)
    assert [r.reason for r in bad] == reasons
    assert isinstance(image, GroundedImage)
    assert [o.label for o in image.objects] == ["cup", "table"]
    assert image.relations == ((0, "on", 1),)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (row(TEXT, image="no.png"), "no such picture"),
        (row(TEXT, image="no.png", width=200, height=100), "no such picture"),
        (row(TEXT, width=100, height=100), "picture of another size"),
        (row("Nothing is tagged."), "no usable object"),
        (row(), "no usable object"),
        ({"id": "r", "conversations": []}, "broken row"),
        ({"id": "r", "image": "a.png"}, "broken row"),
        (row(TEXT, image=None), "broken row"),
        (row(TEXT, conversations=[{"from": "gpt"}]), "broken row"),
        ([], "not a JSON object"),
    ],
)
def test_a_row_that_cannot_be_used_is_rejected(pictures, write_json, entry, reason: str) -> None:
    bad, good = read_asv2(write_json("r.json", [entry, row(TEXT, id="good")]), pictures)
    assert bad.reason == reason
    assert good.id == "good"


def test_a_row_that_says_its_size_needs_no_picture(tmp_path: Path, write_json) -> None:
    trusting = Pictures(tmp_path / "none", tmp_path, look=False)
    (image,) = read_asv2(write_json("r.json", [row(TEXT, width=200, height=100)]), trusting)
    assert image.image == "none/a.png"


def test_a_file_that_is_not_there_or_half_a_list_is_an_error(tmp_path: Path, pictures) -> None:
    (tmp_path / "half.json").write_text("[{}, ")
    for name in ("none.json", "half.json"):
        with pytest.raises(SourceError, match=name):
            list(read_asv2(tmp_path / name, pictures))
