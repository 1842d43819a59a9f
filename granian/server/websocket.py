"""Where WebSocket sessions are asked for, and the sessions of a worker as a whole."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from granian.protocol.responses import response_head
from granian.protocol.websocket.extensions import deflate_terms
from granian.protocol.websocket.handshake import OpeningRefusal, asks_for_websocket, opening
from granian.websocket import WebSocketSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from granian.exchange import Exchange
    from granian.protocol.websocket.contract import DeflateTerms, WebSocketEngine
    from granian.server.service import Shared
    from granian.server.settings import WebSocketSettings

_TEXT = (b'content-type', b'text/plain; charset=utf-8')
_NOT_HERE = response_head(403, [_TEXT])


def engine_class(name: str) -> Callable[..., WebSocketEngine]:
    """The WebSocket engine of that name. Only the one that is wanted is imported."""
    if name == 'wsproto':
        from granian.protocol.websocket.wsproto import WebSocketWsproto

        return WebSocketWsproto
    from granian.protocol.websocket.fast import WebSocketFast

    return WebSocketFast


class Sessions:
    """The sessions of a worker that are open."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.draining = False
        self.open: set[WebSocketSession] = set()

    def drain(self) -> None:
        """Tell every client that the server stops; those that do not answer are cut after their close timeout."""
        self.draining = True
        for session in tuple(self.open):
            session.drain()


class OpenDoor:
    """The sessions of one application. See `websocket.Door` and `websocket.Home`."""

    def __init__(self, settings: WebSocketSettings, sessions: Sessions) -> None:
        self.loop = sessions.shared.loop
        self.clock = sessions.shared.wheel
        self.terms = settings.terms
        self._limits = settings.limits
        self._origins = frozenset(origin.encode('latin-1') for origin in settings.origins)
        self._engine = engine_class(settings.engine)
        self._sessions = sessions

    asks = staticmethod(asks_for_websocket)

    def open(self, exchange: Exchange) -> WebSocketSession | None:
        try:
            asked = opening(exchange.head)
        except OpeningRefusal as refusal:
            head = response_head(refusal.status, [_TEXT, *refusal.fields])
            exchange.respond(head, f'{refusal.reason}\n'.encode())
            return None
        if self._origins and asked.origin is not None and asked.origin.lower() not in self._origins:
            # RFC 6455 10.2. Whoever is no browser sends none, or whatever it likes.
            exchange.respond(_NOT_HERE, b'origin not allowed\n')
            return None
        return WebSocketSession(exchange, asked, self)

    @property
    def draining(self) -> bool:
        return self._sessions.draining

    def engine(self, session: WebSocketSession) -> tuple[WebSocketEngine, DeflateTerms | None]:
        terms = deflate_terms(session.opening.extensions, self._limits.deflate)
        return self._engine(self._limits, terms, session), terms

    def began(self, session: WebSocketSession) -> None:
        self._sessions.open.add(session)
        if self._sessions.shared.access_log is not None:
            session.began_at_s = perf_counter()

    def ended(self, session: WebSocketSession) -> None:
        self._sessions.open.discard(session)
        if self._sessions.shared.access_log is not None:
            self._sessions.shared.access_log.session(session, perf_counter() - session.began_at_s)


class ClosedDoor:
    """Of an application that is given no sessions."""

    asks = staticmethod(asks_for_websocket)

    def open(self, exchange: Exchange) -> WebSocketSession | None:
        exchange.respond(_NOT_HERE, b'WebSockets are not served here\n')
        return None
