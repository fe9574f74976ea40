"""Questions put to a model folder, one picture at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from spacesgg_ros.graph.boxes import clip_box
from spacesgg_ros.training.data.grounded import GroundedError
from spacesgg_ros.training.data.sources.files import read_bytes
from spacesgg_ros.training.evaluate.graphs import text_objects
from spacesgg_ros.vlm import ModelError, SceneGraphModel

from .boxes import ImageBoxes, LabelledBox


@dataclass(frozen=True)
class Prompt:
    """What to ask about a picture; ``choices``: the model must say one of these."""

    id: str
    image: str
    text: str
    choices: tuple[str, ...] = ()
    mirror: bool = False


@dataclass(frozen=True)
class Asked:
    """An answer; ``problem`` says why there is none."""

    id: str
    text: str
    milliseconds: float = 0.0
    problem: str = ""


def ask_model(
    model: SceneGraphModel, prompts: Iterable[Prompt], root: Path, max_new_tokens: int = 128
) -> Iterator[Asked]:
    """Greedy answers in the order of the prompts; a prompt that fails has a problem, no answer.

    Args:
        root: the folder that images are relative to.
    """
    for prompt in prompts:
        try:
            rgb = load_picture(root, prompt.image, prompt.mirror)
            answer = model.answer(
                rgb, prompt.text, choices=prompt.choices or None, max_new_tokens=max_new_tokens
            )
        except (GroundedError, ModelError, ValueError) as error:
            yield Asked(prompt.id, "", problem=str(error))
            continue
        yield Asked(prompt.id, answer.text, answer.stage_ms.get("total", 0.0))


def find_boxes(
    model: SceneGraphModel, images: Iterable[ImageBoxes], root: Path
) -> Iterator[tuple[ImageBoxes, str]]:
    """The objects of the graph that the model writes of each picture, and a problem or "".

    A text has no scores: each box has 1.

    Args:
        root: the folder that the files of the images are relative to.
    """
    for image in images:
        try:
            rgb = load_picture(root, image.file)
            graph = model.write_graph(rgb).graph
        except (GroundedError, ModelError, ValueError) as error:
            yield ImageBoxes(image.id, ()), str(error)
            continue
        found = text_objects(graph, rgb.shape[1], rgb.shape[0])
        boxes = tuple(LabelledBox(label, clip_box(b, *rgb.shape[1::-1])) for label, b in found)
        yield ImageBoxes(image.id, boxes), ""


def load_picture(root: Path, image: str, mirror: bool = False) -> np.ndarray:
    """``(H, W, 3)`` uint8 RGB of a file or of a member of a tar, flipped if ``mirror``.

    Raises:
        GroundedError: it cannot be read or is no picture.
    """
    bgr = cv2.imdecode(np.frombuffer(read_bytes(root, image), np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise GroundedError(f"{image} is not an image that OpenCV reads")
    rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(rgb[:, ::-1]) if mirror else rgb
