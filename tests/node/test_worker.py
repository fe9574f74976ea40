"""ModelWorker: newest image in, results out, nobody waits."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from spacesgg_ros.graph import TextGraph
from spacesgg_ros.node.drops import Drop, DropCounters
from spacesgg_ros.node.worker import (
    QUESTION_LIMIT,
    Keyframe,
    ModelWorker,
    Question,
    WorkerState,
)

RGB = np.zeros((2, 2, 3), np.uint8)


class Scripted:
    """A model that works until ``release`` is set, or it is told to stop."""

    model_id = "scripted"
    runtime_info = SimpleNamespace()

    def __init__(self, fails_with=None):
        self.busy, self.release = threading.Event(), threading.Event()
        self.stopped = False
        self.fails_with = fails_with

    def _work(self, should_stop):
        self.busy.set()
        while not self.release.wait(0.002):
            if should_stop():
                self.stopped = True
                return
        if self.fails_with:
            raise self.fails_with

    def write_graph(self, rgb, *, limits, should_stop):
        self._work(should_stop)
        return SimpleNamespace(
            graph=TextGraph(), token_count=7, finish_reason="eos", stage_ms={"decode": 1.0}
        )

    def answer(self, rgb, prompt, *, choices, should_stop):
        self._work(should_stop)
        return SimpleNamespace(text=f"{prompt}: {choices}")


def wait_until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition was not met in time"
        time.sleep(0.002)


@pytest.fixture
def rig():
    rigs = []

    def make(load=None, max_age_s=60.0, rest_s=0.0):
        model = Scripted()
        drops, results = DropCounters(), []
        worker = ModelWorker(
            load or (lambda: model),
            results.append,
            drops,
            limits=lambda: None,
            max_age_s=lambda: max_age_s,
            rest_s=lambda: rest_s,
        )
        rigs.append((worker, model))
        return SimpleNamespace(worker=worker, model=model, drops=drops, results=results)

    yield make
    for worker, model in rigs:
        model.release.set()
        worker.stop(wait_s=5)


def keyframe(number, arrival_s=None):
    return Keyframe(number, "camera", RGB, time.monotonic() if arrival_s is None else arrival_s)


def test_a_keyframe_gives_a_result(rig):
    r = rig()
    r.model.release.set()
    r.worker.activate()
    r.worker.offer(keyframe(1))
    wait_until(lambda: r.results)
    assert r.results[0].keyframe.stamp_ns == 1
    assert r.worker.stats.last_tokens == 7


def test_the_newest_image_wins_and_the_others_are_counted(rig):
    r = rig()
    r.worker.activate()
    r.worker.offer(keyframe(1))
    assert r.model.busy.wait(5)
    for number in (2, 3, 4):
        r.worker.offer(keyframe(number))
    r.model.release.set()
    wait_until(lambda: len(r.results) == 2)
    assert [x.keyframe.stamp_ns for x in r.results] == [1, 4]
    assert r.drops.counts() == {Drop.KEYFRAME_SUPERSEDED: 2}


def test_an_image_that_waited_too_long_is_skipped_and_counted(rig):
    r = rig(max_age_s=0.5)
    r.model.release.set()
    r.worker.activate()
    r.worker.offer(keyframe(1, arrival_s=time.monotonic() - 2))
    wait_until(lambda: r.drops[Drop.KEYFRAME_TOO_OLD])
    assert r.results == []


def test_deactivate_stops_the_generation_and_discards_its_result(rig):
    r = rig()
    r.worker.activate()
    r.worker.offer(keyframe(1))
    assert r.model.busy.wait(5)
    r.worker.deactivate()
    wait_until(lambda: r.drops[Drop.KEYFRAME_DISCARDED])
    assert r.model.stopped
    assert r.results == []


def test_a_result_of_an_earlier_activation_is_discarded(rig):
    r = rig()
    r.worker.activate()
    r.worker.offer(keyframe(1))
    assert r.model.busy.wait(5)
    r.worker.deactivate()
    r.worker.activate()
    r.model.release.set()
    r.worker.offer(keyframe(2))
    wait_until(lambda: r.results)
    assert [x.keyframe.stamp_ns for x in r.results] == [2]


def test_nothing_waits_for_a_load(rig):
    gate = threading.Event()

    def load():
        gate.wait(10)
        return Scripted()

    start = time.monotonic()
    r = rig(load=load)
    r.worker.activate()
    r.worker.offer(keyframe(1))
    assert "loading" in r.worker.ask(Question(keyframe(1), "?", None, start + 9, print))
    r.worker.stop()
    assert time.monotonic() - start < 1.0
    gate.set()


@pytest.mark.parametrize("error", [RuntimeError("no GPU"), OSError("no file"), MemoryError()])
def test_a_failed_load_is_a_state_with_a_reason(rig, error):
    def load():
        raise error

    r = rig(load=load)
    wait_until(lambda: r.worker.state is WorkerState.FAILED)
    assert r.worker.reason == (str(error) or "MemoryError")
    assert "failed" in r.worker.ask(Question(keyframe(1), "?", None, 0, print))


def test_a_failing_model_is_counted_and_tried_again(rig):
    r = rig()
    r.model.fails_with = RuntimeError("out of memory")
    r.model.release.set()
    r.worker.activate()
    r.worker.offer(keyframe(1))
    wait_until(lambda: r.drops[Drop.KEYFRAME_MODEL_FAILED])
    assert r.worker.stats.last_failure == "out of memory"
    r.model.fails_with = None
    r.worker.offer(keyframe(2))
    wait_until(lambda: r.results)
    assert r.worker.stats.failures_in_a_row == 0


def test_a_question_goes_before_the_next_image(rig):
    r = rig()
    r.worker.activate()
    r.worker.offer(keyframe(1))
    assert r.model.busy.wait(5)
    replies = []
    r.worker.offer(keyframe(2))
    deadline = time.monotonic() + 9

    def reply(*answer):
        replies.append((answer, len(r.results)))

    refusal = r.worker.ask(Question(keyframe(1), "where", ("on",), deadline, reply))
    assert refusal == ""
    r.model.release.set()
    wait_until(lambda: len(r.results) == 2)
    assert replies == [(("where: ('on',)", ""), 1)]


def test_a_question_past_its_deadline_is_answered_with_the_reason(rig):
    r = rig()
    r.worker.activate()
    replies = []
    wait_until(lambda: r.worker.state is WorkerState.READY)
    r.worker.ask(
        Question(keyframe(1), "?", None, time.monotonic() + 0.05, lambda *a: replies.append(a))
    )
    wait_until(lambda: replies)
    assert replies[0][0] is None
    assert "time" in replies[0][1]


def test_questions_beyond_the_queue_are_refused(rig):
    r = rig()
    r.worker.activate()
    r.worker.offer(keyframe(1))
    assert r.model.busy.wait(5)
    question = Question(keyframe(1), "?", None, time.monotonic() + 9, lambda *a: None)
    refusals = [r.worker.ask(question) for _ in range(QUESTION_LIMIT + 1)]
    assert refusals[:-1] == [""] * QUESTION_LIMIT
    assert "ask later" in refusals[-1]


def test_deactivate_answers_the_questions_that_wait(rig):
    r = rig()
    r.worker.activate()
    r.worker.offer(keyframe(1))
    assert r.model.busy.wait(5)
    replies = []
    deadline = time.monotonic() + 9
    r.worker.ask(Question(keyframe(1), "?", None, deadline, lambda *a: replies.append(a)))
    r.worker.deactivate()
    assert replies == [(None, "the node was deactivated")]


def test_the_rest_between_keyframes_is_kept(rig):
    r = rig(rest_s=0.15)
    r.model.release.set()
    r.worker.activate()
    r.worker.offer(keyframe(1))
    wait_until(lambda: r.results)
    start = time.monotonic()
    r.worker.offer(keyframe(2))
    wait_until(lambda: len(r.results) == 2)
    assert time.monotonic() - start > 0.05
