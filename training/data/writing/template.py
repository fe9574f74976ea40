"""Text from facts alone, without a model: the default generator.

Every choice comes from the seed and the row's id, so a row depends on nothing but its image.
A ``<pred>`` tag always speaks of the camera's view; what is said of another view has none.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from spacesgg_ros.graph.predicates import DIRECTIONAL, INVERSES, resolve_predicate
from spacesgg_ros.graph.text import format_relation
from spacesgg_ros.graph.types import Viewpoint
from spacesgg_ros.training.data.grammar import article, is_mass, is_plural, join_names, verb
from spacesgg_ros.training.data.spatial_text import (
    PLACES,
    VIEW_NAMES,
    Exchange,
    Fact,
    say,
    turn_view,
)

from . import paraphrases as bank
from .facts import ImageFacts, Relation, invert
from .generator import Failure, GenerationFailed, WritingRequest, WritingResult

_RELATIONS_TOLD = 8
_OTHERWISE = 0.25
_BOTH_AXES = 0.7
"""Share of Conv rows that turn "in front of and to the left of" where they can."""
_ORDINALS = ("", "another", "a third", "a fourth", "a fifth", "a sixth", "a seventh", "an eighth")
_SIDES = (Viewpoint.LEFT, Viewpoint.RIGHT, Viewpoint.BACK)
_COMPARISONS = {
    "in front of": ("nearer", "farther"),
    "to the left of": ("left", "right"),
    "above": ("higher", "lower"),
}
"""What can be asked of an order: for its subject, for its object."""


@dataclass(frozen=True)
class TemplateGenerator:
    """Writes any format from paraphrases of our own; needs no network and no model."""

    def write(self, requests: Sequence[WritingRequest]) -> list[WritingResult]:
        """One result for each request, in order."""
        return [_write(request) for request in requests]


def _write(request: WritingRequest) -> WritingResult:
    rng = random.Random(f"{request.seed}/{request.id}")
    exchanges = _WRITERS[request.format](request.facts, request.turns, rng)
    if not exchanges:
        told = GenerationFailed(Failure.NOTHING_TO_SAY, f"{request.facts.id} has no fact for it")
        return WritingResult(failure=told)
    return WritingResult(tuple(exchanges), provenance={"generator": "template"})


# --- description ----------------------------------------------------------------------------------


def write_description(facts: ImageFacts, turns: int, rng: random.Random) -> list[Exchange]:
    """Layer by layer, near to far: tagged things, then how those stand that were named so far."""
    if not facts.things:
        return []
    told = _choose_told(facts, rng)
    lines = []
    named: dict[str, int] = {}
    for number in range(1, len(facts.layers) + 1):
        sentences = [_list_layer(facts, number, named, rng)]
        here = [r for r in told if max(facts.layer_of(r[0]), facts.layer_of(r[2])) == number]
        for subject in dict.fromkeys(r[0] for r in here):
            group = [facts.fact(r) for r in here if r[0] == subject]
            phrases = [_relate(fact) for fact in group]
            slots = group[0].slots() | {"relations": join_names(phrases)}
            otherwise = rng.random() < _OTHERWISE
            paraphrases = bank.RELATED_OTHERWISE if otherwise else (bank.RELATED,)
            sentences.append(say(rng, paraphrases, **slots))
        lines.append(f"Layer {number}: {' '.join(sentences)}")
    return [(say(rng, bank.ASK_DESCRIPTION), "\n".join(lines))]


def ask_description(rng: random.Random) -> str:
    """A prompt that a layered description answers."""
    return say(rng, bank.ASK_DESCRIPTION)


def _list_layer(facts: ImageFacts, number: int, named: dict[str, int], rng: random.Random) -> str:
    layer = facts.layers[number - 1]
    things = [facts.things[i] for i in layer]
    names = []
    for thing in things:
        names.append(f"{_count(thing.label, named.get(thing.label, 0))} {thing.tagged}")
        named[thing.label] = named.get(thing.label, 0) + 1
    paraphrases: tuple[str, ...] = bank.ANY_LAYER
    if len(facts.layers) > 1 and facts.flat[number - 1]:
        last = number == len(facts.layers)
        paraphrases = (
            bank.FIRST_LAYER if number == 1 else bank.LAST_LAYER if last else bank.MIDDLE_LAYER
        )
    label = things[0].label
    many = len(things) > 1
    return say(
        rng,
        paraphrases,
        things=join_names(names),
        be="are" if many else verb(label, "is", "are"),
        come="come" if many else verb(label, "comes", "come"),
    )


def _count(label: str, before: int) -> str:
    """ "a", then "another", "a third"."""
    if not before or is_plural(label) or is_mass(label) or before >= len(_ORDINALS):
        return article(label, before > 0)
    return _ORDINALS[before]


def _choose_told(facts: ImageFacts, rng: random.Random) -> list[Relation]:
    """Annotated relations, then how neighbours in the picture stand; a pair once."""
    told: list[Relation] = []
    pairs: set[frozenset[int]] = set()
    annotated = list(facts.annotated)
    rng.shuffle(annotated)
    near = sorted(facts.compared, key=lambda r: (_apart(facts, r), r))
    near = [_tell_later(facts, r, rng) for r in near if _stateable(facts, r)]
    for relation in (*annotated, *near):
        subject, predicate, target = relation
        said = [p for s, p, _ in told if s == subject]
        pair = frozenset((subject, target))
        if pair not in pairs and len(said) < 2 and predicate not in said:
            pairs.add(pair)
            told.append(relation)
        if len(told) == _RELATIONS_TOLD:
            break
    place = {index: k for k, index in enumerate(facts.things)}
    return sorted(told, key=lambda r: (place[r[0]], place[r[2]]))


def _apart(facts: ImageFacts, relation: Relation) -> float:
    a, b = facts.things[relation[0]].box, facts.things[relation[2]].box
    return math.hypot(a[0] + a[2] - b[0] - b[2], a[1] + a[3] - b[1] - b[3])


def _stateable(facts: ImageFacts, relation: Relation) -> bool:
    """Whether the sentence "a is p b" may stand for an order: "above" needs more than height."""
    return relation[1] != "above" or (relation[0], relation[2]) in facts.overhead


def _tell_later(facts: ImageFacts, relation: Relation, rng: random.Random) -> Relation:
    """Told from the thing that is named later, which is what a reader has just met."""
    first, _, second = relation
    a, b = facts.layer_of(first), facts.layer_of(second)
    turn = rng.random() < 0.5 if a == b else a < b
    return invert(relation) if turn and relation[1] != "above" else relation


def _relate(fact: Fact) -> str:
    tag = format_relation(fact.predicate, fact.subject.box, fact.object.box)
    return f"{tag} {fact.object.the}"


# --- questions ------------------------------------------------------------------------------------


def write_questions(facts: ImageFacts, turns: int, rng: random.Random) -> list[Exchange]:
    """Comparative questions of different kinds, no two about the same things."""
    kinds = [_ask_which, _ask_which, _ask_out_of, _sort_three, _ask_yes_no, _ask_where]
    rng.shuffle(kinds)
    asked: list[Exchange] = []
    groups: set[frozenset[int]] = set()
    for ask in kinds:
        if len(asked) == turns:
            break
        for things, exchange in ask(facts, rng):
            if things not in groups:
                groups.add(things)
                asked.append(exchange)
                break
    return asked


Asked = Iterator[tuple[frozenset[int], Exchange]]
"""Possible questions in random order, each with the things that it is about."""


def _shuffled(relations: Sequence[Relation], rng: random.Random) -> list[Relation]:
    """At random, but the kinds of relations in turn, so that rare ones are told, too."""
    by_kind: dict[str, list[Relation]] = {}
    for relation in relations:
        by_kind.setdefault(relation[1], []).append(relation)
    kinds = sorted(by_kind)
    rng.shuffle(kinds)
    for kind in kinds:
        rng.shuffle(by_kind[kind])
    rounds = max(map(len, by_kind.values()), default=0)
    return [by_kind[k][n] for n in range(rounds) for k in kinds if n < len(by_kind[k])]


def _comparable(facts: ImageFacts) -> list[Relation]:
    """Orders that a comparison may ask for: in front must mean nearer, too."""
    return [r for r in facts.compared if r[1] != "in front of" or (r[0], r[2]) in facts.nearer]


def _ask_which(facts: ImageFacts, rng: random.Random) -> Asked:
    """Which of two is nearer, farther, more left, more right, higher or lower."""
    for relation in _shuffled(_comparable(facts), rng):
        side = rng.randrange(2)
        kind = _COMPARISONS[relation[1]][side]
        told = invert(relation) if side else relation
        fact = facts.fact(told)
        names = [f"the {fact.subject.tagged}", f"the {fact.object.tagged}"]
        rng.shuffle(names)
        question = say(rng, bank.WHICH[kind], first=names[0], second=names[1])
        tagged = _stateable(facts, relation) and rng.random() < 0.5
        paraphrases = bank.WHICH_ANSWER_TAGGED if tagged else bank.WHICH_ANSWER
        answer = say(rng, paraphrases, **fact.slots(), compared=bank.COMPARED[kind])
        yield frozenset(told[::2]), (question, answer)


def _chains(facts: ImageFacts, predicate: str, rng: random.Random) -> Iterator[list[int]]:
    """Three things that stand in this order, each pair of them; in random order."""
    pairs = {(s, o) for s, p, o in _comparable(facts) if p == predicate}
    first = sorted(pairs)
    rng.shuffle(first)
    for a, b in first:
        thirds = sorted(c for x, c in pairs if x == b and (a, c) in pairs)
        if thirds:
            yield [a, b, rng.choice(thirds)]


def _ask_out_of(facts: ImageFacts, rng: random.Random) -> Asked:
    """Which of three is at the end of an order."""
    predicates = ["in front of", "to the left of"]
    rng.shuffle(predicates)
    for predicate in predicates:
        for chain in _chains(facts, predicate, rng):
            side = rng.randrange(2)
            kind = _COMPARISONS[predicate][side]
            thing = facts.things[chain[-side]]
            question = say(rng, bank.OUT_OF[kind], **_list_mixed(facts, chain, rng))
            answer = say(
                rng,
                bank.OUT_OF_ANSWER,
                the_subject=thing.the,
                superlative=bank.SUPERLATIVE[kind],
                **{"is": verb(thing.label, "is", "are")},
            )
            yield frozenset(chain), (question, answer)


def _sort_three(facts: ImageFacts, rng: random.Random) -> Asked:
    """Three things to be put in order."""
    predicates = ["in front of", "to the left of"]
    rng.shuffle(predicates)
    for predicate in predicates:
        for chain in _chains(facts, predicate, rng):
            kind = _COMPARISONS[predicate][0]
            one, two, three = (facts.things[i] for i in chain)
            question = say(rng, bank.SORT[kind], **_list_mixed(facts, chain, rng))
            answer = say(
                rng,
                bank.SORT_ANSWER[kind],
                one=one.the,
                two=two.the,
                three=three.the,
                is_one=verb(one.label, "is", "are"),
                come_two=verb(two.label, "comes", "come"),
                is_three=verb(three.label, "is", "are"),
            )
            yield frozenset(chain), (question, answer)


def _list_mixed(facts: ImageFacts, chain: Sequence[int], rng: random.Random) -> dict[str, str]:
    names = [f"the {facts.things[i].tagged}" for i in chain]
    rng.shuffle(names)
    return {"things": f"{names[0]}, {names[1]} or {names[2]}", "listed": join_names(names)}


def _ask_yes_no(facts: ImageFacts, rng: random.Random) -> Asked:
    """Whether a relation holds; half of the time it is its contrary that is asked for."""
    for relation in _shuffled(_statements(facts), rng):
        fact = facts.fact(relation)
        contrary = _contrary(fact.predicate)
        if contrary is None or rng.random() < 0.5:
            question, answers = say(rng, bank.YES_NO, **fact.slots()), bank.YES
        else:
            question = say(rng, bank.YES_NO, **fact.slots() | {"predicate": contrary})
            answers = bank.NO
        yield frozenset(relation[::2]), (question, say(rng, answers, **fact.slots()))


def _contrary(predicate: str) -> str | None:
    """A relation that cannot hold where this one does; None where none of the nine is sure."""
    label, swapped = resolve_predicate(predicate) or ("", False)
    if swapped or label in ("", "in", "next to"):
        return None
    return "on" if label == "under" else INVERSES[label]


def _ask_where(facts: ImageFacts, rng: random.Random) -> Asked:
    """Where one thing is in relation to another, answered with tags."""
    for relation in _shuffled(_statements(facts), rng):
        slots = facts.fact(relation).slots()
        question = say(rng, bank.WHERE, **slots)
        yield frozenset(relation[::2]), (question, say(rng, bank.WHERE_ANSWER, **slots))


def _statements(facts: ImageFacts) -> list[Relation]:
    """Everything of the form "a is p b", orders from both sides."""
    orders = [r for r in facts.compared if _stateable(facts, r)]
    turned = [invert(r) for r in orders if r[1] != "above"]
    return list(dict.fromkeys([*facts.annotated, *orders, *turned]))


# --- change of view -------------------------------------------------------------------------------


def write_conversation(facts: ImageFacts, turns: int, rng: random.Random) -> list[Exchange]:
    """Two things from the camera, then from other sides with reasons, then what stays."""
    pairs = list(turned_directions(facts).items())
    if not pairs:
        return []
    rng.shuffle(pairs)
    if rng.random() < _BOTH_AXES:
        pairs.sort(key=lambda item: -len(item[1][Viewpoint.CAMERA]))
    views = rng.sample(_SIDES, len(_SIDES))[: max(1, turns - 1)]
    first, *others = pairs
    exchanges = []
    for number, view in enumerate(views):
        slots = _view_slots(facts, *first, view)
        question = say(rng, bank.NEXT_VIEW if number else bank.FIRST_VIEW, **slots)
        exchanges.append((question, say(rng, bank.VIEW_ANSWER, **slots)))
    last = [*_stays(facts, rng)]
    if others and (not last or rng.random() < 0.5):
        slots = _view_slots(facts, *rng.choice(others), views[-1])
        exchange = say(rng, bank.OTHER_PAIR, **slots), say(rng, bank.OTHER_PAIR_ANSWER, **slots)
    elif last:
        exchange = last[0]
    else:
        slots = _view_slots(facts, *first, views[-1])
        exchange = say(rng, bank.BACK_AGAIN), say(rng, bank.BACK_AGAIN_ANSWER, **slots)
    return [*exchanges, exchange][:turns]


def turned_directions(facts: ImageFacts) -> dict[tuple[int, int], dict[Viewpoint, list[str]]]:
    """For each pair its directions in each view, in the same order of axes.

    Only those that are measured in every view, as turning the scene wants it.
    """
    found: dict[tuple[int, int], list[str]] = {}
    for s, p, o in facts.compared:
        turned = all((s, turn_view(p, view), o) in facts.views[view] for view in _SIDES)
        if p in DIRECTIONAL and turned:
            pair, predicate = ((o, s), INVERSES[p]) if (o, s) in found else ((s, o), p)
            found.setdefault(pair, []).append(predicate)
    return {
        pair: {view: [turn_view(p, view) for p in predicates] for view in Viewpoint}
        for pair, predicates in found.items()
    }


def _view_slots(
    facts: ImageFacts,
    pair: tuple[int, int],
    directions: Mapping[Viewpoint, list[str]],
    view: Viewpoint,
) -> dict[str, str]:
    predicates, turned = directions[Viewpoint.CAMERA], directions[view]
    places = [(PLACES[a], PLACES[b]) for a, b in zip(predicates, turned, strict=True)]
    changes = bank.CHANGE.format(before=places[0][0], after=places[0][1])
    if len(places) > 1:
        changes = bank.CHANGES.format(
            before=places[0][0],
            after=places[0][1],
            also_before=places[1][0],
            also_after=places[1][1],
        )
    return facts.fact((pair[0], predicates[0], pair[1])).slots() | {
        "view": VIEW_NAMES[view],
        "here": " and ".join(predicates),
        "there": " and ".join(turned),
        "changes": changes,
    }


def _stays(facts: ImageFacts, rng: random.Random) -> Iterator[Exchange]:
    """A relation that looks the same from everywhere."""
    above = [(s, "above", o) for s, o in sorted(facts.overhead)]
    for relation in _shuffled([*facts.annotated, *above], rng):
        label, _ = resolve_predicate(relation[1]) or ("", False)
        if label in DIRECTIONAL:
            continue
        slots = facts.fact(relation).slots()
        contrary = _contrary(relation[1])
        if contrary is not None and rng.random() < 0.4:
            question = say(rng, bank.CONTRARY, **slots | {"predicate": contrary})
            yield question, say(rng, bank.CONTRARY_ANSWER, **slots)
        else:
            yield say(rng, bank.STILL, **slots), say(rng, bank.STILL_ANSWER, **slots)


_WRITERS: dict[str, Callable[[ImageFacts, int, random.Random], list[Exchange]]] = {
    "desc": write_description,
    "qa": write_questions,
    "conv": write_conversation,
}
