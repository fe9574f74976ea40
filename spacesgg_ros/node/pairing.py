"""Colour and depth images of one moment, found by their stamps. Pure Python, no ROS.

Why not message_filters: it drops without a word, starves after a bag loops, and stays locked
after an exception. Here every message leaves as part of a :class:`Pair` or as a counted drop.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from spacesgg_ros.node.drops import Drop, DropCounters

M = TypeVar("M")

_PERIOD_WINDOW = 8  # depth intervals of which the smallest is taken for the period
_STRAGGLERS = 5  # so many older stamps in a row are a new time line, not stragglers


@dataclass(frozen=True)
class PairingConfig:
    """All times in nanoseconds.

    Attributes:
        use_depth: False: every colour image goes on at once, alone.
        slop_ns: largest distance of the two stamps.
        queue_size: images of each kind that wait for a partner.
        depth_timeout_ns: without any pair for so long (by the clock handed in), colour images
            go on alone and no longer wait, until depth within the slop comes again.
        jump_ns: a stamp this far before its predecessor is a jump of the clock (a bag looped).
    """

    use_depth: bool = True
    slop_ns: int = 20_000_000
    queue_size: int = 10
    depth_timeout_ns: int = 500_000_000
    jump_ns: int = 1_000_000_000


@dataclass(frozen=True)
class Pair(Generic[M]):
    """A colour image and the depth image nearest to it in time, or None."""

    stamp_ns: int
    image: M
    depth: M | None
    depth_stamp_ns: int = 0


@dataclass(frozen=True)
class _Entry(Generic[M]):
    stamp_ns: int
    message: M
    arrival_ns: int


class FramePairer(Generic[M]):
    """Pairs by nearest stamp, whichever of the two arrives first.

    Pairs come out in the order of their stamps. ``resets`` counts the jumps back in time;
    whoever keeps state per time line compares it. Not thread-safe: one owner.
    """

    def __init__(self, config: PairingConfig, drops: DropCounters) -> None:
        self.config = config
        self.resets = 0
        self._drops = drops
        self._images: deque[_Entry[M]] = deque()
        self._depths: deque[_Entry[M]] = deque()
        self._last_image_ns = 0
        self._last_depth_ns = 0
        self._stragglers = 0
        self._depth_periods: deque[int] = deque(maxlen=_PERIOD_WINDOW)
        self._alone: deque[int] = deque(maxlen=64)  # stamps of images that went on without depth
        self._last_pair_ns: int | None = None  # by the caller's clock

    @property
    def waits_for_depth(self) -> bool:
        """False where images go on without depth: it is switched off, or has stopped."""
        return self.config.use_depth and not self._alone

    def add_image(self, stamp_ns: int, message: M, now_ns: int) -> list[Pair[M]]:
        """A colour image came. ``now_ns``: any steady clock, the same in every call."""
        if stamp_ns <= 0:
            self._drops.add(Drop.FRAME_NO_STAMP)
            return []
        if not self._in_order(stamp_ns, self._last_image_ns, Drop.FRAME_OUT_OF_ORDER):
            return []
        if stamp_ns == self._last_image_ns:
            self._drops.add(Drop.FRAME_DUPLICATE)
            return []
        self._last_image_ns = stamp_ns
        if not self.config.use_depth:
            return [Pair(stamp_ns, message, None)]
        if self._last_pair_ns is None:
            self._last_pair_ns = now_ns  # the wait for the first depth image starts here
        self._images.append(_Entry(stamp_ns, message, now_ns))
        return self._match(now_ns)

    def add_depth(self, stamp_ns: int, message: M, now_ns: int) -> list[Pair[M]]:
        """A depth image came."""
        if stamp_ns <= 0:
            self._drops.add(Drop.DEPTH_NO_STAMP)
            return []
        if not self._in_order(stamp_ns, self._last_depth_ns, Drop.DEPTH_OUT_OF_ORDER):
            return []
        if stamp_ns == self._last_depth_ns:
            self._drops.add(Drop.DEPTH_DUPLICATE)
            return []
        if self._last_depth_ns:
            self._depth_periods.append(stamp_ns - self._last_depth_ns)
        self._last_depth_ns = stamp_ns
        if any(abs(stamp_ns - alone) <= self.config.slop_ns for alone in self._alone):
            # Depth is back: it belongs to an image that did not wait. The next one will.
            self._alone.clear()
            self._last_pair_ns = now_ns
        self._depths.append(_Entry(stamp_ns, message, now_ns))
        if len(self._depths) > self.config.queue_size:
            self._depths.popleft()
            self._drops.add(Drop.DEPTH_UNUSED)
        return self._match(now_ns)

    def reset(self) -> None:
        """Forget all images and the time line they were on."""
        self._drops.add(Drop.FRAME_TIME_JUMP, count=len(self._images))
        self._drops.add(Drop.DEPTH_TIME_JUMP, count=len(self._depths))
        self._images.clear()
        self._depths.clear()
        self._alone.clear()
        self._depth_periods.clear()
        self._last_image_ns = self._last_depth_ns = 0
        self._stragglers = 0
        self._last_pair_ns = None
        self.resets += 1

    def _in_order(self, stamp_ns: int, last_ns: int, reason: Drop) -> bool:
        """Whether to go on with a message; a jump back resets first and goes on."""
        if stamp_ns >= last_ns:
            if reason is Drop.FRAME_OUT_OF_ORDER:
                self._stragglers = 0
            return True
        behind_ns = last_ns - stamp_ns
        if behind_ns < self.config.jump_ns:
            self._stragglers += 1
            if self._stragglers < _STRAGGLERS:
                self._drops.add(reason, f"{behind_ns / 1e6:.1f} ms behind its predecessor")
                return False
        self.reset()
        return True

    def _match(self, now_ns: int) -> list[Pair[M]]:
        pairs: list[Pair[M]] = []
        while self._images:
            entry = self._images[0]
            nearest = min(
                self._depths, key=lambda d: abs(d.stamp_ns - entry.stamp_ns), default=None
            )
            if nearest and abs(nearest.stamp_ns - entry.stamp_ns) <= self.config.slop_ns:
                waited_ns = now_ns - entry.arrival_ns
                if waited_ns < self.config.slop_ns and self._may_come_nearer(
                    entry.stamp_ns, nearest.stamp_ns
                ):
                    break
                pairs.append(Pair(entry.stamp_ns, entry.message, nearest.message, nearest.stamp_ns))
                self._forget_depths(nearest.stamp_ns)
                self._alone.clear()
                self._last_pair_ns = now_ns
            elif self._gave_up(now_ns):
                self._alone.append(entry.stamp_ns)
                pairs.append(Pair(entry.stamp_ns, entry.message, None))
            elif self._last_depth_ns > entry.stamp_ns + self.config.slop_ns:
                self._drops.add(Drop.FRAME_NO_DEPTH, self._say_gap(entry.stamp_ns, nearest))
            elif len(self._images) > self.config.queue_size:
                self._drops.add(Drop.FRAME_QUEUE_FULL)
            else:
                break
            self._images.popleft()
        return pairs

    def _may_come_nearer(self, image_ns: int, depth_ns: int) -> bool:
        """Whether a depth image still to come could be nearer than this one.

        Not if this one is later than the colour image (stamps rise), nor if it is no more than
        half a depth period before it: the next is then at least as far behind.
        """
        if depth_ns >= image_ns or self._last_depth_ns > depth_ns:
            return False
        period_ns = min(self._depth_periods, default=None)
        return period_ns is None or 2 * (image_ns - depth_ns) > period_ns

    def _forget_depths(self, used_ns: int) -> None:
        while self._depths and self._depths[0].stamp_ns <= used_ns:
            if self._depths.popleft().stamp_ns < used_ns:
                self._drops.add(Drop.DEPTH_UNUSED)

    def _gave_up(self, now_ns: int) -> bool:
        assert self._last_pair_ns is not None  # set when the first image came
        return bool(self._alone) or now_ns - self._last_pair_ns >= self.config.depth_timeout_ns

    def _say_gap(self, image_ns: int, nearest: _Entry[M] | None) -> str:
        slop_ms = self.config.slop_ns / 1e6
        if nearest is None:
            return f"no depth image within {slop_ms:.0f} ms"
        gap_ms = abs(nearest.stamp_ns - image_ns) / 1e6
        return f"nearest depth image {gap_ms:.1f} ms away, more than pairing_slop {slop_ms:.0f} ms"
