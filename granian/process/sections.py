"""From one Config to what each part is told. Nothing below sees a whole Config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from granian.config.env_files import variables
from granian.process import mounts
from granian.process.sockets import Wanted
from granian.protocol.limits import Http1Limits
from granian.server.settings import AccessLogSettings, ListenerSettings, ProxySettings, ServingSettings, Timeouts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from granian.config.model import Config, Listener
    from granian.process.sockets import Bound

# Without workers_kill_timeout: what a worker may take beyond graceful_timeout, for its application to shut down.
KILL_AFTER_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class SupervisorSettings:
    workers: int
    respawn: bool
    # From the request to stop until workers that are still there are killed.
    kill_after_s: float


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker is told besides its sockets."""

    serving: ServingSettings
    loop: str
    working_dir: str | None
    # For the application, where its environment does not have them already.
    environment: Mapping[str, str]
    title: str


def wanted(config: Config) -> list[Wanted]:
    return [Wanted(listener.bind, listener.backlog, listener.permissions) for listener in config.listeners]


def supervisor(config: Config) -> SupervisorSettings:
    server = config.server
    kill_after_s = server.workers_kill_timeout
    if kill_after_s is None:
        kill_after_s = server.graceful_timeout + KILL_AFTER_GRACE_S
    return SupervisorSettings(server.workers, server.respawn_failed_workers, kill_after_s)


def worker(config: Config, bound: Sequence[Bound], loop: str) -> WorkerSettings:
    return WorkerSettings(
        serving=serving(config, bound),
        loop=loop,
        working_dir=None if config.server.working_dir is None else str(config.server.working_dir),
        environment=environment(config),
        title=title(config, bound),
    )


def environment(config: Config) -> Mapping[str, str]:
    return variables(config.server.env_files)


def title(config: Config, bound: Sequence[Bound]) -> str:
    """Upstream's: interface, address, target; of several applications, how many more there are."""
    if config.server.process_name is not None:
        return config.server.process_name
    # Where the machine chose the port, the one it chose.
    wish = config.listeners[0].bind
    bind = bound[0].authority if wish.kind == 'tcp' and wish.port == 0 else wish
    if not config.apps:
        return f'granian {bind}'
    app, *others = config.apps
    more = f' and {len(others)} more' if others else ''
    return f'granian {app.interface} {bind} {app.target}{more}'


def serving(config: Config, bound: Sequence[Bound]) -> ServingSettings:
    server = config.server
    limits = http1_limits(config)
    access = config.logging.access
    return ServingSettings(
        apps=mounts.apps(config, exchanges_max(config)),
        folders=mounts.folders(config),
        answers=mounts.answers(config),
        listeners=tuple(
            ListenerSettings(
                each.address,
                backlog=config.listeners[each.listener].backlog,
                http1_engine=config.http1.engine,
                http1=limits,
                pipeline_flush=config.http1.pipeline_flush,
                proxies=proxies(config.listeners[each.listener]),
            )
            for each in bound
        ),
        timeouts=Timeouts(
            head_s=config.http1.header_read_timeout,
            body_read_s=config.timeouts.body_read,
            keep_alive_s=config.timeouts.keep_alive,
            write_s=config.timeouts.write,
        ),
        exchanges_max=exchanges_max(config),
        graceful_timeout_s=server.graceful_timeout,
        access_log=AccessLogSettings(access.format) if access.enabled else None,
        has_siblings=server.workers > 1,
        server_header=server.server_header.encode(),
        date_header=server.date_header,
    )


def proxies(listener: Listener) -> ProxySettings | None:
    if not listener.trusted_proxies:
        return None
    return ProxySettings(listener.trusted_proxies, listener.forwarded_fields, listener.proxy_protocol)


def exchanges_max(config: Config) -> int:
    server = config.server
    return server.backpressure or max(1, config.listeners[0].backlog // server.workers)


def http1_limits(config: Config) -> Http1Limits:
    limits, http1 = config.limits, config.http1
    return Http1Limits(
        # A head that does not fit the buffer cannot be read.
        head_bytes_max=min(limits.head, http1.buffer_size),
        target_bytes_max=limits.target,
        fields_max=limits.fields,
        body_bytes_max=mounts.body_bytes_max(config),
        read_ahead_bytes_max=http1.buffer_size,
        discard_bytes_max=limits.discard,
        keep_alive=http1.keep_alive,
        require_host=http1.require_host,
    )
