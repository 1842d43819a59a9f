"""Without fork (Windows): the one worker is this very process, on asyncio. A death of it is the end of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.observe.logs import logger
from granian.process.workers.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from granian.process.extras import Extras
    from granian.process.pool.generation import Generation
    from granian.process.report import StartFailure


class DirectReport:
    """To ourselves."""

    failure: StartFailure | None = None

    def ready(self) -> None:
        """Nobody waits for that here."""

    def serving(self) -> None:
        logger.info('Started worker-1')

    def leaving(self) -> None:
        """Nobody takes its place."""

    def closed(self) -> None:
        """Nobody waits for that here."""

    def tired(self, reason: str) -> None:
        logger.warning('worker-1 is to be replaced (%s), which this platform cannot do', reason)

    def numbers(self, values: Sequence[int]) -> None:
        """Nobody asks here."""

    def alive(self) -> None:
        """Nobody watches."""

    def failed(self, failure: StartFailure) -> None:
        if failure.details:
            logger.error('%s', failure.details)
        self.failure = failure


def run(generation: Generation, extras: Extras) -> int:
    """Serve in this process; the exit status. Raises FatalError if it cannot start."""
    report = DirectReport()
    part = generation.part(0)
    status = Worker(generation.worker_at(part.bound), part.sockets, report, extras=extras).run('worker-1')
    if report.failure is not None:
        raise report.failure.error()
    return status
