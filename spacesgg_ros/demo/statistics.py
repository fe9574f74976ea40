"""What a run of the demo measured: rates, ages, counts and, at the end, one summary."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from spacesgg_ros.graph.types import SceneGraph

_NS = 1_000_000_000
_RECENT_NS = 5 * _NS


@dataclass(frozen=True)
class Answer:
    """What the node said to a query. ``ok``: the status was OK."""

    question: str
    ok: bool
    text: str
    object_ids: tuple[int, ...] = ()


def percentile(values: list[float], percent: float) -> float | None:
    """Nearest-rank percentile, None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


@dataclass
class GraphStatistics:
    """Counts every graph received. An age is the time from an image's stamp to its graph's
    arrival, milliseconds; rates are over arrival times."""

    graphs: int = 0
    ages_ms: list[float] = field(default_factory=list)
    latest: SceneGraph | None = None
    latest_named: SceneGraph | None = None
    _keyframes: set[int] = field(default_factory=set)
    _first_ns: int = 0
    _last_ns: int = 0
    _recent: deque[tuple[int, float]] = field(default_factory=deque)

    def add(self, graph: SceneGraph, received_ns: int) -> None:
        """Count ``graph``, which arrived at ``received_ns`` of the clock its stamp is from."""
        if self.latest is None:
            self._first_ns = received_ns
        self.graphs += 1
        self._last_ns = received_ns
        self.latest = graph
        if graph.objects:
            self.latest_named = graph
        if graph.keyframe_stamp_ns:
            self._keyframes.add(graph.keyframe_stamp_ns)
        age_ms = (received_ns - graph.stamp_ns) * 1e-6
        self.ages_ms.append(age_ms)
        self._recent.append((received_ns, age_ms))
        while self._recent[0][0] < received_ns - _RECENT_NS:
            self._recent.popleft()

    @property
    def published(self) -> int:
        """Graphs the node has published, those before the demo began to listen included."""
        return max(self.graphs, self.latest.sequence) if self.latest else 0

    @property
    def model_keyframes(self) -> int:
        """Images the model has read."""
        return len(self._keyframes)

    @property
    def rate_hz(self) -> float | None:
        """Graphs a second over the whole run."""
        elapsed = self._last_ns - self._first_ns
        return (self.graphs - 1) * _NS / elapsed if elapsed > 0 else None

    def recent_rate_hz(self, now_ns: int) -> float | None:
        """Graphs a second over the last five seconds before ``now_ns``; 0 when they stopped."""
        times = [t for t, _ in self._recent if t >= now_ns - _RECENT_NS]
        if len(times) < 2:
            return None if self.graphs < 2 else 0.0
        # The silence since the last graph counts once it is longer than a usual gap.
        elapsed = max(times[-1] - times[0], (now_ns - times[0]) * (len(times) - 1) // len(times))
        return (len(times) - 1) * _NS / max(elapsed, 1)

    def recent_age_ms(self, percent: float) -> float | None:
        """A percentile of the ages of the last five seconds."""
        return percentile([age for _, age in self._recent], percent)


@dataclass
class NodeReport:
    """The newest of what the node says in /diagnostics, over all its entries."""

    values: dict[str, str] = field(default_factory=dict)
    levels: dict[str, tuple[int, str]] = field(default_factory=dict)

    def update(self, name: str, level: int, message: str, values: Mapping[str, str]) -> None:
        """Take one DiagnosticStatus; level 0 OK, 1 WARN, 2 ERROR, 3 STALE."""
        self.levels[name] = (level, message)
        self.values.update(values)

    @property
    def drops(self) -> dict[str, int]:
        """What was lost, by reason, those that occurred."""
        return self._counts("drops.")

    @property
    def skipped(self) -> dict[str, int]:
        """What a healthy node leaves out as well, e.g. images that the model had no time for."""
        return self._counts("skipped.")

    def _counts(self, prefix: str) -> dict[str, int]:
        counts = {
            key.removeprefix(prefix): int(value)
            for key, value in self.values.items()
            if key.startswith(prefix) and value.isdecimal()
        }
        return {reason: count for reason, count in counts.items() if count}

    @property
    def frames_left_out(self) -> int:
        """Colour images that gave no graph."""
        return sum(n for reason, n in self.drops.items() if reason.startswith("frame_"))

    @property
    def provider(self) -> str:
        """What runs the model, e.g. ``onnx cpu int8``; empty while it is not known."""
        parts = (self.values.get(key, "") for key in ("runtime", "provider_used", "precision"))
        return " ".join(part for part in parts if part not in ("", "n/a"))

    @property
    def problem(self) -> str:
        """The worst thing said, empty when all is well."""
        level, message = max(self.levels.values(), default=(0, ""), key=lambda item: item[0])
        return message if level > 0 else ""

    @property
    def model_failure(self) -> str:
        """Why the model cannot be loaded, empty otherwise."""
        if self.values.get("state") != "failed":
            return ""
        return next((text for name, (_, text) in self.levels.items() if name.endswith("model")), "")


@dataclass(frozen=True)
class Summary:
    """The demo's last line.

    Attributes:
        ok: graphs came and the model has read at least one image.
        frames_in: colour images that the camera published.
        graphs_out: graphs that the node published.
        graphs_received: those of them that reached the demo; the first ones come before node and
            demo have found each other.
        drops: what the node lost, by reason.
        skipped: what a healthy node leaves out as well, by reason: the model reads the newest
            image when it is free, so most images are superseded.
    """

    ok: bool
    frames_in: int
    graphs_out: int
    graphs_received: int
    model_keyframes: int
    rate_hz: float | None
    age_ms: dict[str, float | None]
    objects: int
    relations: int
    labels: list[str]
    drops: dict[str, int]
    skipped: dict[str, int]
    query: dict[str, Any] | None
    model: str
    provider: str
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def summarize(
    statistics: GraphStatistics,
    report: NodeReport,
    frames_in: int,
    answer: Answer | None,
    problem: str = "",
) -> Summary:
    """The summary of a run. Objects and relations are those of the last graph that had any."""
    named = statistics.latest_named or statistics.latest
    return Summary(
        ok=not problem and statistics.graphs > 0 and statistics.model_keyframes > 0,
        frames_in=frames_in,
        graphs_out=statistics.published,
        graphs_received=statistics.graphs,
        model_keyframes=statistics.model_keyframes,
        rate_hz=_rounded(statistics.rate_hz),
        age_ms={
            "p50": _rounded(percentile(statistics.ages_ms, 50)),
            "p95": _rounded(percentile(statistics.ages_ms, 95)),
        },
        objects=len(named.objects) if named else 0,
        relations=len(named.relations) if named else 0,
        labels=sorted(item.label for item in named.objects) if named else [],
        drops=report.drops,
        skipped=report.skipped,
        query=asdict(answer) if answer else None,
        model=named.model_id if named else "",
        provider=report.provider,
        problem=problem,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
