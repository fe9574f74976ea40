"""What a language model wrote, read or refused."""

from __future__ import annotations

import pytest

from spacesgg_ros.training.data.writing.generator import Failure, GenerationFailed
from spacesgg_ros.training.data.writing.parse_answer import parse_answer

MUG = "<ref>mug</ref><box>[[1, 2, 3, 4]]</box>"
BOWL = "<ref>bowl</ref><box>[[5, 6, 7, 8]]</box>"
Q = f"Which is closer, the {MUG} or the {BOWL}?"
A = "The mug."

QUESTIONS = [
    ("as asked", f"1. Question: {Q} Answer: {A}"),
    ("two lines", f"1. Question: {Q}\nAnswer: {A}"),
    ("bold", f"**1. Question:** {Q}\n**Answer:** {A}"),
    ("short marks", f"Q: {Q}\nA: {A}"),
    ("numbered marks", f"Question 1: {Q}\nAnswer 1: {A}"),
    ("comparative", f"1. Comparative Question: {Q}. Answer: {A}".replace("?.", "?")),
    ("bullets", f"- Q1: {Q}\n- A1: {A}"),
    ("headings", f"### Question: {Q}\n### Answer: {A}"),
    ("greeting", f"Sure! Here they are:\n\n1. Question: {Q} Answer: {A}"),
    ("fenced", f"```text\n1. Question: {Q}\nAnswer: {A}\n```"),
    ("thought", f"<think>Question: hm</think>Question: {Q} Answer: {A}"),
    ("JSON", f'[{{"question": "{Q}", "answer": "{A}"}}]'),
    ("JSON, fenced", f'```json\n[{{"question": "{Q}", "answer": "{A}"}}]\n```'),
    ("line breaks inside", f"1. Question: {Q.replace(' or', chr(10) + 'or')}\nAnswer:\n  {A}"),
]


@pytest.mark.parametrize("text", [q[1] for q in QUESTIONS], ids=[q[0] for q in QUESTIONS])
@pytest.mark.parametrize("name", ["qa", "conv"])
def test_questions_are_read_however_they_are_set(text: str, name: str) -> None:
    assert parse_answer(text, name, "") == ((Q, A),)


def test_all_questions_are_read() -> None:
    text = f"1. Question: {Q} Answer: {A}\n2. Question: And the {BOWL}? Answer: It is far."
    assert parse_answer(text, "qa", "") == ((Q, A), (f"And the {BOWL}?", "It is far."))


LINES = f"Layer 1: A {MUG} is near.\nLayer 2: A {BOWL} is far."
DESCRIPTIONS = [
    ("as asked", LINES),
    ("greeting", f"Here is it:\n\n{LINES}"),
    ("bold", LINES.replace("Layer 1:", "**Layer 1:**")),
    ("list", LINES.replace("Layer", "- Layer")),
    ("headings", LINES.replace("Layer 1:", "## Layer 1:\n\n")),
    ("empty lines", LINES.replace("\n", "\n\n")),
]


@pytest.mark.parametrize("text", [d[1] for d in DESCRIPTIONS], ids=[d[0] for d in DESCRIPTIONS])
def test_descriptions_are_read_however_they_are_set(text: str) -> None:
    assert parse_answer(text, "desc", "Describe it.") == (("Describe it.", LINES),)


UNUSABLE = [
    ("empty", "qa", " \n", "empty"),
    ("only a thought", "qa", "<think>Hm.</think>", "empty"),
    ("prose", "qa", "The mug is near the bowl.", "no question"),
    ("half", "qa", f"1. Question: {Q}", "question without an answer"),
    ("last is half", "qa", f"Question: {Q} Answer: {A}\nQuestion: W", "without an answer"),
    ("answer only", "qa", f"Question: Answer: {A}", "answer without a question"),
    ("no tags", "qa", "Question: Which? Answer: The mug.", "no tagged object"),
    ("cut tag", "qa", f"Question: {Q} Answer: The <ref>mug", "broken tags: unclosed"),
    ("cut box", "qa", f"Question: {Q} Answer: The <ref>mug</ref><box>[[1, 2</box>", "broken box"),
    ("box out of range", "qa", f"Question: {Q.replace('4', '4000')} Answer: {A}", "out of range"),
    ("box of no object", "qa",
     f"Question: {Q} Answer: <pred>on</pred><box>[[1, 2, 3, 4]]</box><box>[[9, 9, 10, 10]]</box>",
     "unknown box"),
    ("image token", "qa", f"Question: <image> {Q} Answer: {A}", "<image>"),
    ("no layers", "desc", f"A {MUG} is near.", "no layers"),
    ("untagged layers", "desc", "Layer 1: A mug.", "no tagged object"),
    ("made-up tag", "desc", f"Layer 1: A {MUG} is <b>near</b>.", "unknown tag"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "told"), [u[1:] for u in UNUSABLE], ids=[u[0] for u in UNUSABLE]
)
def test_what_holds_no_row_is_refused_with_a_reason(name: str, text: str, told: str) -> None:
    with pytest.raises(GenerationFailed, match=told) as caught:
        parse_answer(text, name, "Describe it.")
    assert caught.value.reason is Failure.UNUSABLE
