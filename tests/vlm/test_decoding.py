"""Decoding with runtimes made of numbers: no model needed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers

from spacesgg_ros.graph import TextIssueKind, parse_graph, write_graph
from spacesgg_ros.graph.predicates import VSD_LABELS
from spacesgg_ros.vlm.decoding import Decoded, decode_constrained, decode_freely
from spacesgg_ros.vlm.folder import TokenEmbeddings
from spacesgg_ros.vlm.grammar import (
    CanonicalConstraint,
    GrammarConstraint,
    GrammarTokenizer,
    GraphLimits,
    write_choice_grammar,
    write_tagged_grammar,
)
from spacesgg_ros.vlm.runtime import EncodedImage, RuntimeInfo
from spacesgg_ros.vlm.text_tokenizer import EOS_ID, build_tokenizer

TOKENIZER = build_tokenizer(["coffee mug", "plate", "on", "next to"])
SIZE = TOKENIZER.get_vocab_size()
GRAMMAR = GrammarTokenizer(TOKENIZER, [EOS_ID], SIZE + 7)
EMBEDDINGS = TokenEmbeddings(np.arange(SIZE, dtype=np.float32)[:, None], False)

MUG = "<ref>coffee mug</ref><box>[[412, 640, 498, 771]]</box>"
PLATE = "<ref>plate</ref><box>[[0, 700, 999, 930]]</box>"
ON = "<pred>on</pred><box>[[412, 640, 498, 771]]</box><box>[[0, 700, 999, 930]]</box>"
FRONT = "<pred>in front of</pred><box>[[0, 700, 999, 930]]</box><box>[[412, 640, 498, 771]]</box>"
PROSE = (
    "Layer 1: A <ref>mug</ref><box>[[412, 640, 498, 771]]</box> stands <pred>on</pred>"
    "<box>[[412, 640, 498, 771]]</box><box>[[0, 702, 999, 930], [1, 2, 3, 4]]</box> a "
    "<ref>counter, or two</ref><box>[[0, 702, 999, 930], [1, 2, 3, 4]]</box>."
)


class NumberRuntime:
    """A ``Runtime`` whose logits are a function of the tokens so far."""

    info = RuntimeInfo("numbers", "cpu", "cpu", "fp32")

    def __init__(self, logits: Callable[[list[int]], np.ndarray]) -> None:
        self._logits = logits
        self.seen: list[int] = []

    @property
    def length(self) -> int:
        return len(self.seen)

    def encode_image(self, pixel_values: np.ndarray) -> EncodedImage:
        return EncodedImage(np.zeros((0, 1), np.float32), np.zeros((0, 1), np.float32))

    def prefill(self, embeddings: np.ndarray, reserve: int) -> np.ndarray:
        self.seen = []
        return self.step(embeddings)

    def step(self, embeddings: np.ndarray) -> np.ndarray:
        self.seen += [int(value) for value in embeddings[:, 0]]
        return self._logits(self.seen)

    def rollback(self, length: int) -> None:
        del self.seen[length:]


def reciting(text: str) -> NumberRuntime:
    """Wants to write ``text`` and then stop."""
    script = [*TOKENIZER.encode(text, add_special_tokens=False).ids, EOS_ID]

    def logits(seen: list[int]) -> np.ndarray:
        wanted = script[len(seen)] if len(seen) < len(script) else EOS_ID
        return np.eye(1, SIZE + 7, wanted, dtype=np.float32)[0]

    return NumberRuntime(logits)


def raving(seed: int, eos: float = -9.0) -> NumberRuntime:
    """Wants anything."""
    generator = np.random.default_rng(seed)

    def logits(seen: list[int]) -> np.ndarray:
        values = generator.normal(size=SIZE + 7).astype(np.float32)
        values[EOS_ID] = eos
        return values

    return NumberRuntime(logits)


def decode(runtime: NumberRuntime, constraint: GrammarConstraint, max_tokens: int = 400) -> Decoded:
    first = runtime.step(np.zeros((0, 1), np.float32))
    return decode_constrained(runtime, EMBEDDINGS, first, constraint, max_tokens)


def decode_canonical(runtime: NumberRuntime, **limits) -> tuple[Decoded, str]:
    constraint = CanonicalConstraint(GRAMMAR, GraphLimits(**limits))
    decoded = decode(runtime, constraint, constraint._limits.max_tokens)
    return decoded, constraint.complete_text


def decode_tagged(runtime: NumberRuntime, **limits) -> tuple[Decoded, str]:
    bounds = GraphLimits(**limits)
    constraint = GrammarConstraint(GRAMMAR, write_tagged_grammar(bounds))
    return decode(runtime, constraint, bounds.max_tokens), constraint.complete_text


@pytest.mark.parametrize(
    "text",
    [
        "",
        MUG,
        f"{MUG}\n{PLATE}",
        f"{MUG}\n{PLATE}\n{ON}",
        f" {MUG}",
        f"{MUG}\n{PLATE}\n{ON}\n{FRONT}",
    ],
)
def test_well_formed_canonical_text_is_not_changed(text: str) -> None:
    decoded, written = decode_canonical(reciting(text))
    free = decode_freely(
        runtime := reciting(text), EMBEDDINGS, runtime.step(np.zeros((0, 1))), [EOS_ID], 400
    )
    assert written == text
    assert (*decoded.token_ids, EOS_ID) == free.token_ids
    assert decoded.finish_reason == free.finish_reason == "eos"


@pytest.mark.parametrize("text", ["", "Nothing here.", MUG, PROSE, f"{PROSE}\nLayer 2: {PLATE}"])
def test_well_formed_tagged_text_is_not_changed(text: str) -> None:
    decoded, written = decode_tagged(reciting(text))
    assert written == text
    assert decoded.finish_reason == "eos"


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), eos=st.sampled_from([-9.0, 3.0]))
def test_relations_are_of_two_objects_and_told_once(seed: int, eos: float) -> None:
    limits = GraphLimits(max_objects=5, max_relations=9, predicates=VSD_LABELS)
    constraint = CanonicalConstraint(GRAMMAR, limits)
    decode(raving(seed, eos), constraint)
    graph = parse_graph(constraint.complete_text)
    assert not graph.issues
    pairs = [(r.subject, r.object) for r in graph.relations]
    assert all(subject != target for subject, target in pairs)
    assert len(pairs) == len(set(pairs))
    carried = [r.subject for r in graph.relations if r.predicate in ("on", "in")]
    assert len(carried) == len(set(carried))


def test_what_the_format_forces_costs_no_step() -> None:
    decoded, _ = decode_canonical(reciting(f"{MUG}\n{PLATE}\n{ON}"))
    relation = 1 + 1 + 1 + 4 + 1 + 4 + 1
    # all but that there is one, the predicate and the first coordinate of each box
    forced_in_relation = relation - 4
    assert len(decoded.token_ids) - decoded.steps > forced_in_relation


@pytest.mark.parametrize(
    ("wanted", "written"),
    [
        (
            f"{MUG}\n{PLATE}\n<pred>on</pred><box>[[1, 2, 3, 4]]</box>",
            f"{MUG}\n{PLATE}\n<pred>on</pred>",
        ),
        ("<ref>plate</ref> and", "<ref>plate</ref><box>[["),
    ],
)
def test_malformed_text_is_left_where_it_departs_from_the_format(wanted: str, written: str) -> None:
    constraint = CanonicalConstraint(GRAMMAR, GraphLimits())
    decode(reciting(wanted), constraint, 60)
    assert constraint.text.startswith(written)
    assert not parse_graph(constraint.complete_text).issues


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), max_tokens=st.integers(1, 300), eos=st.sampled_from([-9.0, 3.0]))
def test_canonical_text_always_parses_and_keeps_its_caps(seed, max_tokens, eos) -> None:
    decoded, text = decode_canonical(
        raving(seed, eos), max_objects=4, max_relations=3, max_tokens=max_tokens
    )
    graph = parse_graph(text)
    assert not graph.issues
    assert len(graph.objects) <= 4
    assert len(graph.relations) <= 3
    assert write_graph(graph).count("<pred>") == len(graph.relations)
    assert (decoded.finish_reason == "limit") == (len(decoded.token_ids) >= max_tokens)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), max_tokens=st.integers(1, 200))
def test_tagged_text_always_has_whole_tags(seed: int, max_tokens: int) -> None:
    _, text = decode_tagged(raving(seed), max_objects=3, max_relations=3, max_tokens=max_tokens)
    kinds = {issue.kind for issue in parse_graph(text).issues}
    # What no grammar can know: which boxes exist, how many belong together, which are empty.
    assert kinds <= {
        TextIssueKind.UNKNOWN_BOX,
        TextIssueKind.UNEQUAL_BOX_LISTS,
        TextIssueKind.EMPTY_BOX,
    }


def test_labels_and_predicates_can_be_restricted() -> None:
    for seed in range(5):
        _, text = decode_canonical(
            raving(seed), max_objects=3, max_relations=3, labels=("plate", "coffee mug"),
            predicates=("on",),
        )  # fmt: skip
        graph = parse_graph(text)
        assert graph.relations
        assert {name for item in graph.objects for name in item.names} <= {"plate", "coffee mug"}
        assert {relation.predicate for relation in graph.relations} == {"on"}


@pytest.mark.parametrize("choices", [("on", "on top of", "in"), ("to the left of", "behind")])
def test_a_choice_is_one_of_the_choices(choices: tuple[str, ...]) -> None:
    for seed in range(5):
        constraint = GrammarConstraint(GRAMMAR, write_choice_grammar(choices))
        decode(raving(seed), constraint)
        assert constraint.complete_text.strip() in choices


def test_a_choice_the_model_wants_is_taken() -> None:
    constraint = GrammarConstraint(GRAMMAR, write_choice_grammar(["on", "next to", "in"]))
    decode(reciting(" next to"), constraint)
    assert constraint.complete_text == " next to"


def test_a_sentencepiece_tokenizer_decodes_tagged_text_unchanged() -> None:
    tokenizer = make_llama_like_tokenizer()
    size = tokenizer.get_vocab_size()
    script = [*tokenizer.encode(PROSE).ids, 2]
    constraint = GrammarConstraint(
        GrammarTokenizer(tokenizer, [2], size), write_tagged_grammar(GraphLimits())
    )
    runtime = NumberRuntime(lambda seen: np.eye(1, size, script[len(seen)], dtype=np.float32)[0])
    embeddings = TokenEmbeddings(np.arange(size, dtype=np.float32)[:, None], False)
    first = runtime.step(np.zeros((0, 1)))
    decoded = decode_constrained(runtime, embeddings, first, constraint, 400)
    assert constraint.complete_text.strip() == PROSE
    assert [*decoded.token_ids, 2] == script


def make_llama_like_tokenizer() -> Tokenizer:
    """Letters, a few merges, bytes as a fallback and "\u2581" for a space."""
    letters = "\u2581abcdefghijklmnopqrstuvwxyzALR0123456789<>/[],.:"
    merges = [("\u2581", "s"), ("\u2581s", "t"), ("r", "e"), ("]", "]"), ("<", "/"), ("o", "x")]
    vocabulary = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    vocabulary += [left + right for left, right in merges]
    tokenizer = Tokenizer(
        models.BPE(
            {token: index for index, token in enumerate(vocabulary)},
            merges,
            unk_token="<unk>",
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    return tokenizer


def test_should_stop_is_asked_after_every_step() -> None:
    calls = iter([False, False, True])
    runtime = reciting(f"{MUG}\n{PLATE}")
    constraint = CanonicalConstraint(GRAMMAR, GraphLimits())
    first = runtime.step(np.zeros((0, 1)))
    decoded = decode_constrained(runtime, EMBEDDINGS, first, constraint, 99, lambda: next(calls))
    assert (decoded.finish_reason, decoded.steps) == ("stopped", 2)
    assert constraint.complete_text == ""


def test_free_decoding_ends_at_the_limit() -> None:
    runtime = reciting(MUG)
    decoded = decode_freely(runtime, EMBEDDINGS, runtime.step(np.zeros((0, 1))), [EOS_ID], 3)
    assert (decoded.finish_reason, len(decoded.token_ids)) == ("limit", 3)


@pytest.mark.parametrize(
    "wrong",
    [{"max_objects": 0}, {"max_tokens": 0}, {"max_relations": -1}, {"labels": ("a<b",)},
     {"predicates": ("",)}],
)  # fmt: skip
def test_limits_that_mean_nothing_are_refused(wrong) -> None:
    with pytest.raises(ValueError):
        GraphLimits(**wrong)


def test_without_relations_the_text_ends_after_the_objects() -> None:
    _, text = decode_canonical(raving(1), max_objects=2, max_relations=0)
    assert "<pred>" not in text
    assert len(parse_graph(text).objects) == 2
