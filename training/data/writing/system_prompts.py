"""What a language model is told: its task, and the facts of one image.

It sees text only. The facts come with their tags, so that it need copy and not invent; what it
makes of them is parsed (``parse_answer.py``) and, like every row, held against the measures.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from spacesgg_ros.graph.text import format_relation
from spacesgg_ros.graph.types import Viewpoint
from spacesgg_ros.training.data.spatial_text import VIEW_NAMES

from .facts import ImageFacts, Relation
from .generator import WritingRequest
from .template import turned_directions

_MAX_RELATIONS = 24

_RULES = """\
Rules:
- Write as somebody who looks at the picture. Never mention a list, a caption, coordinates, boxes, \
layers of data or any other source of what you know.
- Name an object as <ref>name</ref><box>[[x1, y1, x2, y2]]</box>. Copy name and numbers exactly as \
they are given; never make up a box and never change a number.
- Say a relation as <pred>relation</pred><box>[[subject box]]</box><box>[[object box]]</box>. Both \
boxes must stand behind a <ref> of the same text.
- Say nothing about position, distance or order that does not follow from the facts.
- Plain English sentences, no headings, no remarks before or after."""

_DESCRIPTION = f"""\
You describe the spatial layout of a picture, near to far.
You are given its objects in depth layers (Layer 1 is closest to the camera), relations that hold \
and sometimes a caption. The caption may be wrong: where it disagrees with the rest, ignore it \
silently.
Write one paragraph for each layer, in order, starting with "Layer 1:". Name every object of a \
layer there, and tell the relations with the layer in which both objects are known.

{_RULES}

Form of the answer (another picture):
Layer 1: A <ref>jar</ref><box>[[301, 520, 388, 700]]</box> is closest to the camera.
Layer 2: Behind it, a <ref>pan</ref><box>[[450, 410, 720, 640]]</box> is <pred>to the right \
of</pred><box>[[450, 410, 720, 640]]</box><box>[[301, 520, 388, 700]]</box> the jar."""

_QUESTIONS = f"""\
You write {{turns}} questions with answers that compare objects of a picture: which is closer, \
farther, more to the left, more to the right or higher, or where one is in relation to another.
Each answer must follow from the facts, and be short. Ask about different objects, and do not \
ask what the question already tells.

{_RULES}

Form of the answer (another picture):
1. Question: Which is closer to the camera, the <ref>jar</ref><box>[[301, 520, 388, 700]]</box> \
or the <ref>pan</ref><box>[[450, 410, 720, 640]]</box>? Answer: The \
<ref>jar</ref><box>[[301, 520, 388, 700]]</box> is closer than the pan.
2. Question: ... Answer: ..."""

_VIEWS = f"""\
You write a conversation about how two objects of a picture stand to each other when the scene is \
looked at from another side.
You are given their relation as the camera sees it, and what it is from each other side. Write one \
question with its answer for each side, in the given order: the question names the side, the \
answer says the relation from there and explains it (from the back, near and far change places and \
so do left and right; from the left side, what is on the left becomes near; from the right side, \
what is on the right becomes near).
The first question starts with the relation in the picture. Name both objects with their tags in \
the first question, and without tags afterwards. Do not use <pred> here.

{_RULES}

Form of the answer (another picture):
1. Question: The <ref>jar</ref><box>[[301, 520, 388, 700]]</box> is in front of the \
<ref>pan</ref><box>[[450, 410, 720, 640]]</box>. How is that seen from the back? Answer: From the \
back near and far change places, so the jar is behind the pan.
2. Question: ... Answer: ..."""


def write_system(request: WritingRequest) -> str:
    """The system message for a request."""
    if request.format == "qa":
        return _QUESTIONS.format(turns=request.turns)
    return _DESCRIPTION if request.format == "desc" else _VIEWS


def write_facts(request: WritingRequest) -> str:
    """The user message: the facts that a row of this format may use; "" where there are none."""
    rng = random.Random(f"{request.seed}/{request.id}/facts")
    facts = request.facts
    if request.format == "conv":
        return _tell_views(facts, request.turns, rng)
    relations = [*facts.annotated, *(r for r in facts.compared if r[1] != "above")]
    above = [(s, "above", o) for s, o in sorted(facts.overhead)]
    relations = list(dict.fromkeys([*relations, *above]))
    if not facts.things or (request.format == "qa" and not relations):
        return ""
    if len(relations) > _MAX_RELATIONS:
        relations = sorted(rng.sample(relations, _MAX_RELATIONS))
    lines = []
    for number, layer in enumerate(facts.layers, 1):
        lines.append(f"Layer {number}: " + ", ".join(facts.things[i].tagged for i in layer))
    lines += ["", "Relations:", *_tell(facts, relations)]
    if request.format == "desc" and facts.caption:
        lines += ["", f"Caption: {facts.caption}"]
    return "\n".join(lines)


def _tell(facts: ImageFacts, relations: Iterable[Relation]) -> list[str]:
    lines = []
    for relation in relations:
        fact = facts.fact(relation)
        tag = format_relation(fact.predicate, fact.subject.box, fact.object.box)
        lines.append(f"- {fact.subject.tagged} {tag} {fact.object.tagged}")
    return lines


def _tell_views(facts: ImageFacts, turns: int, rng: random.Random) -> str:
    pairs = sorted(turned_directions(facts).items())
    if not pairs:
        return ""
    (subject, target), by_view = rng.choice(pairs)
    one, other = facts.things[subject].tagged, facts.things[target].tagged
    sides = [view for view in by_view if view is not Viewpoint.CAMERA]
    rng.shuffle(sides)
    lines = [f"In the picture: {one} {' and '.join(by_view[Viewpoint.CAMERA])} {other}"]
    for view in sides[:turns]:
        lines.append(f"From {VIEW_NAMES[view]}: {' and '.join(by_view[view])}")
    return "\n".join(lines)
