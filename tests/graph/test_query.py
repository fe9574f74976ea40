import pytest

from spacesgg_ros.graph import (
    Extent3D,
    QueryStatus,
    RelationSource,
    SceneGraph,
    SceneObject,
    SceneRelation,
    find_objects,
    query_relations,
)

Q, S = QueryStatus, RelationSource


def thing(index, label, x, y, z, size=(0.08, 0.1, 0.08)):
    extent = Extent3D((x, y, z), size, z, z, z, 0, 100)
    return SceneObject(index, label, (0, 0, 9, 9), extent=extent)


TRAY = thing(1, "tray", 0, 0.1, 1, (0.4, 0.02, 0.3))
MUG = thing(3, "coffee mug", 0.1, 0.04, 1)
CUP = thing(4, "cup", -0.1, 0.04, 1)
BOOK = thing(5, "book", 0.5, 0.1, 1)
POSTER = SceneObject(6, "poster", (0, 0, 9, 9))


def said(subject, predicate, target, source=S.BOTH):
    return SceneRelation(subject, predicate, target, source, 1.0, (0, 0, 0), 0.0)


GRAPH = SceneGraph(
    1,
    "cam",
    640,
    480,
    (TRAY, MUG, CUP, BOOK, POSTER),
    (
        said(3, "on", 1),
        said(4, "on", 1, S.GEOMETRY),
        said(5, "leaning against", 1, S.MODEL),
        said(5, "under", 4, S.CONTRADICTED),
    ),
)


@pytest.mark.parametrize(
    ("question", "status", "text"),
    [
        pytest.param(("mug", "", "tray"), Q.OK,
                     "The coffee mug (#3) is on the tray (#1), 1.01 m away.", id="pair"),
        pytest.param(("", "on", "tray"), Q.OK,
                     "The coffee mug (#3) and the cup (#4) are on the tray (#1).", id="what on"),
        pytest.param(("", "on top of", "the tray"), Q.OK,
                     "The coffee mug (#3) and the cup (#4) are on the tray (#1).", id="synonym"),
        pytest.param(("#1", "under", "#3"), Q.OK,
                     "The tray (#1) is under the coffee mug (#3), 1.00 m away.", id="inverse"),
        pytest.param(("book", "leaning against", ""), Q.OK,
                     "The book (#5) is leaning against the tray (#1), 1.12 m away.", id="open"),
        pytest.param(("book", "right of", "mug"), Q.OK,
                     "The book (#5) is to the right of the coffee mug (#3), 1.12 m away.",
                     id="far"),
        pytest.param(("mugs", "on", "tray"), Q.OK,
                     "The coffee mug (#3) is on the tray (#1), 1.01 m away.", id="plural"),
        pytest.param(("book", "left of", "cup"), Q.NO_RELATION,
                     "The book (#5) is not left of the cup (#4).", id="does not hold"),
        pytest.param(("", "on", "book"), Q.NO_RELATION,
                     "Nothing is on the book (#5).", id="nothing there"),
        pytest.param(("book", "under", "cup"), Q.NO_RELATION,
                     "The model says the book (#5) is under the cup (#4), but the measured depth "
                     "contradicts that.", id="contradicted"),
        pytest.param(("book", "leftof", "cup"), Q.NO_RELATION,
                     "The model has not said 'leftof' of these, and I can measure only on, in, "
                     "next to, under, above, behind, in front of, to the left of, to the right "
                     "of.", id="unknown word"),
        pytest.param(("poster", "behind", "mug"), Q.NO_POSITION,
                     "The poster (#6) has no valid depth now, so I cannot measure where it is.",
                     id="no depth"),
        pytest.param(("cat", "", ""), Q.UNKNOWN_SUBJECT,
                     "I do not see 'cat'; I see: book, coffee mug, cup, poster, tray.",
                     id="unknown subject"),
        pytest.param(("", "on", "#99"), Q.UNKNOWN_OBJECT,
                     "I do not see '#99'; I see: book, coffee mug, cup, poster, tray.",
                     id="unknown object"),
    ],
)  # fmt: skip
def test_questions(question, status, text):
    answer = query_relations(GRAPH, *question)
    assert (answer.status, answer.text) == (status, text)


def test_an_answer_carries_its_objects_and_relations():
    answer = query_relations(GRAPH, "", "on", "tray")
    assert [o.id for o in answer.objects] == [3, 1, 4]
    assert [(r.subject_id, r.source) for r in answer.relations] == [(3, S.BOTH), (4, S.GEOMETRY)]


def test_everything_is_told_when_nothing_is_asked():
    answer = query_relations(GRAPH)
    assert answer.status is Q.OK
    assert len(answer.relations) == 3


@pytest.mark.parametrize(
    ("viewpoint", "predicate"),
    [
        ("camera", "to the right of"),
        ("back", "to the left of"),
        ("left", "behind"),
        ("right", "in front of"),
    ],
)
def test_viewpoints_turn_the_answer(viewpoint, predicate):
    answer = query_relations(GRAPH, "book", predicate, "cup", viewpoint=viewpoint)
    assert answer.status is Q.OK
    opening = "" if viewpoint == "camera" else f"Seen from the {viewpoint}, "
    assert answer.text.lower().startswith(f"{opening}the book (#5) is {predicate}".lower())


def test_without_a_graph_there_is_no_answer():
    assert query_relations(None).status is Q.NO_GRAPH


def test_an_unknown_viewpoint_is_named():
    answer = query_relations(GRAPH, viewpoint="above")
    assert answer.status is Q.INVALID_REQUEST
    assert "camera, left, right, back" in answer.text


def test_an_empty_graph_has_nothing_to_show():
    answer = query_relations(SceneGraph(1, "cam", 640, 480), "mug")
    assert (answer.status, answer.text) == (
        Q.UNKNOWN_SUBJECT, "I do not see 'mug'; I see no objects now.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("Coffee Mug", [3]),
        ("mug", [3]),
        ("the mug", [3]),
        ("coffee", [3]),
        ("#4", [4]),
        ("books", [5]),
        ("", [1, 3, 4, 5, 6]),
        ("the", []),
        ("#", []),
        ("cu", []),
    ],
)
def test_objects_are_found_by_name(name, ids):
    assert [o.id for o in find_objects(GRAPH, name)] == ids


def test_an_exact_label_wins_over_a_longer_one():
    mug = thing(7, "mug", 0, 0, 1)
    graph = SceneGraph(1, "cam", 640, 480, (MUG, mug))
    assert [o.id for o in find_objects(graph, "mug")] == [7]


@pytest.mark.parametrize("word", ["\0", "'; drop", "#-1", "x" * 10_000, "  ", "<ref>", "a\nb"])
def test_any_words_get_one_sentence(word):
    for question in ((word, "", ""), ("", word, ""), ("mug", word, "tray"), ("", "", word)):
        answer = query_relations(GRAPH, *question)
        assert answer.text.endswith(".") and "\n" not in answer.text
        assert len(answer.text) < 500
