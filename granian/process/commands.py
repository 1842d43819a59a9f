"""What is asked for over the control socket: `granian reload`, `granian status` and their like."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from granian.observe.logs import logger
from granian.process.plan import holdings
from granian.process.reloading.rereading import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from granian.process.control import Answer
    from granian.process.exporting.exporter import Exporter
    from granian.process.pool.pool import Pool
    from granian.process.reloading.reload import Reload
    from granian.process.reloading.upgrade import Upgrade
    from granian.process.situation import Situation
    from granian.process.timers import Timers

STOPPING = 'the server is stopping'


class Commanded(Protocol):
    """What this needs of the supervisor."""

    situation: Situation
    pool: Pool
    timers: Timers
    reloading: Reload
    upgrading: Upgrade
    exporter: Exporter
    stopping: bool


class Commands:
    def __init__(self, supervisor: Commanded) -> None:
        self._supervisor = supervisor

    def by_name(self) -> Mapping[str, Callable[[Answer], None]]:
        return {'reload': self._reload, 'status': self._status, 'upgrade': self._upgrade, 'holdings': self._holdings}

    def _reload(self, answer: Answer) -> None:
        if self._supervisor.stopping:
            answer(Refused(STOPPING))
            return
        logger.info('Reload requested')
        self._supervisor.reloading.begin(lambda refused: answer(refused or self._generation_text()))

    def _upgrade(self, answer: Answer) -> None:
        if self._supervisor.stopping:
            answer(Refused(STOPPING))
            return
        logger.info('Upgrade requested')
        self._supervisor.upgrading.begin(lambda refused: answer(refused or 'the new supervisor serves'))

    def _status(self, answer: Answer) -> None:
        now_s = self._supervisor.timers.clock()
        lines = [self._generation_text()]
        workers = sorted(self._supervisor.pool.everyone(), key=lambda each: (each.slot, each.started_s))
        for child in (*workers, *self._supervisor.exporter.everyone()):
            age = f'generation {child.generation.number}, for {now_s - child.started_s:.0f} s'
            lines.append(f'{child.name}: process {child.pid}, {child.phase}, {age}')
        answer('\n'.join(lines))

    def _holdings(self, answer: Answer) -> None:
        answer(holdings.told(os.getpid(), self._supervisor.situation.generation.sockets))

    def _generation_text(self) -> str:
        return f'generation {self._supervisor.situation.generation.number} serves'
