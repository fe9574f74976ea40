"""Diversity against hand-computed values and against sacreBLEU."""

from __future__ import annotations

import math
import random

import pytest

from spacesgg_ros.training.data.vsd.diversity import (
    measure_distinct,
    measure_diversity,
    measure_self_bleu,
    split_tokens,
)


def test_distinct_is_the_share_of_different_ngrams() -> None:
    sentences = [["a", "b", "a"], ["a", "b"]]
    assert measure_distinct(sentences, 1) == 2 / 5
    assert measure_distinct(sentences, 2) == 2 / 3  # ab, ba, ab
    assert measure_distinct(sentences, 3) == 1
    assert measure_distinct(sentences, 4) == 0


def test_equal_sentences_have_a_self_bleu_of_100_and_strangers_of_0() -> None:
    assert measure_self_bleu([["a", "b", "c", "d"]] * 3) == pytest.approx(100)
    assert measure_self_bleu([["a", "b"], ["c", "d"]]) == 0
    assert measure_self_bleu([["a"]]) == 0


def test_self_bleu_by_hand() -> None:
    # Each shares one of its two words and no pair: precisions 1/2 and 1/(2 * 1).
    expected = 100 * math.exp((math.log(1 / 2) + math.log(1 / 2)) / 2)
    assert measure_self_bleu([["a", "b"], ["a", "c"]]) == pytest.approx(expected)


def test_self_bleu_equals_sacrebleu_of_every_sentence_against_the_others() -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    rng = random.Random(3)
    sentences = [rng.choices("abcdef", k=rng.randint(1, 9)) for _ in range(40)]
    scores = []
    for k, tokens in enumerate(sentences):
        others = [" ".join(s) for j, s in enumerate(sentences) if j != k]
        score = sacrebleu.sentence_bleu(" ".join(tokens), others, tokenize="none")
        scores.append(score.score)
    assert measure_self_bleu(sentences) == pytest.approx(sum(scores) / len(scores))


def test_an_empty_set_measures_zero() -> None:
    assert measure_diversity([]) == (0, 0, 0, 0, 0, 0)


def test_tokens_are_lower_case_and_stops_stand_alone() -> None:
    assert split_tokens("The cat's mat.") == ["the", "cat", "'", "s", "mat", "."]
