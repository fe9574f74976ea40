"""Rewriting rows: what changes, what stays, and what is listed."""

from __future__ import annotations

import itertools
import pickle
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from spacesgg_ros.graph.predicates import VSD_LABELS
from spacesgg_ros.training.data import spatial_text
from spacesgg_ros.training.data.rejected import Rejected
from spacesgg_ros.training.data.rows import Row, make_turns
from spacesgg_ros.training.data.vsd.meaning import check_rewrite
from spacesgg_ros.training.data.vsd.refinement import (
    RefinementReport,
    RefineStage,
    read_facts,
    refine_rows,
    tidy_rewrite,
)
from spacesgg_ros.training.data.vsd.rewriters import ModelRewriter
from spacesgg_ros.training.data.vsd.rules import RuleRewriter
from spacesgg_ros.training.data.vsd.tasks import make_fact
from spacesgg_ros.training.data.writing import openai_client
from spacesgg_ros.training.data.writing.endpoint import EndpointConfig
from spacesgg_ros.training.data.writing.generator import Failure, GenerationFailed
from spacesgg_ros.training.data.writing.openai_client import Chat
from spacesgg_ros.vlm import prompts

FACTS = {"subject": "dog", "predicate": "behind", "object": "cat"}


def make_row(answer: str, task: str = "vsd-describe", **provenance: object) -> Row:
    return Row("r", "a.jpg", 4, 3, task, make_turns([("Where?", answer)]), provenance=provenance)


@dataclass
class Canned:
    """Gives back what it is told to."""

    answers: dict[str, object] = field(default_factory=dict)
    name: str = "canned"

    def rewrite(self, sentences: list[str]) -> Sequence[str | GenerationFailed]:
        return [self.answers.get(s, s) for s in sentences]  # type: ignore[misc]


def refine(row: Row, answers: dict[str, object]) -> tuple[Row, RefinementReport]:
    report = RefinementReport()
    (refined,) = refine_rows([row], Canned(answers), report)
    return refined, report


def test_a_rewrite_that_says_the_same_replaces_the_sentence() -> None:
    row = make_row("The dog is behind the cat.", **FACTS)
    refined, report = refine(row, {"The dog is behind the cat.": '"a dog sits behind the cat"'})
    assert refined.exchanges[0][1] == "A dog sits behind the cat."
    assert refined.provenance == FACTS | {"rewriter": "canned", "rewritten": 1}
    assert (report.changed, report.rejected) == (1, [])


def test_a_rewrite_that_says_something_else_is_listed_and_the_original_stays() -> None:
    row = make_row("The dog is behind the cat.", **FACTS)
    refined, report = refine(row, {"The dog is behind the cat.": "The cat is behind the dog."})
    assert refined == row
    assert [(r.id, r.reason) for r in report.rejected] == [("r", "another relation")]


def test_lines_of_an_open_description_are_judged_one_by_one() -> None:
    lines = ["The dog is behind the cat.", "The cat is in front of the dog."]
    row = make_row("\n".join(lines), "vsd-open", **FACTS)
    answers: dict[str, object] = {
        lines[0]: "Behind the cat is the dog.",
        lines[1]: "The cat is on the dog.",
    }
    refined, report = refine(row, answers)
    assert refined.exchanges[0][1] == f"Behind the cat is the dog.\n{lines[1]}"
    assert len(report.rejected) == 1


def test_a_rewrite_never_repeats_another_line() -> None:
    lines = ["The dog is behind the cat.", "The cat is in front of the dog."]
    row = make_row("\n".join(lines), "vsd-open", **FACTS)
    refined, report = refine(row, {lines[0]: lines[1]})
    assert refined == row
    assert report.rejected[0].reason == "repeats another sentence"


def test_a_failed_request_keeps_the_original_and_says_why() -> None:
    row = make_row("The dog is behind the cat.", **FACTS)
    failed = GenerationFailed(Failure.TIMEOUT, "120 s")
    refined, report = refine(row, {"The dog is behind the cat.": failed})
    assert refined == row
    assert report.rejected[0].reason == "timeout"


def test_rows_of_other_tasks_pass_untouched() -> None:
    row = make_row("behind", "vsd-classify", **FACTS)
    assert refine(row, {"behind": "in front of"})[0] == row


def test_a_row_that_does_not_say_its_names_is_listed() -> None:
    row = make_row("The dog is behind the cat.")
    refined, report = refine(row, {"The dog is behind the cat.": "A dog is behind the cat."})
    assert refined == row
    assert report.rejected[0].reason == "names of the two things unknown"


def test_names_are_read_from_the_prompt_where_provenance_has_none() -> None:
    prompt = prompts.DESCRIBE_PROMPT.format(subject="dog", object="wine glass")
    row = Row("r", "a.jpg", 4, 3, "vsd-describe", make_turns([(prompt, "x")]))
    facts = read_facts(row)
    assert facts is not None
    assert facts == ("dog", "wine glass", None)


def test_a_rewriter_that_loses_a_sentence_is_refused() -> None:
    @dataclass
    class Short:
        name: str = "short"

        def rewrite(self, sentences: list[str]) -> list[str]:
            return sentences[1:]

    row = make_row("The dog is behind the cat.", **FACTS)
    with pytest.raises(ValueError, match="0 sentences for 1"):
        list(refine_rows([row], Short(), RefinementReport()))


@pytest.mark.parametrize(
    ("raw", "tidied"),
    [("“a b”", "A b."), (" 'A b.' ", "A b."), ("A b!", "A b!"), ("", ""), ('"', '"')],
)
def test_quotation_marks_go(raw: str, tidied: str) -> None:
    assert tidy_rewrite(raw) == tidied


def test_a_stage_gives_rows_and_reasons_and_travels() -> None:
    stage = pickle.loads(pickle.dumps(RefineStage(RuleRewriter(1))))
    good = make_row("The dog is behind the cat.", **FACTS)
    out = stage([good.to_dict(), {"id": "bad"}])
    assert out[0]["id"] == "r"
    assert [r.id for r in out if isinstance(r, Rejected)] == ["bad"]


NAMES = (("mug", "coffee table"), ("scissors", "wine glass"), ("dogs", "chest of drawers"))


def test_every_rule_keeps_the_meaning_of_every_template() -> None:
    changed = 0
    for (subject, target), label, seed in itertools.product(NAMES, VSD_LABELS, range(8)):
        rng = random.Random(seed)
        line = spatial_text.write_relation(make_fact(subject, label, target), rng)
        (rewrite,) = RuleRewriter(seed).rewrite([line])
        changed += rewrite != line
        verdict = check_rewrite(line, rewrite, subject, target, label)
        assert verdict.kept, (line, rewrite, verdict)
    assert changed > 0.9 * len(NAMES) * len(VSD_LABELS) * 8


def test_the_check_understands_every_template() -> None:
    for (subject, target), label, seed in itertools.product(NAMES, VSD_LABELS, range(6)):
        fact = make_fact(subject, label, target)
        said = spatial_text.write_open_description(fact, fact.inverse, True, random.Random(seed))
        for line in said.split("\n"):
            assert check_rewrite("unread", line, subject, target, label).kept, line


def test_rules_depend_on_seed_and_sentence_alone() -> None:
    lines = ["The mug is on the table.", "The pen is in the box."]
    assert RuleRewriter(5).rewrite(lines) == RuleRewriter(5).rewrite(lines[::-1])[::-1]
    assert len({RuleRewriter(seed).rewrite(lines)[0] for seed in range(40)}) > 10


@pytest.mark.parametrize("line", ["Clouds.", "The man who is behind the car smiles.", ""])
def test_rules_leave_a_sentence_of_another_form(line: str) -> None:
    assert RuleRewriter().rewrite([line]) == [line]


class FakeClient:
    """Answers each chat in upper case; "gone" ends everything."""

    def __init__(self, config: EndpointConfig) -> None:
        self.config = config

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def ask_all(self, chats: Sequence[Chat]) -> list[str | GenerationFailed]:
        failures = {
            "gone": GenerationFailed(Failure.UNREACHABLE, "no server"),
            "slow": GenerationFailed(Failure.TIMEOUT, "120 s"),
        }
        return [failures.get(chat.user) or f"{chat.user.upper()} {chat.seed}" for chat in chats]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> ModelRewriter:
    monkeypatch.setattr(openai_client, "ChatClient", FakeClient)
    return ModelRewriter(EndpointConfig("http://127.0.0.1:1/v1", "tiny"), seed=2)


def test_a_model_gives_an_answer_or_a_failure_for_each_sentence(model: ModelRewriter) -> None:
    first, slow, again = model.rewrite(["a", "slow", "a"])
    assert first == again  # the same sentence, the same request
    assert isinstance(first, str)
    assert isinstance(slow, GenerationFailed)
    assert model.name == "tiny"


def test_a_model_that_is_gone_ends_the_run(model: ModelRewriter) -> None:
    with pytest.raises(GenerationFailed, match="no server"):
        model.rewrite(["a", "gone"])
