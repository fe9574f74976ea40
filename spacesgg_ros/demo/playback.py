"""When which recorded event is due: once, from the start again, or back and forth."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence

from spacesgg_ros.demo.recording import CameraEvent

Due = tuple[int, CameraEvent]
"""Nanoseconds since the first event, and the event."""


class Repeat(enum.Enum):
    """What happens at the end of a recording."""

    ONCE = "once"
    RESTART = "restart"  # from the first frame again: the camera jumps back
    BACK_AND_FORTH = "back and forth"  # the camera turns round: no jump


def frame_period_ns(events: Sequence[CameraEvent]) -> int:
    """Mean time between two colour images; a tenth of a second where there is only one."""
    times = [event.time_ns for event in events if event.role == "image"]
    if len(times) < 2 or times[-1] <= times[0]:
        return 100_000_000
    return (times[-1] - times[0]) // (len(times) - 1)


def play_kept(events: Sequence[CameraEvent], repeat: Repeat) -> Iterator[Due]:
    """Events sorted by time, with the time each is due. Endless unless ``repeat`` is ONCE.

    Back and forth, the frame at which the direction turns is played once: events within half a
    period of it belong to it.
    """
    if not events:
        return
    first, last = events[0].time_ns, events[-1].time_ns
    period = frame_period_ns(events)
    single = last - first < period // 2
    for event in events:
        yield event.time_ns - first, event
    passed = last - first
    forward = True
    while repeat is not Repeat.ONCE:
        if single or repeat is Repeat.RESTART:
            passed += period
            for event in events:
                yield passed + event.time_ns - first, event
        elif forward:
            for event in reversed(events):
                if event.time_ns <= last - period // 2:
                    yield passed + last - event.time_ns, event
        else:
            for event in events:
                if event.time_ns >= first + period // 2:
                    yield passed + event.time_ns - first, event
        forward = not forward
        passed += last - first


def play_stream(read: Callable[[], Iterable[CameraEvent]], repeat: Repeat) -> Iterator[Due]:
    """Events of a recording too large to be kept; the end is followed by the first frame."""
    passed = 0
    while True:
        first = last = None
        for event in read():
            first = event.time_ns if first is None else first
            last = max(event.time_ns, last or event.time_ns)
            yield passed + max(0, event.time_ns - first), event
        if repeat is Repeat.ONCE or first is None or last is None:
            return
        passed += last - first + 100_000_000
