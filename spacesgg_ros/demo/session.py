"""One run of the demo: a recorded camera, the node, a monitor; started, watched and ended."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live

from spacesgg_ros.demo import DemoError
from spacesgg_ros.demo.processes import Child
from spacesgg_ros.demo.questions import choose_question
from spacesgg_ros.demo.recording import Recording
from spacesgg_ros.demo.statistics import Answer, Summary, summarize
from spacesgg_ros.demo.terminal import progress_line, render
from spacesgg_ros.graph.serialize import graph_to_dict
from spacesgg_ros.graph.types import SceneGraph
from spacesgg_ros.node.main import explain_missing_ros, use_shared_memory_profile
from spacesgg_ros.viewer import Question, ViewerServer, ViewerState

if TYPE_CHECKING:
    import numpy as np

    from spacesgg_ros.demo.monitor import Monitor

_REFRESH_S = 0.25
_PROGRESS_S = 5.0
_QUERY_AFTER_S = 3.0
_PLAYER_TOPICS = {
    "image": "camera/color/image_raw",
    "depth": "camera/aligned_depth_to_color/image_raw",
    "camera_info": "camera/color/camera_info",
}


Observer = Callable[["DemoSession"], None]


@dataclass(frozen=True)
class DemoOptions:
    """What to play and how long.

    Attributes:
        bag: a recording; its topics are found by type and name where they are not given.
        seconds: how long after the model read its first image; None: until Ctrl-C or the end of
            the recording.
        port: where the page is tried first; None: no page.
        query: the question to ask; None: one is chosen from the first good graph.
        domain: ROS_DOMAIN_ID; None: a random one.
        local_only: discovery on this machine only.
        start_timeout_s: when the model has read no image by then, the demo gives up.
        node_parameters: more parameters for the node.
        node_module: what is run as the node; benchmarks put a scripted model there.
    """

    bag: Path
    topics: Mapping[str, str | None] = field(default_factory=dict)
    model: str = "embedded"
    rate: float = 1.0
    loop: bool = True
    seconds: float | None = None
    headless: bool = False
    port: int | None = 8000
    query: Question | None = None
    domain: int | None = None
    local_only: bool = True
    start_timeout_s: float = 120.0
    node_parameters: Mapping[str, str] = field(default_factory=dict)
    node_module: str = "spacesgg_ros.node.main"


class DemoSession:
    """Starts everything, watches it and ends it; made for one run.

    Attributes:
        monitor: listens to the node; there while it runs and after.
        node_pid: process id of the node.
    """

    def __init__(self, options: DemoOptions, console: Console) -> None:
        self._options = options
        self._console = console
        self._domain = (
            random.SystemRandom().randint(1, 99) if options.domain is None else options.domain
        )
        self._stopping = False
        self._observe: Observer | None = None
        self._answer: Answer | None = None
        self._page = ""
        self._ready_s: float | None = None
        self._finished_s: float | None = None
        self.monitor: Monitor
        self.node_pid = 0

    def run(self, observe: Observer | None = None) -> Summary:
        """Run to the end and return what was measured; every child has ended then.

        Args:
            observe: called a few times a second once the model has read an image.

        Raises:
            DemoError: the recording cannot be played, a process ended early, or no graph came.
        """
        self._observe = observe
        self._introduce()
        if problem := explain_missing_ros():
            raise DemoError(problem)
        # Read by the middleware in C when the monitor starts, so it must be this process's own.
        os.environ.update(ros_environment(os.environ, self._domain, self._options.local_only))
        use_shared_memory_profile()
        with tempfile.TemporaryDirectory(prefix="spacesgg-demo-") as folder:
            return self._run_in(Path(folder))

    def _introduce(self) -> None:
        with Recording(self._options.bag, **self._options.topics) as recording:
            topics, images = recording.topics, recording.image_count
            found = ", ".join(filter(None, vars(topics).values()))
        self._console.print(
            f"Playing [bold]{self._options.bag.name}[/]: {images} images ({found}).",
            soft_wrap=True,
        )
        if topics.depth is None or topics.camera_info is None:
            self._console.print(
                "[yellow]Without depth and camera_info the objects have no positions.[/]"
            )

    def _run_in(self, folder: Path) -> Summary:
        from spacesgg_ros.demo.monitor import Monitor

        handlers = {
            number: signal.signal(number, self._request_stop)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        children: list[Child] = []
        viewer: ViewerServer | None = None
        self.monitor = Monitor(self._domain, _PLAYER_TOPICS["image"])
        try:
            viewer = self._open_page(self.monitor)
            self.monitor.start()
            node = Child("scene_graph_node", self._node_command(), os.environ, folder)
            children.append(node)
            self.node_pid = node.pid
            player = Child("recorded_camera", self._player_command(), os.environ, folder)
            children.append(player)
            self._console.print(
                "Ctrl-C ends it. To look in from another terminal: "
                f"export ROS_DOMAIN_ID={self._domain}"
                + (" ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST" if self._options.local_only else ""),
                soft_wrap=True,
                highlight=False,
            )
            self._watch(self.monitor, node, player)
        finally:
            if viewer is not None:
                viewer.stop()
            for child in reversed(children):  # the camera first, so that the node ends in peace
                child.stop()
            self.monitor.stop()
            for number, handler in handlers.items():
                signal.signal(number, handler)
        with self.monitor.lock:
            return summarize(
                self.monitor.statistics, self.monitor.report, _published(player), self._answer
            )

    def _watch(self, monitor: Monitor, node: Child, player: Child) -> None:
        """Show what happens until it is time to end."""
        started = time.monotonic()
        live = None
        if not self._options.headless and self._console.is_terminal:
            live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
            live.start()
        told = 0.0
        playing = False
        try:
            while not self._stopping:
                time.sleep(_REFRESH_S)
                now = time.monotonic()
                if self._is_over(monitor, node, player, now, started):
                    self._ask_once(monitor, now, at_the_end=True)
                    break
                if not playing and monitor.hears_node():
                    playing = True
                    player.tell("play")
                self._ask_once(monitor, now)
                if self._observe is not None and self._ready_s is not None:
                    self._observe(self)
                if live is not None:
                    with monitor.lock:
                        picture = render(
                            monitor.statistics,
                            monitor.report,
                            self._answer,
                            time.time_ns(),
                            self._page,
                            relations_shown=max(4, self._console.height - 22),
                        )
                    live.update(picture, refresh=True)
                elif now - told > _PROGRESS_S:
                    told = now
                    with monitor.lock:
                        line = progress_line(monitor.statistics, monitor.report, time.time_ns())
                    self._console.print(line, highlight=False, markup=False)
        finally:
            if live is not None:
                live.stop()
        if self._ready_s is None and not self._stopping:
            raise DemoError(_no_graph(monitor, node))

    def _is_over(
        self, monitor: Monitor, node: Child, player: Child, now: float, started: float
    ) -> bool:
        """Raises DemoError where it is over because something broke."""
        with monitor.lock:
            ready = monitor.statistics.model_keyframes > 0
            failure = monitor.report.model_failure
        if self._ready_s is None and ready:
            self._ready_s = now
        if node.exit_code is not None:
            raise DemoError(
                f"the node ended by itself ({_ending(node.exit_code)}). Its last words:\n"
                f"{node.log_tail()}"
            )
        if failure:
            raise DemoError(failure)
        if player.exit_code is not None:
            if player.exit_code != 0:
                raise DemoError(f"the recording cannot be played: {player.log_tail()}")
            # What is under way still arrives.
            self._finished_s = self._finished_s or now
            if now - self._finished_s > 2.0:
                return True
        if self._ready_s is None:
            if now - started > self._options.start_timeout_s:
                raise DemoError(_no_graph(monitor, node))
            return False
        limit = self._options.seconds
        return limit is not None and now - self._ready_s >= limit

    def _ask_once(self, monitor: Monitor, now: float, at_the_end: bool = False) -> None:
        """One query, once the model has looked for a while and the graph has something to say."""
        if self._answer is not None or self._ready_s is None:
            return
        with monitor.lock:
            graph = monitor.statistics.latest
        waited = now - self._ready_s >= _QUERY_AFTER_S or at_the_end
        if not waited or graph is None or not graph.objects:
            return
        question = self._options.query or choose_question(graph, even_without_relations=at_the_end)
        if question is None:
            return
        self._answer = monitor.ask(question)
        if self._options.headless or not self._console.is_terminal:
            self._console.print(f"? {self._answer.question}", markup=False, highlight=False)
            self._console.print(f"  {self._answer.text}", markup=False, highlight=False)

    def _open_page(self, monitor: Monitor) -> ViewerServer | None:
        if self._options.port is None:
            return None

        def answer(question: Question) -> Mapping[str, Any]:
            reply = monitor.ask(question)
            return {"ok": reply.ok, "text": reply.text, "object_ids": list(reply.object_ids)}

        state = ViewerState(answer)

        def show(graph: SceneGraph, rgb: np.ndarray | None) -> None:
            if state.clients:
                state.publish(graph_to_dict(graph), _status(monitor), rgb)

        monitor.feed_pictures(show, lambda: state.clients > 0)
        try:
            viewer = ViewerServer(state, self._options.port)
        except OSError as error:
            self._console.print(f"[yellow]No page: {error}. Choose another --port.[/]")
            return None
        viewer.start()
        self._page = viewer.url
        self._console.print(f"Page: [underline]{viewer.url}[/]")
        return viewer

    def _node_command(self) -> list[str]:
        remappings = [f"{name}:=/{topic}" for name, topic in _PLAYER_TOPICS.items()]
        model = self._options.model
        parameters = {
            "autostart": "true",
            # The node works in another folder; a name that is no path is left as it is.
            "model": str(Path(model).resolve()) if Path(model).exists() else model,
            **self._options.node_parameters,
        }
        arguments = [word for rule in remappings for word in ("-r", rule)]
        arguments += [word for k, v in parameters.items() for word in ("-p", f"{k}:={v}")]
        return [sys.executable, "-m", self._options.node_module, "--ros-args", *arguments]

    def _player_command(self) -> list[str]:
        options = self._options
        command = [sys.executable, "-m", "spacesgg_ros.demo.player", str(options.bag.resolve())]
        for role, topic in options.topics.items():
            if topic:
                command += [f"--{role.replace('_', '-')}-topic", topic]
        repeat = "BACK_AND_FORTH" if options.loop else "ONCE"
        return [*command, "--rate", str(options.rate), "--repeat", repeat, "--wait", "60"]

    def _request_stop(self, *_: object) -> None:
        self._stopping = True


def ros_environment(base: Mapping[str, str], domain: int, local_only: bool) -> dict[str, str]:
    """``base`` with a domain of its own and, if so wished, discovery on this machine only."""
    environment = dict(base)
    environment["ROS_DOMAIN_ID"] = str(domain)
    if local_only:
        environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        if base.get("ROS_DISTRO") == "humble":
            environment["ROS_LOCALHOST_ONLY"] = "1"
    return environment


def _published(player: Child) -> int:
    try:
        return int(json.loads(player.last_line() or "{}").get("published", 0))
    except (ValueError, AttributeError):
        return 0


def _status(monitor: Monitor) -> dict[str, Any]:
    with monitor.lock:
        statistics, report = monitor.statistics, monitor.report
        return {
            "rate_hz": statistics.recent_rate_hz(time.time_ns()),
            "age_ms_p50": statistics.recent_age_ms(50),
            "age_ms_p95": statistics.recent_age_ms(95),
            "frames_in": statistics.published + report.frames_left_out,
            "graphs_out": statistics.published,
            "left_out": sum(report.drops.values()),
            "drops": report.drops,
            "provider": report.provider,
        }


def _no_graph(monitor: Monitor, node: Child) -> str:
    with monitor.lock:
        report = monitor.report
        came = monitor.statistics.graphs
        lines = [
            f"{came} graphs came, but the model has read no image: is the recording long enough?"
            if came
            else "no graph came from the node."
        ]
        if report.problem:
            lines.append(f"It says: {report.problem}")
        if report.drops:
            drops = ", ".join(f"{reason} {count}" for reason, count in report.drops.items())
            lines.append(f"Left out: {drops}")
    return "\n".join([*lines, "Its log ends so:", node.log_tail()])


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
