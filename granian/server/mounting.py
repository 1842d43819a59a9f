"""Settings → what answers: an adapter for each application, and one router over all mounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from granian.adapters.asgi.http import AsgiAdapter
from granian.adapters.asgi.lifespan import Lifespan
from granian.exchange import Terms
from granian.routing.answers import FixedAnswer, Redirect
from granian.routing.fields import dresser
from granian.routing.router import Folder, Mount, Router, below_only
from granian.server.settings import AS_THE_SERVER
from granian.server.websocket import ClosedDoor, OpenDoor

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine, Sequence

    from granian.exchange import Exchange
    from granian.routing.router import Handle, Offer
    from granian.server.settings import (
        AnswerSettings,
        AppSettings,
        FolderSettings,
        ServingSettings,
        TermsSettings,
        ThreadSettings,
    )
    from granian.server.tally import Pool, Tally
    from granian.server.websocket import Sessions
    from granian.websocket import Door


class Adapter(Protocol):
    """One application: `init` · `start` · any number of `handle` · `stop` · `close`. See `Serving`."""

    @property
    def pool(self) -> Pool | None:
        """Its threads, if it has any of its own."""

    def init(self) -> None:
        """Raises LifespanError."""

    async def start(self) -> None:
        """Raises LifespanError."""

    def handle(self, exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        """Let the application answer. What is returned must be run where it is not None; it raises nothing."""

    async def stop(self) -> None: ...

    def close(self) -> None: ...


class _Asgi:
    pool = None

    def __init__(self, settings: AppSettings, application: Any, name: str, door: Door) -> None:
        self._lifespan = Lifespan(application, settings.lifespan, name)
        self._adapter = AsgiAdapter(
            application, self._lifespan.state, door=door, root_path=settings.root_path, debug=settings.debug
        )
        self.handle = self._adapter.handle

    def init(self) -> None:
        """ASGI says all with the loop running."""

    async def start(self) -> None:
        await self._lifespan.startup()

    async def stop(self) -> None:
        await self._lifespan.shutdown()

    def close(self) -> None:
        """As `init`."""


class _Wsgi:
    def __init__(
        self,
        settings: AppSettings,
        threads: ThreadSettings,
        application: Any,
        loop: asyncio.AbstractEventLoop,
        serving: ServingSettings,
    ) -> None:
        from granian.adapters.wsgi.adapter import WsgiAdapter

        adapter = WsgiAdapter(
            application,
            loop,
            blocking_threads=threads.threads_max,
            idle_timeout_s=threads.idle_timeout_s,
            queue_max=serving.exchanges_max,
            multiprocess=serving.has_siblings,
            script_name=settings.root_path,
            name=settings.name,
            door=ClosedDoor(),
            measured=serving.measured,
        )
        self.pool = adapter
        self.start = adapter.start
        self.stop = adapter.stop
        self.handle = adapter.handle

    def init(self) -> None:
        """WSGI knows no start …"""

    def close(self) -> None:
        """… and no end."""


def adapter_of(
    app: AppSettings, application: Any, loop: asyncio.AbstractEventLoop, serving: ServingSettings, sessions: Sessions
) -> Adapter:
    """The adapter of an application's interface. Only the one that is wanted is imported."""
    if app.interface == 'asgi':
        return _Asgi(app, application, app.name if len(serving.apps) > 1 else '', _door(app, sessions))
    if app.interface == 'rsgi':
        from granian.adapters.rsgi.http import RsgiAdapter

        strip = len(app.place.path.rstrip('/')) if app.strip_prefix else 0
        return RsgiAdapter(application, loop, door=_door(app, sessions), strip=strip)
    if app.threads is None:
        raise ValueError(f'{app.name}: no threads for an application that blocks')
    return _Wsgi(app, app.threads, application, loop, serving)


def _door(app: AppSettings, sessions: Sessions) -> Door:
    return ClosedDoor() if app.websockets is None else OpenDoor(app.websockets, sessions)


def router_of(settings: ServingSettings, adapters: Sequence[Adapter], tally: Tally) -> Router:
    """All mounts. At the same place files come before an application."""
    folders = [_folder(each, tally if settings.measured else None) for each in settings.folders]
    answers = [Mount(each.place, _answer(each), _terms(each.terms)) for each in settings.answers]
    apps = [
        Mount(app.place, _handle(app, adapter), _terms(app.terms))
        for app, adapter in zip(settings.apps, adapters, strict=True)
    ]
    return Router([*folders, *answers, *apps])


def _handle(app: AppSettings, adapter: Adapter) -> Handle:
    path = app.place.path.rstrip('/')
    return below_only(adapter.handle, path) if app.strip_prefix and path else adapter.handle


def _folder(settings: FolderSettings, tally: Tally | None) -> Folder:
    from granian.adapters.static.handler import StaticFiles

    offer = StaticFiles(settings.files).handle
    return Folder(settings.place, offer if tally is None else _counted(offer, tally), _terms(settings.terms))


def _counted(offer: Offer, tally: Tally) -> Offer:
    async def counted(exchange: Exchange, path: str) -> bool:
        answered = await offer(exchange, path)
        if answered:
            tally.files += 1
            tally.files_failed += exchange.status >= 400
        return answered

    return counted


def _answer(settings: AnswerSettings) -> Handle:
    if not settings.redirect:
        return FixedAnswer(settings.status, settings.body).handle
    return Redirect(
        settings.redirect,
        settings.status,
        settings.place.path,
        keep_path=settings.keep_path,
        keep_query=settings.keep_query,
    ).handle


def _terms(settings: TermsSettings) -> Terms | None:
    if settings == AS_THE_SERVER:
        return None
    return Terms(
        body_bytes_max=settings.body_bytes_max,
        body_read_s=settings.body_read_s,
        write_s=settings.write_s,
        dress=dresser(settings.fields) if settings.fields else None,
    )
