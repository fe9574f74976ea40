"""What the node says about itself on /diagnostics. The judgement is plain Python, tested so."""

from __future__ import annotations

import enum
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from spacesgg_ros.node.drops import EXPECTED, Drop, DropCounters
from spacesgg_ros.node.worker import ModelWorker, WorkerState

NOTHING = "n/a"  # before there is a value; a 0 would be one


class Level(enum.IntEnum):
    """Values equal DiagnosticStatus' constants."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass
class Status:
    """One entry of a DiagnosticArray. ``say`` keeps the worst level and all that was said."""

    name: str
    level: Level = Level.OK
    sentences: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)

    def say(self, level: Level, sentence: str) -> None:
        self.level = max(self.level, level)
        self.sentences.append(sentence)

    def put(self, key: str, value: object) -> None:
        if value is None:
            self.values[key] = NOTHING
        else:
            self.values[key] = f"{value:.3g}" if isinstance(value, float) else str(value)


class RateMeter:
    """Events of the last seconds: how many a second, and how long ago the newest was."""

    def __init__(self, window_s: float = 5.0) -> None:
        self._window_s = window_s
        self._times: deque[float] = deque(maxlen=2000)

    def tick(self, now_s: float) -> None:
        self._times.append(now_s)

    def clear(self) -> None:
        self._times.clear()

    def rate_hz(self, now_s: float) -> float | None:
        """None before the second event."""
        times = [t for t in list(self._times) if now_s - t <= self._window_s]
        if len(times) < 2:
            return None if len(self._times) < 2 else 0.0
        return (len(times) - 1) / max(times[-1] - times[0], 1e-9)

    def age_s(self, now_s: float) -> float | None:
        """None before the first event."""
        return now_s - self._times[-1] if self._times else None


@dataclass(frozen=True)
class Staleness:
    """From which silence on an input is a WARN and an ERROR, seconds."""

    warn_s: float
    error_s: float

    def judge(self, silent_s: float) -> Level:
        if silent_s >= self.error_s:
            return Level.ERROR
        return Level.WARN if silent_s >= self.warn_s else Level.OK


def judge_input(
    status: Status,
    what: str,
    topic: str,
    meter: RateMeter,
    staleness: Staleness,
    active_since_s: float,
    now_s: float,
    consequence: str,
    publishers: int,
) -> None:
    """Adds an input's rate and age to ``status``, and a sentence if it is silent.

    ``publishers``: of the topic now; none means a wrong name, some that they do not get through.
    """
    age_s = meter.age_s(now_s)
    status.put(f"{what}.topic", topic)
    status.put(f"{what}.rate_hz", meter.rate_hz(now_s))
    status.put(f"{what}.age_s", age_s)
    silent_s = now_s - active_since_s if age_s is None else age_s
    level = staleness.judge(silent_s)
    if level is not Level.OK:
        since = "since activation" if age_s is None else f"for {silent_s:.1f} s"
        cause = f"{publishers} publish it, but nothing arrives: compare QoS"
        if not publishers:
            cause = f"nobody publishes it: remap '{what}' or start the camera"
        status.say(level, f"no {what} on {topic} {since}, {consequence}; {cause}")


class DropReporter:
    """All drop counters, and a WARN about those that rose since the last report.

    ``drops.*`` are losses; ``skipped.*`` is what a healthy node leaves out as well.
    """

    def __init__(self, drops: DropCounters) -> None:
        self._drops = drops
        self._before: dict[Drop, int] = {}

    def report(self, status: Status) -> None:
        counts = self._drops.counts()
        for reason in Drop:
            count = counts.get(reason, 0)
            kind = "skipped" if reason in EXPECTED else "drops"
            status.put(f"{kind}.{reason.value}", count)
            risen = count - self._before.get(reason, 0)
            if risen > 0 and reason not in EXPECTED:
                detail = self._drops.detail(reason)
                status.say(Level.WARN, f"{risen} {reason.value}" + (detail and f" ({detail})"))
        self._before = counts


def report_model(status: Status, worker: ModelWorker | None, load_warn_s: float = 120.0) -> None:
    """What the model is, what it runs on and how it fares."""
    if worker is None:
        status.say(Level.OK, "no model: the node is not configured")
        status.put("state", "unconfigured")
        return
    stats = worker.stats
    died = not worker.alive and worker.state not in (WorkerState.FAILED, WorkerState.STOPPED)
    status.put("state", "dead" if died else worker.state.value)
    status.put("load_s", worker.loading_s)
    status.put("keyframes", stats.keyframes)
    status.put("last_ms", stats.last_ms if stats.keyframes else None)
    status.put("last_tokens", stats.last_tokens if stats.keyframes else None)
    status.put("last_finish", stats.last_finish or None)
    for stage, ms in stats.stage_ms.items():
        status.put(f"stage_ms.{stage}", float(ms))
    model = worker.model
    if model is not None:
        info = model.runtime_info
        status.put("model_id", model.model_id)
        for key in ("runtime", "provider_requested", "provider_used", "precision", "threads"):
            status.put(key, getattr(info, key, None))
        requested = getattr(info, "provider_requested", None)
        used = getattr(info, "provider_used", None)
        if requested != used:
            status.say(Level.WARN, f"asked for {requested}, runs on {used}")
        for note in getattr(info, "notes", ()):
            status.sentences.append(note)
    if died:
        status.say(Level.ERROR, "the model's thread has ended; its traceback is in the log")
    elif worker.state is WorkerState.FAILED:
        status.say(
            Level.ERROR,
            f"the model cannot be loaded: {worker.reason} "
            "(correct the parameters, then deactivate, cleanup, configure, activate)",
        )
    elif worker.state is WorkerState.LOADING:
        slow = worker.loading_s > load_warn_s
        status.say(
            Level.WARN if slow else Level.OK, f"loading the model for {worker.loading_s:.0f} s"
        )
    elif stats.failures_in_a_row:
        level = Level.ERROR if stats.failures_in_a_row >= 3 else Level.WARN
        status.say(
            level,
            f"the model failed {stats.failures_in_a_row} times in a row: {stats.last_failure}",
        )


def to_message(statuses: Iterable[Status], hardware_id: str, header: Header) -> DiagnosticArray:
    return DiagnosticArray(
        header=header,
        status=[
            DiagnosticStatus(
                level=bytes([status.level]),
                name=status.name,
                message="; ".join(status.sentences) or "ok",
                hardware_id=hardware_id,
                values=[KeyValue(key=key, value=value) for key, value in status.values.items()],
            )
            for status in statuses
        ],
    )


def percentiles(values: Iterable[float]) -> tuple[float | None, float | None]:
    """p50 and p95, or None twice."""
    ordered = sorted(values)
    if not ordered:
        return None, None
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


def now_s() -> float:
    """The clock of all ages here: steady, so that a jump of ROS time makes nothing stale."""
    return time.monotonic()
