"""The model's own thread: newest image in, scene graph text out. No ROS.

Nothing here makes the caller wait. Images land in a slot of one (the newest wins), questions in
a short queue, and what comes out is handed to callbacks on this thread.
"""

from __future__ import annotations

import enum
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from spacesgg_ros.graph import TextGraph
from spacesgg_ros.node.drops import Drop, DropCounters

# What a model on a healthy machine can end with: its own ModelError (a RuntimeError), a
# runtime's error, a broken file, no memory. Anything else is a defect and ends the thread, which
# the diagnostics then say.
MODEL_FAILURES = (RuntimeError, ValueError, OSError, MemoryError, ImportError)

QUESTION_LIMIT = 8


class GeneratedGraph(Protocol):
    """What the node needs of vlm's ModelGraph."""

    @property
    def graph(self) -> TextGraph: ...

    @property
    def token_count(self) -> int: ...

    @property
    def finish_reason(self) -> str: ...

    @property
    def stage_ms(self) -> dict[str, float]: ...


class GeneratedAnswer(Protocol):
    """What the node needs of vlm's ModelAnswer."""

    @property
    def text(self) -> str: ...


class Model(Protocol):
    """What the node needs of ``spacesgg_ros.vlm.SceneGraphModel``."""

    model_id: str

    @property
    def runtime_info(self) -> Any: ...

    def write_graph(
        self, rgb: np.ndarray, *, limits: Any, should_stop: Callable[[], bool] | None
    ) -> GeneratedGraph: ...

    def answer(
        self,
        rgb: np.ndarray,
        prompt: str,
        *,
        choices: Sequence[str] | None,
        should_stop: Callable[[], bool] | None,
    ) -> GeneratedAnswer: ...


class WorkerState(enum.Enum):
    """What the thread is doing; the value is what an operator reads."""

    LOADING = "loading"
    READY = "ready"
    WORKING = "working"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Keyframe:
    """An image for the model. ``arrival_s``: ``time.monotonic()`` when it reached the node."""

    stamp_ns: int
    frame_id: str
    rgb: np.ndarray
    arrival_s: float


@dataclass(frozen=True)
class KeyframeResult:
    """What the model wrote about a keyframe, in ``elapsed_ms``."""

    keyframe: Keyframe
    generated: GeneratedGraph
    model_id: str
    elapsed_ms: float
    generation: int


@dataclass(frozen=True)
class Question:
    """A prompt about ``keyframe``'s image, to be answered before ``deadline_s`` (monotonic).

    ``reply`` gets the answer's text, or None and the reason. Called once, on the worker's thread.
    """

    keyframe: Keyframe
    prompt: str
    choices: tuple[str, ...] | None
    deadline_s: float
    reply: Callable[[str | None, str], None] = field(repr=False)


@dataclass
class WorkerStats:
    """Running numbers for the diagnostics; written by the worker's thread only."""

    keyframes: int = 0
    last_ms: float = 0.0
    last_tokens: int = 0
    last_finish: str = ""
    stage_ms: dict[str, float] = field(default_factory=dict)
    failures_in_a_row: int = 0
    last_failure: str = ""


class ModelWorker:
    """Loads a model on its own thread, then feeds it the newest image while active.

    Args:
        load: makes the model; may take minutes. What it raises of MODEL_FAILURES is kept as
            ``reason`` and the state becomes FAILED.
        on_keyframe: gets every finished keyframe of the current activation, on this thread.
        limits: passed on to ``write_graph``; called before each keyframe.
        max_age_s: images that waited longer for the model are skipped (called each time).
        rest_s: least time between the starts of two keyframes (called each time).
    """

    def __init__(
        self,
        load: Callable[[], Model],
        on_keyframe: Callable[[KeyframeResult], None],
        drops: DropCounters,
        *,
        limits: Callable[[], Any],
        max_age_s: Callable[[], float],
        rest_s: Callable[[], float],
    ) -> None:
        self._load = load
        self._on_keyframe = on_keyframe
        self._drops = drops
        self._limits = limits
        self._max_age_s = max_age_s
        self._rest_s = rest_s
        self._wake = threading.Condition()
        self._slot: Keyframe | None = None
        self._questions: deque[Question] = deque()
        self._active = False
        self._stopping = False
        self._generation = 0
        self._next_start_s = 0.0
        self.state = WorkerState.LOADING
        self.reason = ""
        self.model: Model | None = None
        self.load_s = 0.0
        self.stats = WorkerStats()
        self._started_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    # --- called from any thread, never waits ------------------------------------------------

    def activate(self) -> None:
        """Accept images from now on."""
        with self._wake:
            self._generation += 1
            self._active = True

    def deactivate(self) -> None:
        """Stop the running generation; what it still gives is discarded."""
        with self._wake:
            self._generation += 1
            self._active = False
            self._slot = None
            questions, self._questions = self._questions, deque()
            self._wake.notify()
        for question in questions:
            question.reply(None, "the node was deactivated")

    def stop(self, wait_s: float = 0.0) -> None:
        """End the thread: at once where it waits, after the load where it loads."""
        self.deactivate()
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if wait_s > 0:
            self._thread.join(wait_s)

    def offer(self, keyframe: Keyframe) -> None:
        """Hand over the newest image; one that still waits is superseded."""
        with self._wake:
            if not self._active or self.state in (WorkerState.FAILED, WorkerState.STOPPED):
                return
            if self._slot is not None:
                self._drops.add(Drop.KEYFRAME_SUPERSEDED)
            self._slot = keyframe
            self._wake.notify()

    def ask(self, question: Question) -> str:
        """Queue a question. Empty when it was taken, else the reason why not."""
        with self._wake:
            if self.state in (WorkerState.FAILED, WorkerState.STOPPED, WorkerState.LOADING):
                return f"the model is {self.state.value}" + (self.reason and f": {self.reason}")
            if not self._active:
                return "the node is not active"
            if len(self._questions) >= QUESTION_LIMIT:
                return f"{QUESTION_LIMIT} questions are waiting for the model already; ask later"
            self._questions.append(question)
            self._wake.notify()
        return ""

    @property
    def loading_s(self) -> float:
        """How long the load took, or has taken so far."""
        return self.load_s or time.monotonic() - self._started_s

    @property
    def alive(self) -> bool:
        """False once the thread has ended, whatever ended it."""
        return self._thread.is_alive()

    # --- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            model = self._load()
        except MODEL_FAILURES as error:
            self.reason = str(error) or type(error).__name__
            self.state = WorkerState.FAILED
            return
        self.load_s = time.monotonic() - self._started_s
        self.model = model
        self.state = WorkerState.READY
        while (job := self._next_job()) is not None:
            work, generation = job
            self.state = WorkerState.WORKING
            if isinstance(work, Question):
                self._answer(model, work, generation)
            else:
                self._read(model, work, generation)
            self.state = WorkerState.READY
        self.state = WorkerState.STOPPED
        self.model = None

    def _next_job(self) -> tuple[Keyframe | Question, int] | None:
        with self._wake:
            while not self._stopping:
                if self._questions:
                    return self._questions.popleft(), self._generation
                pause_s: float | None = None
                if self._slot is not None:
                    now_s = time.monotonic()
                    pause_s = self._next_start_s - now_s
                    if pause_s <= 0:
                        keyframe, self._slot = self._slot, None
                        waited_s = now_s - keyframe.arrival_s
                        if waited_s <= self._max_age_s():
                            self._next_start_s = now_s + self._rest_s()
                            return keyframe, self._generation
                        self._drops.add(
                            Drop.KEYFRAME_TOO_OLD, f"waited {waited_s:.2f} s for the model"
                        )
                        continue
                self._wake.wait(pause_s)
        return None

    def _read(self, model: Model, keyframe: Keyframe, generation: int) -> None:
        start_s = time.monotonic()
        try:
            generated = model.write_graph(
                keyframe.rgb,
                limits=self._limits(),
                should_stop=lambda: generation != self._generation,
            )
        except MODEL_FAILURES as error:
            self.stats.failures_in_a_row += 1
            self.stats.last_failure = str(error) or type(error).__name__
            self._drops.add(Drop.KEYFRAME_MODEL_FAILED, self.stats.last_failure)
            return
        elapsed_ms = (time.monotonic() - start_s) * 1e3
        if generation != self._generation:
            self._drops.add(Drop.KEYFRAME_DISCARDED)
            return
        stats = self.stats
        stats.keyframes += 1
        stats.failures_in_a_row = 0
        stats.last_ms = elapsed_ms
        stats.last_tokens = generated.token_count
        stats.last_finish = generated.finish_reason
        stats.stage_ms = dict(generated.stage_ms)
        self._on_keyframe(
            KeyframeResult(keyframe, generated, model.model_id, elapsed_ms, generation)
        )

    def _answer(self, model: Model, question: Question, generation: int) -> None:
        def should_stop() -> bool:
            return generation != self._generation or time.monotonic() > question.deadline_s

        if should_stop():
            question.reply(None, "no time was left when the model got to it")
            return
        try:
            answer = model.answer(
                question.keyframe.rgb,
                question.prompt,
                choices=question.choices,
                should_stop=should_stop,
            )
        except MODEL_FAILURES as error:
            question.reply(None, f"the model failed: {error}")
            return
        if generation != self._generation:
            question.reply(None, "the node was deactivated")
        elif time.monotonic() > question.deadline_s:
            question.reply(None, "the model was not done in time")
        else:
            question.reply(answer.text, "")
