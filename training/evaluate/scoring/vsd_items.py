"""Instruction rows of visual spatial description as questions to score.

References of a sentence are all that the rows say of the same two things in the same picture,
whichever of the sentence tasks.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spacesgg_ros.graph.predicates import VSD_LABELS, normalize_predicate
from spacesgg_ros.training.data.rows import Row, RowError
from spacesgg_ros.vlm import prompts

from .asking import Prompt
from .outcomes import ScoreError
from .questions import get_group
from .reading import Read, read_unique

CLASSIFY, DESCRIBE, OPEN = TASKS = ("vsd-classify", "vsd-describe", "vsd-open")

_NAMES = tuple(
    re.compile(re.escape(prompt).replace(r"\{subject\}", "(.+)").replace(r"\{object\}", "(.+)"))
    for prompt in (prompts.CLASSIFY_PROMPT, prompts.DESCRIBE_PROMPT, prompts.OPEN_PROMPT)
)


@dataclass(frozen=True)
class VsdItem:
    """A question of one of ``TASKS``.

    Attributes:
        names: of subject and object; ("", "") where the row does not say them.
        references: the relation (classify), or sentences.
        group: the scene or picture that is drawn again as a whole in a bootstrap.
    """

    id: str
    image: str
    task: str
    prompt: str
    names: tuple[str, str]
    references: tuple[str, ...]
    group: str
    mirror: bool = False

    def ask(self, choose: bool = True) -> Prompt:
        """What to ask a model; ``choose``: a relation must be one of the nine."""
        choices = VSD_LABELS if choose and self.task == CLASSIFY else ()
        return Prompt(self.id, self.image, self.prompt, choices, self.mirror)


def read_items(path: Path) -> Read[VsdItem]:
    """The VSD rows of a file, with references put together; rows of other tasks are bad ones.

    A row may have further sentences under ``references``.

    Raises:
        ScoreError: the file cannot be read, or holds no VSD row.
    """
    read = read_unique(path, _parse, "row", f" of {', '.join(TASKS)}")
    return Read(_share_references(read.items), read.bad)


def _parse(data: Mapping[str, Any]) -> VsdItem:
    try:
        row = Row.from_dict(data)
    except RowError as error:
        raise ScoreError(str(error)) from error
    if row.task not in TASKS:
        raise ScoreError(f"task {row.task}")
    if len(row.exchanges) != 1:
        raise ScoreError(f"one question and one answer are expected, got {len(row.exchanges)}")
    prompt, answer = row.exchanges[0]
    further = data.get("references", ())
    texts = [answer, *(str(text) for text in further if isinstance(further, list))]
    lines = tuple(line.strip() for text in texts for line in text.split("\n") if line.strip())
    if row.task == CLASSIFY:
        label = normalize_predicate(answer)
        if label is None:
            raise ScoreError("the answer is none of the nine relations")
        lines = (label,)
    names = _read_names(row, prompt)
    return VsdItem(
        row.id, row.image, row.task, prompt, names, lines, get_group(data) or row.id, row.mirror
    )


def _read_names(row: Row, prompt: str) -> tuple[str, str]:
    subject, target = (row.provenance.get(key) for key in ("subject", "object"))
    if isinstance(subject, str) and isinstance(target, str):
        return subject, target
    for form in _NAMES:
        found = form.fullmatch(prompt)
        if found:
            return found.group(1), found.group(2)
    return "", ""


def _share_references(items: Sequence[VsdItem]) -> tuple[VsdItem, ...]:
    shared: dict[tuple[Any, ...], dict[str, None]] = defaultdict(dict)
    for item in items:
        if item.task != CLASSIFY:
            shared[_pair(item)].update(dict.fromkeys(item.references))
    return tuple(
        item if item.task == CLASSIFY else replace(item, references=tuple(shared[_pair(item)]))
        for item in items
    )


def _pair(item: VsdItem) -> tuple[Any, ...]:
    if not any(item.names):
        return (item.id,)
    return item.image, item.mirror, *item.names
