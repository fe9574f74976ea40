"""Scene graphs as JSON-ready dictionaries and back."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

from spacesgg_ros.graph.types import (
    Extent3D,
    GraphError,
    GroundExtent,
    RelationSource,
    SceneGraph,
    SceneObject,
    SceneRelation,
)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.name.lower()
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return value


def graph_to_dict(graph: SceneGraph) -> dict[str, Any]:
    """Keys are the dataclasses' field names; a relation's source is its lower-case name."""
    plain: dict[str, Any] = _plain(graph)
    return plain


def _tuple(values: Any) -> Any:
    return None if values is None else tuple(values)


def _extent(data: Mapping[str, Any] | None) -> Extent3D | None:
    if data is None:
        return None
    ground = data.get("ground")
    fields = {**data, "position": tuple(data["position"]), "size": tuple(data["size"])}
    fields["ground"] = (
        None if ground is None else GroundExtent(**{k: tuple(v) for k, v in ground.items()})
    )
    return Extent3D(**fields)


def graph_from_dict(data: Mapping[str, Any]) -> SceneGraph:
    """Inverse of :func:`graph_to_dict`.

    Raises:
        GraphError: a field is missing, unknown or of the wrong shape.
    """
    try:
        objects = tuple(
            SceneObject(**{**o, "box_px": tuple(o["box_px"]), "extent": _extent(o.get("extent"))})
            for o in data.get("objects", ())
        )
        relations = tuple(
            SceneRelation(
                **{
                    **r,
                    "source": RelationSource[str(r["source"]).upper()],
                    "offset": _tuple(r.get("offset")),
                }
            )
            for r in data.get("relations", ())
        )
        fields = {**data, "objects": objects, "relations": relations, "up": _tuple(data.get("up"))}
        return SceneGraph(**fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise GraphError(f"not a scene graph: {error!r}; expected graph_to_dict's keys") from error
