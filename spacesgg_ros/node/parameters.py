"""The node's parameters: one frozen dataclass, from which all else follows.

The ROS declarations (descriptions, ranges), the check of a new value and the table in
``docs/parameters.md`` are generated from it::

    python -m spacesgg_ros.node.parameters > docs/parameters.md
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Applies = Literal["at once", "on configure", "on activate", "at start"]


@dataclass(frozen=True)
class Bounds:
    """What a parameter is and may be. ``low`` and ``high`` are inclusive."""

    description: str
    applies: Applies
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


def _parameter(
    default: Any,
    description: str,
    *,
    applies: Applies = "at once",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    bounds = Bounds(description, applies, low, high, choices)
    return dataclasses.field(default=default, metadata={"bounds": bounds})


@dataclass(frozen=True)
class NodeParameters:
    """Every parameter of the node with its default. Times in seconds, lengths in metres."""

    autostart: bool = _parameter(
        True,
        "Configure and activate without being told to. False: wait for lifecycle transitions.",
        applies="at start",
    )
    # The model
    model: str = _parameter(
        "embedded",
        "'embedded' (ships with the package), a model folder, or a Hugging Face id that is in "
        "the local cache.",
        applies="on configure",
    )
    adapter: str = _parameter(
        "",
        "A peft adapter to put on the model: a folder or a Hugging Face id. For runtime torch; "
        "for onnx fold it in with `spacesgg merge` and export.",
        applies="on configure",
    )
    runtime: str = _parameter(
        "onnx",
        "What runs the model: ONNX Runtime, or torch (extra 'torch').",
        applies="on configure",
        choices=("onnx", "torch"),
    )
    provider: str = _parameter(
        "cpu",
        "Where it runs. What was really used is in /diagnostics.",
        applies="on configure",
        choices=("cpu", "cuda", "tensorrt"),
    )
    precision: str = _parameter(
        "auto",
        "Which exported weights; auto: int8 on a CPU, fp16 on a GPU, where the folder has them.",
        applies="on configure",
        choices=("auto", "fp32", "fp16", "int8"),
    )
    threads: int = _parameter(
        0,
        "CPU threads of the model; 0: one a physical core. Leave a core to the camera path on "
        "small machines.",
        applies="on configure",
        low=0,
        high=256,
    )
    max_objects: int = _parameter(
        24, "The model writes no more objects than this.", low=1, high=256
    )
    max_relations: int = _parameter(
        48, "The model writes no more relations than this.", low=0, high=1024
    )
    max_tokens: int = _parameter(
        1024, "The model's text is cut after this many tokens.", low=16, high=8192
    )
    keyframe_max_age: float = _parameter(
        1.0,
        "An image that waited longer for the model than this is skipped.",
        low=0.05,
        high=60.0,
    )
    keyframe_period: float = _parameter(
        0.0,
        "Least time between two images that the model reads; 0: as fast as it can.",
        low=0.0,
        high=3600.0,
    )
    keyframe_memory: float = _parameter(
        30.0,
        "How old an image may be when the model has read it, for its objects still to be carried "
        "to now. More for models that take minutes; 77 kB for each 0.12 s.",
        applies="on activate",
        low=1.0,
        high=600.0,
    )
    describe_timeout: float = _parameter(
        20.0,
        "describe_relation answers TIMEOUT after this, where the request names no time.",
        low=0.1,
        high=600.0,
    )
    # The camera
    use_depth: bool = _parameter(
        True, "Subscribe to depth. False: objects are 2D.", applies="on activate"
    )
    image_transport: str = _parameter(
        "raw",
        "raw: sensor_msgs/Image on `image`; compressed: CompressedImage on `image/compressed`.",
        applies="on activate",
        choices=("raw", "compressed"),
    )
    depth_transport: str = _parameter(
        "raw",
        "raw: Image on `depth`; compressed: 16-bit PNG on `depth/compressed`; compressedDepth: "
        "image_transport's own on `depth/compressedDepth`.",
        applies="on activate",
        choices=("raw", "compressed", "compressedDepth"),
    )
    image_reliability: str = _parameter(
        "best_effort",
        "QoS of image and depth. best_effort fits every camera driver; reliable needs a reliable "
        "publisher.",
        applies="on activate",
        choices=("best_effort", "reliable"),
    )
    image_queue_depth: int = _parameter(
        5, "QoS history depth of image and depth.", applies="on activate", low=1, high=100
    )
    output_reliability: str = _parameter(
        "reliable",
        "QoS of all outputs. best_effort for lossy networks.",
        applies="on configure",
        choices=("best_effort", "reliable"),
    )
    pairing_slop: float = _parameter(
        0.02, "Largest difference of colour and depth stamps.", low=0.0, high=1.0
    )
    pairing_queue: int = _parameter(
        10, "Images of each kind that wait for their partner.", low=1, high=100
    )
    depth_timeout: float = _parameter(
        0.5,
        "Without fitting depth for so long, graphs go on as 2D until it is back.",
        low=0.05,
        high=60.0,
    )
    time_jump: float = _parameter(
        0.5,
        "A stamp this far before its predecessor starts a new time line (a bag looped).",
        low=0.01,
        high=3600.0,
    )
    stale_warn: float = _parameter(
        1.0, "An input silent for so long is a WARN in /diagnostics.", low=0.1, high=3600.0
    )
    stale_error: float = _parameter(
        5.0,
        "An input silent for so long is an ERROR; at least stale_warn.",
        low=0.1,
        high=3600.0,
    )
    # The output
    target_frame: str = _parameter(
        "",
        "Express positions in this frame, by TF at the image's stamp (needs tf2_ros). Empty: the "
        "camera's optical frame.",
        applies="on activate",
    )
    up_frame: str = _parameter(
        "",
        "A frame whose z axis points up (e.g. base_link), by TF: above/below and the ground plane "
        "then follow gravity. Empty: in camera axes.",
        applies="on activate",
    )
    tf_timeout: float = _parameter(0.05, "How long a frame may wait for its TF.", low=0.0, high=1.0)
    max_misses: int = _parameter(
        6,
        "An object leaves when it is in view and the model fails to name it more often in a row "
        "than this or than it had named it.",
        applies="on activate",
        low=0,
        high=1000,
    )
    out_of_view: float = _parameter(
        1.0,
        "An object that left the picture is forgotten after this.",
        applies="on activate",
        low=0.0,
        high=60.0,
    )
    publish_markers: bool = _parameter(
        True, "Publish scene_graph/markers (only while someone listens)."
    )
    publish_image: bool = _parameter(
        True, "Publish scene_graph/image, annotated (only while someone listens)."
    )
    marker_lifetime: float = _parameter(
        1.0, "RViz forgets a marker that is not renewed within this.", low=0.1, high=60.0
    )


def bounds_of(name: str) -> Bounds:
    """What is declared about a parameter. Raises KeyError for a name that is none."""
    fields = {field.name: field for field in dataclasses.fields(NodeParameters)}
    bounds: Bounds = fields[name].metadata["bounds"]
    return bounds


def explain_refusal(name: str, value: Any) -> str:
    """Why ``value`` cannot be parameter ``name``; empty if it can."""
    bounds, default = bounds_of(name), getattr(NodeParameters(), name)
    # bool is an int to Python, not to ROS.
    if type(value) is not type(default):
        return f"{name} must be a {type(default).__name__}; got {value!r}"
    if bounds.choices and value not in bounds.choices:
        return f"{name} must be one of {', '.join(bounds.choices)}; got '{value}'"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{name} must be a finite number; got {value}"
    if bounds.low is not None and value < bounds.low:
        return f"{name} must be at least {bounds.low:g}; got {value:g}"
    if bounds.high is not None and value > bounds.high:
        return f"{name} must be at most {bounds.high:g}; got {value:g}"
    if isinstance(value, str) and value != value.strip():
        return f"{name} must not begin or end with a space; got '{value}'"
    if name == "model" and not value:
        return "model must name a model: 'embedded', a folder or a Hugging Face id"
    return ""


def change_parameters(
    parameters: NodeParameters, changes: Mapping[str, Any]
) -> tuple[NodeParameters, str]:
    """The parameters with ``changes``, or unchanged ones and why the changes are refused.

    Names that are not the node's own (use_sim_time, qos_overrides...) are none of its business.
    """
    names = {field.name for field in dataclasses.fields(parameters)}
    own = {name: value for name, value in changes.items() if name in names}
    for name, value in own.items():
        if reason := explain_refusal(name, value):
            return parameters, reason
    return dataclasses.replace(parameters, **own), ""


def explain_conflict(parameters: NodeParameters) -> str:
    """Why values that are fine alone cannot be together; empty if they can."""
    if parameters.stale_error < parameters.stale_warn:
        return (
            f"stale_error ({parameters.stale_error:g} s) must be at least stale_warn "
            f"({parameters.stale_warn:g} s)"
        )
    return ""


def write_table() -> str:
    """``docs/parameters.md``."""
    lines = [
        "# Parameters of the node",
        "",
        "Generated by `python -m spacesgg_ros.node.parameters`; a test keeps it true. Times are in",
        "seconds. A value outside its range is refused with the reason. `ros2 param describe` says",
        "the same on a running node.",
        "",
        "| parameter | default | range | takes effect | meaning |",
        "|---|---|---|---|---|",
    ]
    for field in dataclasses.fields(NodeParameters):
        bounds: Bounds = field.metadata["bounds"]
        default = str(field.default).lower() if isinstance(field.default, bool) else field.default
        default = "(empty)" if default == "" else f"`{default}`"
        lines.append(
            f"| `{field.name}` | {default} | {_say_range(bounds)} | {bounds.applies} "
            f"| {bounds.description} |"
        )
    return "\n".join(lines) + "\n"


def _say_range(bounds: Bounds) -> str:
    if bounds.choices:
        return ", ".join(f"`{choice}`" for choice in bounds.choices)
    if bounds.low is not None and bounds.high is not None:
        return f"{bounds.low:g} to {bounds.high:g}"
    return ""


if __name__ == "__main__":
    print(write_table(), end="")
