"""From the sections of a Config that answer requests to what a worker is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.adapters.static.settings import CacheRule, StaticSettings
from granian.protocol.limits import DeflateSettings, WebSocketLimits
from granian.routing.table import Place
from granian.server.settings import (
    AnswerSettings,
    AppSettings,
    FolderSettings,
    TermsSettings,
    ThreadSettings,
    WebSocketSettings,
)
from granian.websocket import SessionTerms

if TYPE_CHECKING:
    from granian.config.model import Config
    from granian.config.sections.mounts import App, Rule, Static
    from granian.config.sections.websocket import WebSocket
    from granian.protocol.contract import Field


def apps(config: Config, exchanges_max: int) -> tuple[AppSettings, ...]:
    return tuple(_app(app, config, exchanges_max) for app in config.apps)


def folders(config: Config) -> tuple[FolderSettings, ...]:
    return tuple(FolderSettings(_place(each), _files(each), _plain_terms(each)) for each in config.static)


def answers(config: Config) -> tuple[AnswerSettings, ...]:
    return tuple(_answer(rule) for rule in config.rules)


def body_bytes_max(config: Config) -> int | None:
    """The widest bound of all: what the engines hold every request to, before it is known whose it is."""
    bounds = [_body_bytes_max(app, config) for app in config.apps]
    if not bounds:
        return config.limits.body
    return None if None in bounds else max(bound for bound in bounds if bound is not None)


def _body_bytes_max(app: App, config: Config) -> int | None:
    return config.limits.body if app.limits.body is None else app.limits.body


def threads_max(app: App, exchanges_max: int) -> int:
    """Upstream's default: half of what may be in progress."""
    return app.blocking_threads or max(1, exchanges_max // 2)


def _app(app: App, config: Config, exchanges_max: int) -> AppSettings:
    bound = _body_bytes_max(app, config)
    return AppSettings(
        name=app.name,
        target=app.target,
        interface='asgi' if app.interface == 'asginl' else app.interface,
        lifespan='off' if app.interface == 'asginl' else app.lifespan,
        factory=app.factory,
        root_path=app.path.rstrip('/') + app.root_path,
        debug=app.debug,
        place=_place(app),
        strip_prefix=app.strip_prefix,
        websockets=_websockets(app, config.websocket),
        threads=ThreadSettings(threads_max(app, exchanges_max), app.blocking_threads_idle_timeout)
        if app.interface == 'wsgi'
        else None,
        terms=TermsSettings(
            body_bytes_max=None if bound == body_bytes_max(config) else bound,
            body_read_s=app.timeouts.body_read,
            write_s=app.timeouts.write,
            fields=_fields(app),
        ),
    )


def _websockets(app: App, shared: WebSocket) -> WebSocketSettings | None:
    wanted = shared.enabled if app.websockets is None else app.websockets
    if not wanted or app.interface == 'wsgi':
        return None
    websocket = app.websocket.over(shared)
    return WebSocketSettings(
        engine=websocket.engine,
        limits=WebSocketLimits(
            frame_bytes_max=websocket.max_frame_size or websocket.max_message_size,
            message_bytes_max=websocket.max_message_size,
            deflate=_deflate(websocket) if websocket.compression else None,
        ),
        terms=SessionTerms(
            queue_messages_max=websocket.queue,
            queue_bytes_max=websocket.queue_size,
            ping_interval_s=websocket.ping_interval or None,
            ping_timeout_s=websocket.ping_timeout,
            idle_timeout_s=websocket.idle_timeout or None,
            close_timeout_s=websocket.close_timeout,
        ),
        origins=websocket.origins,
    )


def _deflate(websocket: WebSocket) -> DeflateSettings:
    return DeflateSettings(
        level=websocket.compression_level,
        memory_level=websocket.compression_memory,
        server_window_bits=websocket.compression_window,
        client_window_bits=websocket.compression_window,
        server_takeover=websocket.compression_takeover in ('both', 'server'),
        client_takeover=websocket.compression_takeover in ('both', 'client'),
        message_bytes_min=websocket.compression_min_size,
    )


def _files(folder: Static) -> StaticSettings:
    return StaticSettings(
        directory=str(folder.directory),
        index=folder.index,
        fallback=folder.fallback,
        expires_s=int(folder.expires),
        cache_rules=tuple(CacheRule(glob, policy) for glob, policy in folder.cache),
        precompressed=folder.precompressed,
        dotfiles=folder.dotfiles,
        symlinks=folder.symlinks,
        index_redirect=folder.index_redirect,
        fall_through=folder.fall_through,
        charset=folder.charset,
        media_types=folder.media_types,
    )


def _answer(rule: Rule) -> AnswerSettings:
    return AnswerSettings(
        place=_place(rule),
        status=int(rule.status) if rule.return_ is None else rule.return_,
        body=rule.body.encode(),
        redirect=rule.redirect or '',
        keep_path=rule.keep_path,
        keep_query=rule.keep_query,
        terms=_plain_terms(rule),
    )


def _place(mount: App | Static | Rule) -> Place:
    return Place(mount.path, tuple(dict.fromkeys(mount.hosts)))


def _plain_terms(mount: Static | Rule) -> TermsSettings:
    return TermsSettings(fields=_fields(mount))


def _fields(mount: App | Static | Rule) -> tuple[Field, ...]:
    return tuple((name.encode('ascii'), value.encode('latin-1')) for name, value in mount.headers)
