"""The modules that are only imported where the settings want them: before workers are forked, so that all of them share one copy."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from granian.server.settings import AppSettings, ListenerSettings, ServingSettings

_ADAPTERS = {
    'asgi': 'granian.adapters.asgi.http',
    'rsgi': 'granian.adapters.rsgi.http',
    'wsgi': 'granian.adapters.wsgi.adapter',
}


def import_for(settings: ServingSettings) -> None:
    """Import what workers of these will run."""
    for name in _modules(settings):
        importlib.import_module(name)


def _modules(settings: ServingSettings) -> Iterator[str]:
    for listener in settings.listeners:
        yield from _of_listener(listener)
    for app in settings.apps:
        yield from _of_app(app)
    if settings.folders:
        yield 'granian.adapters.static.handler'


def _of_listener(listener: ListenerSettings) -> Iterator[str]:
    if listener.http != '2':
        yield f'granian.protocol.http1.{listener.http1_engine}'
    if listener.http != '1':
        yield f'granian.protocol.http2.{listener.http2.engine}'
        yield 'granian.server.http2_connection'


def _of_app(app: AppSettings) -> Iterator[str]:
    yield _ADAPTERS[app.interface]
    if app.websockets is not None:
        yield f'granian.protocol.websocket.{app.websockets.engine}'
