"""The question the demo asks by itself, and questions in words."""

from __future__ import annotations

from spacesgg_ros.graph.types import SceneGraph, SceneRelation
from spacesgg_ros.viewer.state import Question

_TRUST = ("BOTH", "GEOMETRY", "MODEL", "CONTRADICTED")


def describe(question: Question) -> str:
    """A question in words."""
    seen = "" if question.viewpoint in ("", "camera") else f", seen from the {question.viewpoint}"
    subject, relation, target = question.subject, question.predicate, question.object
    if subject and target:
        words = (
            f"Is {subject} {relation} {target}"
            if relation
            else (f"How is {subject} related to {target}")
        )
    else:
        words = f"What is {subject} {relation or 'related to'} {target}"
    return f"{' '.join(words.split())}{seen}?"


def choose_question(graph: SceneGraph, even_without_relations: bool = False) -> Question | None:
    """A question this graph can answer: about its best-founded relation.

    Without relations None or, if so wished, what the first object is related to.
    """
    if not graph.relations:
        if not even_without_relations or not graph.objects:
            return None
        first = graph.objects[0]
        return Question(subject=_name(graph, first.id, first.label))

    def doubt(relation: SceneRelation) -> tuple[int, int, float]:
        """Small for what rests on much, then for objects that have long been there."""
        youngest = max(relation.subject_id, relation.object_id)
        return _TRUST.index(relation.source.name), youngest, -relation.score

    best = min(graph.relations, key=doubt)
    subject, target = graph.object_by_id(best.subject_id), graph.object_by_id(best.object_id)
    if subject is None or target is None:
        return None
    return Question(
        subject=_name(graph, subject.id, subject.label),
        object=_name(graph, target.id, target.label),
    )


def _name(graph: SceneGraph, object_id: int, label: str) -> str:
    """The label, or the id where several objects bear the label."""
    same = sum(item.label == label for item in graph.objects)
    return label if same == 1 else f"#{object_id}"
