"""New workers for some slots: all are ready before any accepts, all accept before an old one is told to go."""

from __future__ import annotations

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
        self._timer: Timer | None = None

    @property
    def is_open(self) -> bool:
        """Whether every new worker accepts."""
        return all(child.phase == 'serving' for child in self.candidates.values())

    def wait(self, timers: Timers, since_s: float, commit: Callable[[], None]) -> None:
        """What is left of the overlap."""
        left_s = since_s + self._overlap_s - timers.clock()
        if left_s > 0:
            self._timer = timers.after(left_s, commit)
        else:
            commit()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
