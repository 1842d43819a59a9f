"""WebSocket sessions in plain Python: whole frames in a few calls into C, cut ones piece by piece (RFC 6455, RFC 7692)."""

from __future__ import annotations

from codecs import utf_8_decode
from typing import TYPE_CHECKING

from granian.errors import FlowError
from granian.protocol.websocket.contract import ABNORMAL, BAD_DATA, NORMAL
from granian.protocol.websocket.deflate import Deflater, Inflater
from granian.protocol.websocket.frames import (
    BINARY,
    CLOSE,
    CONTROL,
    FIN,
    JOIN_BYTES_MAX,
    MASKED,
    PING,
    PONG,
    RSV1,
    SMALL_BINARY,
    SMALL_BYTES_MAX,
    SMALL_TEXT,
    TEXT,
    Farewell,
    Fault,
    check_code,
    check_first,
    check_size,
    close_frame,
    control_frame,
    encoded,
    frame_head,
    read_close,
    read_length,
)
from granian.protocol.websocket.mask import rotated, unmasked

if TYPE_CHECKING:
    from granian.protocol.limits import WebSocketLimits
    from granian.protocol.websocket.contract import DeflateTerms, WebSocketEvents

OPEN, CLOSING, CLOSED = 'open', 'closing', 'closed'

_from_bytes = int.from_bytes


class WebSocketFast:
    """One WebSocket session. See `websocket.contract.WebSocketEngine`."""

    __slots__ = (
        '_at', '_deflater', '_ended', '_events', '_fin', '_inflater', '_inflating', '_kept', '_last', '_left', '_limits', '_mask', '_medium_max',
        '_opcode', '_parts', '_small_max', '_told', '_undecoded', 'held', 'output', 'pending', 'phase',
    )  # fmt: skip

    def __init__(self, limits: WebSocketLimits, terms: DeflateTerms | None, events: WebSocketEvents) -> None:
        self._limits = limits
        self._events = events
        self.output: list[bytes] = []
        self.phase = OPEN
        self.held = self.pending = False
        # A message was told in this call, or before it was held; and the end that was found behind it.
        self._told = False
        self._last: Fault | None = None
        # The peer sends no more.
        self._ended = False
        self._medium_max = min(limits.frame_bytes_max, limits.message_bytes_max)
        self._small_max = min(SMALL_BYTES_MAX, self._medium_max)
        # Input that waits, from _at on: the start of a frame's head, a cut control frame, or what came while held.
        self._kept = b''
        self._at = 0
        # The message that is open: TEXT, BINARY or 0; what there is of it, and of text how its last character begins.
        self._opcode = 0
        self._inflating = False
        self._parts = bytearray()
        self._undecoded = b''
        # The data frame that is cut: payload bytes to come, their mask, and whether it ends the message.
        self._left = 0
        self._mask = b''
        self._fin = False
        self._inflater: Inflater | None = None
        self._deflater: Deflater | None = None
        if terms is not None and limits.deflate is not None:
            self._inflater = Inflater(terms)
            self._deflater = Deflater(terms, limits.deflate)

    @property
    def closing(self) -> bool:
        return self.phase is CLOSED

    # ── bytes in ─────────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, data: bytes) -> None:
        if self._last is not None:
            self._finish(self._last)
            return
        if self.phase is CLOSED:
            return
        at = 0
        if data and not self.held:
            # Else it goes on with what the application is at.
            self._told = False
        if self._kept:
            if data:
                data = self._kept[self._at :] + data
            else:
                data, at = self._kept, self._at
            self._kept, self._at = b'', 0
        try:
            at = self._take(data, at)
        except Fault as last:
            if self._told:
                self._last, self.pending = last, True
            else:
                self._finish(last)
            return
        if at < len(data):
            # Held, much may be left, and be asked for piece by piece.
            self._kept, self._at = (data, at) if self.held else (data[at:], 0)
        if self._ended and not self.held:
            self._find_end()

    def receive_eof(self) -> None:
        self._ended = True
        if not (self.held or self.pending or self.phase is CLOSED):
            self._find_end()

    def _find_end(self) -> None:
        """Nothing more comes; what was told just before may still be answered."""
        if self._told and not self.pending:
            self.pending = True
        else:
            self._end(ABNORMAL, '')

    def _take(self, data: bytes, at: int) -> int:
        """Take frames for as long as they are wanted; where the rest begins. Raises Fault."""
        size = len(data)
        while at < size and not self.held:
            if self._left:
                at = self._take_more(data, at)
                continue
            body = at + 6
            if body <= size and not self._opcode and (data[at] == FIN | TEXT or data[at] == FIN | BINARY):
                # As most are: a whole message in one frame.
                length = data[at + 1] - MASKED
                after = body + length
                if 0 <= length <= self._small_max and after <= size:
                    # Unmasked here, since a call costs as much again.
                    words = (length + 3) >> 2
                    mask = _from_bytes(data[at + 2 : body] * words, 'little')
                    plain = (_from_bytes(data[body:after], 'little') ^ mask).to_bytes(words << 2, 'little')
                    self._deliver(data[at] & 0x0F, plain[:length] if length & 3 else plain)
                    at = after
                    continue
                if length == 126:
                    length = data[at + 2] << 8 | data[at + 3]
                    body = at + 8
                    after = body + length
                    if 126 <= length <= self._medium_max and after <= size:
                        self._deliver(data[at] & 0x0F, unmasked(data[body:after], data[at + 4 : body]))
                        at = after
                        continue
            after = self._take_frame(data, at)
            if after == at:
                break
            at = after
        return at

    def _take_frame(self, data: bytes, at: int) -> int:
        """Take one frame, or what is there of a data frame's payload; the position after it. Raises Fault.

        The same position: more input is needed.
        """
        if len(data) - at < 2:
            return at
        first = data[at]
        check_first(first, data[at + 1], inside=bool(self._opcode), deflated=self._inflater is not None)
        length, mask_at = read_length(data, at)
        if length < 0:
            return at
        control = first & CONTROL
        if not control:
            deflated = first & RSV1 if first & 0x0F else self._inflating
            check_size(length, None if deflated else len(self._parts), self._limits)
        body = mask_at + 4
        after = body + length
        if body > len(data) or (control and after > len(data)):
            return at
        mask = data[mask_at:body]
        if control:
            self._take_control(first & 0x0F, bytes(unmasked(data[body:after], mask)))
            return after
        if first & 0x0F:
            self._opcode = first & 0x0F
            self._inflating = bool(first & RSV1)
        if after > len(data):
            self._left, self._mask, self._fin = length, mask, bool(first & FIN)
            return body
        self._take_payload(unmasked(data[body:after], mask), last=bool(first & FIN))
        return after

    def _take_more(self, data: bytes, at: int) -> int:
        """Take what is there of the payload of a cut frame."""
        piece = data[at : at + self._left]
        self._left -= len(piece)
        plain = unmasked(piece, self._mask)
        self._mask = rotated(self._mask, len(piece))
        self._take_payload(plain, last=self._fin and not self._left)
        return at + len(piece)

    def _take_payload(self, plain: bytes | bytearray, *, last: bool) -> None:
        """Some of the open message; `last`: it is whole with that."""
        if self._inflating:
            assert self._inflater is not None
            plain = self._inflater.inflate(plain, self._limits.message_bytes_max - len(self._parts), last=last)
        if last and not self._parts:
            self._deliver(self._opcode, plain)
            return
        if self._opcode == TEXT:
            self._check_text(plain, last=last)
        self._parts += plain
        if last:
            whole, self._parts = self._parts, bytearray()
            self._deliver(self._opcode, whole)

    def _check_text(self, plain: bytes | bytearray, *, last: bool) -> None:
        """RFC 6455 8.1: what is no UTF-8 is refused as soon as it shows."""
        text = self._undecoded + plain
        try:
            _, used = utf_8_decode(text, 'strict', last)
        except UnicodeDecodeError:
            raise Fault(BAD_DATA, 'text is not UTF-8') from None
        self._undecoded = bytes(text[used:])

    def _deliver(self, opcode: int, plain: bytes | bytearray) -> None:
        message: str | bytes
        if opcode == TEXT:
            try:
                message = plain.decode()
            except UnicodeDecodeError:
                raise Fault(BAD_DATA, 'text is not UTF-8') from None
        else:
            message = bytes(plain)
        self._opcode = 0
        if self.phase is OPEN:
            self._told = True
            self._events.on_message(message)

    def _take_control(self, opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            raise Farewell(*read_close(payload))
        if self.phase is OPEN:
            if opcode == PING:
                self.output.append(control_frame(PONG, payload))
                self._events.on_ping(payload)
            else:
                self._events.on_pong(payload)

    def _finish(self, last: Fault) -> None:
        """The peer closed, or broke the protocol: answer, and end."""
        if self.phase is OPEN:
            # RFC 6455 5.5.1: the code of a close frame is echoed.
            reason = '' if isinstance(last, Farewell) else last.reason
            self.output.append(close_frame(last.code, reason))
        self._end(last.code, last.reason)

    def _end(self, code: int, reason: str) -> None:
        self.phase = CLOSED
        self.pending = False
        self._last = None
        # Whoever keeps the engine for its phase keeps no message with it.
        self._kept = b''
        self._parts = bytearray()
        self._inflater = self._deflater = None
        self._events.on_closed(code, reason)

    # ── calls in, bytes out ──────────────────────────────────────────────────────────────────────────────────────

    def send(self, data: str | bytes) -> None:
        if self.phase is not OPEN:
            raise FlowError('the WebSocket is closed')
        if isinstance(data, str):
            first, heads = FIN | TEXT, SMALL_TEXT
            payload = encoded(data)
        else:
            first, heads = FIN | BINARY, SMALL_BINARY
            payload = data
        size = len(payload)
        deflater = self._deflater
        if deflater is not None and size >= deflater.message_bytes_min:
            payload = deflater.deflate(payload)
            self._put(frame_head(first | RSV1, len(payload)), payload)
        elif size <= SMALL_BYTES_MAX:
            self.output.append(heads[size] + payload)
        else:
            self._put(frame_head(first, size), payload)

    def _put(self, head: bytes, payload: bytes) -> None:
        if len(payload) <= JOIN_BYTES_MAX:
            self.output.append(head + payload)
        else:
            self.output += (head, payload)

    def ping(self, data: bytes = b'') -> None:
        if self.phase is OPEN:
            self.output.append(control_frame(PING, data))

    def close(self, code: int = NORMAL, reason: str = '') -> None:
        check_code(code)
        if self.phase is OPEN:
            self.output.append(close_frame(code, reason))
            self.phase = CLOSING
