"""Rows of each task, right and spoilt."""

from __future__ import annotations

import pytest

from spacesgg_ros.graph.types import Viewpoint
from spacesgg_ros.training.data.grounded import Order
from spacesgg_ros.training.data.validation import (
    ProblemKind,
    ValidateStage,
    ValidationConfig,
    check_row,
    drop_duplicates,
    read_row,
    validate_rows,
)
from spacesgg_ros.training.data.validation.truth import mirror_image

CONFIG = ValidationConfig()


def kinds_of(row, image, config=CONFIG) -> set[ProblemKind]:
    return {p.kind for p in check_row(row, image, config)}


def description(tagged, related, middle="to the left of"):
    return (
        f"Layer 1: The {tagged(0)} is nearest.\n"
        f"Layer 2: A {tagged(2)} and a {tagged(1)} with a {tagged(5)}. The mug is "
        f"{related(0, middle, 1)} the bowl.\n"
        f"Layer 3: A {tagged(6)}.\nLayer 4: A {tagged(3)} and another {tagged(4)}."
    )


def test_a_right_description_passes(image, row, tagged, related):
    assert (
        check_row(row("description", ("Describe.", description(tagged, related))), image, CONFIG)
        == []
    )


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("to the left of", "to the right of", ProblemKind.CONTRADICTED),
        ("Layer 1:", "Layer 3:", ProblemKind.LAYER_ORDER),
        ("<ref>lamp</ref>", "<ref>spoon</ref>", ProblemKind.WRONG_NAME),
        ("</ref>", "", ProblemKind.BROKEN_TAG),
        ("</pred>", "", ProblemKind.BROKEN_TAG),
        ("<box>", "<bix>", ProblemKind.BROKEN_TAG),
        ("]]</box>", "]</box>", ProblemKind.BROKEN_TAG),
        ("[[156, ", "[[157, ", ProblemKind.UNKNOWN_BOX),
        ("[[156, ", "[[156,", ProblemKind.UNKNOWN_BOX),
        ("</box> the bowl.", "</box> the spoon.", ProblemKind.SWAPPED_NAMES),
        ("another <ref>", "another <ref>chair and a bowl</ref> <ref>", ProblemKind.BROKEN_TAG),
    ],
)  # fmt: skip
def test_a_spoilt_description_is_caught(old, new, kind, image, row, tagged, related):
    text = description(tagged, related)
    assert old in text
    assert kind in kinds_of(row("description", ("Describe.", text.replace(old, new, 1))), image)


def test_swapped_layers_are_caught(image, row, tagged):
    text = f"Layer 1: A {tagged(1)}.\nLayer 2: A {tagged(0)}."
    assert ProblemKind.WRONG_LAYER in kinds_of(row("description", ("Describe.", text)), image)


def test_a_box_is_named_before_it_is_related(image, row, tagged, related):
    text = f"{tagged(0)}\n{related(0, 'to the left of', 1)}"
    assert kinds_of(row("graph", ("Write.", text)), image) == {ProblemKind.BOX_BEFORE_NAME}


def questions(tagged):
    """Question, right answer, wrong answer, what is wrong with it."""
    wrong, no, count, off = (
        ProblemKind.WRONG_ANSWER,
        ProblemKind.WRONG_YES_NO,
        ProblemKind.WRONG_COUNT,
        ProblemKind.OFF_QUESTION,
    )
    mug, bowl, table, lamp = (tagged(i) for i in (0, 1, 2, 6))
    return [
        (f"Which is closer, the {mug} or the {bowl}?", "The mug.", "The bowl.", wrong),
        (f"Which is farther to the left, the {mug} or the {bowl}?", "The mug.", "The bowl.", wrong),
        (f"Which is higher, the {lamp} or the {mug}?", "The lamp.", "The mug.", wrong),
        (f"Between the {mug} and the {bowl}, which one is on the right?",
         "The bowl.", "The mug.", wrong),
        (f"Which of the {mug}, the {bowl} or the {lamp} is farthest from the camera?", "The lamp.",
         "The bowl.", wrong),
        (f"Order the {lamp}, the {mug} and the {bowl} from near to far.",
         "First the mug, then the bowl, and last the lamp.",
         "First the bowl, then the mug, and last the lamp.", wrong),
        (f"Is the {mug} to the left of the {bowl}?", "Yes.", "No.", no),
        (f"Is the {mug} behind the {bowl}?", "No, the mug is in front of the bowl.", "Yes.", no),
        ("Is the mug under the table?", "No.", "Yes, it is.", no),
        ("How many chairs are there?", "Two.", "Three.", count),
        (f"How many objects are on the {table}?", "Two.", "Four.", count),
        ("How many things can be seen?", "There are seven.", "There are eight.", count),
        (f"Where is the {mug} in relation to the {bowl}?", "The mug is to the left of the bowl.",
         "The mug is very nice.", off),
        ("What is inside the bowl?", "The spoon.", "The mug.", wrong),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(14))
def test_answers_are_checked_against_their_question(number, image, row, tagged):
    question, right, wrong, kind = questions(tagged)[number]
    assert check_row(row("qa", (question, right)), image, CONFIG) == []
    assert kind in kinds_of(row("qa", (question, wrong)), image)


def test_a_name_of_two_things_needs_a_box(image, row, tagged):
    plain = row("qa", ("Which is closer, the chair or the mug?", "The mug."))
    boxed = row("qa", (f"Which is closer, the {tagged(3)} or the mug?", "The mug."))
    assert kinds_of(plain, image) == {ProblemKind.AMBIGUOUS_NAME}
    assert check_row(boxed, image, CONFIG) == []


def test_the_same_question_again_is_caught(image, row, tagged):
    one = f"Which is closer, the {tagged(0)} or the {tagged(1)}?"
    again = f"Which is closer, the {tagged(1)} or the {tagged(0)}?"
    problems = kinds_of(row("qa", (one, "The mug."), (again, "The mug.")), image)
    assert problems == {ProblemKind.DUPLICATE_QUESTION}


VIEWS = [
    ("left side", "in front of", "behind"),
    ("right side", "behind", "in front of"),
    ("back", "to the right of", "to the left of"),
]
"""Where the mug is to the bowl (from the camera on its left), and where it is not."""


@pytest.mark.parametrize(("view", "right", "wrong"), VIEWS)
def test_answers_after_a_change_of_view(view, right, wrong, image, row, tagged):
    asked = f"The {tagged(0)} is to the left of the {tagged(1)}. How is this from the {view}?"
    assert (
        check_row(row("conversation", (asked, f"The mug is {right} the bowl.")), image, CONFIG)
        == []
    )
    problems = kinds_of(row("conversation", (asked, f"The mug is {wrong} the bowl.")), image)
    assert problems == {ProblemKind.WRONG_VIEW}


def test_a_wrong_reason_for_a_change_is_caught(image, row, tagged):
    asked = f"The {tagged(0)} is to the left of the {tagged(1)}. How is this from the back?"
    answer = (
        "From the back, what is on the left here is {} there, "
        "so the mug is to the right of the bowl."
    )
    right, wrong = (answer.format(place) for place in ("on the right", "far"))
    assert check_row(row("conversation", (asked, right)), image, CONFIG) == []
    assert kinds_of(row("conversation", (asked, wrong)), image) == {ProblemKind.WRONG_VIEW}


def test_two_directions_at_once_are_both_checked(image, row, tagged):
    asked = f"The {tagged(0)} is in front of and to the left of the {tagged(1)}. And from the back?"
    both = "The mug is {} and to the right of the bowl."
    good = row("conversation", (asked, both.format("behind")))
    assert check_row(good, image, CONFIG) == []
    bad = row("conversation", (asked, both.format("in front of")))
    assert kinds_of(bad, image) == {ProblemKind.WRONG_VIEW}


@pytest.mark.parametrize(
    ("label", "kinds"),
    [
        ("to the left of", set()),
        ("in front of", set()),
        ("behind", {ProblemKind.WRONG_LABEL}),
        ("on", {ProblemKind.WRONG_LABEL}),
        ("left", {ProblemKind.WRONG_LABEL}),
    ],
)
def test_vsd_labels(label, kinds, image, row):
    asked = "What is the spatial relation of the mug to the bowl?"
    assert kinds_of(row("vsd-classify", (asked, label)), image) == kinds


def test_vsd_label_of_an_inverse(image, row):
    asked = 'Which words fill the blank best: "The table is [BLANK] the mug."?'
    assert check_row(row("vsd-classify", (asked, "under")), image, CONFIG) == []
    assert kinds_of(row("vsd-classify", (asked, "on")), image) == {ProblemKind.WRONG_LABEL}


def test_a_vsd_sentence_relates_its_pair(image, row):
    asked = "Describe in one sentence where the mug is in relation to the bowl."
    assert (
        check_row(row("vsd-describe", (asked, "The bowl is behind the mug.")), image, CONFIG) == []
    )
    problems = kinds_of(row("vsd-describe", (asked, "The mug is on the table.")), image)
    assert problems == {ProblemKind.NO_RELATION}


def test_a_mirrored_row_is_checked_against_the_mirrored_image(image, row):
    said = ("Describe the picture.", "The mug is to the right of the bowl.")
    assert check_row(row("caption", said, mirror=True), image, CONFIG) == []
    assert kinds_of(row("caption", said), image) == {ProblemKind.CONTRADICTED}


def test_mirroring_twice_changes_nothing(image):
    ordered = image.__class__(**{
        **{k: getattr(image, k) for k in image.__dataclass_fields__},
        "orders": (Order(Viewpoint.LEFT.value, 0, "in front of", 1, 0.5),),
    })  # fmt: skip
    assert mirror_image(ordered).orders[0].view == "right"
    assert mirror_image(mirror_image(ordered)) == ordered


def test_raw_rows_that_are_none_are_turned_away(row):
    good = row("caption", ("Describe the picture.", "A mug.")).to_dict()

    def kind(*turns):
        made = [{"from": who, "value": said} for who, said in turns]
        return read_row(good | {"conversations": made})[1][0].kind

    asked = ("human", "<image>\nDescribe.")
    assert read_row(good)[1] == []
    assert kind(("gpt", "A mug."), asked) is ProblemKind.TURN_ORDER
    assert kind(asked) is ProblemKind.TURN_ORDER
    assert kind(asked, ("gpt", " ")) is ProblemKind.EMPTY_TURN
    assert kind(("human", "Describe."), ("gpt", "A mug.")) is ProblemKind.IMAGE_TOKEN
    assert read_row(good | {"conversations": "?"})[1][0].kind is ProblemKind.MALFORMED
    assert read_row(good | {"task": "poem"})[1][0].kind is ProblemKind.MALFORMED


def test_another_size_is_another_image(image, row):
    wide = row("caption", ("Describe the picture.", "A mug.")).to_dict() | {"width": 641}
    _, rejected = validate_rows([wide], image, CONFIG)
    assert [r.reason for r in rejected] == [ProblemKind.OTHER_IMAGE.value]


def test_duplicates_are_dropped_but_for_the_first(row):
    one = row("caption", ("Describe the picture.", "A mug."))
    same = row("caption", ("Describe  the picture.", "a MUG!"))
    other = row("caption", ("Describe the picture.", "A bowl."))
    kept, again = drop_duplicates([one, same, other])
    assert kept == [one, other]
    assert [r.reason for r in again] == [ProblemKind.DUPLICATE_ROW.value]


def test_the_stage_keeps_good_rows_and_names_the_others(image, row):
    good = row("caption", ("Describe the picture.", "The mug is left of the bowl.")).to_dict()
    bad = row("caption", ("Describe the picture.", "The mug is right of the bowl.")).to_dict()
    batch = [{"image": image.to_dict(), "rows": [good, bad, good]}]
    (out,) = ValidateStage()(batch)
    assert out["rows"] == [good]
    reasons = [r["reason"] for r in out["rejected"]]
    assert reasons == [ProblemKind.CONTRADICTED.value, ProblemKind.DUPLICATE_ROW.value]
