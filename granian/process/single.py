"""Without fork (Windows): the one worker is this very process, on asyncio. A death of it is the end of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.observe.logs import logger
from granian.process.worker import Worker

if TYPE_CHECKING:
    from granian.process.report import StartFailure
    from granian.process.sections import WorkerSettings
    from granian.process.sockets import Sockets


class DirectReport:
    """To ourselves."""

    failure: StartFailure | None = None

    def ready(self) -> None:
        logger.info('Started worker-1')

    def failed(self, failure: StartFailure) -> None:
        if failure.details:
            logger.error('%s', failure.details)
        self.failure = failure


def run(settings: WorkerSettings, sockets: Sockets) -> int:
    """Serve in this process; the exit status. Raises FatalError if it cannot start."""
    report = DirectReport()
    status = Worker(settings, sockets.of_slot(0), report).run(1, None)
    if report.failure is not None:
        raise report.failure.error()
    return status
