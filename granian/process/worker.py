"""One worker: its loop, its applications, its Serving, from start to a drained end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from typing import TYPE_CHECKING, Any

from granian.adapters.loading import load
from granian.observe.logs import logger
from granian.process.allocator import keep_freed_memory
from granian.process.descriptors import DescriptorWatch
from granian.process.loops import loops
from granian.process.program import StopRequested
from granian.process.report import failure_of
from granian.process.sections import KILL_AFTER_GRACE_S
from granian.process.signals import ignore_stop, on_stop
from granian.process.titles import set_title
from granian.server.serving import Serving

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine, Sequence

    from granian.process.report import Report
    from granian.process.sections import WorkerSettings


# A few request bodies for each of the threads that are busy at once.
KEPT_BYTES_MAX = 16 * 1024 * 1024

# alarm(2) takes an int.
ALARM_MAX_S = 2**31 - 2


class Worker:
    """Runs in its own process, or in the only one where there is no fork."""

    def __init__(self, settings: WorkerSettings, sockets: Sequence[socket.socket], report: Report) -> None:
        self._settings = settings
        self._sockets = sockets
        self._report = report
        self._started = False

    def run(self, number: int, supervisor_fd: int | None) -> int:
        """Serve until told to stop; the exit status. `supervisor_fd`: a pipe that ends with the supervisor."""
        try:
            self._prepare(number)
            loop = loops.get(self._settings.loop)
            asyncio.set_event_loop(loop)
            try:
                return self._run_in(loop, supervisor_fd)
            finally:
                asyncio.set_event_loop(None)
        except SystemExit as exc:
            if self._started:
                logger.exception('The application ended worker-%d by SystemExit', number)
            else:
                self._report.failed(failure_of(exc))
            return exc.code if isinstance(exc.code, int) else 1
        except StopRequested:
            return 0
        # The application's, KeyboardInterrupt among them: a process that ends without a word cannot be mended.
        except BaseException as exc:
            if self._started:
                logger.exception('worker-%d failed', number)
            else:
                self._report.failed(failure_of(exc))
            return 1

    def _prepare(self, number: int) -> None:
        set_title(f'{self._settings.title} worker-{number}')
        for name, value in self._settings.environment.items():
            os.environ.setdefault(name, value)

    def _run_in(self, loop: asyncio.AbstractEventLoop, supervisor_fd: int | None) -> int:
        settings = self._settings
        try:
            applications = [
                load(app.target, factory=app.factory, working_dir=settings.working_dir) for app in settings.serving.apps
            ]
            if any(app.interface == 'wsgi' for app in settings.serving.apps):
                keep_freed_memory(KEPT_BYTES_MAX)
            # What is imported stays: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            serving = Serving(settings.serving, applications, loop)
            serving.init()
            try:
                loop.run_until_complete(self._serve(serving, supervisor_fd))
            finally:
                serving.close()
            return 0
        finally:
            _close(loop)

    async def _serve(self, serving: Serving, supervisor_fd: int | None) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        on_stop(loop, stop.set)
        if supervisor_fd is not None:
            loop.add_reader(supervisor_fd, self._orphaned, loop, supervisor_fd, stop)
        if await _finished_before(stop, serving.start(self._sockets)):
            self._started = True
            self._report.ready()
            descriptors = DescriptorWatch(loop)
            descriptors.start()
            await stop.wait()
            await serving.stop()
            descriptors.stop()

    def _orphaned(self, loop: asyncio.AbstractEventLoop, supervisor_fd: int, stop: asyncio.Event) -> None:
        """The supervisor is gone, so nobody else will see to it that this process ends."""
        loop.remove_reader(supervisor_fd)
        logger.error('The supervisor is gone, stopping')
        stop.set()
        if hasattr(signal, 'alarm'):
            wait_s = self._settings.serving.graceful_timeout_s + KILL_AFTER_GRACE_S
            signal.alarm(int(min(wait_s, ALARM_MAX_S)) + 1)


async def _finished_before(stop: asyncio.Event, starting: Coroutine[Any, Any, None]) -> bool:
    """Whether the start came to its end; a stop in the meantime cancels it."""
    start = asyncio.ensure_future(starting)
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({start, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not start.done():
        start.cancel()
    await asyncio.wait({start, stopped})
    if start.cancelled():
        return False
    start.result()
    return True


def _close(loop: asyncio.AbstractEventLoop) -> None:
    # As asyncio.run does, which cannot be given a loop before 3.12.
    try:
        _cancel_all(loop)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        # Which takes its handlers away, before the application's threads and exit handlers have ended.
        loop.close()
        ignore_stop()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
