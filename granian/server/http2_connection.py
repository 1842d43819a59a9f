"""A connection of HTTP/2: many exchanges at once, each carried by a lane of its own."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TYPE_CHECKING, cast

from granian.exchange import Exchange
from granian.protocol.contract import NOBODY, Refusal
from granian.protocol.limits import HTTP2_WAITING_BODIES_MAX
from granian.server.deadlines import NEVER
from granian.server.http2_lanes import Lane, Pinger
from granian.server.passage import hold_little
from granian.server.wire import Wire

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from granian.protocol.contract import Fields, MultiplexedEngine, RequestHead
    from granian.server.service import Service

logger = logging.getLogger('_granian')

# Bodies that are put out in one turn of the loop: then the other connections have theirs.
TURN_BYTES = 128 * 1024
# What may wait in the transport before nothing more is read: heads and answers to PING come from what is read.
UNSENT_BYTES_MAX = 512 * 1024


class Http2Connection(Wire):
    """Moves bytes between a transport and an engine, exchanges to the application, and time to all of them."""

    __slots__ = (
        '_clogged', '_drained', '_exchanges', '_flushed', '_held', '_idle', '_in_head', '_in_line', '_inside', '_leaving', '_pinger',
        '_scheduled', '_timed', '_waiting', 'heard',
    )  # fmt: skip
    engine: MultiplexedEngine

    def __init__(self, service: Service, engine: Callable[..., MultiplexedEngine]) -> None:
        super().__init__(service)
        settings = service.http2
        self.engine = engine(settings.limits, service.defaults, self)
        self._exchanges: dict[int, Exchange] = {}
        # Those that found the gate closed, or the connection full, in order.
        self._waiting: dict[int, Exchange] = {}
        # The gate will call for them.
        self._in_line = False
        # Lanes that put out something since the engine was last asked for bodies.
        self._flushed: list[Lane] = []
        # Lanes that the wheel knows.
        self._timed: set[Lane] = set()
        # Bytes of bodies that the worker knows to wait here.
        self._held = 0
        self._inside = self._scheduled = self._clogged = False
        # There is no request, and the time for one runs.
        self._idle = self._in_head = False
        # The client was told to begin nothing more; that nothing more is served.
        self._leaving = self._drained = False
        # Something came since the pinger last looked.
        self.heard = False
        self._pinger = None if settings.ping_after_s is None else Pinger(self, settings)

    # ── the transport's calls ────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._meet(transport)
        self._in_head = True
        hold_little(transport)
        if self._pinger is not None:
            self._pinger.start()
        if self.service.draining:
            self.drain()

    def take_over(self, head: RequestHead, settings: bytes, data: bytes) -> None:
        """Begin with a request of HTTP/1.1 (RFC 7540 3.2); `data` has come behind it."""
        self._inside = True
        try:
            self.engine.take_over(head, settings)
        except Refusal:
            # It was told that it may go on so: there is no way back.
            self.cut()
            return
        finally:
            self._inside = False
        self._in_head = False
        self._settle()
        if data:
            self.data_received(data)

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        self.heard = True
        self._inside = True
        self.engine.receive(data)
        self._inside = False
        self._settle()

    def _writable_again(self) -> None:
        self.deadline = NEVER
        self._idle = self._in_head = self._clogged = False
        if self._leaving:
            self._stop_serving()
        self._settle()

    def connection_lost(self, exc: Exception | None) -> None:
        self._part()
        for lane in self._timed:
            self.service.wheel.forget(lane)
        self._timed.clear()
        if self._pinger is not None:
            self._pinger.stop()
        # What waits is let go now: the collector may take long to find it.
        self.engine.receive_eof()
        self.engine.output.clear()
        self._lose_all()
        self._flushed.clear()
        self.engine.events = NOBODY
        self.service.connection_closed(exc)

    # ── the engine's calls ───────────────────────────────────────────────────────────────────────────────────────

    def on_request(self, stream: int, head: RequestHead, body: bytes, ended: bool) -> None:
        service = self.service
        lane = Lane(self, stream)
        exchange = self._exchanges[stream] = Exchange(lane, self.engine, stream, head, body, ended)
        self._idle = False
        if service.access_log is not None:
            exchange.started_at_s = perf_counter()
        if not ended:
            lane.await_body()
        gate, engine = service.gate, self.engine
        if (
            self._waiting
            or gate.busy >= gate.limit
            or (engine.streams_open >= HTTP2_WAITING_BODIES_MAX and engine.full)
            or (service.unsent.tight and self._is_crowded(new=1))
        ):
            self._waiting[stream] = exchange
            self._line_up()
            return
        # As `_begin`, which would be two calls more for each request.
        gate.busy += 1
        answering = service.handle(exchange)
        if answering is not None:
            task = service.start(answering)
            if not task.done():
                service.keep(task)

    def _line_up(self) -> None:
        """Who waits for room on the connection is in nobody's way at the gate: `_settle` begins it, or has it line up then."""
        if self._waiting and not (self._in_line or self._is_crowded()):
            self._in_line = True
            self.service.gate.wait(self._begin_waiting)

    def _begin_waiting(self) -> None:
        """There is room for one; connections where more wait take turns."""
        self._in_line = False
        if not self._waiting or self._is_crowded():
            return
        exchange = self._waiting.pop(next(iter(self._waiting)))
        self._line_up()
        self._begin(exchange)

    def _begin_held(self) -> None:
        """Begin what waited for room on the connection, as far as there is some again."""
        gate = self.service.gate
        self._inside = True
        while self._waiting and gate.busy < gate.limit and not self._is_crowded():
            self._begin(self._waiting.pop(next(iter(self._waiting))))
        self._inside = False
        self._line_up()

    def _is_crowded(self, new: int = 0) -> bool:
        """Whether too much waits here, or in the worker, to begin more. `new`: exchanges that neither wait nor were begun."""
        unsent = self.service.unsent
        if self.engine.full or not unsent.tight:
            return self.engine.full
        begun = sum(not exchange.started for exchange in self._exchanges.values()) - len(self._waiting) - new
        return unsent.holds_back(self, begun)

    @property
    def held_bytes(self) -> int:
        return self.engine.waiting + super().held_bytes

    @property
    def taken_bytes(self) -> int:
        return self.engine.progress - super().held_bytes

    def _begin(self, exchange: Exchange) -> None:
        self.service.gate.busy += 1
        self._have_answered(exchange)

    def on_body(self, stream: int, data: bytes) -> None:
        exchange = self._exchanges.get(stream)
        if exchange is not None:
            cast('Lane', exchange.carrier).got_body(len(data))
            exchange.tell_body(data)

    def on_body_end(self, stream: int, trailers: Fields) -> None:
        exchange = self._exchanges.get(stream)
        if exchange is not None:
            exchange.tell_body_end(trailers)

    def on_gone(self, stream: int, reason: str, status: int = 0) -> None:
        exchange = self._exchanges.get(stream)
        if exchange is not None:
            logger.debug('Request cut off: %s', reason)
            exchange.status = exchange.status or status
            self._lose(stream, exchange)

    def on_refused(self, refusal: Refusal, request_line: bytes) -> None:
        logger.debug('Request refused: %d %s', refusal.status, refusal.reason)
        self._log_refused(refusal, request_line)

    def on_room(self, stream: int) -> None:
        exchange = self._exchanges.get(stream)
        if exchange is not None:
            exchange.wake()

    def on_much_output(self) -> None:
        if not (self.blocked or self._transport.is_closing()):
            self._write_output()
            if not self.blocked:
                self.engine.produce(TURN_BYTES)

    def _lose(self, stream: int, exchange: Exchange) -> None:
        if self._waiting.pop(stream, None) is None:
            exchange.tell_gone(lost=True)
            exchange.abort()
        else:
            # It never took a place.
            del self._exchanges[stream]
            if self.service.access_log is not None:
                self._log_access(exchange)

    def _lose_all(self) -> None:
        for stream, exchange in tuple(self._exchanges.items()):
            self._lose(stream, exchange)

    # ── the lanes' calls ─────────────────────────────────────────────────────────────────────────────────────────

    def flushed(self, lane: Lane) -> None:
        """Something was put out for a stream."""
        self._flushed.append(lane)
        if not (self._inside or self._scheduled):
            self.settle_soon()

    def settle_soon(self) -> None:
        """All that happens in this turn of the loop goes out together."""
        if not (self._inside or self._scheduled):
            self._scheduled = True
            self._later(self._settle)

    def upgraded(self, exchange: Exchange, lane: Lane) -> None:
        # Its place is free for others: it mostly waits.
        self.service.gate.left()
        if self.service.access_log is not None:
            self._log_access(exchange)
        self.flushed(lane)

    def completed(self, exchange: Exchange, lane: Lane) -> None:
        del self._exchanges[lane.stream]
        if exchange.successor is None:
            # One that was answered while it waited has no place to leave.
            if not self._waiting or self._waiting.pop(lane.stream, None) is None:
                self.service.gate.left()
            if self.service.access_log is not None:
                self._log_access(exchange)
        self._flushed.append(lane)
        if not (self._inside or self._scheduled):
            self.settle_soon()

    def watch(self, lane: Lane) -> None:
        """Have the wheel look at a lane when its deadline is due."""
        self._timed.add(lane)
        if lane.deadline < lane.check_at:
            self.service.wheel.watch(lane)

    def unwatch(self, lane: Lane) -> None:
        self._timed.discard(lane)

    def exchange_of(self, lane: Lane) -> Exchange | None:
        return self._exchanges.get(lane.stream)

    @property
    def holds_bodies(self) -> bool:
        """Whether an application leaves a body untaken: the client may have no window left for any."""
        return any(exchange.holds_body for exchange in self._exchanges.values())

    # ── input and output ─────────────────────────────────────────────────────────────────────────────────────────

    def _settle(self) -> None:
        """Bring the transport in line with what the engine came to."""
        self._scheduled = False
        engine = self.engine
        output = engine.output
        if self._transport.is_closing():
            output.clear()
            return
        waits = self.blocked or engine.produce(TURN_BYTES)
        if self._waiting and not self._in_line:
            self._begin_held()
            waits = True
        if len(output) == 1:
            self._transport.write(output.pop())
        elif output:
            self._write_output()
        if waits:
            self._watch_flushed()
        else:
            self._flushed.clear()
        if (waits or self._held) and engine.waiting != self._held:
            self._held = engine.waiting
            self.service.unsent.weigh(self)
        if engine.closing:
            self._lose_all()
            output.clear()
            self._close()
            return
        if (waits and not self.blocked and engine.sendable) or engine.pending:
            self._go_on_soon()
        if self.blocked or self._paused is not engine.paused:
            self._read_or_not()
        if not (self.blocked or self._leaving):
            self._time_phase()

    def _watch_flushed(self) -> None:
        engine = self.engine
        if engine.sendable or engine.stalled:
            for lane in self._flushed:
                lane.await_reader()
        self._flushed.clear()

    def _go_on_soon(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._later(self._go_on)

    def _go_on(self) -> None:
        if self.engine.pending and not self._transport.is_closing():
            self.data_received(b'')
        else:
            self._settle()

    def _read_or_not(self) -> None:
        if self.blocked and not self._clogged:
            self._clogged = self._transport.get_write_buffer_size() > UNSENT_BYTES_MAX
        pause = self.engine.paused or self._clogged
        if pause is not self._paused:
            self._pause(pause)

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _time_phase(self) -> None:
        engine = self.engine
        if engine.partial and engine.phase == 'head':
            if not self._in_head:
                # Once for the whole block, however many pieces it comes in.
                self._in_head, self._idle = True, False
                self._arm(self.service.timeouts.head_s)
            return
        self._in_head = False
        if engine.streams_open:
            self.deadline = NEVER
            self._idle = False
        elif not self._idle:
            self._idle = True
            service = self.service
            self.deadline = service.wheel.now + service.timeouts.keep_alive_s
            if self.deadline < self.check_at:
                service.wheel.watch(self)

    def expired(self) -> None:
        if self.blocked or self._transport.is_closing():
            self._check_write_progress()
        elif self._lingering:
            self._linger_on()
        else:
            if self.engine.phase == 'head' and not self._leaving:
                self.engine.refuse(408, 'head too slow')
            else:
                self._stop_serving()
            self._settle()

    def drain(self) -> None:
        if self._leaving or self._lingering or self._transport.is_closing():
            return
        self._leaving = True
        self.engine.farewell()
        if not self.blocked:
            self._arm(self.service.drain_idle_s)
        # Not at once: what waited may be begun, and a task may have got us here.
        self.settle_soon()

    def _stop_serving(self) -> None:
        """What has begun is finished; nothing else is."""
        if not self._drained:
            self._leaving = self._drained = True
            self.engine.drain()
