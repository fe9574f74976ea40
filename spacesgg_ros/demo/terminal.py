"""The live graph in the terminal."""

from __future__ import annotations

import math

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from spacesgg_ros.demo.statistics import Answer, GraphStatistics, NodeReport
from spacesgg_ros.graph.types import RelationSource, SceneGraph, SceneObject

_SOURCES = {
    RelationSource.BOTH: ("model + depth", "green"),
    RelationSource.CONTRADICTED: ("depth disagrees", "red"),
    RelationSource.MODEL: ("model", "blue"),
    RelationSource.GEOMETRY: ("depth", "dim"),
}


def render(
    statistics: GraphStatistics,
    report: NodeReport,
    answer: Answer | None,
    now_ns: int,
    page: str = "",
    relations_shown: int = 14,
) -> RenderableType:
    """Everything the demo shows, as one renderable."""
    graph = statistics.latest
    parts: list[RenderableType] = [_headline(statistics, report, now_ns, page)]
    if graph is None:
        waiting = "Waiting for the first graph"
        state = report.values.get("state", "")
        parts.append(Text(f"{waiting}: the model is {state}." if state else f"{waiting} ..."))
    else:
        parts += [_objects(graph), _relations(graph, relations_shown)]
    if answer is not None:
        style = "bold" if answer.ok else "yellow"
        parts.append(Text.assemble((f"? {answer.question}\n", "dim"), (f"  {answer.text}", style)))
    if report.problem:
        parts.append(Text(f"! {report.problem}", style="yellow"))
    return Group(*parts)


def progress_line(statistics: GraphStatistics, report: NodeReport, now_ns: int) -> str:
    """One plain line, for output that is no terminal."""
    graph = statistics.latest
    if graph is None:
        return f"waiting for the first graph (model: {report.values.get('state', 'starting')})"
    return (
        f"{statistics.published} graphs, {_number(statistics.recent_rate_hz(now_ns), 1)} Hz, "
        f"age {_number(statistics.recent_age_ms(50))} ms, "
        f"{statistics.model_keyframes} keyframes read, "
        f"{len(graph.objects)} objects, {len(graph.relations)} relations"
    )


def _headline(
    statistics: GraphStatistics, report: NodeReport, now_ns: int, page: str
) -> RenderableType:
    figures = [
        ("rate", f"{_number(statistics.recent_rate_hz(now_ns), 1)} Hz"),
        (
            "age p50/p95",
            f"{_number(statistics.recent_age_ms(50))}/{_number(statistics.recent_age_ms(95))} ms",
        ),
        ("graphs", str(statistics.published)),
        ("keyframes read", str(statistics.model_keyframes)),
        ("left out", str(sum(report.drops.values()))),
    ]
    line = Text()
    for name, value in figures:
        line.append(f"{name} ", style="dim").append(f"{value}   ", style="bold")
    graph = statistics.latest
    model = " · ".join(filter(None, (graph.model_id if graph else "", report.provider)))
    if model:
        line.append("\nmodel ", style="dim").append(model)
    if page:
        line.append("\npage ", style="dim").append(page, style="underline")
    for reason, count in sorted(report.drops.items()):
        line.append(f"\n{reason} ", style="dim").append(str(count))
    return line


def _objects(graph: SceneGraph) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=f"{len(graph.objects)} objects", title_justify="left")
    table.add_column("id", justify="right", style="dim")
    table.add_column("object", min_width=14)
    for axis in ("x m", "y m", "z m", "away m"):
        table.add_column(axis, justify="right")
    table.add_column("named", justify="right", style="dim")
    for item in sorted(graph.objects, key=_nearness):
        if item.extent is None:
            position = ["–", "–", "–", "2D"]
        else:
            values = (*item.extent.position, math.hypot(*item.extent.position))
            position = [f"{value:.2f}" for value in values]
        age_s = (graph.stamp_ns - item.confirmed_stamp_ns) * 1e-9
        # Text, not a string: a label is data and no rich markup.
        table.add_row(str(item.id), Text(item.label), *position, f"{age_s:.1f} s ago")
    return table


def _relations(graph: SceneGraph, shown: int) -> Table:
    order = list(_SOURCES)
    relations = sorted(
        graph.relations, key=lambda r: (order.index(r.source), r.subject_id, r.object_id)
    )
    title = f"{len(relations)} relations"
    if len(relations) > shown:
        title += f", the first {shown}"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("subject", min_width=14)
    table.add_column("relation")
    table.add_column("object", min_width=14)
    table.add_column("gap m", justify="right")
    table.add_column("rests on")
    for relation in relations[:shown]:
        name, style = _SOURCES[relation.source]
        gap = "–" if relation.distance_m is None else f"{relation.distance_m:.2f}"
        table.add_row(
            _name(graph, relation.subject_id),
            Text(relation.predicate),
            _name(graph, relation.object_id),
            gap,
            Text(name, style=style),
        )
    return table


def _name(graph: SceneGraph, object_id: int) -> Text:
    item = graph.object_by_id(object_id)
    return Text(f"{item.label} #{object_id}" if item else f"#{object_id}")


def _nearness(item: SceneObject) -> tuple[float, int]:
    return (item.extent.position[2] if item.extent else math.inf, item.id)


def _number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
