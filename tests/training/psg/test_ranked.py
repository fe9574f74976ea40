"""PredCls, R@K and the frequency baseline."""

import numpy as np
import pytest

from spacesgg_ros.training.evaluate.psg import openpsg, outcome, predcls
from spacesgg_ros.training.evaluate.psg.frequency import (
    answer_questions,
    count_triplets,
    load_frequencies,
    relate_objects,
    save_frequencies,
    score_pairs,
)
from spacesgg_ros.training.evaluate.psg.labels import PREDICATES, base_name
from spacesgg_ros.training.evaluate.psg.openpsg import LabelledObjects
from spacesgg_ros.training.evaluate.psg.predcls import PairAnswer, PairQuestion
from spacesgg_ros.training.evaluate.psg.records import Question, TrueTuple

A, B, C = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0), (0.0, 20.0, 10.0, 30.0)
MAN_DOG = PairQuestion(1, "x", "man", "dog", ("on",))


def test_psg_has_its_56_predicates_once() -> None:
    assert len(set(PREDICATES)) == len(PREDICATES) == 56


@pytest.mark.parametrize(
    ("name", "base"), [("tree-merged", "tree"), ("wall-other-merged", "wall"), ("dog", "dog")]
)
def test_base_name_ends_at_the_first_hyphen(name: str, base: str) -> None:
    assert base_name(name) == base


def test_published_predcls_drops_the_last_of_k() -> None:
    answers = [PairAnswer(1, ("in", "on", "over"), (0.9, 0.8, 0.1))]
    assert outcome.recall(predcls.rank_pairs([MAN_DOG], answers, 2)) == 1.0
    assert outcome.recall(predcls.rank_pairs([MAN_DOG], answers, 2, as_published=True)) == 0.0
    assert outcome.recall(predcls.rank_pairs([MAN_DOG], answers, 3, as_published=True)) == 1.0


def test_published_predcls_takes_one_dog_for_another() -> None:
    questions = [MAN_DOG, PairQuestion(2, "x", "man", "dog", ("on",))]
    answers = [PairAnswer(1, ("on",), (0.9,)), PairAnswer(2, ("in",), (0.1,))]
    assert outcome.recall(predcls.rank_pairs(questions, answers, 2)) == 0.5
    assert outcome.recall(predcls.rank_pairs(questions, answers, 2, as_published=True)) == 1.0


def test_published_predcls_leaves_out_pairs_without_an_answer() -> None:
    questions = [MAN_DOG, PairQuestion(2, "y", "man", "dog", ("on",))]
    answers = [PairAnswer(1, ("on", "in"), (0.9, 0.1))]
    assert outcome.recall(predcls.rank_pairs(questions, answers, 5)) == 0.5
    assert outcome.recall(predcls.rank_pairs(questions, answers, 5, as_published=True)) == 1.0


def test_one_option_a_pair_is_the_graph_constraint() -> None:
    question = PairQuestion(1, "x", "man", "dog", ("on", "in"))
    answers = [PairAnswer(1, ("on", "in"), (0.9, 0.8))]
    assert outcome.recall(predcls.rank_pairs([question], answers, 5)) == 1.0
    assert outcome.recall(predcls.rank_pairs([question], answers, 5, per_pair=1)) == 0.5


TRUTH = LabelledObjects("x", ("man", "dog", "dog"), (A, B, C), ((0, "on", 1), (0, "in", 1)))


def test_graph_constraint_keeps_the_first_predicate_of_a_pair() -> None:
    guess = LabelledObjects(
        "x", ("man", "dog"), (A, B), ((0, "over", 1), (0, "on", 1), (0, "in", 1))
    )
    beyond = np.iinfo(np.int64).max
    assert openpsg.find_ranks(TRUTH, guess).tolist() == [beyond, beyond]
    assert openpsg.find_ranks(TRUTH, guess, graph_constraint=False).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("labels", "box", "found"),
    [
        (("man", "dog"), B, True),
        (("man", "cat"), B, False),
        (("man", "dog"), (20.0, 0.0, 30.0, 5.0), True),
        (("man", "dog"), (20.0, 0.0, 30.0, 4.9), False),
        (("man", "dog"), C, False),
    ],
)
def test_labels_and_half_of_the_boxes_must_agree(labels, box, found: bool) -> None:
    ranks = openpsg.find_ranks(TRUTH, LabelledObjects("x", labels, (A, box), ((0, "on", 1),)))
    assert (ranks[0] == 0) == found


def test_r_at_k_by_hand() -> None:
    images = [TRUTH, LabelledObjects("y", ("man", "dog"), (A, B), ((0, "on", 1),))]
    guesses = {"x": LabelledObjects("x", TRUTH.labels, TRUTH.boxes, ((1, "on", 0), (0, "on", 1)))}
    pooled = openpsg.pool_images(images, guesses, top=(1, 2), predicates=("on", "in", "over", "by"))
    values = {name: float(outcomes.evaluate()[0]) for name, outcomes in pooled.items()}
    assert values["R@1"] == 0.0
    assert values["R@2"] == pytest.approx((1 / 2 + 0) / 2)  # mean over images
    assert values["mR@2"] == pytest.approx((1 / 2 + 0) / 2)  # on: 1 of x, 0 of y; in: 0
    assert values["mR@2 (all 4)"] == pytest.approx((1 / 2 + 0) / 4)


def test_test_set_has_no_empty_image_and_no_relation_twice() -> None:
    twice = LabelledObjects("x", ("a", "b"), (A, B), ((0, "on", 1), (0, "on", 1)))
    kept = openpsg.filter_truth([twice, LabelledObjects("y", (), (), ())])
    assert [(image.image, image.relations) for image in kept] == [("x", ((0, "on", 1),))]


def test_mask_iou_by_hand() -> None:
    def columns(first: int, count: int) -> dict:  # of a 2 x 4 picture, column by column
        return {"size": [2, 4], "counts": [2 * first, 2 * count, 8 - 2 * first - 2 * count]}

    iou = openpsg.mask_iou([columns(0, 2)], [columns(0, 2), columns(1, 2), columns(2, 2)])
    np.testing.assert_allclose(iou, [[1, 1 / 3, 0]])


def test_harmonic_mean_of_zero_is_zero() -> None:
    np.testing.assert_allclose(
        openpsg.harmonic_mean(np.array([0.0, 0.2]), np.array([0.0, 0.6])), [0, 0.3]
    )


def test_frequency_adds_one_annotation_of_the_overall_distribution() -> None:
    table = count_triplets([("man", "on", "dog"), ("man", "on", "dog"), ("cat", "in", "box-wood")])
    assert table.rank("man", "dog") == [
        ("on", pytest.approx((2 + 2 / 3) / 3)),
        ("in", pytest.approx((1 / 3) / 3)),
    ]
    assert table.rank("dog", "man")[0] == ("on", pytest.approx(2 / 3))
    assert table.has_pair("cat", "box") and not table.has_pair("dog", "man")


def test_an_image_is_not_judged_by_itself() -> None:
    def ask(identity: int, predicate: str) -> Question:
        return Question(identity, "", 999, 999, (TrueTuple("man", A, "dog", B, predicate),))

    alone = answer_questions([ask(1, "on")])
    assert "<pred>" not in alone[0].text
    both = answer_questions([ask(1, "on"), ask(2, "in")])
    assert "<pred>in</pred>" in both[0].text and "<pred>on</pred>" in both[1].text


def test_frequency_answers_every_pair_and_relates_objects() -> None:
    table = count_triplets([("man", "on", "dog"), ("man", "in", "dog"), ("man", "on", "dog")])
    (answer,) = score_pairs([MAN_DOG], table)
    assert answer.options == ("on", "in") and answer.scores[0] > answer.scores[1]
    related = relate_objects([TRUTH], table, limit=2)["x"]
    assert related.relations == ((0, "on", 1), (0, "on", 2))


def test_frequencies_survive_their_file(tmp_path) -> None:
    table = count_triplets([("man", "on", "dog"), ("man", "on", "dog"), ("é", "in", "b")])
    save_frequencies(table, tmp_path / "f.json")
    assert load_frequencies(tmp_path / "f.json").triplets == table.triplets
