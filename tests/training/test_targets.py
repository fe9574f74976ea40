"""What the decoder is taught to write."""

from __future__ import annotations

from spacesgg_ros.graph import parse_graph, write_graph
from spacesgg_ros.training.model.targets import (
    choose_relations,
    mirror_record,
    spatial_questions,
    target_graph,
)


def test_each_subject_says_support_then_neighbour_then_table(record: dict) -> None:
    assert choose_relations(record, [1, 2, 4, 3, 0]) == [
        (1, "to the left of", 2),  # nearest neighbour beats the table
        (2, "in front of", 3),  # the mug was said already, so the next neighbour
        (4, "in", 3),  # support beats everything
        (3, "on", 0),  # nothing unsaid is left but the table
    ]


def test_target_lists_objects_near_to_far_and_parses_back(record: dict) -> None:
    graph = target_graph(record)
    assert [o.label for o in graph.objects] == ["mug", "spoon", "apple", "bowl", "table"]
    assert parse_graph(write_graph(graph)) == graph


def test_mirror_swaps_left_and_right_and_undoes_itself(record: dict) -> None:
    mirrored = mirror_record(record)
    assert mirrored["objects"][1]["box_px"] == [240, 120, 280, 180]
    assert [1, "to the right of", 2] in mirrored["relations"]
    assert [4, "in", 3] in mirrored["relations"]
    assert mirror_record(mirrored) == record


def test_boxes_are_over_the_square_padded_image(record: dict) -> None:
    mug = target_graph(record).objects[0]
    # 320x240 is padded by 40 px above: y = (120 + 40) / 320 * 999
    assert mug.box == (125, 500, 250, 687)


def test_questions_cover_the_three_tasks_and_the_inverse_of_on(record: dict) -> None:
    questions = spatial_questions(record)
    classify = "What is the spatial relation of the {} to the {}?"
    assert (classify.format("apple", "bowl"), "in") in questions
    assert (classify.format("table", "mug"), "under") in questions
    answers = [answer for _, answer in questions]
    assert "The mug is to the left of the spoon." in answers
    assert "The mug is to the left of the spoon. The spoon is to the right of the mug." in answers


def test_no_question_names_a_label_that_occurs_twice(record: dict) -> None:
    record["objects"][2]["label"] = "mug"
    assert not any("mug" in prompt for prompt, _ in spatial_questions(record))
