"""The golden table with every lemmatiser that is installed."""

import pytest

from spacesgg_ros.extras import MissingExtraError
from spacesgg_ros.training.evaluate.psg import asmv2, golden, outcome
from spacesgg_ros.training.evaluate.psg.lemmas import Lemmatiser, load_lemmatiser
from spacesgg_ros.training.evaluate.psg.synonyms import group_by_class, read_synonyms

CASES = golden.read_golden()
SYNONYMS = read_synonyms()


@pytest.fixture(scope="module", params=["spacy", "simplemma"])
def lemmatiser(request: pytest.FixtureRequest) -> Lemmatiser:
    try:
        return load_lemmatiser(request.param)
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case_counts_as_derived_by_hand(case: golden.GoldenCase, lemmatiser: Lemmatiser) -> None:
    if not golden.applies(case, lemmatiser):
        pytest.skip("depends on spaCy's lemma")
    assert list(golden.check_case(case, SYNONYMS, lemmatiser)) == [], case.why


def test_table_has_the_size_asked_for() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


def test_a_wrong_expectation_is_noticed(lemmatiser: Lemmatiser) -> None:
    from dataclasses import replace

    wrong = replace(CASES[0], tuples=CASES[0].tuples + 1)
    assert len(list(golden.check_case(wrong, SYNONYMS, lemmatiser))) == 1


def test_table_pools_to_the_sum_of_its_cases(lemmatiser: Lemmatiser) -> None:
    cases = [case for case in CASES if golden.applies(case, lemmatiser)]
    outcomes = asmv2.score_answers(
        [case.question for case in cases],
        [answer for case in cases for answer in case.answers],
        SYNONYMS,
        lemmatiser,
    )
    answered = [case for case in cases if case.text is not None]
    true = sum(len(case.question.tuples) for case in answered)
    assert outcome.recall(outcomes) == sum(case.found for case in answered) / true


def test_own_synonyms_cover_coco_without_conflict() -> None:
    classes = group_by_class(SYNONYMS)
    assert len(classes) == 80
    assert all(SYNONYMS[head] == head for head in classes)


def test_later_lines_of_a_table_overwrite(tmp_path) -> None:
    table = tmp_path / "synonyms.txt"
    table.write_text("cup, mug , glass\nwine glass, glass\n")
    assert read_synonyms(table)["glass"] == "wine glass"
    assert read_synonyms(table)["mug"] == "cup"
