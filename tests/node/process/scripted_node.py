"""The real node in a real process, with a model that says what the test wants.

``python scripted_node.py [--seconds S] --ros-args -p model:=scripted ...``: the scripted model
sees two mugs in every image and takes S seconds (it stops early when told to). Any other model
name is loaded as in production.
"""

import sys
import time
from types import SimpleNamespace

from spacesgg_ros.graph import parse_graph
from spacesgg_ros.node.main import run_node
from spacesgg_ros.node.node import SceneGraphNode, load_model
from spacesgg_ros.vlm import RuntimeInfo

TEXT = (
    "<ref>red mug</ref><box>[[200, 400, 350, 600]]</box>\n"
    "<ref>blue box</ref><box>[[600, 400, 800, 600]]</box>\n"
    "<pred>next to</pred><box>[[200, 400, 350, 600]]</box><box>[[600, 400, 800, 600]]</box>"
)


class ScriptedModel:
    model_id = "scripted"
    runtime_info = RuntimeInfo("script", "cpu", "cpu", "exact")

    def __init__(self, seconds):
        self.seconds = seconds

    def _work(self, should_stop):
        end = time.monotonic() + self.seconds
        while time.monotonic() < end and not should_stop():
            time.sleep(0.005)

    def write_graph(self, rgb, *, limits, should_stop):
        self._work(should_stop)
        return SimpleNamespace(
            text=TEXT,
            graph=parse_graph(TEXT),
            token_count=50,
            finish_reason="eos",
            stage_ms={"decode": 1e3 * self.seconds},
        )

    def answer(self, rgb, prompt, *, choices, should_stop):
        self._work(should_stop)
        return SimpleNamespace(text=choices[-1] if choices else f"I was asked: {prompt}")


def main():
    seconds = 0.05
    if "--seconds" in sys.argv:
        seconds = float(sys.argv[sys.argv.index("--seconds") + 1])

    def load(parameters):
        if parameters.model == "scripted":
            return ScriptedModel(seconds)
        return load_model(parameters)

    return run_node(lambda: SceneGraphNode(load=load))


if __name__ == "__main__":
    sys.exit(main())
