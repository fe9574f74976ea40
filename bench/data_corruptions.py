"""Rows spoilt on purpose, each in one known way, for ``data-validator``.

Nothing here uses the validator: a row is taken apart with string operations of its own, and what
is put in is false by the frame's exact record.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from spacesgg_ros.graph import encode_box

RowDict = dict[str, Any]
Frame = dict[str, Any]
"""``width``, ``height``, ``objects`` (label, box_px, depth), ``ambiguous``, as a row sees it."""

Plant = Callable[[RowDict, Frame, random.Random], RowDict | None]

_OPPOSITE = {
    "to the left of": "to the right of",
    "to the right of": "to the left of",
    "in front of": "behind",
    "behind": "in front of",
    "on": "under",
    "under": "on",
}
_OPPOSITE_PLACE = {
    "near": "far",
    "far": "near",
    "on the left": "on the right",
    "on the right": "on the left",
}
_OPPOSITES = "to the left of|to the right of|in front of|behind"
_REF = re.compile(r"<ref>([^<]+)</ref><box>\[\[([\d, ]+)\]\]</box>")
_RELATION = re.compile(
    r"<pred>([^<]+)</pred><box>(\[\[[\d, ]+\]\])</box><box>(\[\[[\d, ]+\]\])</box>"
)
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
            "eleven", "twelve", "thirteen")  # fmt: skip
_LEAKS = (
    "According to the bounding boxes, ", "Based on the caption, ", "As described in the caption, ",
    "The depth map shows this: ", "From context type 2, ", "Based on the provided information, ",
    "As mentioned above, ", "According to the given description, ", "The annotations say: ",
    "Judging by the coordinates, ", "The depth values tell that ", "Given the box coordinates, ",
)  # fmt: skip
_REFUSALS = (
    "I'm sorry, but I cannot see the image.", "As an AI language model, I can't view pictures.",
    "I am unable to determine this.", "I cannot answer that question.",
    "As an AI, I do not have eyes.", "Sorry, I'm not able to describe the picture.",
)  # fmt: skip
_FILLERS = (
    "Sure! Here is the answer: ", "Certainly! Here's the rewritten description:\n",
    "Of course! I will answer. ", "Here is the rephrased sentence: ",
)  # fmt: skip
_ABSENT = ("unicorn", "piano", "bicycle", "elephant", "motorbike", "fire hydrant", "surfboard")
_PLACEHOLDERS = ("{subject}", "[object name]", "TODO", "<name>", "Object A", "{}")
_FOREIGN = ("Кружка стоит слева от миски.", "杯子在碗的左边。", "Ο δίσκος είναι εδώ.")
_SKIES = ("The picture is quite bright and everything in it is easy to see {n} times over.",)


class Corruption(NamedTuple):
    """A way to spoil a row.

    Attributes:
        plant: gives the spoilt copy, or None where a row has nothing to spoil so.
        named: reasons of which the validator should give one.
    """

    name: str
    plant: Plant
    named: tuple[str, ...]


def _spoil(row: RowDict, turn: int, text: str) -> RowDict:
    spoilt = copy.deepcopy(row)
    spoilt["conversations"][turn]["value"] = text
    return spoilt


def _answers(row: RowDict) -> list[tuple[int, str]]:
    return [(k, t["value"]) for k, t in enumerate(row["conversations"]) if t["from"] == "gpt"]


def _first(row: RowDict, change: Callable[[str], str | None]) -> RowDict | None:
    """The row with the first answer changed that can be."""
    for turn, text in _answers(row):
        changed = change(text)
        if changed is not None and changed != text:
            return _spoil(row, turn, changed)
    return None


def _unique(frame: Frame) -> list[dict[str, Any]]:
    labels = [o["label"] for o in frame["objects"]]
    heads = [label.split()[-1] for label in labels]
    return [o for o in frame["objects"] if heads.count(o["label"].split()[-1]) == 1]


def _plain(row: RowDict) -> bool:
    return row["task"] in ("qa", "conversation", "vsd-describe", "vsd-open")


def flip_tagged(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """ "to the left of" becomes "to the right of" inside a tag."""
    if row["task"] not in ("description", "graph", "qa"):
        return None

    def change(text: str) -> str | None:
        hits = [h for h in _RELATION.finditer(text) if h[1] in _OPPOSITE]
        if not hits:
            return None
        hit = rng.choice(hits)
        return text[: hit.start(1)] + _OPPOSITE[hit[1]] + text[hit.end(1) :]

    return _first(row, change)


def swap_boxes(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """Subject and object of a tagged direction change places."""

    def change(text: str) -> str | None:
        hits = [h for h in _RELATION.finditer(text) if h[1] in _OPPOSITE]
        if not hits:
            return None
        hit = rng.choice(hits)
        return text[: hit.start(2)] + f"{hit[3]}</box><box>{hit[2]}" + text[hit.end(3) :]

    return _first(row, change)


def flip_plain(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """The same in a sentence without tags."""
    if row["task"] not in ("vsd-describe", "vsd-open"):
        return None
    return _first(row, lambda text: _flip_first(text, _OPPOSITES))


def _flip_first(text: str, predicates: str) -> str | None:
    hit = re.search(rf"\b({predicates})\b", text, re.IGNORECASE)
    if hit is None:
        return None
    said = _OPPOSITE[hit[0].lower()]
    return (
        text[: hit.start()]
        + (said.capitalize() if hit[0][0].isupper() else said)
        + text[hit.end() :]
    )


def swap_names(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """The two names of a sentence change places."""
    if row["task"] not in ("vsd-describe", "vsd-open"):
        return None
    prompt = row["conversations"][0]["value"]
    labels = sorted(
        {o["label"] for o in frame["objects"] if f"the {o['label']}" in prompt}, key=len
    )[-2:]
    answer = row["conversations"][1]["value"].split("\n")[0]
    if len(labels) < 2 or labels[0] in labels[1]:
        return None
    if re.search("next to|close to", answer, re.IGNORECASE):
        return None
    parts = re.split(f"({re.escape(labels[0])}|{re.escape(labels[1])})", answer)
    if len(parts) != 5 or parts[1] == parts[3]:
        return None
    parts[1], parts[3] = parts[3], parts[1]
    return _spoil(row, 1, "".join(parts))


def move_box(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """One coordinate of a named box is another."""

    def change(text: str) -> str | None:
        hit = _REF.search(text)
        if hit is None:
            return None
        box = [int(v) for v in hit[2].split(",")]
        box[0] = box[0] + 3 if box[0] + 3 < box[2] else box[0] - 3
        return text[: hit.start(2)] + ", ".join(map(str, box)) + text[hit.end(2) :]

    return _first(row, change)


def take_other_box(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """A name gets the box of something else in the picture."""

    def change(text: str) -> str | None:
        for hit in _REF.finditer(text):
            others = [o for o in frame["objects"] if not _similar(o["label"], hit[1])]
            if others:
                box = encode_box(rng.choice(others)["box_px"], frame["width"], frame["height"])
                return text[: hit.start(2)] + ", ".join(map(str, box)) + text[hit.end(2) :]
        return None

    return _first(row, change)


def _similar(a: str, b: str) -> bool:
    kin = ({"mug", "cup", "glass"}, {"table", "desk"}, {"plant", "flower"})
    words = {*a.lower().split()}, {*b.lower().split()}
    return bool(words[0] & words[1]) or any(words[0] & k and words[1] & k for k in kin)


def relate_unknown_box(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """A relation points at a box that nobody has."""

    def change(text: str) -> str | None:
        hit = _RELATION.search(text)
        return (
            None if hit is None else text[: hit.start(3)] + "[[1, 2, 30, 41]]" + text[hit.end(3) :]
        )

    return _first(row, change)


def forget_name(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """A box is related that was not named before."""
    if row["task"] != "graph":
        return None

    def change(text: str) -> str | None:
        for hit in _REF.finditer(text):
            rest = text[hit.end() :].lstrip("\n")
            if f"<box>[[{hit[2]}]]</box>" in rest and rest.startswith("<ref>"):
                return text[: hit.start()] + rest
        return None

    return _first(row, change)


def break_tag(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """A tag is missing, misspelt or its list is not closed."""
    old, new = rng.choice(
        (
            ("</ref>", ""),
            ("</box>", ""),
            ("<pred>", "<prd>"),
            ("]]", "]"),
            ("<ref>", ""),
            ("</pred>", ""),
        )
    )
    return _first(row, lambda text: text.replace(old, new, 1) if old in text else None)


_LAYER = re.compile(r"Layer (\d): ([^\n]*)")


def swap_layers(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """What is said of the first layer is said of the second, and the other way round."""

    def change(text: str) -> str | None:
        lines = list(_LAYER.finditer(text))
        if len(lines) < 2 or "<ref>" not in lines[0][2] or "<ref>" not in lines[1][2]:
            return None
        one, two = lines[0], lines[1]
        return (
            text[: one.start(2)]
            + two[2]
            + text[one.end(2) : two.start(2)]
            + one[2]
            + text[two.end(2) :]
        )

    return _first(row, change) if row["task"] == "description" else None


def number_layers_wrongly(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """Layers count from far to near."""

    def change(text: str) -> str | None:
        count = len(_LAYER.findall(text))
        if count < 2:
            return None
        return re.sub(r"Layer (\d):", lambda hit: f"Layer {count + 1 - int(hit[1])}:", text)

    return _first(row, change) if row["task"] == "description" else None


def answer_wrongly(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """Another one of those to choose from."""
    turns = row["conversations"]
    order = list(range(0, len(turns), 2))
    rng.shuffle(order)
    for k in order:
        names = [hit[1] for hit in _REF.finditer(turns[k]["value"])]
        said = re.match(r"(The|It is the) ([^<>.,]+)\.$", turns[k + 1]["value"])
        if "hich" not in turns[k]["value"] or said is None or said[2] not in names:
            continue
        others = [name for name in names if name != said[2]]
        if others:
            return _spoil(row, k + 1, f"{said[1]} {rng.choice(others)}.")
    return None


def sort_wrongly(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """The first and the last of an order change places."""
    for k, text in _answers(row):
        hit = re.match(r"(First|From \w+ to \w+:) (.+?), (then )?(.+?), (and last )?(.+)\.$", text)
        if hit is not None and "<" not in text and hit[2] != hit[6]:
            start, end = hit.span(2), hit.span(6)
            between = text[start[1] : end[0]]
            return _spoil(row, k, f"{text[: start[0]]}{hit[6]}{between}{hit[2]}.")
    return None


def say_yes_for_no(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """Yes for no and no for yes, without an explanation."""

    def change(text: str) -> str | None:
        return {"Yes": "No.", "No": "Yes."}.get(re.split(r"\W", text)[0])

    return _first(row, change) if row["task"] == "qa" else None


def count_wrongly(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """One more than there are."""
    turns = row["conversations"]
    for k in range(0, len(turns), 2):
        if "How many" not in turns[k]["value"]:
            continue
        for number, word in enumerate(_NUMBERS[1:-1], 1):
            if re.search(rf"\b{word}\b", turns[k + 1]["value"], re.IGNORECASE):
                return _spoil(row, k + 1, f"{_NUMBERS[number + 1].capitalize()}.")
    return None


def leak_source(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """The answer says what it was made from."""
    if row["task"] in ("objects", "graph", "vsd-classify"):
        return None
    return _first(row, lambda text: rng.choice(_LEAKS) + text[0].lower() + text[1:])


def tell_coordinates(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """Coordinates outside of tags."""
    if not _plain(row):
        return None
    place = rng.choice(("(312, 540)", "[102, 330, 480, 611]", "0.4183"))
    return _first(row, lambda text: f"{text} It is found at {place}.")


def refuse(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """A refusal in place of an answer."""
    return _first(row, lambda text: rng.choice(_REFUSALS)) if _plain(row) else None


def add_filler(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """What a chat model says before it answers."""
    if row["task"] in ("objects", "graph", "vsd-classify"):
        return None
    return _first(row, lambda text: rng.choice(_FILLERS) + text)


def truncate(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """The answer ends in the middle."""
    if row["task"] in ("vsd-classify", "vsd-open"):
        return None

    def change(text: str) -> str | None:
        cut = text[: int(len(text) * rng.uniform(0.4, 0.9))].rstrip(".!? \n")
        return cut if len(text) > 30 and not cut.endswith("</box>") else None

    return _first(row, change)


def repeat_question(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """The first exchange comes again at the end."""
    if row["task"] != "qa" or len(row["conversations"]) < 4:
        return None
    spoilt = copy.deepcopy(row)
    first, second = copy.deepcopy(spoilt["conversations"][:2])
    first["value"] = first["value"].removeprefix("<image>\n")
    spoilt["conversations"] += [first, second]
    return spoilt


def name_absent(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """Something that is not in the picture, in place of something that is."""
    if not _plain(row):
        return None
    labels = sorted({o["label"] for o in frame["objects"]}, key=len, reverse=True)
    absent = rng.choice(_ABSENT)

    def change(text: str) -> str | None:
        if "<" in text:
            return None
        for label in labels:
            if re.search(rf"\bthe {re.escape(label)}\b", text):
                return re.sub(rf"\bthe {re.escape(label)}\b", f"the {absent}", text, count=1)
        return None

    return _first(row, change)


def turn_wrongly(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """The opposite direction after a change of view."""
    if row["task"] != "conversation":
        return None
    turns = [(k, t) for k, t in _answers(row) if re.search(rf"\b({_OPPOSITES})\b", t)]
    turns = [(k, t) for k, t in turns if re.search("from the (left|right|back)", t, re.IGNORECASE)]
    if not turns:
        return None
    turn, text = rng.choice(turns)
    flipped = _flip_first(text, _OPPOSITES)
    return None if flipped is None else _spoil(row, turn, flipped)


def reason_wrongly(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """The reason of a change of view tells the opposite place."""
    if row["task"] != "conversation":
        return None
    places = re.compile(r"\b(is now|here is) (near|far|on the left|on the right)\b")

    def change(text: str) -> str | None:
        hit = places.search(text)
        return hit and text[: hit.start(2)] + _OPPOSITE_PLACE[hit[2]] + text[hit.end(2) :]

    return _first(row, change)


def look_from_elsewhere(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """What holds from one side is said of the opposite side."""
    if row["task"] != "conversation":
        return None
    other = {"left side": "right side", "right side": "left side"}

    def change(text: str) -> str | None:
        hit = re.search(r"rom the (left side|right side)", text)
        return hit and text[: hit.start(1)] + other[hit[1]] + text[hit.end(1) :]

    return _first(row, change)


def run_on(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """An answer without end."""
    if row["task"] in ("objects", "graph", "vsd-classify"):
        return None
    more = " ".join(_SKIES[0].format(n=_NUMBERS[k % 11]) + f" Number {k}." for k in range(60))
    return _first(row, lambda text: f"{text} {more}")


def say_nothing(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """An empty answer."""
    return _first(row, lambda text: rng.choice(("", " ", "\n")))


def swap_turns(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """The answer comes first, or a turn is missing."""
    spoilt = copy.deepcopy(row)
    if rng.random() < 0.5:
        spoilt["conversations"][:2] = spoilt["conversations"][1::-1]
    else:
        spoilt["conversations"].pop()
    return spoilt


def put_image_twice(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """The image's placeholder is in the answer, too."""
    return _first(row, lambda text: f"<image>\n{text}")


def label_wrongly(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """The opposite label, or a word that is none of the nine."""
    if row["task"] != "vsd-classify":
        return None
    label = row["conversations"][1]["value"]
    return _spoil(row, 1, rng.choice((_OPPOSITE.get(label, "behind"), "near", "left")))


def leave_placeholder(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """A slot of a template in place of a name."""
    if not _plain(row):
        return None
    slot = rng.choice(_PLACEHOLDERS)
    return _first(
        row,
        lambda text: None if "<" in text else re.sub(r"[Tt]he \w+", f"The {slot}", text, count=1),
    )


def write_garbage(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """Another script, or characters that do not print."""
    if not _plain(row):
        return None
    if rng.random() < 0.5:
        return _first(row, lambda text: rng.choice(_FOREIGN))
    return _first(row, lambda text: text[:5] + rng.choice("\ufffd\x00\u200b") + text[5:])


def loop(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """The end of the answer again and again."""
    if row["task"] not in ("vsd-describe", "vsd-open", "conversation"):
        return None
    return _first(row, lambda text: f"{text[:-1]} {' '.join(text[:-1].split()[-4:] * 5)}.")


def _append(row: RowDict, sentence: str) -> RowDict:
    turn, text = _answers(row)[-1]
    return _spoil(row, turn, f"{text} {sentence}")


def compare_falsely(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """ "The far one is closer than the near one", in plain English."""
    if row["task"] not in ("vsd-describe", "vsd-open", "description"):
        return None
    near = sorted(_unique(frame), key=lambda o: o["depth"][1])
    pairs = [
        (a["label"], b["label"])
        for a in near
        for b in near
        if b["depth"][1] > 1.15 * a["depth"][1] and not _open_pair(frame, a, b)
    ]
    if not pairs:
        return None
    a, b = rng.choice(pairs)
    said = (
        f"The {b} is closer to the camera than the {a}.",
        f"The {b} is nearer than the {a}.",
        f"The {a} is farther away than the {b}.",
        f"The {a} is further from the viewer than the {b}.",
        f"Compared with the {a}, the {b} is not farther from the camera than the {a}.",
    )
    return _append(row, rng.choice(said))


def _open_pair(frame: Frame, a: dict[str, Any], b: dict[str, Any]) -> bool:
    pair = {frame["objects"].index(a), frame["objects"].index(b)}
    return any({*other} == pair for other in frame["ambiguous"])


def claim_open_pair(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """A direction between two things that the record calls ambiguous."""
    if row["task"] not in ("vsd-describe", "vsd-open", "description", "conversation"):
        return None
    unique = [o["label"] for o in _unique(frame)]
    labels = [[frame["objects"][i]["label"] for i in pair] for pair in frame["ambiguous"]]
    pairs = [pair for pair in labels if pair[0] in unique and pair[1] in unique]
    if not pairs:
        return None
    one, two = rng.choice(pairs)
    return _append(row, f"The {one} is {rng.choice(sorted(_OPPOSITE)[:4])} the {two}.")


def place_in_layer(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """A layer that the picture does not have."""
    if row["task"] != "description":
        return None
    unique = _unique(frame)
    if not unique:
        return None
    return _append(row, f"The {rng.choice(unique)['label']} is in layer 9.")


def dodge(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """An answer that says nothing of what was asked."""
    if row["task"] not in ("qa", "conversation"):
        return None
    said = ("It looks very nice.", "There is plenty of light here.", "That is a good question.")
    return _first(row, lambda text: rng.choice(said))


def resize(row: RowDict, frame: Frame, rng: random.Random) -> RowDict | None:
    """The row of a picture of another size."""
    return row | {"width": row["width"] + 1}


CORRUPTIONS: tuple[Corruption, ...] = (
    Corruption("predicate flipped in a tag", flip_tagged, ("claim contradicts the geometry",)),
    Corruption("predicate flipped in prose", flip_plain, ("claim contradicts the geometry",)),
    Corruption("boxes of a relation swapped", swap_boxes, ("claim contradicts the geometry",)),
    Corruption("names of a sentence swapped", swap_names, ("claim contradicts the geometry",)),
    Corruption("box moved", move_box, ("box not of the input",)),
    Corruption("box of another object", take_other_box, ("name does not fit the box",)),
    Corruption("relation with an unknown box", relate_unknown_box, ("box not of the input",)),
    Corruption("box related before it is named", forget_name,
               ("box of a relation was not named before",)),
    Corruption("tag broken", break_tag, ("broken tag",)),
    Corruption("layers swapped", swap_layers, ("object in the wrong layer", "layers out of order")),
    Corruption("layers numbered far to near", number_layers_wrongly,
               ("layers out of order", "object in the wrong layer")),
    Corruption("layer that is not there", place_in_layer, ("object in the wrong layer",)),
    Corruption("wrong choice", answer_wrongly, ("wrong answer",)),
    Corruption("wrong order", sort_wrongly, ("wrong answer",)),
    Corruption("wrong yes or no", say_yes_for_no, ("wrong yes or no",)),
    Corruption("wrong count", count_wrongly, ("wrong count",)),
    Corruption("false comparison", compare_falsely, ("claim contradicts the geometry",)),
    Corruption("ambiguous pair", claim_open_pair, ("claim about an ambiguous pair",)),
    # An answer may repeat the camera's direction before it turns it.
    Corruption("direction wrong after a turn", turn_wrongly,
               ("claim wrong from that view", "claim contradicts the geometry")),
    Corruption("reason wrong after a turn", reason_wrongly, ("claim wrong from that view",)),
    Corruption("view from the other side", look_from_elsewhere, ("claim wrong from that view",)),
    Corruption("object that is not there", name_absent, ("object that is not there",)),
    Corruption("answer off the question", dodge, ("answer off the question",)),
    Corruption("source leak", leak_source, ("source leak",)),
    Corruption("coordinates in prose", tell_coordinates, ("source leak",)),
    Corruption("refusal", refuse, ("refusal or filler",)),
    Corruption("filler", add_filler, ("refusal or filler",)),
    Corruption("truncated", truncate, ("truncated", "broken tag")),
    Corruption("question twice", repeat_question, ("duplicate question",)),
    Corruption("row twice", lambda row, frame, rng: row | {"id": f"{row['id']}/again"},
               ("duplicate row",)),
    Corruption("too long", run_on, ("too long",)),
    Corruption("empty answer", say_nothing, ("empty turn",)),
    Corruption("turns out of order", swap_turns, ("turns out of order",)),
    Corruption("image twice", put_image_twice, ("image token not once",)),
    Corruption("VSD label", label_wrongly, ("wrong VSD label",)),
    Corruption("placeholder", leave_placeholder, ("placeholder left over",)),
    Corruption("garbage", write_garbage, ("garbage characters",)),
    Corruption("repetition", loop, ("repetition",)),
    Corruption("picture of another size", resize, ("row of another image",)),
)  # fmt: skip


def plant_each(
    rows: list[tuple[RowDict, Frame]], most: int, seed: int
) -> list[tuple[Corruption, RowDict, int]]:
    """At most so many spoilt rows of each kind, with the index of the row each was made from."""
    planted = []
    for corruption in CORRUPTIONS:
        rng = random.Random(f"{seed}/{corruption.name}")
        order = list(range(len(rows)))
        rng.shuffle(order)
        count = 0
        for at in order:
            row, frame = rows[at]
            spoilt = corruption.plant(copy.deepcopy(row), frame, rng)
            if spoilt is not None and spoilt != row:
                planted.append((corruption, spoilt, at))
                count += 1
                if count == most:
                    break
    return planted
