"""From one Config to what each part is told. Nothing below sees a whole Config."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granian.config.reading.env_files import variables
from granian.observe.logs import read_config
from granian.process import privileges
from granian.process.listening.sockets import Bound, Wanted
from granian.process.plan import exporting, mounts
from granian.process.reloading.watching import WatchSettings
from granian.protocol.limits import HTTP2_FRAME_BYTES_LEAST, Http1Limits, Http2Limits
from granian.server.settings import (
    AccessLogSettings,
    Http2Settings,
    ListenerSettings,
    ProxySettings,
    ServingSettings,
    Timeouts,
    TlsSettings,
)
from granian.tls_terms import ContextTerms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from granian.config.model import Config, Listener
    from granian.process.privileges import Identity

# What a listener's `http` offers to clients of TLS, dearest first (RFC 7301).
ALPN = {'auto': ('h2', 'http/1.1'), '1': ('http/1.1',), '2': ('h2',)}
# Without workers_kill_timeout: what a worker may take beyond graceful_timeout, for its application to shut down.
KILL_AFTER_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class SupervisorSettings:
    workers: int
    respawn: bool
    # From the request to stop until workers that are still there are killed.
    kill_after_s: float
    # From the start of workers that are to take others' places until they accept.
    start_s: float = math.inf
    respawn_interval_s: float = 0.0
    lifetime_s: float | None = None
    lifetime_jitter_s: float = 0.0
    rss_bytes_max: int | None = None
    rss_sample_interval_s: float = 30.0
    rss_samples: int = 1
    stall_s: float | None = None


@dataclass(frozen=True, slots=True)
class LogSettings:
    level: str
    # In the form of logging.config.dictConfig.
    document: dict[str, Any] | None
    enabled: bool


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker is told besides its sockets."""

    serving: ServingSettings
    loop: str
    working_dir: str | None
    # For the application, where its environment does not have them already.
    environment: Mapping[str, str]
    title: str
    logs: LogSettings
    # Who it becomes.
    identity: Identity | None
    # How often it says that its loop turns, if anybody wants to know.
    alive_every_s: float | None = None
    # How often it puts out its numbers, if anybody wants to know.
    measure_every_s: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a generation is built from. Plain values: they come from another process where a running server reads anew."""

    wanted: tuple[Wanted, ...]
    supervisor: SupervisorSettings
    # With one listener for each that is wanted but that of metrics, and UNBOUND for addresses.
    worker: WorkerSettings
    pid_file: Path | None
    umask: int | None
    # As configured.
    control: Path | None
    # Import applications once, before the workers are forked.
    preload: bool
    # What is watched for changes that begin a reload.
    watch: WatchSettings | None
    # What is chosen, for a line of the log.
    summary: str
    # What the process is told that serves metrics; None: there is none.
    metrics: WorkerSettings | None = None

    def worker_at(self, bound: Sequence[Bound]) -> WorkerSettings:
        """What a worker that accepts on `bound` is told."""
        told = self.worker
        listeners = tuple(replace(told.serving.listeners[each.listener], address=each.address) for each in bound)
        return replace(told, serving=replace(told.serving, listeners=listeners), title=self.title(bound))

    def url(self, bound: Bound) -> str:
        """As it is announced."""
        if self.wanted[bound.listener].is_metrics:
            return bound.url('http')
        return bound.url('http' if self.worker.serving.listeners[bound.listener].tls is None else 'https')

    def title(self, bound: Sequence[Bound]) -> str:
        return self.worker.title.replace(UNBOUND.authority, bound[0].authority)


# Stands for an address that is not known before it is bound: no name holds a NUL.
UNBOUND = Bound(0, ('\0', 0), ())


def wanted(config: Config) -> list[Wanted]:
    owner = privileges.identity(config.server.user, config.server.group)
    found = [Wanted(listener.bind, listener.backlog, listener.permissions, owner) for listener in config.listeners]
    if exporting.is_wanted(config):
        found.append(Wanted(config.metrics.bind, exporting.BACKLOG, None, owner, is_metrics=True))
    return found


def supervisor(config: Config) -> SupervisorSettings:
    server = config.server
    kill_after_s = server.workers_kill_timeout
    if kill_after_s is None:
        kill_after_s = server.graceful_timeout + KILL_AFTER_GRACE_S
    return SupervisorSettings(
        server.workers,
        server.respawn_failed_workers,
        kill_after_s,
        start_s=server.workers_start_timeout,
        respawn_interval_s=server.respawn_interval,
        lifetime_s=server.workers_lifetime,
        lifetime_jitter_s=server.workers_lifetime_jitter,
        rss_bytes_max=server.workers_max_rss,
        rss_sample_interval_s=server.rss_sample_interval,
        rss_samples=server.rss_samples,
        stall_s=server.workers_stall_timeout,
    )


def worker(config: Config, bound: Sequence[Bound], loop: str, logs: LogSettings) -> WorkerSettings:
    return WorkerSettings(
        serving=serving(config, bound),
        loop=loop,
        working_dir=None if config.server.working_dir is None else str(config.server.working_dir),
        environment=environment(config),
        title=title(config, bound),
        logs=logs,
        identity=privileges.identity(config.server.user, config.server.group),
        alive_every_s=None if config.server.workers_stall_timeout is None else config.server.workers_stall_timeout / 4,
        measure_every_s=config.metrics.scrape_interval if exporting.is_wanted(config) else None,
    )


def log_settings(config: Config, document: dict[str, Any] | None = None) -> LogSettings:
    """`document`: in place of the configured file. Raises FatalError for a file that cannot be read."""
    settings = config.logging
    if document is None and settings.config is not None:
        document = read_config(settings.config)
    return LogSettings(settings.level, document, settings.enabled)


def plan(config: Config, loop: str, logs: LogSettings) -> Plan:
    unbound = [replace(UNBOUND, listener=number) for number in range(len(config.listeners))]
    told = worker(config, unbound, loop, logs)
    return Plan(
        wanted=tuple(wanted(config)),
        supervisor=supervisor(config),
        worker=told,
        pid_file=config.server.pid_file,
        umask=config.server.umask,
        control=config.server.control,
        preload=config.server.preload,
        watch=watch(config),
        summary=f'{engines(config)}, loop: {loop}, workers: {config.server.workers}',
        metrics=exporting.settings(config, told) if exporting.is_wanted(config) else None,
    )


def engines(config: Config) -> str:
    """The engines that are in use, as the log says them."""
    spoken = {listener.http for listener in config.listeners}
    parts = []
    if spoken != {'2'}:
        parts.append(f'HTTP/1 engine: {config.http1.engine}')
    if spoken != {'1'}:
        parts.append(f'HTTP/2 engine: {config.http2.engine}')
    if any(app.websockets is not None for app in mounts.apps(config, 1)):
        parts.append(f'WebSocket engine: {config.websocket.engine}')
    return ', '.join(parts)


def watch(config: Config) -> WatchSettings | None:
    reload = config.reload
    if not reload.enabled:
        return None
    return WatchSettings(
        paths=tuple(map(str, reload.paths or (Path.cwd(),))),
        ignore_dirs=reload.ignore_dirs,
        ignore_patterns=reload.ignore_patterns,
        ignore_paths=tuple(map(str, reload.ignore_paths)),
        files=tuple(map(str, config.server.env_files)),
        tick_s=reload.tick,
        ignore_failure=reload.ignore_worker_failure,
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
    limits, http2 = http1_limits(config), http2_settings(config)
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
                http2=http2,
                http=config.listeners[each.listener].http,
                tls=tls(config.listeners[each.listener]),
            )
            for each in bound
        ),
        timeouts=Timeouts(
            head_s=config.http1.header_read_timeout,
            body_read_s=config.timeouts.body_read,
            keep_alive_s=config.timeouts.keep_alive,
            write_s=config.timeouts.write,
            body_byte_s=1 / config.limits.body_rate if config.limits.body_rate else math.inf,
        ),
        exchanges_max=exchanges_max(config),
        unsent_bytes_max=server.unsent_max,
        graceful_timeout_s=server.graceful_timeout,
        access_log=AccessLogSettings(access.format) if access.enabled else None,
        has_siblings=server.workers > 1,
        requests_max=server.workers_max_requests,
        requests_jitter=server.workers_max_requests_jitter,
        server_header=server.server_header.encode(),
        date_header=server.date_header,
        measured=exporting.is_wanted(config),
    )


def proxies(listener: Listener) -> ProxySettings | None:
    if not listener.trusted_proxies:
        return None
    return ProxySettings(listener.trusted_proxies, listener.forwarded_fields, listener.proxy_protocol)


def tls(listener: Listener) -> TlsSettings | None:
    section = listener.tls
    if section is None:
        return None
    return TlsSettings(
        identity=section.identity,
        named=tuple((sni.hosts, sni.identity) for sni in section.sni),
        terms=ContextTerms(
            min_version=section.min_version,
            ciphers=section.ciphers,
            alpn=ALPN[listener.http],
            tickets=section.session_tickets,
            clients=section.trust,
        ),
        handshake_s=section.handshake_timeout,
        handshakes_max=section.handshakes,
        reload_s=section.reload_interval,
    )


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


def http2_settings(config: Config) -> Http2Settings:
    http2 = config.http2
    return Http2Settings(
        engine=http2.engine,
        limits=http2_limits(config),
        ping_after_s=http2.keep_alive_interval,
        ping_timeout_s=http2.keep_alive_timeout,
    )


def http2_limits(config: Config) -> Http2Limits:
    limits, http2 = config.limits, config.http2
    return Http2Limits(
        # Upstream's default is far above what any head needs: the server's own bound holds as well.
        head_bytes_max=min(limits.head, http2.max_headers_size),
        target_bytes_max=limits.target,
        fields_max=limits.fields,
        body_bytes_max=mounts.body_bytes_max(config),
        discard_bytes_max=limits.discard,
        streams_max=http2.max_concurrent_streams,
        # RFC 9113 6.5.2: less cannot be asked for.
        frame_bytes_max=max(HTTP2_FRAME_BYTES_LEAST, http2.max_frame_size),
        stream_window_bytes=http2.initial_stream_window_size,
        connection_window_bytes=http2.initial_connection_window_size,
        adaptive_window=http2.adaptive_window,
        send_buffer_bytes_max=http2.max_send_buffer_size,
    )
