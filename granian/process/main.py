"""A server from its Config to its exit status: logs, pid file, sockets, supervisor, and everything back at the end."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from granian.errors import ConfigurationError
from granian.observe import logs
from granian.observe.logs import logger
from granian.process import pid_file, sections, sockets, titles
from granian.process.loops import loops
from granian.process.program import StopRequested
from granian.process.signals import raised

if TYPE_CHECKING:
    from collections.abc import Iterator

    from granian.config.model import Config
    from granian.process.report import PipeReport
    from granian.process.sections import WorkerSettings
    from granian.process.signals import SignalPipe
    from granian.process.sockets import Sockets

HAS_FORK = hasattr(os, 'fork')


def serve(config: Config) -> int:
    """Serve until told to stop; the exit status. Raises FatalError for what a person must read."""
    if not (config.apps or config.static or config.rules):
        raise ConfigurationError('apps: there is no application; give one as an argument or in the file')
    try:
        with _signals() as signals:
            return _serve(config, signals)
    except StopRequested:
        return 0


def _serve(config: Config, signals: SignalPipe | None) -> int:
    configure_logs(config)
    titles.check(config.server.process_name)
    if not HAS_FORK:
        config = _for_one_process(config)
    loop = loops.choose(config.server.loop)
    logger.info('Starting granian (main PID: %d)', os.getpid())
    _warn(config)
    # Signals are let go after it: who sees us stop may start the next one at once.
    with pid_file.held(config.server.pid_file):
        status = _supervise(config, loop, signals)
    logger.info('Granian shutdown completed, see ya!')
    return status


def configure_logs(config: Config) -> None:
    settings = config.logging
    document = None if settings.config is None else logs.read_config(settings.config)
    logs.configure(settings.level, document, enabled=settings.enabled)


def _for_one_process(config: Config) -> Config:
    if config.server.respawn_failed_workers:
        raise ConfigurationError('server.respawn_failed_workers: this platform cannot replace workers')
    if config.server.workers == 1:
        return config
    logger.warning('This platform has no fork: 1 worker instead of %d', config.server.workers)
    return config.model_copy(update={'server': config.server.model_copy(update={'workers': 1})})


def _warn(config: Config) -> None:
    server = config.server
    cpus = os.cpu_count() or 1
    if server.workers > cpus:
        logger.warning('There are more workers (%d) than CPUs (%d)', server.workers, cpus)
    if server.task_impl != 'asyncio':
        logger.warning('task_impl %r has no meaning in Python: tasks are those of asyncio', server.task_impl)
    kept = {
        'runtime_threads': server.runtime_threads != 1,
        'runtime_blocking_threads': server.runtime_blocking_threads is not None,
        'runtime_mode': server.runtime_mode != 'auto',
    }
    for name in [name for name, given in kept.items() if given]:
        logger.warning('%s has no meaning here: one event loop in each worker runs I/O and application', name)
    for app in config.apps:
        default_s = type(app).model_fields['blocking_threads_idle_timeout'].default
        if app.interface != 'wsgi' and app.blocking_threads_idle_timeout != default_s:
            logger.warning(
                'blocking_threads_idle_timeout has no meaning for %s: %s has no threads', app.name, app.interface
            )
        if app.interface == 'wsgi' and (app.blocking_threads or 0) > 2 * cpus + 1:
            logger.warning('%s has many threads (%d) for %d CPUs', app.name, app.blocking_threads, cpus)


def _supervise(config: Config, loop: str, signals: SignalPipe | None) -> int:
    with _listening(config) as bound:
        titles.set_title(sections.title(config, bound.bound))
        logger.info('HTTP/1 engine: %s, loop: %s, workers: %d', config.http1.engine, loop, config.server.workers)
        settings = sections.worker(config, bound.bound, loop)
        if signals is None:
            from granian.process import single

            return single.run(settings, bound)
        from granian.process.supervisor import Supervisor

        work = _Work(settings, bound)
        return Supervisor(sections.supervisor(config), signals, bound, work).run()


class _Work:
    """What a forked child does."""

    def __init__(self, settings: WorkerSettings, bound: Sockets) -> None:
        # Before the fork, so that all workers share what is imported.
        from granian.process.worker import Worker

        self._worker = Worker
        self._settings = settings
        self._bound = bound

    def __call__(self, number: int, report_to: PipeReport, supervisor_fd: int) -> int:
        own = self._bound.of_slot(number - 1)
        return self._worker(self._settings, own, report_to).run(number, supervisor_fd)


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


@contextlib.contextmanager
def _listening(config: Config) -> Iterator[Sockets]:
    bound = sockets.bind_all(sections.wanted(config), config.server.workers)
    try:
        for each in bound.bound:
            logger.info('Listening at: %s', each.url)
        yield bound
    finally:
        bound.close()
        bound.remove_files()
