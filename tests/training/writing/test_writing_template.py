"""Text from facts: true, tagged, grammatical, and the same every time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from spacesgg_ros.graph.boxes import encode_box
from spacesgg_ros.graph.text import parse_graph
from spacesgg_ros.training.data.grounded import GroundedImage
from spacesgg_ros.training.data.rows import Row
from spacesgg_ros.training.data.writing.formats import WriteConfig, write_batch, write_rows

SEEDS = 60
_TAGGED = re.compile(r"<(ref|pred)>(.*?)</\1>|<box>.*?</box>")


def _plain(text: str) -> str:
    """Without tags and boxes."""
    return _TAGGED.sub(lambda m: m.group(2) or "", text)


def _rows(image: GroundedImage, name: str) -> Iterator[Row]:
    for seed in range(SEEDS):
        yield from write_rows(image, WriteConfig(seed=seed, formats=(name,)))


@pytest.mark.parametrize("name", ["desc", "qa", "conv"])
def test_tags_parse_and_every_box_is_of_the_input(kitchen: GroundedImage, name: str) -> None:
    boxes = {encode_box(o.box_px, 999, 999) for o in kitchen.objects}
    for row in _rows(kitchen, name):
        for _, answer in row.exchanges:
            graph = parse_graph(answer)
            assert not graph.issues, answer
            assert {o.box for o in graph.objects} <= boxes, answer


@pytest.mark.parametrize("name", ["desc", "qa", "conv"])
def test_things_of_one_label_always_carry_their_box(kitchen: GroundedImage, name: str) -> None:
    for row in _rows(kitchen, name):
        for exchange in row.exchanges:
            for text in exchange:
                assert "chair" not in _TAGGED.sub("", text), text


@pytest.mark.parametrize("name", ["desc", "qa", "conv"])
def test_sentences_are_whole(kitchen: GroundedImage, name: str) -> None:
    for row in _rows(kitchen, name):
        for question, answer in row.exchanges:
            for text in (_plain(question), *_plain(answer).split("\n")):
                assert re.match(r"[A-Z].*[.?]$", text), text
                assert not re.search(r"[{}]|  |\.\.|,\.| a [aeio]", text), text
                assert not re.search(r"(?<![.:]) [.,:?]", text), text
                assert not re.search(r"[.?] [a-z]", text), text


def test_a_description_lists_the_layers_and_relates_only_what_it_named(
    kitchen: GroundedImage,
) -> None:
    true = {
        ("mug", "on", "table"),
        ("bowl", "sitting on", "table"),
        ("chair", "facing", "table"),
        ("mug", "to the left of", "bowl"),
        ("mug", "to the left of", "chair"),
        ("chair", "to the left of", "chair"),
        ("mug", "in front of", "chair"),
        ("bowl", "in front of", "chair"),
    }
    swap = {"to the left of": "to the right of", "in front of": "behind"}
    true |= {(o, swap[p], s) for s, p, o in true if p in swap}
    told = set()
    for row in _rows(kitchen, "desc"):
        ((_, answer),) = row.exchanges
        lines = answer.split("\n")
        assert [line.split(":")[0] for line in lines] == ["Layer 1", "Layer 2", "Layer 3"]
        graph = parse_graph(answer)
        assert {(o.label, o.layer) for o in graph.objects} == {
            ("mug", 1), ("bowl", 1), ("table", 2), ("chair", 3)
        }  # fmt: skip
        for k, line in enumerate(lines):
            assert not parse_graph("\n".join(lines[: k + 1])).issues, line
        names = [o.label for o in graph.objects]
        told |= {(names[r.subject], r.predicate, names[r.object]) for r in graph.relations}
    assert told <= true
    assert {("mug", "on", "table"), ("bowl", "sitting on", "table")} <= told
    # The table is between nearest and farthest, so no such word stands in its layer.
    assert not re.search("Layer 2: [^\n]*(?:nearest|closest|farthest|Farther|background)", answer)


def test_the_second_of_a_name_is_another(kitchen: GroundedImage) -> None:
    row = next(_rows(kitchen, "desc"))
    assert re.search(r"(a|A) chair and another chair", _plain(row.exchanges[0][1]))


NEAR_TO_FAR = {"mug": 1.25, "bowl": 1.3, "chair": 2.7}
LEFT_TO_RIGHT = {"mug": 1, "bowl": 2}


def test_questions_are_answered_truly(kitchen: GroundedImage) -> None:
    asked = set()
    image = replace(kitchen, relations=(), orders=kitchen.orders[:5])
    for row in _rows(image, "qa"):
        for question, answer in row.exchanges:
            q, a = _plain(question), _plain(answer)
            if "from the nearest" in q or "closest first" in q or "with the nearest" in q:
                raise AssertionError(f"no three things are in order of depth here: {q}")
            if "true that" in q or q.startswith("Is the"):
                continue
            names = re.findall(r"<ref>(\w+)</ref>", question)
            first = re.search(r"(mug|bowl|chair)", a)
            assert first, a
            if re.search("closer|nearer|nearest", q):
                assert first.group() == min(names, key=NEAR_TO_FAR.__getitem__), (q, a)
                asked.add("near")
            elif re.search("farther away|farther from|farthest from", q):
                assert first.group() == max(names, key=NEAR_TO_FAR.__getitem__), (q, a)
                asked.add("far")
            elif "left" in q and set(names) == {"mug", "bowl"}:
                assert first.group() == "mug", (q, a)
                asked.add("left")
            elif "right" in q and set(names) == {"mug", "bowl"}:
                assert first.group() == "bowl", (q, a)
                asked.add("right")
    assert asked == {"near", "far", "left", "right"}


def test_yes_no_questions_agree_with_the_facts(kitchen: GroundedImage) -> None:
    image = replace(kitchen, relations=((1, "on", 0),), orders=())
    seen = set()
    for row in _rows(image, "qa"):
        for question, answer in row.exchanges:
            seen.add((_plain(question), _plain(answer)))
    assert ("Is the mug on the table?", "Yes.") in seen
    assert ("Is the mug under the table?", "No, the mug is on the table.") in seen
    assert ("Is the mug under the table?", "Yes.") not in seen
    assert ("Is the mug on the table?", "No.") not in seen


def test_three_things_are_sorted_where_each_pair_is_ordered(kitchen: GroundedImage) -> None:
    orders = [o for o in kitchen.orders if o.view == "camera" and o.predicate == "in front of"]
    chain = replace(orders[0], subject=1, target=2)
    image = replace(kitchen, relations=(), orders=(chain, *orders))
    seen = " ".join(_plain(a) for row in _rows(image, "qa") for _, a in row.exchanges)
    assert "From near to far: the mug, the bowl, the chair." in seen
    assert not re.search("From near to far: (?!the mug, the bowl, the chair)", seen)


def test_a_change_of_view_turns_directions_and_says_why(kitchen: GroundedImage) -> None:
    image = replace(kitchen, relations=(), orders=tuple(
        o for o in kitchen.orders if {o.subject, o.target} == {1, 3}
    ))  # fmt: skip
    expected = {
        "left side": "to the right of and in front of the chair",
        "right side": "to the left of and behind the chair",
        "back": "behind and to the right of the chair",
    }
    seen = set()
    for row in _rows(image, "conv"):
        for _, answer in row.exchanges:
            told = _plain(answer)
            for side, place in expected.items():
                if f"the {side}" in told:
                    seen.add(side)
                    assert place in told, told
                    assert "what is near in the picture is" in told, told
    assert seen == set(expected)


def test_a_conversation_never_tags_a_predicate(kitchen: GroundedImage) -> None:
    # A <pred> speaks of the camera's view; from elsewhere it would teach the wrong relation.
    for row in _rows(kitchen, "conv"):
        assert "<pred>" not in "".join(turn.text for turn in row.conversations)


def test_a_view_that_was_not_measured_is_not_asked_for(kitchen: GroundedImage) -> None:
    image = replace(kitchen, orders=tuple(o for o in kitchen.orders if o.view != "back"))
    rows, rejected = write_batch([image], WriteConfig(formats=("conv",)))
    assert not rows
    assert [r.reason for r in rejected] == ["nothing to say"]


def test_the_same_input_gives_the_same_rows_in_any_company(kitchen: GroundedImage) -> None:
    other = replace(kitchen, id="other")
    together = write_batch([other, kitchen])[0]
    alone = write_batch([kitchen])[0]
    assert [r for r in together if r.id.startswith("kitchen/")] == alone
    texts = [r.conversations for r in together]
    assert texts[:3] != texts[3:]  # another id, other words


def test_paraphrases_vary(kitchen: GroundedImage) -> None:
    for name, least in (("desc", 45), ("qa", 58), ("conv", 58)):
        assert len({row.conversations for row in _rows(kitchen, name)}) >= least
