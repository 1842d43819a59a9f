"""What the supervisor counts, and which worker's numbers are shown for which slot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.observe import metrics
from granian.observe.board import Board

if TYPE_CHECKING:
    from collections.abc import Mapping

    from granian.process.pool.child import Child
    from granian.process.pool.pool import Cause

RESPAWNS: dict[Cause, int] = {
    'err': metrics.FOR_ERR,
    'lifetime': metrics.FOR_LIFETIME,
    'rss': metrics.FOR_RSS,
    'requests': metrics.FOR_REQUESTS,
}


class Numbers:
    """Counts from the start; shares it from when somebody first asks, which may be after a reload."""

    def __init__(self) -> None:
        self._counted = [0] * len(metrics.OWN)
        self._board: Board | None = None

    @property
    def board(self) -> Board:
        """What all processes share that are forked from here on. Raises OSError where the system has no room for it."""
        if self._board is None:
            self._board = Board(self._counted)
        return self._board

    def provide(self, child: Child) -> None:
        """A worker is about to be forked: what it may write to, where anybody asks. Raises OSError as `board` does."""
        if child.generation.plan.metrics is not None:
            child.row = self.board.take()

    def started(self) -> None:
        self._add(metrics.SPAWNS)

    def replaced(self, cause: Cause) -> None:
        self._add(RESPAWNS[cause])

    def _add(self, number: int) -> None:
        self._counted[number] += 1
        if self._board is not None:
            self._board.tell(number, self._counted[number])

    def gone(self, child: Child) -> None:
        """Or it never came to be."""
        if child.row is not None:
            self.board.drop(child.row)

    def show(self, members: Mapping[int, Child], slots: int) -> None:
        """The numbers of these workers; of slots whose workers are dead, what those have left."""
        if self._board is None:
            return
        for slot, child in members.items():
            if child.row is not None:
                self._board.show(slot, child.row)
        self._board.hide_from(slots)
