"""Questions to a scene graph, answered from memory in one plain English sentence."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

from spacesgg_ros.graph.predicates import INVERSES, VSD_LABELS, resolve_predicate
from spacesgg_ros.graph.relations import (
    DEFAULT_RELATIONS,
    RelationConfig,
    judge_pair,
    measure_relations,
)
from spacesgg_ros.graph.types import (
    RelationSource,
    SceneGraph,
    SceneObject,
    SceneRelation,
    Vector3,
    Viewpoint,
)


class QueryStatus(enum.IntEnum):
    """Outcome of a query. Values equal ``QueryRelations.srv``'s constants."""

    OK = 0
    NO_GRAPH = 1
    STALE = 2
    UNKNOWN_SUBJECT = 3
    UNKNOWN_OBJECT = 4
    NO_RELATION = 5
    INVALID_REQUEST = 6
    NO_POSITION = 7


@dataclass(frozen=True)
class QueryAnswer:
    """``text`` is one sentence: the answer, or why there is none."""

    status: QueryStatus
    text: str
    objects: tuple[SceneObject, ...] = ()
    relations: tuple[SceneRelation, ...] = ()


_VIEW_WORDS = {
    Viewpoint.CAMERA: "",
    Viewpoint.LEFT: "Seen from the left, ",
    Viewpoint.RIGHT: "Seen from the right, ",
    Viewpoint.BACK: "Seen from the back, ",
}
_MOST_NAMED = 6
_LONGEST_QUOTE = 60


def find_objects(graph: SceneGraph, name: str) -> tuple[SceneObject, ...]:
    """Objects that a name means: "#3" by id; else by label, ignoring case and articles.

    An exact label wins; without one, labels that end in the name's words ("mug" means "coffee
    mug"), then those that hold them anywhere. An empty name means every object.
    """
    wanted = name.strip().lower()
    if not wanted:
        return graph.objects
    if wanted.startswith("#"):
        return tuple(o for o in graph.objects if str(o.id) == wanted[1:].strip())
    words = wanted.split()
    if len(words) > 1 and words[0] in ("the", "a", "an"):
        words = words[1:]
    for choices in ([words], [_singular(words)]):
        for meant in choices:
            labels = [(o, o.label.lower().split()) for o in graph.objects]
            exact = tuple(o for o, label in labels if label == meant)
            ending = tuple(o for o, label in labels if label[-len(meant) :] == meant)
            holding = tuple(o for o, label in labels if set(meant) <= set(label))
            found = exact or ending or holding
            if found:
                return found
    return ()


def _singular(words: Sequence[str]) -> list[str]:
    last = words[-1]
    for ending, replacement in (("ies", "y"), ("xes", "x"), ("shes", "sh"), ("ches", "ch")):
        if last.endswith(ending):
            return [*words[:-1], last[: -len(ending)] + replacement]
    return [*words[:-1], last[:-1] if last.endswith("s") and len(last) > 2 else last]


def name_object(obj: SceneObject) -> str:
    """``the mug (#3)``."""
    return f"the {obj.label} (#{obj.id})"


def query_relations(
    graph: SceneGraph | None,
    subject: str = "",
    predicate: str = "",
    object: str = "",
    viewpoint: Viewpoint | str = Viewpoint.CAMERA,
    up: Vector3 | None = None,
    config: RelationConfig = DEFAULT_RELATIONS,
) -> QueryAnswer:
    """Relations of a graph that fit a question, and a sentence that says them.

    Args:
        graph: None: nothing was published yet. Positions in the camera's optical frame.
        subject, object: label, "#id" or empty for any.
        predicate: any wording of the nine labels, another predicate of the model (compared
            ignoring case), or empty for any.
        viewpoint: from where left, right, front and behind are seen. Other than the camera's
            needs positions of both; only measured relations are told from there.
        up: against gravity in the graph's frame; None: the graph's own, else the camera's axes.

    Returns:
        Relations directed as asked (an "on" is told as "under" where that was asked).
    """
    if graph is None:
        return QueryAnswer(QueryStatus.NO_GRAPH, "There is no scene graph yet.")
    try:
        view = Viewpoint(viewpoint or "camera")
    except ValueError:
        allowed = ", ".join(v.value for v in Viewpoint)
        return QueryAnswer(
            QueryStatus.INVALID_REQUEST,
            f"Viewpoint {_quote(str(viewpoint))} is not one of {allowed}.",
        )
    subjects, objects = find_objects(graph, subject), find_objects(graph, object)
    for name, found, status in (
        (subject, subjects, QueryStatus.UNKNOWN_SUBJECT),
        (object, objects, QueryStatus.UNKNOWN_OBJECT),
    ):
        if name.strip() and not found:
            return QueryAnswer(status, _unknown(graph, name))
    search = _Search(graph, view, up if up is not None else graph.up, config)
    relations = search.relations(
        subjects, predicate, objects, bool(subject.strip() or object.strip())
    )
    held = tuple(r for r in relations if r.source is not RelationSource.CONTRADICTED)
    if held:
        return _answer(graph, held, view)
    return search.why_none(subjects, predicate, objects, relations, subject, object)


def _quote(words: str) -> str:
    """What the operator wrote, on one line and short enough to say back."""
    plain = " ".join(words.split())
    return f"'{plain if len(plain) <= _LONGEST_QUOTE else plain[:_LONGEST_QUOTE] + '...'}'"


def _unknown(graph: SceneGraph, name: str) -> str:
    if not graph.objects:
        return f"I do not see {_quote(name)}; I see no objects now."
    seen = sorted({o.label for o in graph.objects})
    more = len(seen) - 12
    listed = ", ".join(seen[:12]) + (f" and {more} more" if more > 0 else "")
    return f"I do not see {_quote(name)}; I see: {listed}."


@dataclass(frozen=True)
class _Search:
    """A question's setting: the graph, the viewpoint and what "up" is."""

    graph: SceneGraph
    view: Viewpoint
    up: Vector3 | None
    config: RelationConfig

    def relations(
        self,
        subjects: Sequence[SceneObject],
        predicate: str,
        objects: Sequence[SceneObject],
        named: bool,
    ) -> tuple[SceneRelation, ...]:
        """Every relation between the two sets that fits the predicate, strongest first."""
        wanted = resolve_predicate(predicate)
        first, second = {o.id for o in subjects}, {o.id for o in objects}
        found: dict[tuple[int, str, int], SceneRelation] = {}
        for relation in self._known(bool(predicate.strip()) or named):
            if relation.subject_id not in first or relation.object_id not in second:
                continue
            if predicate.strip() and not _fits(relation.predicate, predicate, wanted):
                continue
            key = (relation.subject_id, relation.predicate.lower(), relation.object_id)
            found.setdefault(key, relation)
        asked_pair = named and len(subjects) * len(objects) <= 4
        if (predicate.strip() or asked_pair) and (wanted is not None or not predicate.strip()):
            for relation in self._measured(subjects, wanted, objects):
                key = (relation.subject_id, relation.predicate, relation.object_id)
                found.setdefault(key, relation)
        return tuple(found.values())

    def _known(self, with_inverses: bool) -> list[SceneRelation]:
        """The graph's relations in this view, each also from its object's side if wanted."""
        if self.view is Viewpoint.CAMERA:
            known = list(self.graph.relations)
        else:
            known = list(
                measure_relations(
                    self.graph.objects, up=self.up, viewpoint=self.view, config=self.config
                )
            )
        if with_inverses:
            known += [turned for r in known if (turned := _turn(r)) is not None]
        return known

    def _measured(
        self,
        subjects: Sequence[SceneObject],
        wanted: tuple[str, bool] | None,
        objects: Sequence[SceneObject],
    ) -> list[SceneRelation]:
        """What geometry says of pairs that the graph may not report, near or far."""
        found: list[SceneRelation] = []
        for s in subjects:
            for o in objects:
                if s.id == o.id:
                    continue
                a, b = (o, s) if wanted is not None and wanted[1] else (s, o)
                evidence = judge_pair(a, b, up=self.up, viewpoint=self.view, config=self.config)
                if evidence is None:
                    continue
                if wanted is not None:
                    labels = [wanted[0]] if evidence[wanted[0]].support >= 1.0 else []
                else:
                    labels = [label for label, e in evidence.items() if e.support >= 1.0]
                    if {"on", "in", "above", "under"} & set(labels):
                        labels = labels[:1]
                found.extend(_measured_relation(a, label, b) for label in labels)
        return found

    def why_none(
        self,
        subjects: Sequence[SceneObject],
        predicate: str,
        objects: Sequence[SceneObject],
        refuted: Sequence[SceneRelation],
        subject: str,
        object: str,
    ) -> QueryAnswer:
        """The answer where nothing holds: which of the possible reasons it is."""
        if refuted:
            said = _clause(self.graph, refuted[0])
            return QueryAnswer(
                QueryStatus.NO_RELATION,
                f"The model says {said}, but the measured depth contradicts that.",
                _named(self.graph, refuted),
                tuple(refuted),
            )
        lacking = [
            o
            for group, asked in ((subjects, subject), (objects, object))
            for o in group
            if asked.strip() and o.extent is None
        ]
        spatial = not predicate.strip() or resolve_predicate(predicate) is not None
        if lacking and spatial:
            return QueryAnswer(
                QueryStatus.NO_POSITION,
                f"{_sentence(name_object(lacking[0]))} has no valid depth now, so I cannot "
                "measure where it is.",
                tuple(dict.fromkeys(lacking)),
            )
        if predicate.strip() and resolve_predicate(predicate) is None:
            return QueryAnswer(
                QueryStatus.NO_RELATION,
                f"The model has not said {_quote(predicate)} of these, and I can measure only "
                f"{', '.join(VSD_LABELS)}.",
            )
        first = _group(subjects) if subject.strip() else "nothing"
        second = _group(objects) if object.strip() else "anything"
        words = _clean_predicate(predicate) or "related to"
        negation = "" if first == "nothing" else " not"
        verb = "are" if subject.strip() and len(subjects) > 1 else "is"
        text = f"{_VIEW_WORDS[self.view]}{first} {verb}{negation} {words} {second}."
        return QueryAnswer(QueryStatus.NO_RELATION, _sentence(text))


def _fits(predicate: str, asked: str, wanted: tuple[str, bool] | None) -> bool:
    if wanted is None:
        return predicate.strip().lower() == asked.strip().lower()
    resolved = resolve_predicate(predicate)
    return resolved == wanted


def _turn(relation: SceneRelation) -> SceneRelation | None:
    """The relation told from its object's side, None where there are no words for it."""
    resolved = resolve_predicate(relation.predicate)
    if resolved is None:
        return None
    label, swapped = resolved
    inverse = label if swapped else INVERSES.get(label)
    if inverse is None:
        return None
    offset = relation.offset
    return SceneRelation(
        relation.object_id,
        inverse,
        relation.subject_id,
        relation.source,
        relation.score,
        None if offset is None else (-offset[0], -offset[1], -offset[2]),
        relation.distance_m,
    )


def _measured_relation(subject: SceneObject, label: str, target: SceneObject) -> SceneRelation:
    assert subject.extent is not None and target.extent is not None
    a, b = subject.extent, target.extent
    gaps = [
        max(abs(p - q) - 0.5 * (s + t), 0.0)
        for p, q, s, t in zip(a.position, b.position, a.size, b.size, strict=True)
    ]
    offset = (
        a.position[0] - b.position[0],
        a.position[1] - b.position[1],
        a.position[2] - b.position[2],
    )
    return SceneRelation(
        subject.id, label, target.id, RelationSource.GEOMETRY, 1.0, offset, math.hypot(*gaps)
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _clean_predicate(predicate: str) -> str:
    return " ".join(predicate.split()).lower()[:_LONGEST_QUOTE]


def _group(objects: Sequence[SceneObject]) -> str:
    """``the mug (#3)``, ``the mugs (#3, #4)`` or a list."""
    if len(objects) == 1:
        return name_object(objects[0])
    labels = {o.label for o in objects}
    ids = ", ".join(f"#{o.id}" for o in objects)
    if len(labels) == 1:
        return f"the {_plural(labels.pop())} ({ids})"
    return _join([name_object(o) for o in objects])


def _plural(label: str) -> str:
    if label.endswith(("s", "x", "sh", "ch")):
        return label + "es"
    if label.endswith("y") and label[-2:-1] not in tuple("aeiou"):
        return label[:-1] + "ies"
    return label + "s"


def _join(parts: Sequence[str]) -> str:
    if len(parts) > _MOST_NAMED:
        parts = [*parts[:_MOST_NAMED], f"{len(parts) - _MOST_NAMED} more"]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _clause(graph: SceneGraph, relation: SceneRelation) -> str:
    subject = graph.object_by_id(relation.subject_id)
    target = graph.object_by_id(relation.object_id)
    assert subject is not None and target is not None
    return f"{name_object(subject)} is {_clean_predicate(relation.predicate)} {name_object(target)}"


def _named(graph: SceneGraph, relations: Sequence[SceneRelation]) -> tuple[SceneObject, ...]:
    ids = dict.fromkeys(i for r in relations for i in (r.subject_id, r.object_id))
    return tuple(o for o in (graph.object_by_id(i) for i in ids) if o is not None)


def _answer(graph: SceneGraph, relations: Sequence[SceneRelation], view: Viewpoint) -> QueryAnswer:
    """One sentence: a single relation with its distance, several grouped by what they share."""
    objects = _named(graph, relations)
    if len(relations) == 1:
        text = _clause(graph, relations[0])
        first = graph.object_by_id(relations[0].subject_id)
        if first is not None and first.extent is not None:
            text += f", {math.hypot(*first.extent.position):.2f} m away"
    else:
        text = _several(graph, relations)
    text = _sentence(f"{_VIEW_WORDS[view]}{text}.")
    return QueryAnswer(QueryStatus.OK, text, objects, tuple(relations))


def _several(graph: SceneGraph, relations: Sequence[SceneRelation]) -> str:
    """``the mug (#3) and the cup (#4) are on the tray (#1)``, clause by clause otherwise."""
    by_subject: dict[int, list[SceneRelation]] = {}
    for relation in relations:
        by_subject.setdefault(relation.subject_id, []).append(relation)
    tails: dict[str, list[str]] = {}
    for subject_id, mine in by_subject.items():
        words: dict[int, list[str]] = {}
        for relation in mine:
            words.setdefault(relation.object_id, []).append(_clean_predicate(relation.predicate))
        ends = []
        for object_id, predicates in words.items():
            target = graph.object_by_id(object_id)
            assert target is not None
            ends.append(f"{_join(predicates)} {name_object(target)}")
        subject = graph.object_by_id(subject_id)
        assert subject is not None
        tails.setdefault(_join(ends), []).append(name_object(subject))
    clauses = [
        f"{_join(names)} {'is' if len(names) == 1 else 'are'} {tail}"
        for tail, names in tails.items()
    ]
    if len(clauses) > _MOST_NAMED:
        clauses = [*clauses[:_MOST_NAMED], f"{len(clauses) - _MOST_NAMED} more relations hold"]
    return "; ".join(clauses)
