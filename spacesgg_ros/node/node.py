"""The lifecycle node: what starts and stops what. The work is in the modules beside it.

Threads: the executor's receives messages, pairs them and answers services; ``FrameLoop`` makes
graphs at camera rate; ``ModelWorker`` loads the model and reads keyframes. None waits for
another.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidParameterValueException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_msgs.msg import Header

from spacesgg_ros.graph import LiveConfig
from spacesgg_ros.node.camera import CameraInput
from spacesgg_ros.node.diagnostics import (
    DropReporter,
    Level,
    Status,
    now_s,
    report_model,
    to_message,
)
from spacesgg_ros.node.drops import DropCounters
from spacesgg_ros.node.frames import FrameGraph, FrameLoop, FrameOptions
from spacesgg_ros.node.outputs import GraphOutput
from spacesgg_ros.node.parameters import (
    Bounds,
    NodeParameters,
    bounds_of,
    change_parameters,
    explain_conflict,
)
from spacesgg_ros.node.services import GraphServices
from spacesgg_ros.node.transforms import NoTransforms, PoseSource, open_transforms
from spacesgg_ros.node.worker import KeyframeResult, Model, ModelWorker
from spacesgg_ros.vlm import GraphLimits, SceneGraphModel

LoadModel = Callable[[NodeParameters], Model]

_REPORT_PERIOD_S = 1.0
_RING_FRAMES = 360  # LiveConfig's own; more only where the memory is to be longer
_RING_PERIOD_S = 0.08  # old frames are kept every 0.12 s, new ones all
_WARN_PERIOD_S = 10.0


def load_model(parameters: NodeParameters) -> Model:
    """The model that the parameters name. Raises ModelError."""
    model: Model = SceneGraphModel.load(
        parameters.model,
        runtime=parameters.runtime,
        provider=parameters.provider,
        precision=parameters.precision,
        threads=parameters.threads,
        adapter=parameters.adapter,
    )
    return model


class SceneGraphNode(LifecycleNode):
    """``image``, ``depth`` and ``camera_info`` in; ``scene_graph`` out; services and diagnostics.

    Args:
        load: makes the model, on the worker's thread.

    Raises:
        rclpy.exceptions.ParameterException: a parameter given at the start is refused.
    """

    def __init__(
        self, *, load: LoadModel = load_model, name: str = "scene_graph", **kwargs: Any
    ) -> None:
        super().__init__(name, **kwargs)
        self._load = load
        self._values = NodeParameters()
        self._declared = False
        self._logged: dict[str, tuple[Level, float]] = {}
        self._drops = DropCounters()
        self._drop_reporter = DropReporter(self._drops)
        self._worker: ModelWorker | None = None
        self._camera: CameraInput | None = None
        self._frames: FrameLoop | None = None
        self._output: GraphOutput | None = None
        # Before the declarations: the values given at the start are checked as well.
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._declare_parameters()
        self._transforms: PoseSource | None = None
        self._graph_services = GraphServices(
            self,
            lambda: self._values,
            lambda: self._output.latest if self._output else None,
            lambda: self._worker,
            lambda: self._frames is not None,
        )
        self._reports = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # Not the node's clock: a paused simulation must not silence the diagnostics.
        self._report_timer = self.create_timer(
            _REPORT_PERIOD_S, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    @property
    def parameters(self) -> NodeParameters:
        """The values in force."""
        return self._values

    @property
    def drops(self) -> DropCounters:
        """Everything that came in and did not go on, by reason."""
        return self._drops

    # --- parameters ----------------------------------------------------------------------------

    def _declare_parameters(self) -> None:
        for item in dataclasses.fields(NodeParameters):
            self.declare_parameter(item.name, item.default, _descriptor(bounds_of(item.name)))
        # One by one they could not be judged together.
        if reason := explain_conflict(self._values):
            raise InvalidParameterValueException("parameters", None, reason)
        self._declared = True

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        values = {change.name: change.value for change in changes}
        parameters, reason = change_parameters(self._values, values)
        if self._declared:
            reason = reason or explain_conflict(parameters)
        if reason:
            return SetParametersResult(successful=False, reason=reason)
        changed = [
            item.name
            for item in dataclasses.fields(parameters)
            if getattr(parameters, item.name) != getattr(self._values, item.name)
        ]
        self._values = parameters
        if self._camera is not None:
            self._camera.configure(parameters)
        waits = {"on configure": self._worker is not None, "on activate": self._frames is not None}
        for name in changed:
            if waits.get(applies := bounds_of(name).applies, False):
                self.get_logger().info(f"{name} is taken over, to take effect {applies}")
        return SetParametersResult(successful=True)

    # --- lifecycle -----------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts to load the model and returns at once; /diagnostics says how the load goes."""
        parameters = self._values
        self._output = GraphOutput(self, parameters)
        self._worker = ModelWorker(
            lambda: self._load(parameters),
            self._on_keyframe_result,
            self._drops,
            limits=self._limits,
            max_age_s=lambda: self._values.keyframe_max_age,
            rest_s=lambda: self._values.keyframe_period,
        )
        self.get_logger().info(f"loading model '{parameters.model}' ({_say_runtime(parameters)})")
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribes and publishes; graphs have objects once the model is loaded."""
        assert self._output is not None and self._worker is not None  # configured
        parameters = self._values
        self._output.start()
        super().on_activate(state)
        config = LiveConfig(
            max_misses=parameters.max_misses,
            out_of_view_s=parameters.out_of_view,
            ring_s=parameters.keyframe_memory,
            ring_frames=max(_RING_FRAMES, round(parameters.keyframe_memory / _RING_PERIOD_S)),
        )
        if self._transforms is None and (parameters.target_frame or parameters.up_frame):
            self._transforms = open_transforms(self)  # not before: listening to /tf costs CPU
        self._worker.activate()
        self._frames = FrameLoop(
            config,
            lambda: self._frame_options(parameters),
            self._transforms or NoTransforms(),
            self._drops,
            self._on_graph,
            self._worker.offer,
        )
        self._camera = CameraInput(self, parameters, self._drops, self._frames.submit)
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribes; a generation that runs is stopped and its result discarded."""
        self._stop_camera()
        super().on_deactivate(state)
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lets go of the model."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Ends everything, from any state."""
        self._stop_camera()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a transition that raised: back to unconfigured, so that configure can try again."""
        self._stop_camera()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def _stop_camera(self) -> None:
        if self._worker is not None:
            self._worker.deactivate()
        if self._camera is not None:
            self._camera.close()
        if self._frames is not None:
            self._frames.stop()
        self._camera = self._frames = None

    def _release(self, wait_s: float = 0.0) -> None:
        if self._worker is not None:
            self._worker.stop(wait_s)
        if self._output is not None:
            self._output.close()
        self._worker = self._output = None

    def destroy_node(self) -> None:
        """Ends the threads first: they use what the node is made of."""
        self._stop_camera()
        self._release(wait_s=5.0)
        super().destroy_node()

    # --- what the threads call -----------------------------------------------------------------

    def _frame_options(self, activated: NodeParameters) -> FrameOptions:
        return FrameOptions(
            activated.use_depth,
            activated.target_frame,
            activated.up_frame,
            self._values.tf_timeout,
        )

    def _limits(self) -> GraphLimits:
        parameters = self._values
        return GraphLimits(
            max_objects=parameters.max_objects,
            max_relations=parameters.max_relations,
            max_tokens=parameters.max_tokens,
        )

    def _on_keyframe_result(self, result: KeyframeResult) -> None:
        frames = self._frames
        if frames is not None:
            frames.add_result(result)

    def _on_graph(self, frame: FrameGraph) -> None:
        output = self._output
        if output is not None and self._frames is not None:
            output.publish(frame, self._values)

    # --- diagnostics ---------------------------------------------------------------------------

    def _report(self) -> None:
        name = self.get_fully_qualified_name().lstrip("/")
        camera, model, graph = (Status(f"{name}: {part}") for part in ("camera", "model", "graph"))
        if self._camera is None:
            camera.say(Level.OK, "not active")
        else:
            self._camera.report(camera, self._values)
        self._drop_reporter.report(camera)
        report_model(model, self._worker)
        if self._output is not None and self._frames is not None:
            self._output.report(graph)
            latest = self._output.latest
            if latest is not None and latest.tf_problem:
                graph.say(Level.WARN, latest.tf_problem)
            if not self._frames.alive:
                graph.say(Level.ERROR, "the frame thread has ended; its traceback is in the log")
        else:
            graph.say(Level.OK, "not active")
        header = Header(stamp=self.get_clock().now().to_msg())
        self._reports.publish(to_message((camera, model, graph), name, header))
        self._log_state((camera, model, graph))

    def _log_state(self, statuses: tuple[Status, ...]) -> None:
        """Operators without a diagnostics viewer see the same sentences: once, then seldom."""
        now = now_s()
        for status in statuses:
            level, logged_s = self._logged.get(status.name, (Level.OK, -_WARN_PERIOD_S))
            due = now - logged_s >= _WARN_PERIOD_S
            if status.level > level or (due and status.level != level) or (due and level):
                text = f"{status.name.split(': ')[-1]}: {'; '.join(status.sentences) or 'ok'}"
                # rclpy allows one severity for each line of code.
                if status.level is Level.OK:
                    self.get_logger().info(text)
                elif status.level is Level.WARN:
                    self.get_logger().warning(text)
                else:
                    self.get_logger().error(text)
                self._logged[status.name] = (status.level, now)


def _descriptor(bounds: Bounds) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=f"{bounds.description} Takes effect {bounds.applies}."
    )
    if bounds.choices:
        descriptor.additional_constraints = f"one of {', '.join(bounds.choices)}"
    if bounds.low is not None and bounds.high is not None:
        if isinstance(bounds.low, int):
            descriptor.integer_range = [
                IntegerRange(from_value=int(bounds.low), to_value=int(bounds.high), step=1)
            ]
        else:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=bounds.low, to_value=bounds.high, step=0.0)
            ]
    return descriptor


def _say_runtime(parameters: NodeParameters) -> str:
    return f"{parameters.runtime}, {parameters.provider}, {parameters.precision}"
