import pytest

from spacesgg_ros.demo.questions import choose_question, describe
from spacesgg_ros.graph.types import RelationSource, SceneGraph, SceneObject, SceneRelation
from spacesgg_ros.viewer import Question


def graph(*relations, labels=("mug", "plate", "mug")):
    objects = tuple(SceneObject(i, name, (0, 0, 9, 9)) for i, name in enumerate(labels, 1))
    edges = tuple(SceneRelation(a, "on", b, source) for a, b, source in relations)
    return SceneGraph(1, "camera", 640, 480, objects, edges)


def test_the_best_founded_relation_is_asked_for():
    both, model = RelationSource.BOTH, RelationSource.MODEL
    assert choose_question(graph((1, 2, model), (3, 2, both))) == Question("#3", "", "plate")


def test_a_label_that_two_objects_bear_is_asked_by_id():
    question = choose_question(graph((1, 2, RelationSource.GEOMETRY)))
    assert (question.subject, question.object) == ("#1", "plate")


def test_a_graph_without_relations_raises_no_question():
    assert choose_question(graph()) is None
    assert choose_question(graph(labels=("cup",)), even_without_relations=True) == Question("cup")
    assert choose_question(graph(labels=()), even_without_relations=True) is None


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (Question("mug", "on", "plate"), "Is mug on plate?"),
        (Question("mug", "", "plate"), "How is mug related to plate?"),
        (Question("mug", "on"), "What is mug on?"),
        (Question("", "", "plate", "left"), "What is related to plate, seen from the left?"),
        (Question(), "What is related to?"),
    ],
)
def test_questions_read_as_words(question, words):
    assert describe(question) == words
