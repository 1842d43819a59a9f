"""Upstream's embedded server: one application served in a loop that runs already, without processes or signals of its own."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from granian.api.arguments import given_to, loaded
from granian.api.hooks import Hooks
from granian.constants import HTTPModes, Interfaces, SSLProtocols, TaskImpl
from granian.errors import ConfigurationError, FatalError
from granian.log import LogLevels
from granian.observe.logs import logger
from granian.process import extras
from granian.process.plan import planning
from granian.process.privileges import Umask
from granian.process.reloading.rereading import NOWHERE
from granian.process.situation import Situation
from granian.server.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from granian.http import HTTP1Settings, HTTP2Settings

_NO_OPTIONS = frozenset({'target', 'log_dictconfig', 'factory'})
# What the document has in the place of an application that is no name.
_EMBEDDED = 'embedded:app'


@dataclass(eq=False, repr=False)
class Server(Hooks):
    """One application, the object itself, with upstream's arguments in upstream's order.

    All that is wrong with them is raised at once, as ConfigurationError.
    """

    target: Any
    address: str = '127.0.0.1'
    port: int = 8000
    uds: Path | None = None
    interface: Interfaces | str = Interfaces.RSGI
    blocking_threads: int | None = None
    blocking_threads_idle_timeout: int = 30
    runtime_threads: int = 1
    runtime_blocking_threads: int | None = None
    task_impl: TaskImpl | str = TaskImpl.asyncio
    http: HTTPModes | str = HTTPModes.auto
    websockets: bool = True
    backlog: int = 128
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
    factory: bool = False
    static_path_route: str | Sequence[str] | None = None
    static_path_mount: Path | Sequence[Path] | None = None
    static_path_dir_to_file: str | None = None
    static_path_expires: int = 86400

    def __post_init__(self) -> None:
        super().__init__()
        if isinstance(self.target, str):
            raise ConfigurationError(
                f'argument target: {self.target!r} is a name; an embedded server takes the application'
            )
        given = given_to(self, leave_out=_NO_OPTIONS)
        # The model's default is another one.
        self._config = loaded({'target': _EMBEDDED, 'backlog': self.backlog, **given}).config
        self._ended: asyncio.Event | None = None
        self._asked_again: asyncio.Event | None = None

    async def serve(self, spawn_target: Any = None) -> None:
        """Serve until `stop`, or until this is cancelled. Raises FatalError for what cannot be served."""
        if spawn_target is not None:
            raise ConfigurationError("argument spawn_target: what serves is this server's own")
        if self._ended is not None:
            raise FatalError('this server serves already')
        self._ended, self._asked_again = asyncio.Event(), asyncio.Event()
        try:
            plan = planning.plan_of(self._config, self.log_dictconfig)
            logger.info('Starting granian (embedded)')
            planning.warn(self._config)
            with closing(Situation(plan, NOWHERE, Umask())) as situation:
                await self._serve(situation, self._ended, self._asked_again)
            logger.info('Granian shutdown completed, see ya!')
        finally:
            self._ended = self._asked_again = None

    async def _serve(self, situation: Situation, ended: asyncio.Event, asked_again: asyncio.Event) -> None:
        situation.say_where()
        extras.run(self.hooks_startup)
        try:
            serving = await self._started(situation)
            try:
                while await _first_of(ended, asked_again) is asked_again:
                    asked_again.clear()
                    serving = await self._replaced(serving, situation)
            finally:
                logger.info('Shutting down granian')
                situation.refuse_more()
                await _stop(serving)
        finally:
            extras.run(self.hooks_shutdown)

    async def _started(self, situation: Situation) -> Serving:
        generation = situation.generation
        part = generation.part(0)
        application = self.target() if self.factory else self.target
        settings = generation.worker_at(part.bound).serving
        serving = Serving(settings, [application], asyncio.get_running_loop())
        serving.init()
        try:
            await serving.start_applications()
            # Of its own: closing them leaves those of the next one open.
            await serving.accept([sock.dup() for sock in part.sockets])
        # A cancellation, too: `close` is the counterpart of `init`, whatever came in between.
        except BaseException:
            serving.close()
            raise
        return serving

    async def _replaced(self, old: Serving, situation: Situation) -> Serving:
        """The application started anew; where it cannot be, what serves goes on."""
        try:
            extras.run(self.hooks_reload)
            new = await self._started(situation)
        # A program's own, and its application, may raise anything.
        except Exception:
            logger.exception('Not reloaded')
            return old
        # What waits in the queue is the new one's.
        await _stop(old, range(len(situation.generation.sockets.bound)))
        logger.info('Reloaded')
        return new

    def stop(self) -> None:
        """Finish what has begun, then let `serve` return. Called in the loop."""
        if self._ended is not None:
            self._ended.set()

    def reload(self) -> None:
        """Start the application anew, and end the old one once that is ready. Called in the loop."""
        if self._asked_again is not None:
            self._asked_again.set()


async def _first_of(ended: asyncio.Event, asked_again: asyncio.Event) -> asyncio.Event:
    """The one that is set; `ended` if both are."""
    waiting = [asyncio.ensure_future(event.wait()) for event in (ended, asked_again)]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
    return ended if ended.is_set() else asked_again


async def _stop(serving: Serving, leave: Sequence[int] = ()) -> None:
    await serving.stop(leave)
    serving.close()
