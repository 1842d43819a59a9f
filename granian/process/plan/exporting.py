"""What the process that serves metrics is told: a worker's settings, for one small application of ours."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from granian.server.settings import AppSettings, ListenerSettings, ServingSettings, Timeouts

if TYPE_CHECKING:
    from granian.config.model import Config
    from granian.process.plan.sections import WorkerSettings

NAME = 'metrics'
# Whoever scrapes is near, asks once a minute or more often, and sends next to nothing.
HEAD_S = 5.0
KEEP_ALIVE_S = 75.0
WRITE_S = 10.0
GRACE_S = 2.0
BACKLOG = 128
EXCHANGES_MAX = 16
CONNECTIONS_MAX = 128
BODY_BYTES_MAX = 64 * 1024
UNSENT_BYTES_MAX = 16 * 1024 * 1024


def is_wanted(config: Config) -> bool:
    """Upstream's rule: with auto reload there are no metrics."""
    return config.metrics.enabled and not config.reload.enabled


def settings(config: Config, worker: WorkerSettings) -> WorkerSettings:
    """With one listener, in whose place come the addresses that are bound. `worker`: what workers are told."""
    return replace(
        worker,
        serving=_serving(worker.serving),
        working_dir=None,
        environment={},
        title=config.server.process_name or 'granian',
        alive_every_s=None,
        measure_every_s=None,
    )


def _serving(workers: ServingSettings) -> ServingSettings:
    return ServingSettings(
        apps=(_APP,),
        listeners=(_listener(workers.listeners[0]),),
        timeouts=Timeouts(head_s=HEAD_S, body_read_s=HEAD_S, keep_alive_s=KEEP_ALIVE_S, write_s=WRITE_S),
        exchanges_max=EXCHANGES_MAX,
        graceful_timeout_s=GRACE_S,
        access_log=None,
        unsent_bytes_max=UNSENT_BYTES_MAX,
        connections_max=CONNECTIONS_MAX,
        server_header=workers.server_header,
        date_header=workers.date_header,
    )


def _listener(first: ListenerSettings) -> ListenerSettings:
    """With the engines that are in use anyway."""
    return replace(
        first,
        backlog=BACKLOG,
        http1=replace(first.http1, body_bytes_max=BODY_BYTES_MAX),
        pipeline_flush=False,
        http2=replace(first.http2, limits=replace(first.http2.limits, body_bytes_max=BODY_BYTES_MAX)),
        http='auto',
        proxies=None,
        tls=None,
        credentials=None,
    )


_APP = AppSettings(
    name=NAME, target=NAME, interface='asgi', lifespan='off', factory=False, root_path='', debug=False
)  # fmt: skip
