"""Things to do later, for a loop that waits in `select`."""

from __future__ import annotations

import heapq
import time
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# epoll_wait(2) counts milliseconds in an int: 24.8 days.
WAIT_MAX_S = 86400.0
# Before so many are there nobody looks for cancelled ones.
SWEEP_LEAST = 64


class Timer:
    __slots__ = ('callback', 'when_s')

    def __init__(self, when_s: float, callback: Callable[[], object]) -> None:
        self.when_s = when_s
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """It will not be called; what it holds is let go."""
        self.callback = None


class Timers:
    """Calls back in the order of their times. `clock`: seconds, never going back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._sweep_at = SWEEP_LEAST

    def after(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        if len(self._heap) >= self._sweep_at:
            self._sweep()
        timer = Timer(self.clock() + delay_s, callback)
        heapq.heappush(self._heap, (timer.when_s, next(self._order), timer))
        return timer

    def wait_s(self) -> float | None:
        """How long until the next one; None: there is none."""
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
        if not self._heap:
            return None
        return min(max(0.0, self._heap[0][0] - self.clock()), WAIT_MAX_S)

    def _sweep(self) -> None:
        # Cancelled ones leave at their time, which may never come.
        self._heap = [each for each in self._heap if each[2].callback is not None]
        heapq.heapify(self._heap)
        self._sweep_at = max(SWEEP_LEAST, 2 * len(self._heap))

    def run_due(self) -> None:
        while self._heap and self._heap[0][0] <= self.clock():
            timer = heapq.heappop(self._heap)[2]
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()
