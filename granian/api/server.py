"""Upstream's `Granian`: a whole server, its supervisor in the process of whoever calls `serve`."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from granian.api.arguments import given_to, loaded
from granian.api.hooks import Hooks
from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes, SSLProtocols, TaskImpl
from granian.errors import ConfigurationError
from granian.log import LogLevels
from granian.process.extras import Extras
from granian.process.plan.mounts import threads_max
from granian.process.plan.sections import exchanges_max

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from granian.http import HTTP1Settings, HTTP2Settings

# These say nothing that a document could.
_NO_OPTIONS = frozenset({'log_dictconfig', 'reload_filter'})


@dataclass(eq=False, repr=False)
class Granian(Hooks):
    """One application, with upstream's arguments in upstream's order. All that is wrong with them is raised at once,
    as ConfigurationError.
    """

    target: str
    address: str = '127.0.0.1'
    port: int = 8000
    uds: Path | None = None
    uds_permissions: int | None = None
    interface: Interfaces | str = Interfaces.RSGI
    workers: int = 1
    blocking_threads: int | None = None
    blocking_threads_idle_timeout: int = 30
    runtime_threads: int = 1
    runtime_blocking_threads: int | None = None
    runtime_mode: RuntimeModes | str = RuntimeModes.auto
    loop: Loops | str = Loops.auto
    task_impl: TaskImpl | str = TaskImpl.asyncio
    http: HTTPModes | str = HTTPModes.auto
    websockets: bool = True
    backlog: int = 1024
    backpressure: int | None = None
    http1_settings: HTTP1Settings | None = None
    http2_settings: HTTP2Settings | None = None
    log_enabled: bool = True
    log_level: LogLevels | str = LogLevels.info
    log_dictconfig: dict[str, Any] | None = None
    log_access: bool = False
    log_access_format: str | None = None
    ssl_cert: Path | None = None
    ssl_key: Path | None = None
    ssl_key_password: str | None = None
    ssl_protocol_min: SSLProtocols | str = SSLProtocols.tls13
    ssl_ca: Path | None = None
    ssl_crl: Sequence[Path] | None = None
    ssl_client_verify: bool = False
    url_path_prefix: str | None = None
    respawn_failed_workers: bool = False
    respawn_interval: float = 3.5
    rss_sample_interval: int = 30
    rss_samples: int = 1
    workers_lifetime: int | None = None
    workers_max_rss: int | None = None
    workers_kill_timeout: int | None = None
    factory: bool = False
    working_dir: Path | None = None
    env_files: Sequence[Path] | None = None
    static_path_route: str | Sequence[str] | None = None
    static_path_mount: Path | Sequence[Path] | None = None
    static_path_dir_to_file: str | None = None
    static_path_expires: int = 86400
    metrics_enabled: bool = False
    metrics_scrape_interval: int = 15
    metrics_address: str = '127.0.0.1'
    metrics_port: int = 9090
    reload: bool = False
    reload_paths: Sequence[Path] | None = None
    reload_ignore_dirs: Sequence[str] | None = None
    reload_ignore_patterns: Sequence[str] | None = None
    reload_ignore_paths: Sequence[Path] | None = None
    reload_filter: type[Any] | None = None
    reload_tick: int = 50
    reload_ignore_worker_failure: bool = False
    process_name: str | None = None
    pid_file: Path | None = None

    def __post_init__(self) -> None:
        super().__init__()
        self._given = given_to(self, leave_out=_NO_OPTIONS)
        self._loaded = loaded(self._given)
        self.pid: int | None = None
        self._settle()

    def _settle(self) -> None:
        """Attributes that upstream's have after construction: what nobody said, or said too low, is what it came to."""
        config = self._loaded.config
        self.workers = config.server.workers
        self.runtime_threads = config.server.runtime_threads
        self.backlog = config.listeners[0].backlog
        self.backpressure = exchanges_max(config)
        app = config.apps[0]
        self.blocking_threads = threads_max(app, self.backpressure) if app.interface == 'wsgi' else 1

    @property
    def bind_addr(self) -> str:
        return self.address

    @property
    def bind_port(self) -> int:
        return self.port

    @property
    def bind_uds(self) -> Path | None:
        return self.uds

    def serve(
        self,
        spawn_target: Callable[..., Any] | None = None,
        target_loader: Callable[..., Any] | None = None,
        wrap_loader: bool = True,
    ) -> None:
        """Serve until told to stop, by a signal or by `signal_handler_interrupt`. For the main thread, whose signals it takes.

        `target_loader` gives the application in place of an import of the target; with `wrap_loader` it is given the target.
        Raises FatalError for a server that cannot start, SystemExit for one whose workers failed.
        """
        if spawn_target is not None:
            raise ConfigurationError("argument spawn_target: what a worker runs is this server's own")
        from granian.process.main import serve
        from granian.process.reloading.rereading import Source

        load = target_loader if target_loader is None or wrap_loader else _Unwrapped(target_loader)
        self.pid = os.getpid()
        try:
            source = Source(lambda: loaded(self._given).config, self._loaded.label, extras=self._extras(load))
            status = serve(self._loaded.config, source)
        finally:
            self.pid = None
        if status:
            sys.exit(status)

    def _extras(self, load: Callable[[str], Any] | None) -> Extras:
        return Extras(
            on_startup=self.hooks_startup,
            on_reload=self.hooks_reload,
            on_shutdown=self.hooks_shutdown,
            load=load,
            log_document=self.log_dictconfig,
            watch_filter=self.reload_filter,
        )

    def signal_handler_interrupt(self, *_: object) -> None:
        """Stop, as SIGINT does; from any thread. Nothing where nothing is served."""
        self._signal(signal.SIGINT)

    def signal_handler_reload(self, *_: object) -> None:
        """Reload, as SIGHUP does; from any thread. Nothing where nothing is served."""
        if sys.platform != 'win32':
            self._signal(signal.SIGHUP)

    def _signal(self, number: int) -> None:
        if self.pid is not None:
            os.kill(self.pid, number)


@dataclass(frozen=True)
class _Unwrapped:
    """A loader that wants no target."""

    load: Callable[[], Any]

    def __call__(self, _target: str) -> Any:
        return self.load()
