"""The node's services: queries from memory, descriptions by the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, qos_profile_services_default
from rclpy.task import Future

from spacesgg_ros.graph import QueryStatus, query_relations
from spacesgg_ros.node.describe import DescribeStatus, NoPrompt, compose_prompt
from spacesgg_ros.node.diagnostics import now_s
from spacesgg_ros.node.frames import FrameGraph
from spacesgg_ros.node.messages import (
    duration_to_ns,
    header_of,
    ns_to_duration,
    object_to_message,
    relation_to_message,
)
from spacesgg_ros.node.parameters import NodeParameters
from spacesgg_ros.node.worker import Keyframe, ModelWorker, Question
from spacesgg_ros.srv import DescribeRelation, QueryRelations

# The default of 10 silently loses the rest of a burst of concurrent calls.
SERVICE_QOS = QoSProfile(
    depth=200,
    history=qos_profile_services_default.history,
    reliability=qos_profile_services_default.reliability,
    durability=qos_profile_services_default.durability,
)


class GraphServices:
    """Answers on the executor's thread, which never waits for the model.

    Args:
        latest: the newest published frame of this activation, or None.
        worker: the model's worker, or None while the node is not configured.
        active: whether the node is active.
    """

    def __init__(
        self,
        node: LifecycleNode,
        parameters: Callable[[], NodeParameters],
        latest: Callable[[], FrameGraph | None],
        worker: Callable[[], ModelWorker | None],
        active: Callable[[], bool],
    ) -> None:
        self._node = node
        self._parameters = parameters
        self._latest = latest
        self._worker = worker
        self._active = active
        self._query = node.create_service(
            QueryRelations, "query_relations", self._on_query, qos_profile=SERVICE_QOS
        )
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        # Reentrant: a description that is being waited for must not keep others out.
        self._group = ReentrantCallbackGroup()
        self._describe = node.create_service(
            DescribeRelation,
            "describe_relation",
            self._on_describe,
            qos_profile=SERVICE_QOS,
            callback_group=self._group,
        )

    def _on_query(
        self, request: QueryRelations.Request, response: QueryRelations.Response
    ) -> QueryRelations.Response:
        if not self._active():
            response.status = int(QueryStatus.NO_GRAPH)
            response.text = "The node is not active, so there is no scene graph."
            return response
        frame = self._latest()
        if frame is None:
            response.status = int(QueryStatus.NO_GRAPH)
            response.text = "There is no scene graph yet."
            return response
        graph = frame.camera_graph
        age_ns = max(0, self._node.get_clock().now().nanoseconds - graph.stamp_ns)
        response.header = header_of(graph)
        response.age = ns_to_duration(age_ns)
        max_age_ns = duration_to_ns(request.max_age)
        if 0 < max_age_ns < age_ns:
            response.status = int(QueryStatus.STALE)
            response.text = (
                f"The newest scene graph is {age_ns / 1e9:.1f} s old; "
                f"{max_age_ns / 1e9:.1f} s were allowed."
            )
            return response
        answer = query_relations(
            graph, request.subject, request.predicate, request.object, request.viewpoint or "camera"
        )
        response.status = int(answer.status)
        response.text = answer.text
        response.objects = [object_to_message(item, graph) for item in answer.objects]
        response.relations = [relation_to_message(item) for item in answer.relations]
        return response

    async def _on_describe(
        self, request: DescribeRelation.Request, response: DescribeRelation.Response
    ) -> DescribeRelation.Response:
        started_s = now_s()
        status, text, keyframe = await self._describe_relation(request, started_s)
        response.status = int(status)
        response.text = text
        if keyframe is not None:
            response.header.stamp.sec, response.header.stamp.nanosec = divmod(
                keyframe.stamp_ns, 1_000_000_000
            )
            response.header.frame_id = keyframe.frame_id
        response.elapsed_s = now_s() - started_s
        return response

    async def _describe_relation(
        self, request: DescribeRelation.Request, started_s: float
    ) -> tuple[DescribeStatus, str, Keyframe | None]:
        worker, frame = self._worker(), self._latest()
        if not self._active() or worker is None:
            return DescribeStatus.NOT_ACTIVE, "The node is not active.", None
        timeout_s = float(request.timeout_s) or self._parameters().describe_timeout
        if not 0 < timeout_s <= 600:
            return (
                DescribeStatus.INVALID_REQUEST,
                f"timeout_s must be between 0 and 600; got {timeout_s:g}.",
                None,
            )
        if frame is None:
            return DescribeStatus.NO_IMAGE, "No image has come yet.", None
        prompt = compose_prompt(
            request.task, request.subject, request.object, request.question, frame.camera_graph
        )
        if isinstance(prompt, NoPrompt):
            return prompt.status, prompt.text, None
        graph = frame.camera_graph
        keyframe = Keyframe(graph.stamp_ns, graph.frame_id, frame.rgb, frame.arrival_s)
        future: Future[tuple[str | None, str]] = Future(executor=self._node.executor)
        # Without a callback nothing would wake the executor when the model's thread is done.
        future.add_done_callback(lambda _: None)
        refusal = worker.ask(
            Question(
                keyframe,
                prompt.text,
                prompt.choices,
                started_s + timeout_s,
                lambda answer, reason: _settle(future, answer, reason),
            )
        )
        if refusal:
            return DescribeStatus.MODEL_NOT_READY, refusal, None
        overdue = f"The model was not done within {timeout_s:g} s."
        timer = self._node.create_timer(
            timeout_s,
            lambda: _settle(future, None, overdue),
            callback_group=self._group,
            clock=self._steady,  # simulated time may stand still
        )
        answer, reason = await future or (None, overdue)
        self._node.destroy_timer(timer)
        if answer is not None:
            return DescribeStatus.OK, answer, keyframe
        if not self._active():
            return DescribeStatus.NOT_ACTIVE, reason, None
        if now_s() - started_s >= timeout_s:
            return DescribeStatus.TIMEOUT, reason, None
        return DescribeStatus.MODEL_NOT_READY, reason, None


def _settle(future: Future[Any], answer: str | None, reason: str) -> None:
    """The first word counts: the model's, or the timer's."""
    if not future.done():
        future.set_result((answer, reason))
