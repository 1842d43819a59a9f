"""What both HTTP/1 engines do alike: hold input, refuse, keep a client from sending too far ahead, go on to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.protocol.contract import CHUNKED, Refusal, RequestHead
from granian.protocol.requests import check_partial_head
from granian.protocol.responses import refusal_response

if TYPE_CHECKING:
    from granian.protocol.contract import EngineEvents, ResponseDefaults
    from granian.protocol.limits import Http1Limits
    from granian.protocol.responses import ResponseHead

# Pipelined requests held while one is being served. Copied at every read, so small.
PIPELINE_BYTES_MAX = 16 * 1024

NO_REQUEST = RequestHead()


class Http1Engine:
    """One HTTP/1.x connection, but for its parsing and its framing. See `contract.Engine`."""

    __slots__ = (
        '_awaits_continue', '_body_left', '_close', '_data', '_draining', '_head', '_head_at', '_pos', '_receiving',
        '_scanned', '_unread', 'broken', 'closing', 'defaults', 'events', 'heard_out', 'limits', 'output', 'paused', 'pending',
        'phase', 'stream',
    )  # fmt: skip

    def __init__(self, limits: Http1Limits, defaults: ResponseDefaults, events: EngineEvents) -> None:
        self.limits = limits
        self.defaults = defaults
        self.events = events
        self.output: list[bytes] = []
        self.paused = self.closing = self.broken = self.pending = self.heard_out = False
        self.phase = 'idle'
        self.stream = 0
        # Input that waits: from _pos on. Up to _scanned it holds no end of a head.
        self._data = b''
        self._pos = self._scanned = self._head_at = 0
        self._head = NO_REQUEST
        self._body_left = self._unread = 0
        self._receiving = self._draining = self._close = self._awaits_continue = False

    # ── what engines say of themselves ───────────────────────────────────────────────────────────────────────────

    @property
    def _between(self) -> bool:
        """Whether no request has begun."""
        raise NotImplementedError

    @property
    def _whole(self) -> bool:
        """Whether all of the request's body has come."""
        raise NotImplementedError

    @property
    def _owes(self) -> bool:
        """Whether some of a response is still to be sent."""
        raise NotImplementedError

    def _spoil(self, refusal: Refusal) -> None:
        """The body of the current request broke its framing: answer if nothing was sent yet, and close."""
        raise NotImplementedError

    # ── bytes in ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _wait_for_head(self, start: int) -> None:
        """Hold a head whose end has not arrived; refuse at once what can no longer become one."""
        scanned = self._scanned
        empty_line = start > self._pos
        partial = self._data[start:]
        # An empty line is held on to until more follows, so that a second one is seen as such.
        self._data, self._pos, self._head_at = partial or b'\r\n', 0, 0
        self._scanned = len(partial)
        if partial:
            self.phase = 'head'
            if partial != b'\r' or empty_line:
                check_partial_head(partial, scanned, self.limits)

    def took(self, stream: int, count: int) -> None:
        if stream == self.stream:
            self._unread -= count
            if self.paused and self._unread <= self.limits.read_ahead_bytes_max // 2 and not self._whole:
                self.paused = False

    def receive_eof(self) -> None:
        self._draining = True
        if self._owes:
            # A client may close its sending side and still read: what is owed is sent if the application goes on.
            self.events.on_gone(self.stream, 'client closed its side')
        else:
            self.closing = True

    # ── exchange by exchange ─────────────────────────────────────────────────────────────────────────────────────

    def _next(self) -> None:
        """Request and response are whole: on to the next, or the end."""
        self._unread = 0
        self.phase = 'idle'
        self.paused = False
        if self._close:
            self.closing = True
            # RFC 9112 9.6: who asks for the end, or never asked for more in HTTP/1.0, sends no further request.
            self.heard_out = self._pos >= len(self._data) and not self._head.keep_alive and self.limits.keep_alive
        elif self._pos < len(self._data):
            self.pending = not self._receiving
        elif self._draining:
            self.closing = True

    def _may_keep(self, response: ResponseHead) -> bool:
        head = self._head
        # RFC 9110 10.1.1: a client that was never told to go on may or may not send its body: nobody can know.
        if not head.keep_alive or response.close or self._draining or self._awaits_continue:
            return False
        return head.content_length == CHUNKED or self._body_left <= self.limits.discard_bytes_max

    def _refuse(self, refusal: Refusal) -> None:
        """Answer a request that never became an exchange. Nothing behind it is read (RFC 9112 11.2)."""
        line = self._data[self._head_at : self._head_at + 256].split(b'\r\n', 1)[0]
        self._data = b''
        self.closing = True
        self.phase = 'body'
        self.output.append(refusal_response(refusal, self.defaults, to_head=line.startswith(b'HEAD ')))
        self.events.on_refused(refusal, line)

    def refuse(self, status: int, reason: str) -> None:
        if self._between:
            self._refuse(Refusal(status, reason))
        else:
            self._spoil(Refusal(status, reason))

    def drain(self) -> None:
        self._draining = True
        if self._between and not self._owes and self._data[self._pos :] in (b'', b'\r\n'):
            self.closing = True
