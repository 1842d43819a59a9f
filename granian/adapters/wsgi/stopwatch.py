"""How long threads are at work: looked at where somebody asks for numbers, and only then."""

from __future__ import annotations

from threading import get_ident
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Stopwatch:
    """Stands for the `work` of a pool of threads. Each thread writes its own entry, and anybody may read."""

    def __init__(self, work: Callable[[Any], None]) -> None:
        self._work = work
        # By thread: seconds at work until now, and since when it is at it, or 0.
        self._times: dict[int, tuple[float, float]] = {}

    def __call__(self, item: Any) -> None:
        thread = get_ident()
        before_s = self._times.get(thread, (0.0, 0.0))[0]
        began_s = perf_counter()
        self._times[thread] = before_s, began_s
        try:
            self._work(item)
        finally:
            self._times[thread] = before_s + perf_counter() - began_s, 0.0

    def busy_s(self) -> float:
        """All threads together, those that are at work now among them."""
        now_s = perf_counter()
        times = list(self._times.values())
        return sum(spent_s + (max(0.0, now_s - since_s) if since_s else 0.0) for spent_s, since_s in times)
