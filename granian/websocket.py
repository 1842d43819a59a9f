"""One WebSocket session over an exchange, whatever the HTTP version: all that an adapter sees of it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from granian.errors import ClientDisconnected, FlowError, InvalidResponse
from granian.protocol.responses import check_field, response_head, upgrade_head
from granian.protocol.websocket.contract import ABNORMAL, GOING_AWAY, NORMAL, RESTART
from granian.protocol.websocket.handshake import OWN_FIELDS, accept_fields
from granian.waiting import Waiter

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from granian.exchange import Exchange
    from granian.protocol.contract import Field, RequestHead
    from granian.protocol.websocket.contract import DeflateTerms, WebSocketEngine
    from granian.protocol.websocket.handshake import Opening

NEVER = math.inf
# Sent within one read callback, messages leave together, up to about this many bytes.
TOGETHER_BYTES_MAX = 64 * 1024
# After so many messages to a client that takes them at once, an adapter lets everybody else have a turn.
MESSAGES_A_TURN = 64

_FORBIDDEN = response_head(403, [])


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """Bounds on a session. Times in seconds; None: not at all."""

    # Messages, and bytes of them, that wait for the application. Over either, reading stops.
    queue_messages_max: int
    queue_bytes_max: int
    # After this time in which nothing came, ask for a sign of life …
    ping_interval_s: float | None
    # … and without one after this, cut.
    ping_timeout_s: float
    # Without a message either way: closed, 1001.
    idle_timeout_s: float | None
    # How long the client may take to answer our close frame. Then it is cut.
    close_timeout_s: float


class Clock(Protocol):
    """What a session needs of the worker's deadlines."""

    now: float

    def watch(self, timed: WebSocketSession) -> None: ...

    def forget(self, timed: WebSocketSession) -> None: ...


class Home(Protocol):
    """What a session needs of where it lives."""

    loop: asyncio.AbstractEventLoop
    terms: SessionTerms

    @property
    def clock(self) -> Clock: ...

    @property
    def draining(self) -> bool:
        """The server stops: sessions that begin now are told so at once."""

    def engine(self, session: WebSocketSession) -> tuple[WebSocketEngine, DeflateTerms | None]:
        """An engine that tells the session, and what is agreed on with the client."""

    def began(self, session: WebSocketSession) -> None:
        """It was accepted."""

    def ended(self, session: WebSocketSession) -> None:
        """It is over."""


class Door(Protocol):
    """Where the sessions of one application are asked for."""

    def asks(self, head: RequestHead) -> bool:
        """Whether this request is one for a session."""

    def open(self, exchange: Exchange) -> WebSocketSession | None:
        """A session to be accepted or refused; None where the request has been answered instead."""


class WebSocketSession:
    """`accept` or `refuse`, or an answer by `exchange`. Then `take`, `arrival`, `send` and `close`, until `code` says how it ended.

    Calls that send raise ClientDisconnected once it is closed, InvalidResponse for what a WebSocket does not allow, and
    FlowError for what comes out of order.
    """

    __slots__ = (
        '_active_at_s', '_clock', '_engine', '_gone_told', '_heard_at_s', '_home', '_kept', '_over', '_pinged_at_s',
        '_pong_waits', '_queue', '_queued_bytes', '_reading', '_terms', '_together', '_waiters', 'began_at_s',
        'bytes_received', 'bytes_sent', 'check_at', 'code', 'deadline', 'exchange', 'messages_received', 'messages_sent',
        'opening', 'reason',
    )  # fmt: skip

    def __init__(self, exchange: Exchange, opening: Opening, home: Home) -> None:
        self.exchange = exchange
        self.opening = opening
        self._home = home
        self._clock = home.clock
        self._terms = home.terms
        # None: not accepted, or not yet.
        self._engine: WebSocketEngine | None = None
        # How it was closed: the code of whoever began it, 1006 where nobody did. None: it is not.
        self.code: int | None = None
        self.reason = ''
        self.messages_received = self.messages_sent = self.bytes_received = self.bytes_sent = 0
        self._queue: deque[str | bytes] | None = None
        self._queued_bytes = 0
        # Bytes given to the engine that wait there, since the queue is full.
        self._kept = 0
        self._waiters: list[Waiter] = []
        self._reading = self._over = self._gone_told = self._pong_waits = False
        # Bytes put out since the carrier was last asked to send.
        self._together = 0
        self.deadline = self.check_at = NEVER
        self._heard_at_s = self._active_at_s = self.began_at_s = 0.0
        self._pinged_at_s = NEVER

    # ── the opening ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def accepted(self) -> bool:
        return self._engine is not None

    def accept(self, subprotocol: str | None = None, fields: Sequence[Field] = ()) -> None:
        """Let the session begin. Raises InvalidResponse for a subprotocol nobody offered and for fields that are ours."""
        if self._engine is not None or self.exchange.started:
            raise FlowError('the opening was answered')
        given = [check_field(field) for field in fields]
        if any(name.lower() in OWN_FIELDS for name, _ in given):
            raise InvalidResponse("a field of the opening that is the server's to send")
        engine, deflate = self._home.engine(self)
        head = upgrade_head(b'websocket', [*accept_fields(self.opening, subprotocol, deflate), *given])
        self._engine = engine
        try:
            self.exchange.upgrade(head, self)
        except FlowError:
            self._engine = None
            raise
        self._heard_at_s = self._active_at_s = self._clock.now
        self._home.began(self)
        self._look_later()
        self.exchange.carrier.flush()
        self.exchange.catch_up()
        if self._home.draining:
            self.drain()

    def refuse(self) -> None:
        """Answer 403."""
        if not self.exchange.lost:
            self.exchange.respond(_FORBIDDEN, b'')

    # ── messages in ──────────────────────────────────────────────────────────────────────────────────────────────

    def take(self) -> str | bytes | None:
        """The next message that has arrived; None where there is none."""
        queue = self._queue
        if not queue:
            return None
        data = queue.popleft()
        self._queued_bytes -= len(data)
        engine = self._engine
        if engine is not None and engine.held and self._has_room():
            self._read_on(engine)
        return data

    def arrival(self) -> Waiter:
        """Await it, then look again: a message may have arrived, or the session be closed."""
        waiter = Waiter(self._home.loop)
        if self._waiters:
            # Of those that were cancelled nobody else speaks.
            self._waiters = [other for other in self._waiters if not other.done]
        self._waiters.append(waiter)
        return waiter

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for an `arrival`."""
        return any(not waiter.done for waiter in self._waiters)

    def _has_room(self) -> bool:
        terms = self._terms
        queue = self._queue or ()
        return len(queue) <= terms.queue_messages_max // 2 and self._queued_bytes <= terms.queue_bytes_max // 2

    def _read_on(self, engine: WebSocketEngine) -> None:
        """The queue has room again, or will not be read."""
        engine.held = False
        engine.receive(b'')
        if not engine.held:
            kept, self._kept = self._kept, 0
            if kept and not self.exchange.done:
                self.exchange.took(kept)
        self._follow_up(engine)

    # ── messages out ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def blocked(self) -> bool:
        """Whether to await `writable` before the next `send`."""
        return self.exchange.carrier.blocked

    async def writable(self) -> None:
        """Return once the client has taken enough, or is gone."""
        exchange = self.exchange
        while exchange.carrier.blocked and not self._over:
            await exchange.changed()

    def send(self, data: str | bytes) -> None:
        """Send a message."""
        engine = self._engine
        if engine is None:
            raise FlowError('the opening was not accepted')
        if self.code is not None:
            raise ClientDisconnected('the WebSocket is closed')
        try:
            engine.send(data)
        except FlowError as exc:
            raise InvalidResponse(str(exc)) from exc
        self.messages_sent += 1
        self._active_at_s = self._clock.now
        self._put_out(engine)

    def _put_out(self, engine: WebSocketEngine) -> None:
        """Hand the engine's output on: within a read callback it leaves at its end."""
        output = engine.output
        exchange = self.exchange
        for data in output:
            exchange.put(data)
            self._together += len(data)
        output.clear()
        self._pong_waits = False
        if not self._reading or self._together > TOGETHER_BYTES_MAX:
            self.bytes_sent += self._together
            self._together = 0
            exchange.carrier.flush()

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────

    def close(self, code: int = NORMAL, reason: str = '') -> None:
        """Begin to close; does nothing once it is closed."""
        engine = self._engine
        if engine is None:
            raise FlowError('the opening was not accepted')
        if self.code is not None:
            return
        try:
            engine.close(code, reason)
        except FlowError as exc:
            raise InvalidResponse(str(exc)) from exc
        self.code, self.reason = code, reason
        self._arm(self._clock.now + self._terms.close_timeout_s)
        if engine.held:
            # What is still to come before the client's answer is nobody's.
            self._read_on(engine)
        else:
            self._follow_up(engine)

    def drain(self) -> None:
        """The server stops."""
        self.close(RESTART, 'service restart')

    def cut(self, reason: str) -> None:
        """End it without a word."""
        if self.code is None:
            self.code, self.reason = ABNORMAL, reason
        self.exchange.abort()
        self._end()

    def _end(self) -> None:
        """Nothing comes and nothing goes any more."""
        if self._over:
            return
        self._over = True
        self.deadline = NEVER
        self._clock.forget(self)
        self.bytes_sent += self._together
        self._together = 0
        self._home.ended(self)
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.wake()

    def _follow_up(self, engine: WebSocketEngine) -> None:
        """After anything the engine was told: let the application go on, send what there is, end what has ended."""
        if self._waiters and (self._queue or self.code is not None):
            self._wake()
        exchange = self.exchange
        if self._over or exchange.lost:
            return
        if engine.closing:
            self._put_out(engine)
            exchange.finish()
            self._end()
        elif engine.output and (self.code is not None or not exchange.carrier.blocked):
            self._put_out(engine)
        if engine.pending:
            # The application, which has just been woken, may still answer what came before the end.
            self._home.loop.call_soon(self._conclude, engine)

    def _conclude(self, engine: WebSocketEngine) -> None:
        engine.receive(b'')
        self._follow_up(engine)

    # ── what its exchange tells it ───────────────────────────────────────────────────────────────────────────────

    def on_bytes(self, data: bytes) -> bool:
        engine = self._engine
        assert engine is not None
        self.bytes_received += len(data)
        self._heard_at_s = self._clock.now
        if self._together:
            self.bytes_sent += self._together
            self._together = 0
        engine.receive(data)
        held = engine.held
        if held:
            self._kept += len(data)
        self._reading = True
        self._follow_up(engine)
        self._reading = False
        return not held

    def on_change(self) -> None:
        engine = self._engine
        exchange = self.exchange
        if self._over or engine is None:
            return
        if exchange.lost:
            self.on_closed(ABNORMAL, '')
            self._end()
        elif (exchange.gone or exchange.body_ended) and not self._gone_told:
            self._gone_told = True
            engine.receive_eof()
            self._follow_up(engine)
        elif engine.output and not exchange.carrier.blocked:
            self._put_out(engine)

    # ── what its engine tells it ─────────────────────────────────────────────────────────────────────────────────

    def on_message(self, data: str | bytes) -> None:
        queue = self._queue
        if queue is None:
            queue = self._queue = deque()
        queue.append(data)
        self.messages_received += 1
        self._queued_bytes += len(data)
        self._active_at_s = self._heard_at_s
        terms = self._terms
        if len(queue) >= terms.queue_messages_max or self._queued_bytes >= terms.queue_bytes_max:
            engine = self._engine
            assert engine is not None
            engine.held = True

    def on_ping(self, data: bytes) -> None:
        engine = self._engine
        assert engine is not None
        if self.exchange.carrier.blocked:
            # RFC 6455 5.5.3: only the latest is answered by whoever cannot send. Else pings alone could fill memory.
            if self._pong_waits:
                del engine.output[-2]
            self._pong_waits = True

    def on_pong(self, data: bytes) -> None:
        """It lives: look again when it has been silent for a while."""
        if self._pinged_at_s < NEVER and self.code is None:
            self._pinged_at_s = NEVER
            self._look_later()

    def on_closed(self, code: int, reason: str) -> None:
        if self.code is None:
            self.code, self.reason = code, reason

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _arm(self, at_s: float) -> None:
        self.deadline = at_s
        if at_s < self.check_at:
            self._clock.watch(self)

    def _look_later(self) -> None:
        """Set the deadline to when something may be due."""
        terms = self._terms
        at_s = NEVER
        if terms.idle_timeout_s is not None:
            at_s = self._active_at_s + terms.idle_timeout_s
        if self._pinged_at_s < NEVER:
            at_s = min(at_s, self._pinged_at_s + terms.ping_timeout_s)
        elif terms.ping_interval_s is not None:
            at_s = min(at_s, self._heard_at_s + terms.ping_interval_s)
        self._arm(at_s)

    def expired(self) -> None:
        """The deadline has passed: of the client's answer to our close, or to a ping, or of a session nobody uses."""
        terms = self._terms
        now_s = self._clock.now
        engine = self._engine
        assert engine is not None
        if self.code is not None:
            self.cut('no close frame came')
        elif terms.idle_timeout_s is not None and now_s - self._active_at_s >= terms.idle_timeout_s:
            self.close(GOING_AWAY, 'idle')
        elif self._is_dead(now_s):
            self.cut('no answer to a ping')
        else:
            self._look_later()

    def _is_dead(self, now_s: float) -> bool:
        """Whether a ping went unanswered. Sends one where it is time to."""
        terms = self._terms
        engine = self._engine
        assert engine is not None
        if engine.held or self.exchange.carrier.blocked:
            # We do not read, or it does not: there is another deadline for that, and nothing to be learnt from silence.
            self._heard_at_s = now_s
        if self._heard_at_s >= self._pinged_at_s:
            self._pinged_at_s = NEVER
        if self._pinged_at_s < NEVER:
            return now_s - self._pinged_at_s >= terms.ping_timeout_s
        if terms.ping_interval_s is not None and now_s - self._heard_at_s >= terms.ping_interval_s:
            self._pinged_at_s = now_s
            engine.ping()
            self._put_out(engine)
        return False
