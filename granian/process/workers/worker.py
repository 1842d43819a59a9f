"""One worker: its loop, its applications, its Serving, from start to a drained end."""

from __future__ import annotations

import asyncio
import gc
import os
from typing import TYPE_CHECKING, Any

from granian.adapters.loading import load
from granian.observe.logs import logger
from granian.process.extras import NO_EXTRAS, Extras
from granian.process.plan.sections import KILL_AFTER_GRACE_S
from granian.process.privileges import become
from granian.process.program import StopRequested
from granian.process.report import failure_of
from granian.process.signals import ignore_stop
from granian.process.titles import set_title
from granian.process.workers.allocator import keep_freed_memory
from granian.process.workers.descriptors import DescriptorWatch
from granian.process.workers.loops import loops
from granian.process.workers.orders import Orders
from granian.server.serving import Serving

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine, Sequence

    from granian.process.plan.sections import WorkerSettings
    from granian.process.report import Report
    from granian.server.settings import AppSettings


# A few request bodies for each of the threads that are busy at once.
KEPT_BYTES_MAX = 16 * 1024 * 1024


class Worker:
    """Runs in its own process, or in the only one where there is no fork."""

    def __init__(
        self,
        settings: WorkerSettings,
        sockets: Sequence[socket.socket],
        report: Report,
        channel: socket.socket | None = None,
        extras: Extras = NO_EXTRAS,
    ) -> None:
        """`channel`: where orders come from; it ends with the supervisor. None: there is none."""
        self._settings = settings
        self._sockets = sockets
        self._report = report
        self._channel = channel
        self._own_load = extras.load
        self._started = False

    def run(self, name: str) -> int:
        """Serve until told to stop; the exit status."""
        try:
            self._prepare(name)
            loop = loops.get(self._settings.loop)
            asyncio.set_event_loop(loop)
            try:
                return self._run_in(loop)
            finally:
                asyncio.set_event_loop(None)
        except SystemExit as exc:
            if self._started:
                logger.exception('The application ended %s by SystemExit', name)
            else:
                self._report.failed(failure_of(exc))
            return exc.code if isinstance(exc.code, int) else 1
        except StopRequested:
            return 0
        # The application's, KeyboardInterrupt among them: a process that ends without a word cannot be mended.
        except BaseException as exc:
            if self._started:
                logger.exception('%s failed', name)
            else:
                self._report.failed(failure_of(exc))
            return 1

    def _prepare(self, name: str) -> None:
        set_title(f'{self._settings.title} {name}')
        for variable, value in self._settings.environment.items():
            os.environ.setdefault(variable, value)
        if self._settings.identity is not None:
            # Before anything of the application runs.
            become(self._settings.identity)

    def _run_in(self, loop: asyncio.AbstractEventLoop) -> int:
        settings = self._settings
        try:
            applications = [self._load(app) for app in settings.serving.apps]
            if any(app.interface == 'wsgi' for app in settings.serving.apps):
                keep_freed_memory(KEPT_BYTES_MAX)
            # What is imported stays: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            serving = Serving(settings.serving, applications, loop, self._tired)
            serving.init()
            try:
                loop.run_until_complete(self._serve(serving))
            finally:
                serving.close()
            return 0
        finally:
            _close(loop)

    def _load(self, app: AppSettings) -> Any:
        if self._own_load is not None:
            return self._own_load(app.target)
        return load(app.target, factory=app.factory, working_dir=self._settings.working_dir)

    def _tired(self) -> None:
        self._report.tired(f'the {self._settings.serving.requests_max} requests it has served')

    async def _serve(self, serving: Serving) -> None:
        loop = asyncio.get_running_loop()
        orders = Orders(loop, self._channel, self._settings.serving.graceful_timeout_s + KILL_AFTER_GRACE_S)
        try:
            if await _finished_before(orders.stopped, serving.start_applications()):
                self._started = True
                self._report.ready()
                await self._accept(serving, orders)
        finally:
            orders.close()

    async def _accept(self, serving: Serving, orders: Orders) -> None:
        descriptors = DescriptorWatch(asyncio.get_running_loop())
        if await orders.may_accept():
            await serving.accept(self._sockets)
            self._report.serving()
            descriptors.start()
            self._beat(asyncio.get_running_loop())
            self._measure(serving, asyncio.get_running_loop())
            await orders.stopped.wait()
            self._report.leaving()
            await serving.stop(orders.leave, self._report.closed)
            descriptors.stop()
        else:
            await serving.stop()

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say that the loop turns, now and then, where somebody wants to know."""
        if self._settings.alive_every_s is not None:
            self._report.alive()
            loop.call_later(self._settings.alive_every_s, self._beat, loop)

    def _measure(self, serving: Serving, loop: asyncio.AbstractEventLoop) -> None:
        """Put out what was counted, now and then, where somebody wants to know."""
        if self._settings.measure_every_s is not None:
            self._report.numbers(serving.numbers())
            loop.call_later(self._settings.measure_every_s, self._measure, serving, loop)


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
