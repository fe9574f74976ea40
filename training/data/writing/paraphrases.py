"""The sentences of the template generator; what fills their slots is in ``template.py``.

``{is}`` and ``{they}`` agree with the subject, ``{be}`` with the first thing of a list and
``{be}`` with the whole list.
"""

from __future__ import annotations

from spacesgg_ros.vlm.prompts import TAGGED_SCENE_GRAPH_PROMPT

ASK_DESCRIPTION = (
    TAGGED_SCENE_GRAPH_PROMPT,
    "Describe the spatial layout of this image layer by layer, from near to far.",
    "Go through the scene in depth layers, the closest one first, and say where everything is.",
    "What is in the foreground and what is in the background? Tag every object with its box.",
    "Give a layered description of the picture, starting at the camera. Tag objects and "
    "relations with their boxes.",
    "Walk me through this scene from front to back.",
    "How is this scene arranged in depth? Answer in layers, the nearest first.",
    "Describe the objects by their distance from the camera and how they relate to each other.",
    "Starting with what is closest, describe each depth layer of the image.",
    "Sort what you see into layers of depth, and describe each layer with grounded objects.",
    "Tell me what is where, from the nearest things to the farthest.",
    "Write a grounded description of the layout: one line for each depth layer.",
)

FIRST_LAYER = (
    "Closest to the camera {be} {things}.",
    "The nearest layer holds {things}.",
    "Nearest to the viewer {be} {things}.",
    "In the foreground {be} {things}.",
    "{things} {be} closest to the camera.",
    "{things} {be} in the foreground.",
)
MIDDLE_LAYER = (
    "Farther away {be} {things}.",
    "Next {be} {things}.",
    "The next layer holds {things}.",
    "At a greater distance {be} {things}.",
    "{things} {come} next.",
    "After that {come} {things}.",
)
LAST_LAYER = (
    "Farthest away {be} {things}.",
    "In the background {be} {things}.",
    "The farthest layer holds {things}.",
    "{things} {be} farthest from the camera.",
    "{things} {be} in the background.",
    "At the very back {be} {things}.",
)
ANY_LAYER = (
    "This layer holds {things}.",
    "Here {be} {things}.",
    "{things} {be} here.",
    "In this layer {be} {things}.",
    "This depth has {things}.",
)
RELATED = "{the_subject} {is} {relations}."
RELATED_OTHERWISE = (
    "Note that {the_subject} {is} {relations}.",
    "Looking closer, {the_subject} {is} {relations}.",
    "You can see that {the_subject} {is} {relations}.",
    "Here {the_subject} {is} {relations}.",
)
"""Now and then, so that not every sentence starts alike."""

WHICH = {
    "nearer": (
        "Which is closer to the camera, {first} or {second}?",
        "Which of the two is nearer, {first} or {second}?",
        "Comparing {first} with {second}, which one is closer to the viewer?",
        "Between {first} and {second}, which is nearer to the camera?",
    ),
    "farther": (
        "Which is farther from the camera, {first} or {second}?",
        "Which of the two is farther away, {first} or {second}?",
        "Comparing {first} with {second}, which one is farther from the viewer?",
        "Between {first} and {second}, which is farther from the camera?",
    ),
    "left": (
        "Which is farther to the left, {first} or {second}?",
        "Between {first} and {second}, which one is on the left?",
        "Of {first} and {second}, which is more to the left?",
    ),
    "right": (
        "Which is farther to the right, {first} or {second}?",
        "Between {first} and {second}, which one is on the right?",
        "Of {first} and {second}, which is more to the right?",
    ),
    "higher": (
        "Which is higher in the picture, {first} or {second}?",
        "Which of the two is higher up in the picture, {first} or {second}?",
        "Between {first} and {second}, which is higher in the picture?",
    ),
    "lower": (
        "Which is lower in the picture, {first} or {second}?",
        "Which of the two is lower down in the picture, {first} or {second}?",
        "Between {first} and {second}, which is lower in the picture?",
    ),
}
COMPARED = {
    "nearer": "closer to the camera than",
    "farther": "farther from the camera than",
    "left": "farther to the left than",
    "right": "farther to the right than",
    "higher": "higher in the picture than",
    "lower": "lower in the picture than",
}
WHICH_ANSWER = (
    "{the_subject} {is} {compared} {the_object}.",
    "It is {the_subject} that {is} {compared} {the_object}.",
    "{the_subject}.",
)
WHICH_ANSWER_TAGGED = (
    "{subject} {is} {tagged} {object}.",
    "It is {subject}, {tagged} {object}.",
)

OUT_OF = {
    "nearer": (
        "Which is the closest to the camera: {things}?",
        "Of {listed}, which is nearest to the viewer?",
        "Compare {listed}. Which one is nearest to the camera?",
    ),
    "farther": (
        "Which is the farthest from the camera: {things}?",
        "Of {listed}, which is farthest from the viewer?",
        "Compare {listed}. Which one is farthest from the camera?",
    ),
    "left": (
        "Which is the farthest to the left: {things}?",
        "Of {listed}, which is the leftmost?",
    ),
    "right": (
        "Which is the farthest to the right: {things}?",
        "Of {listed}, which is the rightmost?",
    ),
}
SUPERLATIVE = {
    "nearer": "closest to the camera",
    "farther": "farthest from the camera",
    "left": "farthest to the left",
    "right": "farthest to the right",
}
OUT_OF_ANSWER = (
    "{the_subject} {is} {superlative}.",
    "Of the three, {the_subject} {is} {superlative}.",
    "It is {the_subject}.",
    "{the_subject}.",
)
SORT = {
    "nearer": (
        "Order {listed} from the nearest to the farthest.",
        "Sort these by their distance from the camera, the closest first: {listed}.",
        "Put {listed} in order of depth, starting with the nearest.",
    ),
    "left": (
        "Order {listed} from left to right.",
        "List {listed} as they stand from left to right.",
    ),
}
SORT_ANSWER = {
    "nearer": (
        "From near to far: {one}, {two}, {three}.",
        "{one} {is_one} nearest, then {come_two} {two}, and {three} {is_three} farthest.",
        "First {one}, then {two}, and last {three}.",
    ),
    "left": (
        "From left to right: {one}, {two}, {three}.",
        "{one} {is_one} on the left, {two} in the middle and {three} on the right.",
        "First {one}, then {two}, and last {three}.",
    ),
}
YES_NO = (
    "{is} {subject} {predicate} {object}?",
    "Is it true that {subject} {is} {predicate} {object}?",
)
YES = (
    "Yes, {the_subject} {is} {predicate} {the_object}.",
    "Yes.",
)
NO = (
    "No, {the_subject} {is} {predicate} {the_object}.",
    "No.",
)
WHERE = (
    "Where {is} {subject} in relation to {object}?",
    "How {is} {subject} placed in relation to {object}?",
    "How {is} {subject} related to {object} in space?",
    "What is the position of {subject} relative to {object}?",
)
WHERE_ANSWER = ("{subject} {is} {tagged} {object}.",)

FIRST_VIEW = (
    "From the camera, {subject} {is} {here} {object}. How is this from {view}?",
    "{subject} {is} {here} {object}. Now look at the scene from {view}: how are the two placed, "
    "and why?",
    "Seen from the camera, {subject} {is} {here} {object}. Describe how they stand when viewed "
    "from {view}, and explain.",
    "{subject} {is} {here} {object}. What would somebody see who looks from {view}?",
)
NEXT_VIEW = (
    "And from {view}?",
    "What if you look from {view}?",
    "Now move to {view} of the scene. Where {is} {the_subject} then?",
    "How do the two stand when seen from {view}?",
)
VIEW_ANSWER = (
    "Seen from {view}, {changes}. So {the_subject} {is} {there} {the_object}.",
    "From {view}, {changes}, so {the_subject} {is} {there} {the_object} there.",
    "From {view}, {the_subject} {is} {there} {the_object}, because {changes}.",
    "Looking from {view}, {changes}; therefore {the_subject} {is} {there} {the_object}.",
    "{the_subject} {is} {there} {the_object} then: seen from {view}, {changes}.",
)
BACK_AGAIN = (
    "And back at the camera?",
    "And if you return to the camera's view?",
    "What is it again from where the picture was taken?",
)
BACK_AGAIN_ANSWER = (
    "From the camera, {the_subject} {is} {here} {the_object}, as in the picture.",
    "There {the_subject} {is} {here} {the_object} again.",
)
OTHER_PAIR = (
    "Still from {view}: where {is} {subject} in relation to {object}?",
    "From {view} as well, how {is} {subject} placed in relation to {object}?",
)
OTHER_PAIR_ANSWER = (
    "From the camera, {the_subject} {is} {here} {the_object}. From {view}, {changes}, so there "
    "{the_subject} {is} {there} {the_object}.",
    "Seen from the camera, {the_subject} {is} {here} {the_object}. Seen from {view}, {changes}; "
    "therefore {the_subject} {is} {there} {the_object}.",
)
STILL = (
    "{is} {subject} still {predicate} {object} when seen from there?",
    "And {subject}: still {predicate} {object}?",
    "From there, {is} {subject} {predicate} {object}?",
)
STILL_ANSWER = (
    "Yes, {the_subject} {is} {predicate} {the_object} from every side.",
    "Yes. Only the view changes and not the things, so {the_subject} {is} still {predicate} "
    "{the_object}.",
)
CONTRARY = ("From there, {is} {subject} {predicate} {object}?",)
CONTRARY_ANSWER = (
    "No, {the_subject} {is} {predicate} {the_object} from every side.",
    "No. Only the view changes and not the things, so {the_subject} {is} still {predicate} "
    "{the_object}.",
)
CHANGE = "what is {before} in the picture is {after}"
"""Why a direction reads otherwise from another side."""
CHANGES = CHANGE + ", and what is {also_before} is {also_after}"
