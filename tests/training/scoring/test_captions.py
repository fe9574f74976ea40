"""Sentence metrics against values worked out by hand, and libraries against each other."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("sacrebleu")
pytest.importorskip("pycocoevalcap")

from spacesgg_ros.training.evaluate.scoring import captions
from spacesgg_ros.training.evaluate.scoring.captions import CaptionScorer, cut_plainly, find_java
from spacesgg_ros.training.evaluate.scoring.outcomes import ScoreError


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captions, "find_java", lambda: None)


def _values(said: dict, references: dict) -> dict[str, float]:
    scores = CaptionScorer("plain").score(said, references)
    return {metric: float(o.evaluate()[0]) for metric, o in scores.outcomes.items()}


@pytest.mark.usefixtures("no_java")
def test_one_word_wrong_in_six() -> None:
    values = _values({"a": "The cup is behind the plate."}, {"a": ["the cup is behind a plate"]})
    # "the" counts once: 5/6 words, 3/5 pairs, 2/4 triples, 1/3 fours; same length.
    assert values["BLEU-4"] == pytest.approx((5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25)
    # The longest common subsequence has 5 of 6 words on either side.
    assert values["ROUGE-L"] == pytest.approx(5 / 6, abs=1e-6)


@pytest.mark.usefixtures("no_java")
def test_bleu_is_pooled_over_sentences_with_the_closest_reference_length() -> None:
    values = _values(
        {"a": "one two three four", "b": "five six"},
        {"a": ["one two three four", "one"], "b": ["five six seven", "five six seven eight nine"]},
    )
    # All 6 words, 4 pairs, 2 triples, 1 four match; 6 words against 4 + 3.
    assert values["BLEU-4"] == pytest.approx(math.exp(1 - 7 / 6))


@pytest.mark.usefixtures("no_java")
def test_the_best_reference_counts_in_rouge() -> None:
    values = _values({"a": "a b c"}, {"a": ["x y z", "a b c"]})
    assert values["ROUGE-L"] == pytest.approx(1.0)


@pytest.mark.usefixtures("no_java")
def test_cider_is_ten_times_the_mean_cosine_of_rare_ngrams() -> None:
    values = _values({"a": "w x y q", "b": "k l m n"}, {"a": ["w x y z"], "b": ["k l m n"]})
    # Every n-gram is in one of two reference sets, so all weigh alike.
    # a: 3 of 4 words, 2 of 3 pairs, 1 of 2 triples, no four; b: all.
    first = 10 * (3 / 4 + 2 / 3 + 1 / 2 + 0) / 4
    assert values["CIDEr"] == pytest.approx((first + 10) / 2, abs=1e-5)


@pytest.mark.usefixtures("no_java")
def test_bleu_agrees_with_the_script_of_coco_captions() -> None:
    from pycocoevalcap.bleu.bleu import Bleu

    said = {"a": "the cup is on the red table", "b": "a lamp stands behind the old sofa there"}
    references = {
        "a": ["the cup is on a red table", "a cup on the red table"],
        "b": ["the lamp stands behind the old sofa", "behind the old sofa there is a lamp"],
    }
    theirs, _ = Bleu(4).compute_score(references, {k: [v] for k, v in said.items()}, verbose=0)
    assert _values(said, references)["BLEU-4"] == pytest.approx(theirs[3], abs=1e-6)


@pytest.mark.usefixtures("no_java")
def test_a_sentence_that_says_nothing_scores_nothing() -> None:
    values = _values({"a": "", "b": "k l m n"}, {"a": ["w x y z"], "b": ["k l m n"]})
    assert values["ROUGE-L"] == pytest.approx(0.5)
    assert values["CIDEr"] == pytest.approx(5.0, abs=1e-5)
    assert values["BLEU-4"] == pytest.approx(math.exp(1 - 8 / 4))


@pytest.mark.usefixtures("no_java")
def test_without_java_meteor_is_not_measured_and_says_why() -> None:
    scores = CaptionScorer().score({"a": "on"}, {"a": ["on"]})
    assert "METEOR" not in scores.outcomes
    assert "no `java`" in scores.missing["METEOR"]
    assert "no `java`" in scores.missing["PTB tokenizer"]
    assert scores.tokenizer == "plain"
    with pytest.raises(ScoreError, match="install Java"):
        CaptionScorer("ptb")


@pytest.mark.usefixtures("no_java")
def test_a_metric_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(captions, "_spice", fail)
    scores = CaptionScorer("plain", spice=True).score({"a": "on"}, {"a": ["on"]})
    assert scores.missing["SPICE"] == "OSError: no network"
    assert "ROUGE-L" in scores.outcomes


@pytest.mark.parametrize(
    ("said", "references"),
    [({}, {}), ({"a": "x"}, {"b": ["x"]}), ({"a": "x"}, {"a": []}), ({"a": "x"}, {"a": [" "]})],
    ids=["nothing", "other items", "no reference", "blank reference"],
)
def test_sentences_need_references(said: dict, references: dict) -> None:
    with pytest.raises(ScoreError):
        CaptionScorer("plain").score(said, references)


def test_words_are_cut_without_punctuation() -> None:
    assert cut_plainly("The T-shirt, isn't it?  (On top!)") == "the t-shirt isn't it on top"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(find_java() is None, reason="METEOR is a Java program")
def test_java_programs_cut_words_and_score_meteor() -> None:
    scorer = CaptionScorer("ptb")
    scores = scorer.score(
        {"a": "The cup is behind the plate.", "b": "", "c": "quite other words"},
        {"a": ["the cup is behind the plate"], "b": ["a lamp"], "c": ["a lamp on the sofa"]},
    )
    meteor = {item: part for item, (part, _) in scores.outcomes["METEOR"].items.items()}
    assert meteor == {"a": pytest.approx(1.0), "b": 0.0, "c": pytest.approx(0.0, abs=0.05)}
    assert scores.outcomes["BLEU-4"].items["a"][:4] == [6, 5, 4, 3]  # no full stop
    assert (scores.tokenizer, scores.missing) == ("ptb", {})
