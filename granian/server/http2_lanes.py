"""What carries one exchange among the others of an HTTP/2 connection, and the times that are watched there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from granian.protocol.responses import response_head
from granian.server.deadlines import NEVER

if TYPE_CHECKING:
    from granian.exchange import Exchange, Passage, Terms
    from granian.server.http2_connection import Http2Connection
    from granian.server.settings import Http2Settings

logger = logging.getLogger('_granian')

# Of a response that waits, a client takes at least so much within `timeouts.write`: windows that open by a byte now and
# then hold a response as those do that stay shut.
LEAST_BYTES = 1024
_TOO_SLOW = response_head(408, [(b'content-type', b'text/plain; charset=utf-8')])


class Lane:
    """The carrier of one exchange. Its deadline: for the next piece of the request, and for the client to take some more."""

    __slots__ = (
        '_awaits_reader', '_body_at_s', '_body_due_s', '_connection', '_sent', '_sent_at_s', '_terms', 'check_at', 'deadline', 'info',
        'loop', 'stream',
    )  # fmt: skip
    # What is put out leaves by turns, and is told of by `flush`.
    inside = False

    def __init__(self, connection: Http2Connection, stream: int) -> None:
        self._connection = connection
        self.stream = stream
        self.loop = connection.loop
        self.info = connection.info
        self.deadline = self.check_at = NEVER
        self._awaits_reader = False
        # Those of the exchange, once it is over.
        self._terms: Terms | None

    # ── the exchange's calls ─────────────────────────────────────────────────────────────────────────────────────

    @property
    def blocked(self) -> bool:
        return self._connection.engine.is_blocked(self.stream)

    def flush(self) -> None:
        self._connection.flushed(self)

    def passage(self) -> Passage | None:
        """A file's bytes go in frames, and when it is their turn."""
        return None

    def made_room(self) -> None:
        self._connection.settle_soon()

    def asked_for_body(self) -> None:
        self.await_body()
        self._connection.settle_soon()

    def upgraded(self, exchange: Exchange) -> None:
        self._connection.upgraded(exchange, self)

    def completed(self, exchange: Exchange) -> None:
        self._terms = exchange.terms
        self._connection.completed(exchange, self)

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def await_body(self) -> None:
        """More of the request is to come from now on."""
        self._body_at_s = self._connection.service.wheel.now
        self._body_due_s = self._body_at_s + self._body_read_s(self._connection.exchange_of(self))
        self._look_at(self._body_due_s)

    def got_body(self, count: int) -> None:
        service = self._connection.service
        self._body_at_s = service.wheel.now
        # However small the pieces, they have to come at some rate.
        self._body_due_s += count * service.timeouts.body_byte_s

    def await_reader(self) -> None:
        """Some of the response may wait for the client."""
        if self._awaits_reader:
            return
        self._sent, waiting = self._connection.engine.flow(self.stream)
        if waiting:
            self._awaits_reader = True
            self._sent_at_s = self._connection.service.wheel.now
            self._look_at(self._sent_at_s + self._patience_s(self._connection.exchange_of(self)))

    def _look_at(self, at_s: float) -> None:
        self.deadline = min(self.deadline, at_s)
        self._connection.watch(self)

    def expired(self) -> None:
        connection = self._connection
        exchange = connection.exchange_of(self)
        next_s = NEVER
        if exchange is not None:
            next_s = self._check_body(exchange)
        if self._awaits_reader:
            next_s = min(next_s, self._check_reader(exchange))
        if next_s < NEVER:
            self._look_at(next_s)
        else:
            connection.unwatch(self)

    def _check_body(self, exchange: Exchange) -> float:
        """When to look again at how the request comes; it is cut where that takes too long."""
        connection = self._connection
        if exchange.body_ended or exchange.done or exchange.holds_up_body or exchange.successor is not None:
            return NEVER
        body_read_s = self._body_read_s(exchange)
        now = connection.service.wheel.now
        if connection.holds_bodies:
            # It may not be the client who is slow.
            self._body_due_s = now + body_read_s
            return self._body_due_s
        due_s = min(self._body_at_s + body_read_s, self._body_due_s)
        if now < due_s:
            return due_s
        logger.debug('Request cut off: body too slow')
        exchange.give_up(_TOO_SLOW, b'body too slow\n')
        return NEVER

    def _check_reader(self, exchange: Exchange | None) -> float:
        """When to look again at what the client takes of the response; it is cut where that is nothing."""
        connection = self._connection
        now = connection.service.wheel.now
        sent, waiting = connection.engine.flow(self.stream)
        if not waiting:
            self._awaits_reader = False
            return NEVER
        if sent - self._sent >= LEAST_BYTES or connection.blocked:
            # While the transport is blocked, its own deadline runs.
            self._sent, self._sent_at_s = sent, now
        patience_s = self._patience_s(exchange)
        if now < self._sent_at_s + patience_s:
            return self._sent_at_s + patience_s
        logger.debug('Response cut off: the client takes nothing of it')
        self._awaits_reader = False
        if exchange is None:
            connection.engine.abort(self.stream)
        else:
            exchange.tell_gone(lost=True)
            exchange.abort()
        connection.settle_soon()
        return NEVER

    def _body_read_s(self, exchange: Exchange | None) -> float:
        terms = None if exchange is None else exchange.terms
        if terms is None or terms.body_read_s is None:
            return self._connection.service.timeouts.body_read_s
        return terms.body_read_s

    def _patience_s(self, exchange: Exchange | None) -> float:
        terms = self._terms if exchange is None else exchange.terms
        return self._connection.service.timeouts.write_s if terms is None or terms.write_s is None else terms.write_s


class Pinger:
    """Asks a silent client for a sign of life, and cuts the connection where none comes."""

    __slots__ = ('_asked_at_s', '_connection', '_interval_s', '_timeout_s', 'check_at', 'deadline')

    def __init__(self, connection: Http2Connection, settings: Http2Settings) -> None:
        assert settings.ping_after_s is not None
        self._connection = connection
        self._interval_s = settings.ping_after_s
        self._timeout_s = settings.ping_timeout_s
        self._asked_at_s = NEVER
        self.deadline = self.check_at = NEVER

    def start(self) -> None:
        self._look_after(self._interval_s)

    def stop(self) -> None:
        self.deadline = NEVER
        self._connection.service.wheel.forget(self)

    def _look_after(self, after_s: float) -> None:
        wheel = self._connection.service.wheel
        self.deadline = wheel.now + after_s
        wheel.watch(self)

    def expired(self) -> None:
        connection, now = self._connection, self._connection.service.wheel.now
        if connection.heard:
            connection.heard = False
            self._asked_at_s = NEVER
            self._look_after(self._interval_s)
        elif self._asked_at_s + self._timeout_s <= now:
            logger.debug('Connection cut: no answer to a PING')
            connection.cut()
        elif self._asked_at_s < NEVER:
            self._look_after(min(self._interval_s, self._asked_at_s + self._timeout_s - now))
        else:
            self._asked_at_s = now
            connection.engine.ping()
            connection.settle_soon()
            self._look_after(min(self._interval_s, self._timeout_s))
