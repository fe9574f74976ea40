"""A scene graph for RViz: boxes, names and edges with stable ids, deleted when they go."""

from __future__ import annotations

import colorsys
from collections import defaultdict
from typing import Any

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from spacesgg_ros.graph import RelationSource, SceneGraph, SceneRelation
from spacesgg_ros.node.messages import header_of

BOXES, NAMES, EDGES, EDGE_NAMES = "objects", "labels", "relations", "predicates"

Colour = tuple[float, float, float]

_SOURCE_RGB: dict[RelationSource, Colour] = {
    RelationSource.MODEL: (0.35, 0.55, 1.0),
    RelationSource.GEOMETRY: (0.75, 0.75, 0.75),
    RelationSource.BOTH: (0.25, 0.8, 0.35),
    RelationSource.CONTRADICTED: (0.95, 0.25, 0.2),
}
# What to colour an edge by when several relations share it: what an operator must see first.
_RANK = {
    RelationSource.CONTRADICTED: 0,
    RelationSource.BOTH: 1,
    RelationSource.MODEL: 2,
    RelationSource.GEOMETRY: 3,
}
# Object ids rise from 1 and are never reused. An edge's id is made of two of them; it must fit
# an int32, so that far-apart ids may meet: the later edge then wins, in RViz only.
_EDGE_ID_BITS = 15


class MarkerWriter:
    """Turns graphs into marker arrays; remembers what RViz shows, to delete what went."""

    def __init__(self) -> None:
        self._shown: set[tuple[str, int]] = set()
        self._fresh = True

    def reset(self) -> None:
        """The next array starts with a DELETEALL (a new activation, a new subscriber)."""
        self._shown.clear()
        self._fresh = True

    def write_markers(self, graph: SceneGraph, lifetime_s: float) -> MarkerArray:
        """Markers of all objects that have a position, and of the relations between them."""
        header = header_of(graph)
        seconds = int(lifetime_s)
        lifetime = Duration(sec=seconds, nanosec=int((lifetime_s - seconds) * 1e9))
        markers: list[Marker] = []

        def add(namespace: str, number: int, kind: int, rgb: Colour, **fields: Any) -> None:
            color = ColorRGBA(r=rgb[0], g=rgb[1], b=rgb[2], a=fields.pop("alpha", 1.0))
            markers.append(
                Marker(
                    header=header,
                    ns=namespace,
                    id=number,
                    type=kind,
                    action=Marker.ADD,
                    color=color,
                    lifetime=lifetime,
                    **fields,
                )
            )

        for item in graph.objects:
            if item.extent is None:
                continue
            x, y, z = map(float, item.extent.position)
            dx, dy, dz = (max(float(v), 0.005) for v in item.extent.size)
            rgb = _color_of(item.id)
            pose = _pose(Point(x=x, y=y, z=z))
            add(
                BOXES, item.id, Marker.CUBE, rgb,
                alpha=0.35, pose=pose, scale=Vector3(x=dx, y=dy, z=dz),
            )  # fmt: skip
            text = f"{item.label} #{item.id}"
            add(
                NAMES, item.id, Marker.TEXT_VIEW_FACING, rgb,
                pose=pose, scale=Vector3(z=0.04), text=text,
            )  # fmt: skip

        for (subject, object_), edges in _edges_by_pair(graph).items():
            start, end = (_position_of(graph, number) for number in (subject, object_))
            if start is None or end is None:
                continue
            strongest = min(edges, key=lambda e: _RANK[e.source])
            rgb = _SOURCE_RGB[strongest.source]
            mask = (1 << _EDGE_ID_BITS) - 1
            number = (subject & mask) << _EDGE_ID_BITS | (object_ & mask)
            add(
                EDGES, number, Marker.ARROW, rgb,
                points=[start, end], scale=Vector3(x=0.006, y=0.016, z=0.02),
            )  # fmt: skip
            middle = Point(
                x=(start.x + end.x) / 2, y=(start.y + end.y) / 2, z=(start.z + end.z) / 2
            )
            add(
                EDGE_NAMES, number, Marker.TEXT_VIEW_FACING, rgb,
                pose=_pose(middle), scale=Vector3(z=0.025),
                text=", ".join(e.predicate for e in edges),
            )  # fmt: skip

        return MarkerArray(markers=self._deletions(markers, header) + markers)

    def _deletions(self, markers: list[Marker], header: Header) -> list[Marker]:
        shown = {(marker.ns, marker.id) for marker in markers}
        gone, self._shown = self._shown - shown, shown
        deletions = [
            Marker(header=header, ns=ns, id=number, action=Marker.DELETE)
            for ns, number in sorted(gone)
        ]
        if self._fresh:
            self._fresh = False
            deletions.insert(0, Marker(header=header, action=Marker.DELETEALL))
        return deletions


def _edges_by_pair(graph: SceneGraph) -> dict[tuple[int, int], list[SceneRelation]]:
    """Relations that the model wrote; geometry alone measures every pair and would bury them."""
    edges: dict[tuple[int, int], list[SceneRelation]] = defaultdict(list)
    for relation in graph.relations:
        if relation.source is not RelationSource.GEOMETRY:
            edges[relation.subject_id, relation.object_id].append(relation)
    return edges


def _position_of(graph: SceneGraph, number: int) -> Point | None:
    item = graph.object_by_id(number)
    if item is None or item.extent is None:
        return None
    x, y, z = map(float, item.extent.position)
    return Point(x=x, y=y, z=z)


def _pose(position: Point) -> Pose:
    return Pose(position=position, orientation=Quaternion(w=1.0))


def _color_of(number: int) -> Colour:
    """Neighbouring ids get hues far apart (steps of the golden ratio)."""
    return colorsys.hsv_to_rgb(number * 0.618034 % 1.0, 0.65, 0.95)
