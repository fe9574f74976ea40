"""The model: a LLaVA folder, executed by ONNX Runtime or torch, that writes scene graphs.

Importing this package imports neither torch, transformers nor onnxruntime: each is loaded
with the runtime that needs it.
"""

from spacesgg_ros.vlm.errors import ModelError
from spacesgg_ros.vlm.folder import EMBEDDED_MODEL
from spacesgg_ros.vlm.grammar import GraphLimits
from spacesgg_ros.vlm.model import ModelAnswer, ModelGraph, SceneGraphModel
from spacesgg_ros.vlm.prompts import (
    CLASSIFY_PROMPT,
    DESCRIBE_PROMPT,
    OPEN_PROMPT,
    SCENE_GRAPH_PROMPT,
)
from spacesgg_ros.vlm.runtime import RuntimeInfo

__all__ = [
    "CLASSIFY_PROMPT",
    "DESCRIBE_PROMPT",
    "EMBEDDED_MODEL",
    "OPEN_PROMPT",
    "SCENE_GRAPH_PROMPT",
    "GraphLimits",
    "ModelAnswer",
    "ModelError",
    "ModelGraph",
    "RuntimeInfo",
    "SceneGraphModel",
]
