"""Sentences about where things are, from facts alone: varied, grammatical, the same every time.

Each function takes the facts and a ``random.Random`` and picks among paraphrases of our own.
A fact must hold before it comes here; nothing is measured and nothing is guessed. The words
are few, so that a small tokenizer holds each as one token (:func:`template_words`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spacesgg_ros.graph.predicates import INVERSES, VSD_LABELS
from spacesgg_ros.graph.text import format_object, format_relation
from spacesgg_ros.graph.types import BoxNorm, Viewpoint
from spacesgg_ros.vlm import prompts

from .grammar import GRAMMAR_WORDS, article, join_names, number_word, sentence, verb

Exchange = tuple[str, str]
"""A prompt and its answer."""

_BANKS: dict[str, tuple[str, ...]] = {
    "ask caption": (
        "Describe the picture in one sentence.",
        "Write a short caption.",
        "What does the picture show?",
        "Name what is there in one sentence.",
    ),
    "ask objects": ("List the objects.", "List the objects from near to far."),
    "ask description": (
        prompts.TAGGED_SCENE_GRAPH_PROMPT,
        "Describe the picture layer by layer.",
        "Describe the scene from near to far.",
        "What is near, what is far, and how do the things stand to each other?",
        "Describe where everything is, the nearest layer first.",
    ),
    "caption with surface": (
        "{things} on {a_surface}.",
        "On {a_surface} {be} {things}.",
        "{things} {be_all} on {a_surface}.",
        "Here {a_surface} {carries} {things}.",
        "There {be} {things} on {a_surface}.",
    ),
    "caption": (
        "There {be} {things}.",
        "The picture shows {things}.",
        "{things} can be seen.",
        "This is a picture of {things}.",
    ),
    "first layer": ("{things}.", "nearest {be} {things}.", "in front {be} {things}."),
    "middle layer": ("{things}.", "then there {be} {things}.", "farther away {be} {things}."),
    "last layer": ("{things}.", "farthest away {be} {things}.", "at the back {be} {things}."),
    "only layer": ("{things}.", "here {be} {things}."),
    "tagged relation": (
        "{the_subject} {is} {tagged} {the_object}.",
        "{the_subject} can be seen {tagged} {the_object}.",
        "here {is} {the_subject}, {tagged} {the_object}.",
    ),
    "relation": (
        "{the_subject} {is} {predicate} {the_object}.",
        "{predicate} {the_object} {is} {a_subject}.",
        "there {is} {a_subject} {predicate} {the_object}.",
        "{the_subject} can be seen {predicate} {the_object}.",
        "you find {the_subject} {predicate} {the_object}.",
        "{the_subject} {is} located {predicate} {the_object}.",
    ),
    "contains": (
        "{the_object} {contains} {the_subject}.",
        "{the_object} {has} {the_subject} inside.",
        "inside {the_object} {is} {a_subject}.",
    ),
    "consequence on": (
        "{the_object} {carries} {the_subject}.",
        "{the_subject} {rests} on top of {the_object}.",
    ),
    "consequence in": ("{the_subject} {is} inside {the_object}.",),
    "consequence under": ("{the_object} {is_object} higher up than {the_subject}.",),
    "consequence above": ("{the_subject} {is} higher up than {the_object}.",),
    "consequence next to": (
        "only a small gap is between {the_subject} and {the_object}.",
        "{the_subject} and {the_object} are close to each other.",
    ),
    "consequence in front of": ("{the_subject} {is} nearer to the camera than {the_object}.",),
    "consequence behind": ("{the_subject} {is} farther from the camera than {the_object}.",),
    "consequence to the left of": (
        "of the two, {the_subject} {is} on the left and {the_object} on the right.",
    ),
    "consequence to the right of": (
        "of the two, {the_subject} {is} on the right and {the_object} on the left.",
    ),
    "which is nearer": (
        "Which is nearer to the camera, {first} or {second}?",
        "Which is closer, {first} or {second}?",
    ),
    "which is farther": ("Which is farther from the camera, {first} or {second}?",),
    "which is more left": ("Which is farther to the left, {first} or {second}?",),
    "which is more right": ("Which is farther to the right, {first} or {second}?",),
    "which is higher": ("Which is higher, {first} or {second}?",),
    "which is lower": ("Which is lower, {first} or {second}?",),
    "which": ("{the_subject}.",),
    "is it": ("{is} {subject} {predicate} {object}?",),
    "yes": ("Yes.", "Yes, {the_subject} {is} {predicate} {the_object}."),
    "no": ("No.", "No, {the_subject} {is} {predicate} {the_object}."),
    "where": (
        "Where {is} {subject} in relation to {object}?",
        "How {is} {subject} placed in relation to {object}?",
    ),
    "where answer": ("{the_subject} {is} {tagged} {the_object}.",),
    "how many all": ("How many objects are there?", "How many things can be seen?"),
    "how many on": ("How many objects are on {object}?",),
    "how many in": ("How many objects are in {object}?",),
    "count": ("{number}.", "there {be_number} {number}."),
    "first view": (
        "{subject} {is} {predicate} {object}. How does this look from {view}?",
        "{subject} {is} {predicate} {object}. Now look at the scene from {view}. What changes?",
        "Where {is} {subject} in relation to {object}, seen from {view}?",
    ),
    "next view": (
        "And from {view}?",
        "And seen from {view}?",
        "Where {is} {the_subject}, seen from {view}?",
    ),
    "view answer": (
        "Seen from {view}, what was {before} is now {after}, "
        "so {the_subject} {is} {predicate} {the_object}.",
        "From {view}, what is {before} here is {after} there, "
        "so {the_subject} {is} {predicate} {the_object}.",
    ),
    "same question": (
        "And {subject}: {is} {they} still {predicate} {object}?",
        "{is} {subject} still {predicate} {object} from there?",
    ),
    "same answer": (
        "Only the view changes, not the things, "
        "so {the_subject} {is} still {predicate} {the_object}.",
        "Yes, {the_subject} {is} {predicate} {the_object} from every side.",
    ),
}
"""Paraphrases by what they say. ``{is}`` agrees with the subject, ``{be}`` with what follows."""

_VERBS = {
    "contains": ("contains", "contain"),
    "has": ("has", "have"),
    "carries": ("carries", "carry"),
    "is_object": ("is", "are"),
}
"""Verbs of the object of a relation; those of its subject are ``{is}`` and ``{rests}``."""

VIEW_NAMES = {
    Viewpoint.LEFT: "the left side",
    Viewpoint.RIGHT: "the right side",
    Viewpoint.BACK: "the back",
}
_RING = ("in front of", "to the right of", "behind", "to the left of")
"""Directions in the order in which each becomes the next, seen a quarter turn to the left."""
_QUARTER_TURNS = {
    Viewpoint.CAMERA: 0,
    Viewpoint.LEFT: 1,
    Viewpoint.BACK: 2,
    Viewpoint.RIGHT: 3,
}
PLACES = {
    "in front of": "near",
    "to the right of": "on the right",
    "behind": "far",
    "to the left of": "on the left",
}
_OTHER_THINGS = "other things"
_CHOICES = {
    "in front of": ("which is nearer", "which is farther"),
    "to the left of": ("which is more left", "which is more right"),
    "on": ("which is higher", "which is lower"),
    "above": ("which is higher", "which is lower"),
}


@dataclass(frozen=True)
class Thing:
    """A named thing and its box, 0..999 over the square-padded image.

    Attributes:
        unique: nothing else in the picture has this label; what is not is always told with its
            box, since its name alone does not say which one is meant.
    """

    label: str
    box: BoxNorm
    unique: bool = True

    @property
    def the(self) -> str:
        return f"the {self.label if self.unique else self.tagged}"

    @property
    def a(self) -> str:
        return f"{article(self.label)} {self.label if self.unique else self.tagged}"

    @property
    def tagged(self) -> str:
        return format_object(self.label, self.box)


@dataclass(frozen=True)
class Fact:
    """``subject`` is ``predicate`` (one of ``VSD_LABELS``) ``object``."""

    subject: Thing
    predicate: str
    object: Thing

    @property
    def inverse(self) -> Fact | None:
        """The same told from the other thing; None for "in"."""
        told = INVERSES.get(self.predicate)
        return Fact(self.object, told, self.subject) if told else None

    def slots(self) -> dict[str, str]:
        """What a template may say of the fact."""
        s, o = self.subject, self.object
        slots = {name: verb(o.label, *forms) for name, forms in _VERBS.items()}
        return slots | {
            "is": verb(s.label, "is", "are"),
            "rests": verb(s.label, "rests", "rest"),
            "they": verb(s.label, "it", "they"),
            "the_subject": s.the,
            "a_subject": s.a,
            "the_object": o.the,
            "subject": f"the {s.tagged}",
            "object": f"the {o.tagged}",
            "predicate": self.predicate,
            "tagged": format_relation(self.predicate, s.box, o.box),
        }


def turn_view(predicate: str, view: Viewpoint) -> str:
    """What a relation of the camera's view becomes, seen from the scene's left, right or back.

    With x to the right and z away from the camera, the viewer on the left (at -x, looking
    along +x) has x as depth and -z to the right; on the right, -x and z; at the back, both
    change sign. So directions turn in a ring by quarters; other relations stay.
    """
    if predicate not in _RING:
        return predicate
    return _RING[(_RING.index(predicate) + _QUARTER_TURNS[view]) % len(_RING)]


def template_words() -> list[str]:
    """Every word of the prompts and templates but for the labels of things, sorted."""
    texts = [text for bank in _BANKS.values() for text in bank]
    texts = [re.sub(r"\{\w+\}", " ", text) for text in texts]
    texts += [sentence(text) for text in texts]
    texts += [form for forms in _VERBS.values() for form in forms]
    texts += [
        prompts.SCENE_GRAPH_PROMPT,
        *(re.sub(r"\{\w+\}", " ", prompt) for prompt in _VSD_PROMPTS),
        *GRAMMAR_WORDS,
        *VSD_LABELS,
        *(sentence(label) for label in VSD_LABELS),
        *VIEW_NAMES.values(),
        *PLACES.values(),
        _OTHER_THINGS,
        "Layer Is Are rests rest",
    ]
    return sorted({word for text in texts for word in re.findall("[A-Za-z]+", text)})


_VSD_PROMPTS = (prompts.CLASSIFY_PROMPT, prompts.DESCRIBE_PROMPT, prompts.OPEN_PROMPT)


def say(rng: random.Random, paraphrases: Sequence[str], **slots: str) -> str:
    """One of the paraphrases with its slots filled, as the start of a sentence."""
    return sentence(rng.choice(paraphrases).format(**slots))


def _say(rng: random.Random, bank: str, **slots: str) -> str:
    return say(rng, _BANKS[bank], **slots)


def flat_layers(
    intervals: Mapping[int, tuple[float, float]], layers: Sequence[Sequence[int]]
) -> list[bool]:
    """For each layer whether all of it may be called nearest or farthest.

    A thing that reaches from before another to behind it (a table) is neither.

    Args:
        intervals: nearest and farthest depth of every thing in ``layers``, by its index.
    """
    spans = {
        i
        for i, (near, far) in intervals.items()
        if any(near < low and far > high for low, high in intervals.values())
    }
    return [spans.isdisjoint(layer) for layer in layers]


def write_prompt(task: str, rng: random.Random) -> str:
    """A prompt for "caption", "objects" or "description"."""
    return _say(rng, f"ask {task}")


def write_caption(
    things: Sequence[Thing], surface: Thing | None, complete: bool, rng: random.Random
) -> str:
    """One sentence that names the things, a name once.

    Args:
        things: at least one; all on ``surface`` if that is given.
        complete: whether these are all; else "other things" end the list.
    """
    labels = list(dict.fromkeys(thing.label for thing in things))
    names = [f"{article(label)} {label}" for label in labels]
    if not complete:
        names.append(_OTHER_THINGS)
    be = verb(labels[0], "is", "are")
    slots = {
        "things": join_names(names),
        "be": be,
        "be_all": "are" if names[1:] else be,
    }
    if surface is None:
        return _say(rng, "caption", **slots)
    carries = verb(surface.label, *_VERBS["carries"])
    return _say(rng, "caption with surface", **slots, a_surface=surface.a, carries=carries)


def write_description(
    layers: Sequence[Sequence[Thing]],
    flat: Sequence[bool],
    facts: Sequence[Fact],
    rng: random.Random,
) -> str:
    """Tagged things layer by layer, near to far, then a line with a sentence for each fact.

    Args:
        flat: for each layer whether all of it may be called nearest, farther or farthest.
    """
    seen: set[str] = set()
    lines = []
    for number, (layer, at_one_depth) in enumerate(zip(layers, flat, strict=True), 1):
        names = []
        for thing in layer:
            names.append(f"{article(thing.label, thing.label in seen)} {thing.tagged}")
            seen.add(thing.label)
        bank = "only layer"
        if at_one_depth and len(layers) > 1:
            at = "first" if number == 1 else "last" if number == len(layers) else "middle"
            bank = f"{at} layer"
        text = _say(rng, bank, things=join_names(names), be=verb(layer[0].label, "is", "are"))
        lines.append(f"Layer {number}: {text}")
    if facts:
        lines.append(" ".join(_say(rng, "tagged relation", **fact.slots()) for fact in facts))
    return "\n".join(lines)


def write_relation(fact: Fact, rng: random.Random) -> str:
    """One sentence that says the fact."""
    return _say(rng, "relation", **fact.slots())


def write_open_description(
    fact: Fact, back: Fact | None, depth_agrees: bool, rng: random.Random
) -> str:
    """Three sentences in three lines: the fact, its inverse, what follows from it.

    Args:
        back: the same fact told from the other thing; None for "in".
        depth_agrees: whether "in front of" and "behind" also mean nearer and farther here.
    """
    lines = [
        write_relation(fact, rng),
        write_relation(back, rng) if back else _say(rng, "contains", **fact.slots()),
    ]
    if depth_agrees or fact.predicate not in ("in front of", "behind"):
        lines.append(_say(rng, f"consequence {fact.predicate}", **fact.slots()))
    return "\n".join(lines)


def write_choice(fact: Fact, rng: random.Random) -> Exchange | None:
    """Which of two is nearer, farther, more left, more right, higher or lower; or None.

    None for relations that say nothing of that. "In front of" must mean nearer here.
    """
    turned = fact if fact.predicate in _CHOICES else fact.inverse
    if turned is None or turned.predicate not in _CHOICES:
        return None
    side = rng.randrange(2)
    answer = (turned.subject, turned.object)[side]
    names = [f"the {turned.subject.tagged}", f"the {turned.object.tagged}"]
    rng.shuffle(names)
    question = _say(rng, _CHOICES[turned.predicate][side], first=names[0], second=names[1])
    return question, _say(rng, "which", the_subject=answer.the)


def write_yes_no(fact: Fact, rng: random.Random) -> Exchange:
    """Whether the fact holds, or whether its contrary does, half of the time each."""
    contrary = _contrary(fact.predicate)
    if contrary is None or rng.random() < 0.5:
        return _say(rng, "is it", **fact.slots()), _say(rng, "yes", **fact.slots())
    question = _say(rng, "is it", **fact.slots() | {"predicate": contrary})
    return question, _say(rng, "no", **fact.slots())


def _contrary(predicate: str) -> str | None:
    """A relation that cannot hold where this one does."""
    if predicate == "under":
        return "on"
    return None if predicate in ("in", "next to") else INVERSES[predicate]


def write_where(fact: Fact, rng: random.Random) -> Exchange:
    """Where one thing is in relation to another, answered with tags."""
    return _say(rng, "where", **fact.slots()), _say(rng, "where answer", **fact.slots())


def write_count(count: int, predicate: str, surface: Thing | None, rng: random.Random) -> Exchange:
    """How many objects are on or in ``surface``, or in the picture (None)."""
    if surface is None:
        question = _say(rng, "how many all")
    else:
        question = _say(rng, f"how many {predicate}", object=f"the {surface.tagged}")
    be = "is" if count == 1 else "are"
    return question, _say(rng, "count", number=number_word(count), be_number=be)


def write_views(fact: Fact, views: Sequence[Viewpoint], rng: random.Random) -> list[Exchange]:
    """A directional fact of the camera's view, seen from other sides, each with the reason."""
    exchanges = []
    for number, view in enumerate(views):
        turned = turn_view(fact.predicate, view)
        slots = fact.slots() | {"view": VIEW_NAMES[view]}
        question = _say(rng, "next view" if number else "first view", **slots)
        slots |= {
            "before": PLACES[fact.predicate],
            "after": PLACES[turned],
            "predicate": turned,
        }
        exchanges.append((question, _say(rng, "view answer", **slots)))
    return exchanges


def write_unchanged(fact: Fact, rng: random.Random) -> Exchange:
    """Whether a fact without direction changes with the view: it does not."""
    slots = fact.slots()
    return _say(rng, "same question", **slots), _say(rng, "same answer", **slots)
