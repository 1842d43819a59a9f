"""A connection of HTTP/1: one exchange at a time."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TYPE_CHECKING

from granian.exchange import Exchange
from granian.protocol.contract import NOBODY
from granian.server.deadlines import NEVER
from granian.server.passage import AVAILABLE, Passage, is_reset
from granian.server.wire import Wire

if TYPE_CHECKING:
    import asyncio

    from granian.exchange import Terms
    from granian.protocol.contract import Fields, Refusal, RequestHead
    from granian.server.service import Service

logger = logging.getLogger('_granian')

# Pieces of pipelined answers that are written at once where the listener joins them.
JOIN_PIECES_MAX = 64
# While nothing is read: how often it is looked whether the client is still there.
LOOK_S = 5.0


class Connection(Wire):
    """Moves bytes between a transport and an engine, exchanges to the application, and time to both."""

    __slots__ = ('_body_due_s', '_exchange', '_has_place', '_held', '_phase', '_postponed', '_terms', 'inside')

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.engine = service.engine(service.limits, service.defaults, self)
        self._exchange: Exchange | None = None
        # Those of the exchange that was answered last: its answer may still be on its way.
        self._terms: Terms | None = None
        # Bytes read while the worker had no room for another exchange.
        self._held = b''
        self.inside = self._postponed = False
        # Whether the exchange in progress takes one of the worker's places.
        self._has_place = False
        # The engine's phase when it was last looked at.
        self._phase = 'idle'
        # While a body comes: when it is too late for the next byte, however small the pieces; 0: this has not begun.
        self._body_due_s = 0.0

    # ── the transport's calls ────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._meet(transport)
        if self.service.draining:
            self.drain()

    def data_received(self, data: bytes) -> None:
        service = self.service
        if self._lingering:
            return
        if self._exchange is None and service.gate.busy >= service.gate.limit:
            self._wait_turn(data)
            return
        self.inside = True
        self.engine.receive(data)
        self.inside = False
        self._settle()

    def eof_received(self) -> bool:
        stays = super().eof_received()
        # Its answer is on its way if the client still reads; if it has left, nobody need wait for that.
        self._leave_place()
        return stays

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._postponed:
            self._later(self._begin_postponed)
        elif self._exchange is not None:
            self._exchange.wake()

    def _writable_again(self) -> None:
        self._time_phase()

    def connection_lost(self, exc: Exception | None) -> None:
        self._part()
        self._held = b''
        exchange = self._exchange
        if exchange is not None:
            exchange.tell_gone(lost=True)
            exchange.abort()
        self.engine.events = NOBODY
        self.service.connection_closed(exc)

    # ── the engine's calls ───────────────────────────────────────────────────────────────────────────────────────

    def on_request(self, stream: int, head: RequestHead, body: bytes, ended: bool) -> None:
        service = self.service
        if head.upgrade and not head.content_length and self._goes_over(stream, head):
            return
        self._exchange = exchange = Exchange(self, self.engine, stream, head, body, ended)
        service.gate.busy += 1
        self._has_place = True
        self._phase = 'busy'
        self._body_due_s = 0.0
        if service.access_log is not None:
            exchange.started_at_s = perf_counter()
        if service.draining:
            self.engine.drain()
        if self.blocked:
            # The client asks for more while it does not take what it was answered.
            self._postponed = True
            return
        self._have_answered(exchange)

    def _goes_over(self, stream: int, head: RequestHead) -> bool:
        """Whether the request is one that HTTP/2 goes on with."""
        service = self.service
        # RFC 7540 3.3: over TLS, HTTP/2 is agreed on otherwise.
        if service.engine2 is None or service.scheme != 'http' or service.draining:
            return False
        if service.trusts(self.info.client[0] if self.info.client else None):
            # A proxy that passes the wish on sees nothing of what follows: its client would speak past it, and be believed.
            return False
        from granian.server.crossing import Crossing, offered_settings

        settings = offered_settings(head)
        if settings is None:
            return False
        self._exchange = Crossing(self, service.engine2, head, settings).begin(stream)
        return True

    def leave(self) -> asyncio.Transport | None:
        """Leave the transport to another connection; None where it is closing."""
        transport = self._transport
        if transport.is_closing() or self.engine.closing:
            return None
        if self._paused:
            self._pause(False)
        self._part()
        self._exchange = None
        self.engine.events = NOBODY
        return transport

    def _begin_postponed(self) -> None:
        exchange = self._exchange
        if exchange is None or self.blocked:
            return
        self._postponed = False
        self._have_answered(exchange)

    def on_body(self, stream: int, data: bytes) -> None:
        if self._exchange is not None:
            if self._body_due_s:
                self._body_due_s += len(data) * self.service.timeouts.body_byte_s
            self._exchange.tell_body(data)

    def on_body_end(self, stream: int, trailers: Fields) -> None:
        if self._exchange is not None:
            self._exchange.tell_body_end(trailers)

    def on_gone(self, stream: int, reason: str, status: int = 0) -> None:
        exchange = self._exchange
        if exchange is not None:
            logger.debug('Request cut off: %s', reason)
            exchange.status = exchange.status or status
            exchange.tell_gone(lost=self.engine.closing)
            if self.engine.closing:
                exchange.abort()

    def on_refused(self, refusal: Refusal, request_line: bytes) -> None:
        logger.debug('Request refused: %d %s', refusal.status, refusal.reason)
        self._log_refused(refusal, request_line)

    # ── the exchange's calls ─────────────────────────────────────────────────────────────────────────────────────

    def flush(self) -> None:
        self._write_output()
        if self._transport.is_closing():
            # This write has met a reset, and the next ones are dropped in silence. An application that is never held up
            # would send for ever, and the loop would never get to say that the client is gone.
            self.blocked = True

    def passage(self) -> Passage | None:
        if not AVAILABLE or self.info.tls is not None:
            return None
        passage = Passage(self._transport, self.loop, self.pause_writing, self.resume_writing)
        if self.engine.output:
            passage.put(self.engine.output)
            self.engine.output.clear()
        return passage

    def made_room(self) -> None:
        if self._paused and not self.inside:
            self._settle()

    def asked_for_body(self) -> None:
        if not self.inside:
            self._settle()

    def upgraded(self, exchange: Exchange) -> None:
        # It mostly waits.
        self._leave_place()
        if self.service.access_log is not None:
            self._log_access(exchange)
        if not self.inside:
            if self.engine.pending:
                self._later(self._resume)
            self._settle()

    def completed(self, exchange: Exchange) -> None:
        service = self.service
        self._exchange = None
        self._terms = exchange.terms
        if self._has_place:
            self._has_place = False
            service.gate.left()
        if exchange.successor is None and service.access_log is not None:
            self._log_access(exchange)
        if not self.inside:
            if self.engine.pending:
                self._later(self._resume)
            self._settle()
        elif not (service.pipeline_flush or self.engine.closing) or len(self.engine.output) > JOIN_PIECES_MAX:
            self._write_output()

    def _leave_place(self) -> None:
        if self._has_place:
            self._has_place = False
            self.service.gate.left()

    # ── input and output ─────────────────────────────────────────────────────────────────────────────────────────

    def _settle(self) -> None:
        """Bring the transport in line with what the engine came to."""
        engine = self.engine
        if engine.closing:
            self._write_last()
            return
        if engine.output:
            self._write_output()
        if engine.paused is not self._paused:
            self._pause(engine.paused)
        if not self.blocked:
            self._time_phase()

    def _wait_turn(self, data: bytes) -> None:
        self._held += data
        if not self._paused:
            self._pause(True)
            self.deadline = NEVER
            self._phase = 'idle'
            self.service.gate.wait(self._resume)

    def _resume(self) -> None:
        """Go on with input that waited."""
        if self._transport.is_closing() or self.engine.closing:
            return
        if self._paused:
            self._pause(False)
        data, self._held = self._held, b''
        self.data_received(data)

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _current_terms(self) -> Terms | None:
        return self._terms if self._exchange is None else self._exchange.terms

    def _write_s(self) -> float:
        terms = self._current_terms()
        return self.service.timeouts.write_s if terms is None or terms.write_s is None else terms.write_s

    def _time_phase(self) -> None:
        phase = self.engine.phase
        timeouts = self.service.timeouts
        if phase == 'idle' and not self._paused:
            self._arm(self.service.drain_idle_s if self.service.draining else timeouts.keep_alive_s)
        elif self._paused:
            self._body_due_s = 0.0
            # What the client has sent hides that it has left.
            self._arm(LOOK_S)
        elif phase == 'busy' or (self._exchange is not None and self._exchange.holds_up_body):
            self._body_due_s = 0.0
            self.deadline = NEVER
        elif phase == 'body':
            self._time_body()
        elif self._phase != 'head':
            # Once for the whole head, however many pieces it comes in.
            self._arm(timeouts.head_s)
        self._phase = phase

    def _time_body(self) -> None:
        terms = self._current_terms()
        timeouts = self.service.timeouts
        body_read_s = timeouts.body_read_s if terms is None or terms.body_read_s is None else terms.body_read_s
        now = self.service.wheel.now
        if not self._body_due_s:
            self._body_due_s = now + body_read_s
        self._arm(min(body_read_s, self._body_due_s - now))

    def _look_for_peer(self) -> None:
        if is_reset(self._transport):
            self._transport.abort()
        else:
            self._arm(LOOK_S)

    def expired(self) -> None:
        """The deadline has passed: of what is being waited for."""
        transport = self._transport
        if self.blocked or transport.is_closing():
            self._check_write_progress()
        elif self._paused and not self._lingering:
            self._look_for_peer()
        elif self._lingering or self.engine.phase == 'idle':
            self._close_transport()
        else:
            self.engine.refuse(408, 'head too slow' if self.engine.phase == 'head' else 'body too slow')
            self._settle()

    def drain(self) -> None:
        if self._exchange is not None:
            self.engine.drain()
        elif not (self._lingering or self.blocked):
            self._time_phase()
