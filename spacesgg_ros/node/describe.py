"""What the model is asked when an operator asks for a description. No ROS.

Words from outside become part of a prompt, so they are cut to a length and lose what a model
would take for structure: tags, image placeholders, role names, control characters.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from spacesgg_ros.graph import VSD_LABELS, SceneGraph, find_objects
from spacesgg_ros.vlm.prompts import CLASSIFY_PROMPT, DESCRIBE_PROMPT, OPEN_PROMPT

NAME_LIMIT = 60
QUESTION_LIMIT = 300


class DescribeStatus(enum.IntEnum):
    """Values equal DescribeRelation.srv's constants."""

    OK = 0
    NO_IMAGE = 1
    TIMEOUT = 2
    UNKNOWN_SUBJECT = 3
    UNKNOWN_OBJECT = 4
    INVALID_REQUEST = 5
    MODEL_NOT_READY = 6
    NOT_ACTIVE = 7


class DescribeTask(enum.IntEnum):
    """Values equal DescribeRelation.srv's constants."""

    CLASSIFY = 0
    DESCRIBE = 1
    OPEN = 2


@dataclass(frozen=True)
class Prompt:
    """What to ask. ``choices``: the only answers allowed, None: any."""

    text: str
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True)
class NoPrompt:
    """Why there is nothing to ask."""

    status: DescribeStatus
    text: str


def compose_prompt(
    task: int, subject: str, object_: str, question: str, graph: SceneGraph | None
) -> Prompt | NoPrompt:
    """The prompt for a request, its names resolved in ``graph`` (the current one, if any)."""
    if task not in [known.value for known in DescribeTask]:
        known = ", ".join(f"{t.value} = {t.name}" for t in DescribeTask)
        return NoPrompt(DescribeStatus.INVALID_REQUEST, f"task {task} is unknown; {known}")
    question = clean_words(question, QUESTION_LIMIT)
    if question and task != DescribeTask.OPEN:
        return NoPrompt(DescribeStatus.INVALID_REQUEST, "a question needs task 2 = OPEN")
    if task == DescribeTask.OPEN and question and not (subject or object_):
        return Prompt(question)
    names = []
    for words, status in (
        (subject, DescribeStatus.UNKNOWN_SUBJECT),
        (object_, DescribeStatus.UNKNOWN_OBJECT),
    ):
        name = resolve_name(words, graph)
        if name is None:
            wanted = clean_words(words, NAME_LIMIT)
            seen = f"no '{wanted}' here now" if wanted else "name a subject and an object"
            return NoPrompt(status, f"{seen}; {_list_objects(graph)}")
        names.append(name)
    if task == DescribeTask.CLASSIFY:
        return Prompt(CLASSIFY_PROMPT.format(subject=names[0], object=names[1]), VSD_LABELS)
    if task == DescribeTask.DESCRIBE:
        return Prompt(DESCRIBE_PROMPT.format(subject=names[0], object=names[1]))
    pair = f"The {names[0]} and the {names[1]}: {question}" if question else ""
    return Prompt(pair or OPEN_PROMPT.format(subject=names[0], object=names[1]))


def resolve_name(words: str, graph: SceneGraph | None) -> str | None:
    """The label of the object that "#<id>" or a name means in ``graph``; None: no such one."""
    words = clean_words(words, NAME_LIMIT)
    if graph is None or not words:
        return None
    found = find_objects(graph, words)
    return found[0].label if found else None


def clean_words(words: str, limit: int) -> str:
    """``words`` on one line without tags, role names and control characters, cut to ``limit``."""
    words = re.sub(r"<[^<>]*>?", " ", words)
    words = re.sub(r"\b(USER|ASSISTANT|SYSTEM|HUMAN)\s*:", " ", words, flags=re.IGNORECASE)
    words = "".join(c if c.isprintable() else " " for c in words)
    return " ".join(words.replace(">", " ").split())[:limit].rstrip()


def _list_objects(graph: SceneGraph | None) -> str:
    if graph is None or not graph.objects:
        return "nothing has been seen yet"
    return "there are " + ", ".join(f"{o.label} (#{o.id})" for o in graph.objects)
