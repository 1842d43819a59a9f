"""The supervisor's side of metrics: the process that serves them follows the generations, and is replaced when it dies."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Protocol

from granian.observe.logs import logger
from granian.process.plan.exporting import GRACE_S, NAME
from granian.process.plan.sections import KILL_AFTER_GRACE_S
from granian.process.pool.child import Child
from granian.process.pool.leaving import Leaving
from granian.process.pool.pool import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from granian.process.pool.generation import Generation
    from granian.process.timers import Timer, Timers
    from granian.process.waiting import Waiting

# One that has ended is replaced after this time.
AGAIN_AFTER_S = 2.0


class Helper(Protocol):
    """What this needs of the supervisor."""

    waiting: Waiting
    timers: Timers

    def export(self, child: Child, ended: Callable[[int], None]) -> None:
        """Fork it. Raises OSError where the system has no room for that."""

    def let_sockets_go(self) -> None:
        """Somebody accepts no more."""


class ExporterChild(Child):
    """It fills no slot."""

    def __init__(self, generation: Generation) -> None:
        super().__init__(-1, generation, generation.sockets.metrics_part())

    @property
    def name(self) -> str:
        return NAME

    @property
    def kill_after_s(self) -> float:
        """Scrapes are short: one that hangs need not hold up the end of all for as long as requests may."""
        return min(super().kill_after_s, GRACE_S + KILL_AFTER_GRACE_S)


class Exporter:
    """Serves the metrics of what the latest generation asks for, or none."""

    def __init__(self, helper: Helper) -> None:
        self._helper = helper
        self._generation: Generation | None = None
        self._child: ExporterChild | None = None
        self._again: Timer | None = None
        self._leaving = Leaving(helper.timers)

    def everyone(self) -> Iterator[Child]:
        """Processes there are."""
        if self._child is not None:
            yield self._child
        yield from self._leaving

    def follow(self, generation: Generation) -> None:
        """Do as it says. Where nothing changes for us, nothing happens."""
        before, self._generation = self._generation, generation
        if before is not None and _asks_for(before) == _asks_for(generation):
            return
        old, self._child = self._child, None
        self._start()
        if old is not None:
            self._retire(old, {id(sock) for sock in generation.sockets.metrics_part().sockets})

    def stop(self, shared: set[int] | None = None) -> None:
        """Serve no more; `shared` are sockets (by id) that somebody else goes on to serve."""
        self._generation = None
        self._cancel()
        child, self._child = self._child, None
        if child is not None:
            self._retire(child, shared or set())

    def once_closed(self, action: Callable[[], object]) -> None:
        """Do it as soon as whoever has been told to leave accepts no more, or has had its time."""
        self._leaving.once_closed(action)

    def kill(self) -> None:
        """End whoever is left at once."""
        for child in self.everyone():
            child.signal(signal.SIGKILL)

    def _retire(self, child: ExporterChild, shared: set[int]) -> None:
        self._leaving.add(child)
        child.retire(shared)

    def _cancel(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def _start(self) -> None:
        self._cancel()
        if self._generation is None or self._generation.plan.metrics is None:
            return
        child = ExporterChild(self._generation)
        try:
            self._helper.export(child, lambda code: self._on_end(child, code))
        except OSError as exc:
            logger.error('Metrics cannot be served: %s', (exc.strerror or str(exc)).lower())
            self._later()
            return
        self._child = child
        self._helper.waiting.wait_for(child, lambda: self._read(child))
        # Nobody need wait for anybody: it has nothing to start.
        child.accept()

    def _later(self) -> None:
        self._again = self._helper.timers.after(AGAIN_AFTER_S, self._start)

    def _read(self, child: ExporterChild) -> None:
        for said in child.reports():
            if said['say'] == 'failed':
                logger.error('Metrics cannot be served: %s', said['failure']['message'])
            elif said['say'] == 'serving' and child.phase == 'opening':
                child.phase = 'serving'
            elif said['say'] == 'closed':
                self._on_closed(child)
        if child.has_hung_up and child.fileno() != -1:
            self._helper.waiting.let_go(child)

    def _on_closed(self, child: ExporterChild) -> None:
        child.is_closed = True
        # Before anybody is told: the port is free, if it is to be.
        self._helper.let_sockets_go()
        self._leaving.on_closed(child)

    def _on_end(self, child: ExporterChild, code: int) -> None:
        child.is_gone = True
        self._read(child)
        if child.fileno() != -1:
            self._helper.waiting.let_go(child)
        if child in self._leaving:
            if child.kill_timer is not None:
                child.kill_timer.cancel()
            self._on_closed(child)
            self._leaving.remove(child)
        elif child is self._child:
            logger.error('Unexpected exit from the process that serves metrics: %s; starting another', words(code))
            self._child = None
            self._later()


def _asks_for(generation: Generation) -> object:
    """What makes one process differ from another."""
    return generation.plan.metrics, [id(sock) for sock in generation.sockets.metrics_part().sockets]
