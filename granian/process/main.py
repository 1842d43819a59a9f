"""A server from its Config to its exit status: logs, pid file, sockets, supervisor, and everything back at the end."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from granian.observe.logs import logger
from granian.process import extras, titles
from granian.process.extras import Extras
from granian.process.plan import planning
from granian.process.plan.planning import HAS_FORK
from granian.process.pool.forking import wait_for_threads
from granian.process.privileges import Umask
from granian.process.program import StopRequested
from granian.process.reading import Reading
from granian.process.reloading.rereading import NOWHERE
from granian.process.reloading.succession import Predecessor
from granian.process.signals import raised
from granian.process.situation import Situation
from granian.process.workers.loops import loops

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from granian.config.model import Config
    from granian.observe.board import Board
    from granian.process.plan.sections import WorkerSettings
    from granian.process.pool.child import Child
    from granian.process.reloading.rereading import Source
    from granian.process.report import Report
    from granian.process.signals import SignalPipe


def serve(config: Config, source: Source = NOWHERE) -> int:
    """Serve until told to stop; the exit status. Raises FatalError for what a person must read.

    `source` is where `config` came from, and where it is read anew for a reload.
    """

    def planned() -> Reading:
        plan = planning.plan_of(config, source.extras.log_document)
        return Reading(plan, list(planning.oddities(config)), source.label, source.files)

    return _serve(config.server.umask, planned, source)


def serve_reading(reading: Reading, source: Source) -> int:
    """The same of a configuration that another process has read."""

    def planned() -> Reading:
        planning.configure_logs(reading.plan.worker.logs)
        # There it was imported, and here it is to be what workers share.
        loops.choose(reading.plan.worker.loop)
        return reading

    return _serve(reading.plan.umask, planned, source)


def _serve(bits: int | None, planned: Callable[[], Reading], source: Source) -> int:
    try:
        with _signals() as signals:
            umask = Umask()
            # Before the first file is made, which may be a log.
            umask.set(bits)
            try:
                return _serve_planned(planned(), signals, source, umask)
            finally:
                umask.set(None)
    except StopRequested:
        return 0


def _serve_planned(reading: Reading, signals: SignalPipe | None, source: Source, umask: Umask) -> int:
    logger.info('Starting granian (main PID: %d)', os.getpid())
    planning.tell(reading.oddities)
    # Signals are let go after it: who sees us stop may start the next one at once.
    predecessor = Predecessor.from_environment(os.environ)
    with contextlib.closing(Situation(reading.plan, source, umask, predecessor)) as situation:
        status = _supervised(situation, signals)
    logger.info('Granian shutdown completed, see ya!')
    return status


def _supervised(situation: Situation, signals: SignalPipe | None) -> int:
    _say_what_is_bound(situation)
    extras.run(situation.extras.on_startup)
    try:
        return _supervise(situation, signals)
    finally:
        extras.run(situation.extras.on_shutdown)


def _say_what_is_bound(situation: Situation) -> None:
    situation.say_where()
    first = situation.generation
    titles.set_title(first.plan.title(first.sockets.bound))
    logger.info('%s', first.plan.summary)


def _supervise(situation: Situation, signals: SignalPipe | None) -> int:
    first = situation.generation
    if signals is None:
        from granian.process import single

        return single.run(first, situation.extras)
    from granian.process.service_manager import ServiceManager
    from granian.process.supervisor import Supervisor
    from granian.server.importing import import_for

    import_for(first.plan.worker.serving)
    if first.plan.metrics is not None:
        import_for(first.plan.metrics.serving)
    manager = ServiceManager.from_environment(os.environ)
    return Supervisor(situation, signals, _Work(situation), manager).run(first)


class _Work:
    """What a forked child does."""

    def __init__(self, situation: Situation) -> None:
        # Before the fork, so that all workers share what is imported.
        from granian.process.exporting.application import application
        from granian.process.report import ChannelReport
        from granian.process.workers.worker import Worker

        self._situation = situation
        self._worker = Worker
        self._application = application
        self._report = ChannelReport

    def preload(self, settings: WorkerSettings) -> None:
        """Import the applications here, once for all workers. Raises FatalError, and StopRequested."""
        from granian.adapters.loading import load
        from granian.process.report import failure_of

        before = dict(os.environ)
        for name, value in settings.environment.items():
            os.environ.setdefault(name, value)
        try:
            # It may take long, and there is nobody yet who would have to finish.
            with raised():
                for app in settings.serving.apps:
                    if self._situation.extras.load is None:
                        load(app.target, factory=False, working_dir=settings.working_dir)
        except StopRequested:
            raise
        # The application's, KeyboardInterrupt among them.
        except BaseException as exc:
            failure = failure_of(exc)
            if failure.details:
                logger.error('%s', failure.details)
            raise failure.error() from exc
        finally:
            # A reload reads the env files again, and what is set already would win.
            os.environ.clear()
            os.environ.update(before)

    def __call__(self, child: Child, channel: socket.socket) -> int:
        settings = child.generation.worker_at(child.part.bound)
        return self._run(settings, child, self._report(channel, child.row), channel, self._situation.extras)

    def export(self, child: Child, channel: socket.socket, board: Board) -> int:
        answer = self._application(board)
        settings = child.generation.exporter_at(child.part.bound)
        return self._run(settings, child, self._report(channel), channel, Extras(load=lambda _: answer))

    def _run(
        self, settings: WorkerSettings, child: Child, report: Report, channel: socket.socket, given: Extras
    ) -> int:
        if settings.logs != self._situation.logs:
            planning.configure_logs(settings.logs)
        status = self._worker(settings, child.part.sockets, report, channel, given).run(child.name)
        wait_for_threads()
        return status


@contextlib.contextmanager
def _signals() -> Iterator[SignalPipe | None]:
    if not HAS_FORK:
        with raised():
            yield None
        return
    from granian.process.signals import SignalPipe

    signals = SignalPipe()
    try:
        yield signals
    finally:
        signals.close()
