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
    """`board` is what all processes share: it is made before the first fork, whether anybody will ask or not."""

    def __init__(self) -> None:
        self.board = Board()

    def provide(self, child: Child) -> None:
        """A worker is about to be forked: what it may write to, where anybody asks."""
        if child.generation.plan.metrics is not None:
            child.row = self.board.take()

    def started(self) -> None:
        self.board.add(metrics.SPAWNS)

    def replaced(self, cause: Cause) -> None:
        self.board.add(RESPAWNS[cause])

    def gone(self, child: Child) -> None:
        """Or it never came to be."""
        if child.row is not None:
            self.board.drop(child.row)

    def show(self, members: Mapping[int, Child], slots: int) -> None:
        """The numbers of these workers; of slots whose workers are dead, what those have left."""
        for slot, child in members.items():
            if child.row is not None:
                self.board.show(slot, child.row)
        self.board.hide_from(slots)
