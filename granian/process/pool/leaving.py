"""Workers that were told to end: until they accept no more, and until they are gone."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from granian.observe.logs import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from granian.process.pool.child import Child
    from granian.process.timers import Timer, Timers

# A worker whose loop turns closes its sockets within milliseconds; one that is stuck accepts nothing, and is waited for no longer.
CLOSE_S = 3.0


class Leaving:
    """Kills whoever takes too long; knows who may still accept."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._children: set[Child] = set()
        # Those that may still accept, each until patience with it ends.
        self._accepting: dict[Child, Timer] = {}
        # What is done once none of these accepts any more. Nobody is added to them, so they come to their ends in order.
        self._waiting: list[tuple[set[Child], Callable[[], object]]] = []

    def __iter__(self) -> Iterator[Child]:
        return iter(self._children)

    def __contains__(self, child: Child) -> bool:
        return child in self._children

    def add(self, child: Child) -> None:
        """It is told to end, or has been."""
        if child in self._children:
            return
        self._children.add(child)
        child.kill_timer = self._timers.after(child.kill_after_s, lambda: _kill(child))
        if child.has_accepted and not child.is_closed:
            self._accepting[child] = self._timers.after(CLOSE_S, lambda: self.on_closed(child))

    def remove(self, child: Child) -> None:
        """It is gone."""
        self._children.remove(child)
        self.on_closed(child)

    def on_closed(self, child: Child) -> None:
        """It accepts nothing more, or is taken for one that does not."""
        patience = self._accepting.pop(child, None)
        if patience is None:
            return
        patience.cancel()
        for waited_for, _ in self._waiting:
            waited_for.discard(child)
        while self._waiting and not self._waiting[0][0]:
            self._waiting.pop(0)[1]()

    def once_closed(self, action: Callable[[], object]) -> None:
        """Do it as soon as nobody that is here now accepts any more: newcomers find those that stay."""
        if self._accepting:
            self._waiting.append((set(self._accepting), action))
        else:
            action()


def _kill(child: Child) -> None:
    logger.warning('Killing %s after it refused to gracefully stop', child.name)
    child.signal(signal.SIGKILL)
