"""New workers for some slots: all are ready before any accepts, all accept before an old one is told to go."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from granian.process.pool.child import Child
    from granian.process.pool.generation import Generation
    from granian.process.report import StartFailure
    from granian.process.timers import Timer, Timers


class Change:
    """One that is under way. `overlap_s`: how long at least old and new are there together."""

    def __init__(self, generation: Generation, overlap_s: float, done: Callable[[StartFailure | None], None]) -> None:
        self.generation = generation
        self.done = done
        self.candidates: dict[int, Child] = {}
        self._overlap_s = overlap_s
        # For all to start; for the overlap.
        self._patience: Timer | None = None
        self._timer: Timer | None = None

    @property
    def is_open(self) -> bool:
        """Whether every new worker accepts."""
        return not self.late

    @property
    def late(self) -> list[Child]:
        """Those that others wait for."""
        return [child for child in self.candidates.values() if child.phase != 'serving']

    def expect(self, timers: Timers, start_s: float, give_up: Callable[[], None]) -> None:
        """Every new worker is to accept by then."""
        if start_s != math.inf:
            self._patience = timers.after(start_s, give_up)

    def wait(self, timers: Timers, since_s: float, commit: Callable[[], None]) -> None:
        """What is left of the overlap."""
        self.cancel()
        left_s = since_s + self._overlap_s - timers.clock()
        if left_s > 0:
            self._timer = timers.after(left_s, commit)
        else:
            commit()

    def cancel(self) -> None:
        for timer in (self._patience, self._timer):
            if timer is not None:
                timer.cancel()
