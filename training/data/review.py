"""A person's decisions about a labelled recording: one action at a time, each saved at once."""

from __future__ import annotations

import copy
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spacesgg_ros.graph.text import UNKNOWN_NAME

from .review_carry import carry_object
from .review_record import (
    DECISIONS,
    FRAME_DECISIONS,
    Review,
    ReviewError,
    ReviewFrame,
    ReviewObject,
    check_box,
    depth_path,
    read_depth,
)

_UNDO_STEPS = 200
_LONGEST_LABEL = 40


@dataclass(frozen=True)
class _Step:
    """What an action changed: the frames as they were."""

    frames: tuple[ReviewFrame, ...]
    what: str


class ReviewStore:
    """The review of a folder, changed by :meth:`apply`; safe to use from several threads.

    Actions are dictionaries with an ``action`` and a ``frame`` key (the frame's key), and:

    ``decide``
        ``object``, ``decision`` (open, keep or reject), ``track``: the same for the whole track.
    ``label``
        ``object``, ``label``, ``track``: the same for the whole track. The object is then kept.
    ``move``
        ``object``, ``box_px``. The object is then kept.
    ``draw``
        ``box_px``, ``label``: a thing the model missed.
    ``carry``
        ``object``: found again in the neighbouring frames, see :mod:`.review_carry`.
    ``relation``
        ``subject``, ``predicate``, ``object``, ``decision``.
    ``frame``
        ``decision`` (open, accepted or rejected), ``doubts``: what becomes of objects in doubt
        that are still open when the frame is accepted (keep or reject); without it accepting
        such a frame is refused.
    ``undo``
        takes back the last action; needs no ``frame``.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder. Raises ReviewError as ``Review.load`` does."""
        self.folder = folder
        self._review = Review.load(folder)
        self._frames = {f.key: f for f in self._review.frames}
        self._lock = threading.Lock()
        self._steps: list[_Step] = []

    def state(self) -> dict[str, Any]:
        """Everything the page shows, JSON-ready."""
        with self._lock:
            return {
                "bag": self._review.bag,
                "model": self._review.model,
                "counts": self._review.counts,
                "bad": self._review.bad,
                "frames": [asdict(f) for f in self._review.frames],
                **self._summary(),
            }

    def apply(self, action: Mapping[str, Any]) -> dict[str, Any]:
        """Do one action, save, and tell what changed.

        Returns:
            ``frames``: the changed ones; ``progress``, ``labels`` and ``undo`` as in the state.

        Raises:
            ReviewError: the action cannot be done; nothing has changed then.
        """
        with self._lock:
            name = action.get("action")
            changed = self._undo() if name == "undo" else self._do(str(name), action)
            self._review.save(self.folder)
            return {"frames": [asdict(f) for f in changed], **self._summary()}

    def _summary(self) -> dict[str, Any]:
        decisions = Counter(f.decision for f in self._review.frames)
        return {
            "progress": {name: decisions[name] for name in FRAME_DECISIONS},
            "labels": self._suggest_labels(),
            "undo": self._steps[-1].what if self._steps else "",
        }

    def _suggest_labels(self) -> list[str]:
        """Names a person gave first, then those the model gave, then all it knows."""
        given: Counter[str] = Counter()
        said: Counter[str] = Counter()
        for frame in self._review.frames:
            for o in frame.objects:
                (said if o.label == o.model_label else given)[o.label] += 1
        ranked = [name for names in (given, said) for name, _ in names.most_common()]
        return list(dict.fromkeys([*ranked, *self._review.labels]))

    def _do(self, name: str, action: Mapping[str, Any]) -> list[ReviewFrame]:
        handlers: dict[str, Callable[[ReviewFrame, Mapping[str, Any]], list[ReviewFrame]]] = {
            "decide": self._decide,
            "label": self._label,
            "move": self._move,
            "draw": self._draw,
            "carry": self._carry,
            "relation": self._relation,
            "frame": self._frame,
        }
        if name not in handlers:
            raise ReviewError(f"no action {name!r}; there are {', '.join(handlers)}, undo")
        frame = self._frames.get(str(action.get("frame")))
        if frame is None:
            raise ReviewError(f"no frame {action.get('frame')!r}")
        spreads = name == "carry" or action.get("track")
        before = copy.deepcopy(self._review.frames if spreads else [frame])
        try:
            changed = handlers[name](frame, action)
        except ReviewError:
            self._restore(before)
            raise
        keys = {f.key for f in changed}
        old = tuple(f for f in before if f.key in keys)
        self._steps = [*self._steps, _Step(old, f"{name} in {frame.key}")][-_UNDO_STEPS:]
        return changed

    def _undo(self) -> list[ReviewFrame]:
        if not self._steps:
            raise ReviewError("nothing to undo")
        frames = list(self._steps.pop().frames)
        self._restore(frames)
        return frames

    def _restore(self, frames: list[ReviewFrame]) -> None:
        for old in frames:
            self._frames[old.key] = old
        self._review.frames = [self._frames[f.key] for f in self._review.frames]

    def _decide(self, frame: ReviewFrame, action: Mapping[str, Any]) -> list[ReviewFrame]:
        decision = _one_of(action.get("decision"), DECISIONS)
        changed = []
        for each, o in self._meant(frame, action):
            if o.origin == "person" and decision == "reject":
                each.objects.remove(o)  # what a person drew by mistake leaves no trace
            was, o.decision = o.decision, decision
            if "reject" in (was, decision):
                self._measure(each)
            _reopen(each)
            changed.append(each)
        return changed

    def _label(self, frame: ReviewFrame, action: Mapping[str, Any]) -> list[ReviewFrame]:
        label = clean_label(action.get("label"))
        changed = []
        for each, o in self._meant(frame, action):
            was_rejected, o.label, o.decision = o.decision == "reject", label, "keep"
            if was_rejected:
                self._measure(each)
            _reopen(each)
            changed.append(each)
        return changed

    def _move(self, frame: ReviewFrame, action: Mapping[str, Any]) -> list[ReviewFrame]:
        o = _find_object(frame, action.get("object"))
        o.box_px = _read_box(frame, action)
        o.decision = "keep"
        self._measure(frame)
        _reopen(frame)
        return [frame]

    def _draw(self, frame: ReviewFrame, action: Mapping[str, Any]) -> list[ReviewFrame]:
        label, box = clean_label(action.get("label")), _read_box(frame, action)
        new_id = 1 + max((o.id for o in frame.objects), default=0)
        frame.objects.append(ReviewObject(new_id, 0, label, box, origin="person", decision="keep"))
        self._measure(frame)
        _reopen(frame)
        return [frame]

    def _carry(self, frame: ReviewFrame, action: Mapping[str, Any]) -> list[ReviewFrame]:
        chosen = _find_object(frame, action.get("object"))
        frames = self._review.frames
        return carry_object(self.folder, frames, frames.index(frame), chosen)

    def _relation(self, frame: ReviewFrame, action: Mapping[str, Any]) -> list[ReviewFrame]:
        decision = _one_of(action.get("decision"), DECISIONS)
        key = (action.get("subject"), action.get("predicate"), action.get("object"))
        for relation in frame.relations:
            if relation.key == key:
                relation.decision = decision
                _reopen(frame)
                return [frame]
        raise ReviewError(f"frame {frame.key} has no relation {key}")

    def _frame(self, frame: ReviewFrame, action: Mapping[str, Any]) -> list[ReviewFrame]:
        decision = _one_of(action.get("decision"), FRAME_DECISIONS)
        if decision == "accepted":
            doubts = [o for o in frame.objects if o.status == "doubt" and o.decision == "open"]
            fate = action.get("doubts")
            if doubts and fate is None:
                names = ", ".join(o.label for o in doubts)
                raise ReviewError(f"decide on what is in doubt first: {names}")
            for o in doubts:
                o.decision = _one_of(fate, ("keep", "reject"))
            if any(o.decision == "reject" for o in doubts):
                self._measure(frame)
        frame.decision = decision
        return [frame]

    def _meant(
        self, frame: ReviewFrame, action: Mapping[str, Any]
    ) -> list[tuple[ReviewFrame, ReviewObject]]:
        """The object named by an action, or its whole track, each with its frame."""
        chosen = _find_object(frame, action.get("object"))
        if not action.get("track") or chosen.track == 0:
            return [(frame, chosen)]
        return [(f, o) for f in self._review.frames for o in f.objects if o.track == chosen.track]

    def _measure(self, frame: ReviewFrame) -> None:
        frame.measure(read_depth(depth_path(self.folder, frame.key)))


def clean_label(text: Any) -> str:
    """A class name as it is stored: lower case, single spaces.

    Raises:
        ReviewError: not a name that the model's grammar can write: letters, digits, spaces and
            hyphens, at most 40 characters.
    """
    label = " ".join(str(text or "").lower().split())
    plain = label.replace(" ", "").replace("-", "")
    usable = plain.isascii() and plain.isalnum() and not label.startswith("-")
    if not usable or label.endswith("-") or len(label) > _LONGEST_LABEL:
        raise ReviewError(
            "a name is 1 to 40 letters, digits, spaces or hyphens without accents, such as "
            f"'table tennis bat'; got {text!r}"
        )
    if label == UNKNOWN_NAME.lower():
        raise ReviewError(f"'{label}' says that there is no name; reject the object instead")
    return label


def _reopen(frame: ReviewFrame) -> None:
    """A frame that is changed after it was rejected is of interest again; accepted ones stay."""
    if frame.decision == "rejected":
        frame.decision = "open"


def _one_of(value: Any, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ReviewError(f"{value!r} is not one of {', '.join(allowed)}")
    return str(value)


def _find_object(frame: ReviewFrame, object_id: Any) -> ReviewObject:
    found = frame.object_by_id(object_id) if isinstance(object_id, int) else None
    if found is None:
        raise ReviewError(f"frame {frame.key} has no object {object_id!r}")
    return found


def _read_box(frame: ReviewFrame, action: Mapping[str, Any]) -> list[float]:
    box = action.get("box_px")
    if not isinstance(box, list):
        raise ReviewError(f"a box is [x_min, y_min, x_max, y_max] in pixels, not {box!r}")
    return check_box(box, frame.width, frame.height)
