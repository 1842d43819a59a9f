"""From a Config to the plan of a generation: what it asks of this machine is there, and what is odd about it is said."""

from __future__ import annotations

import os
from logging import INFO, WARNING
from typing import TYPE_CHECKING, Any

from granian.errors import ConfigurationError
from granian.observe import logs
from granian.observe.logs import logger
from granian.process import titles
from granian.process.plan import sections
from granian.process.workers.loops import loops
from granian.protocol.limits import HTTP2_FRAME_BYTES_LEAST, HTTP2_WINDOW_BYTES_LEAST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from granian.config.model import Config
    from granian.process.plan.sections import LogSettings, Plan

HAS_FORK = hasattr(os, 'fork')


def plan_of(config: Config, log_document: dict[str, Any] | None = None) -> Plan:
    """What the Config comes to here; the log is set up as it says, or as `log_document`. Raises FatalError."""
    if not (config.apps or config.static or config.rules):
        raise ConfigurationError('apps: there is no application; give one as an argument or in the file')
    log_settings = sections.log_settings(config, log_document)
    configure_logs(log_settings)
    titles.check(config.server.process_name)
    if not HAS_FORK:
        config = _for_one_process(config)
    return sections.plan(_without_idle_options(config), loops.choose(config.server.loop), log_settings)


def _without_idle_options(config: Config) -> Config:
    idle = dict.fromkeys(_idle_with_reload(config))
    return config.model_copy(update={'server': config.server.model_copy(update=idle)}) if idle else config


def _idle_with_reload(config: Config) -> list[str]:
    """What is left out while files are watched, as upstream does: each change replaces the workers anyway."""
    names = ('workers_lifetime', 'workers_max_rss') if config.reload.enabled else ()
    return [name for name in names if getattr(config.server, name) is not None]


def configure_logs(settings: LogSettings) -> None:
    logs.configure(settings.level, settings.document, enabled=settings.enabled)


def _for_one_process(config: Config) -> Config:
    if config.server.respawn_failed_workers:
        raise ConfigurationError('server.respawn_failed_workers: this platform cannot replace workers')
    if config.metrics.enabled:
        raise ConfigurationError('metrics.enabled: this platform cannot share memory between workers')
    if config.reload.enabled:
        raise ConfigurationError('reload.enabled: this platform cannot replace workers')
    if config.server.workers == 1:
        return config
    logger.warning('This platform has no fork: 1 worker instead of %d', config.server.workers)
    return config.model_copy(update={'server': config.server.model_copy(update={'workers': 1})})


def warn(config: Config) -> None:
    """Say what is odd about it."""
    tell(oddities(config))


def tell(found: Iterable[tuple[int, str]]) -> None:
    for level, text in found:
        logger.log(level, '%s', text)


def oddities(config: Config) -> Iterator[tuple[int, str]]:
    """What works, but hardly as meant: lines for the log, by level."""
    server = config.server
    cpus = os.cpu_count() or 1
    yield from ((WARNING, text) for text in config.unused)
    if server.workers > cpus:
        yield WARNING, f'There are more workers ({server.workers}) than CPUs ({cpus})'
    for name in _idle_with_reload(config):
        yield INFO, f'{name} is left out: it does nothing with auto reload'
    if config.metrics.enabled and config.reload.enabled:
        yield INFO, 'metrics are left out: they are not served with auto reload'
    yield from (
        (WARNING, text) for text in (*_without_meaning(config), *_below_http2(config), *_odd_threads(config, cpus))
    )


def _without_meaning(config: Config) -> Iterator[str]:
    server = config.server
    if server.task_impl != 'asyncio':
        yield f'task_impl {server.task_impl!r} has no meaning in Python: tasks are those of asyncio'
    kept = {
        'runtime_threads': server.runtime_threads != 1,
        'runtime_blocking_threads': server.runtime_blocking_threads is not None,
        'runtime_mode': server.runtime_mode != 'auto',
    }
    for name in [name for name, given in kept.items() if given]:
        yield f'{name} has no meaning here: one event loop in each worker runs I/O and application'


def _below_http2(config: Config) -> Iterator[str]:
    if config.http2.max_frame_size < HTTP2_FRAME_BYTES_LEAST:
        yield f'HTTP/2 knows no frames smaller than {HTTP2_FRAME_BYTES_LEAST}: http2.max_frame_size is that'
    if config.http2.initial_connection_window_size < HTTP2_WINDOW_BYTES_LEAST:
        least = HTTP2_WINDOW_BYTES_LEAST
        yield f'HTTP/2 knows no connection window smaller than {least}: http2.initial_connection_window_size is that'


def _odd_threads(config: Config, cpus: int) -> Iterator[str]:
    for app in config.apps:
        default_s = type(app).model_fields['blocking_threads_idle_timeout'].default
        if app.interface != 'wsgi' and app.blocking_threads_idle_timeout != default_s:
            yield f'blocking_threads_idle_timeout has no meaning for {app.name}: {app.interface} has no threads'
        if app.interface == 'wsgi' and (app.blocking_threads or 0) > 2 * cpus + 1:
            yield f'{app.name} has many threads ({app.blocking_threads}) for {cpus} CPUs'
