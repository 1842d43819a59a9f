"""The contract of a WebSocket engine: one upgraded stream as a sans-IO state machine (RFC 6455, RFC 7692).

    bytes of the stream ──▶ receive() ──▶ WebSocketEvents.on_message / on_ping / on_pong / on_closed
    send() / ping() / close() ──▶ output ──▶ bytes for the stream

    phase     event                                              phase
    open      close() ──▶ our close frame                        closing
    open      the peer's close frame, answered ──▶ on_closed     closed
    closing   the peer's close frame ──▶ on_closed               closed
    either    a fault of the peer ──▶ close frame ──▶ on_closed  closed
    either    receive_eof() ──▶ on_closed(1006)                  closed

Which stream it is, of HTTP/1 or of HTTP/2, is not known here. Neither are sockets, clocks, loops and applications.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

# Close codes (RFC 6455 7.4.1) …
NORMAL, GOING_AWAY, PROTOCOL_FAULT, NOT_UNDERSTOOD, BAD_DATA, POLICY, TOO_BIG, FAILED, RESTART = (
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012,
)  # fmt: skip
# … and the two that only stand for something: a close frame without a code, and an end without a close frame.
NO_CODE, ABNORMAL = 1005, 1006


@dataclass(frozen=True, slots=True)
class DeflateTerms:
    """What was agreed on about permessage-deflate (RFC 7692 7.1). Windows are given as zlib's bits."""

    # Of what we send …
    server_window_bits: int
    # … and whether a message may refer to those before it.
    server_takeover: bool
    # The same of what we are sent.
    client_window_bits: int
    client_takeover: bool
    # What the answer to the opening says of it.
    reply: bytes


class WebSocketEvents(Protocol):
    """What an engine tells its session. Called from within `receive` and `receive_eof` only."""

    def on_message(self, data: str | bytes) -> None:
        """A whole message: text is str. None comes after `close`."""

    def on_ping(self, data: bytes) -> None:
        """The peer asked for a sign of life; the engine has answered."""

    def on_pong(self, data: bytes) -> None:
        """A sign of life, asked for or not."""

    def on_closed(self, code: int, reason: str) -> None:
        """The session is over; called once. Nothing can be sent any more.

        By the peer's close frame (1005: it named no code), by a fault of the peer that was answered with this code and
        reason (1002, 1007, 1009), or by an end without a close frame (1006).
        """


class WebSocketEngine(Protocol):
    """One session, made as `Engine(limits: WebSocketLimits, terms: DeflateTerms | None, events: WebSocketEvents)`.

    A call that the phase does not allow raises `granian.errors.FlowError` and sends nothing.
    """

    # Bytes for the stream, in order. The caller empties it.
    output: list[bytes]
    # 'open' · 'closing': our close frame is sent, the peer's is waited for · 'closed'.
    phase: str
    # Set by the session, from within an event too: keep what arrives, tell no more. `receive(b'')` goes on, once it is False.
    held: bool
    # True: behind messages that were told in the same call, or before it was held, came a close frame, a fault or the end, which
    # is not told yet: call `receive(b'')` once the application had its turn, so that it can still answer them.
    pending: bool

    @property
    def closing(self) -> bool:
        """Whether the stream is to be closed once `output` is sent: the phase is 'closed'."""

    def receive(self, data: bytes) -> None:
        """Bytes of the stream, or b'' to go on with those that were held. Nothing is read in phase 'closed'."""

    def receive_eof(self) -> None:
        """The peer sends no more."""

    def send(self, data: str | bytes) -> None:
        """A whole message."""

    def ping(self, data: bytes = b'') -> None:
        """Ask for a sign of life; at most 125 bytes come back with it. Does nothing once `close` was called."""

    def close(self, code: int = NORMAL, reason: str = '') -> None:
        """Begin to close, once: does nothing in another phase than 'open'. NO_CODE: name none.

        A reason is cut to the 123 bytes a close frame has room for. Raises FlowError for a code that is never sent.
        """
