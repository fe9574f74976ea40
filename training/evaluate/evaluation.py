"""One evaluation of one model on one split: every task, frame by frame, into one report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spacesgg_ros.vlm import SceneGraphModel
from spacesgg_ros.vlm.model import FreeText

from .facts import scene_of
from .frames import TestFrame
from .graphs import evaluate_graph
from .priors import Priors
from .questions import Answered, ask_questions, summarise_answers
from .scores import FrameScore, ratio, summarise

GRAPHS, VSD_CLASSIFY, VALID_OUTPUT = TASKS = ("graphs", "vsd-classify", "valid-output")
QUESTIONS_A_FRAME = 4
_MOST_EXAMPLES = 5


class Evaluation:
    """Collects what a model does on held-out frames; ``report`` at any time."""

    def __init__(
        self,
        model: SceneGraphModel,
        split: str,
        *,
        tasks: Iterable[str] = TASKS,
        priors: Priors | None = None,
        questions_a_frame: int = QUESTIONS_A_FRAME,
    ) -> None:
        """
        Raises:
            ValueError: an unknown task.
        """
        self.tasks = frozenset(tasks)
        if unknown := sorted(self.tasks - {*TASKS}):
            raise ValueError(f"unknown task {unknown[0]!r}; there are {', '.join(TASKS)}")
        self.scores: list[FrameScore] = []
        self._model = model
        self._split = split
        self._priors = priors
        self._questions_a_frame = questions_a_frame
        self._frames = 0
        self._listed: list[FrameScore] = []
        self._given: list[FrameScore] = []
        self._answers: list[Answered] = []
        self._free: list[tuple[str, FreeText]] = []

    def add(self, frame: TestFrame) -> None:
        """Measure one more frame."""
        self._frames += 1
        if GRAPHS in self.tasks:
            self.scores.append(evaluate_graph(self._model, frame))
            if self._priors is not None:
                listed, given = self._priors.score(frame.record)
                self._listed.append(listed)
                self._given.append(given)
        if VSD_CLASSIFY in self.tasks:
            self._answers += ask_questions(
                self._model, frame, self._priors, self._questions_a_frame
            )
        if VALID_OUTPUT in self.tasks:
            free = self._model.write_freely(frame.rgb)
            self._free.append((frame.key, free))

    def report(self) -> dict:
        """Everything measured so far, in plain types."""
        result: dict = {
            "model": self._model.model_id,
            "precision": self._model.runtime_info.precision,
            "split": self._split,
            "frames": self._frames,
        }
        if GRAPHS in self.tasks:
            result[GRAPHS] = summarise(self.scores)
            if self._priors is not None:
                result["pixel_free"] = self._pixel_free(self._priors)
        if VSD_CLASSIFY in self.tasks:
            majority = None if self._priors is None else self._priors.majority
            result[VSD_CLASSIFY] = summarise_answers(self._answers, majority)
        if VALID_OUTPUT in self.tasks:
            result[VALID_OUTPUT] = summarise_free(self._free, self.scores)
        return result

    def _pixel_free(self, priors: Priors) -> dict:
        listed, given = summarise(self._listed), summarise(self._given)
        return {
            "training_frames": priors.frames,
            "objects": listed["objects"],
            "boxes": listed["boxes"],
            "triplets": listed["triplets"]["text"],
            "triplets_given_true_objects": given["triplets"]["text"],
            "every_relation_given_true_objects": given["triplets"]["every_relation"],
            "said_and_true_given_true_objects": given["said_and_true"],
        }


def summarise_free(free: Sequence[tuple[str, FreeText]], scores: Sequence[FrameScore]) -> dict:
    """Shares of texts that are complete and parse without an issue, without and with grammar."""
    groups = [scene_of(key) for key, _ in free]
    broken = [(key, text) for key, text in free if not text.valid]
    result = {
        "without_grammar": ratio([text.valid for _, text in free], [1] * len(free), groups),
        "well_formed": ratio([text.well_formed for _, text in free], [1] * len(free), groups),
        "incomplete": sum(not text.complete for _, text in free),
        "examples": [
            {
                "frame": key,
                "issues": [f"{issue.kind.value}: {issue.detail}" for issue in text.issues[:3]],
                "complete": text.complete,
            }
            for key, text in broken[:_MOST_EXAMPLES]
        ],
    }
    if scores:
        result["with_grammar"] = ratio(
            [score.valid for score in scores], [1] * len(scores), [s.scene for s in scores]
        )
    return result
