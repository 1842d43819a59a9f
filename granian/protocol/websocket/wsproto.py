"""WebSocket sessions on the wsproto package: the reference engine, and the oracle of the fast one (RFC 6455).

wsproto takes frames apart, unmasks, checks text and close frames, and serialises. Three things stand around it: the rules of a
frame's head that all engines share, with their limits (`websocket.frames`), since wsproto has no limits and looks at a frame only
when it is past its head; an extension that deflates and inflates within bounds (`websocket.deflate`); and answers to pings,
close frames and faults, which wsproto leaves to its user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, Opcode, RsvBits

from granian.errors import FlowError
from granian.protocol.websocket.contract import ABNORMAL, BAD_DATA, NO_CODE, NORMAL
from granian.protocol.websocket.deflate import Deflater, Inflater
from granian.protocol.websocket.frames import (
    CLOSE,
    CONTROL,
    CONTROL_BYTES_MAX,
    FIN,
    MASKED,
    RSV1,
    Fault,
    check_code,
    check_first,
    check_size,
    control_frame,
    encoded,
    read_length,
)

if TYPE_CHECKING:
    from wsproto.events import Event
    from wsproto.frame_protocol import FrameDecoder, FrameProtocol

    from granian.protocol.limits import DeflateSettings, WebSocketLimits
    from granian.protocol.websocket.contract import DeflateTerms, WebSocketEvents

OPEN, CLOSING, CLOSED = 'open', 'closing', 'closed'


class BoundedDeflate(Extension):
    """permessage-deflate for wsproto, by the terms that were agreed on and within bounds."""

    name = 'permessage-deflate'

    def __init__(self, terms: DeflateTerms, settings: DeflateSettings, message_bytes_max: int) -> None:
        self._inflater = Inflater(terms)
        self._deflater = Deflater(terms, settings)
        self._message_bytes_max = message_bytes_max
        # Of the message being received: whether it is deflated, and what room it has left.
        self._inflating = False
        self._room = message_bytes_max
        # Whether the frame at hand is of that message.
        self._data_frame = False

    def enabled(self) -> bool:
        return True

    def offer(self) -> bool:
        """Clients offer. This is a server."""
        return False

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        # Called again where the rest of the head was missing.
        self._data_frame = not opcode.iscontrol()
        if opcode in (Opcode.TEXT, Opcode.BINARY):
            self._inflating = rsv.rsv1
            self._room = self._message_bytes_max
        return RsvBits(opcode in (Opcode.TEXT, Opcode.BINARY), False, False)

    def frame_inbound_payload_data(self, proto: FrameDecoder | FrameProtocol, data: bytes) -> bytes:
        return self._inflate(data, last=False) if self._inflating and self._data_frame else data

    def frame_inbound_complete(self, proto: FrameDecoder | FrameProtocol, fin: bool) -> bytes:
        return self._inflate(b'', last=True) if self._inflating and self._data_frame and fin else b''

    def _inflate(self, data: bytes, *, last: bool) -> bytes:
        plain = self._inflater.inflate(data, self._room, last=last)
        self._room -= len(plain)
        return plain

    def frame_outbound(
        self,
        proto: FrameDecoder | FrameProtocol,
        opcode: Opcode,
        rsv: RsvBits,
        data: bytes,
        fin: bool,
    ) -> tuple[RsvBits, bytes]:
        if opcode.iscontrol() or len(data) < self._deflater.message_bytes_min:
            return rsv, data
        return RsvBits(True, False, False), self._deflater.deflate(data)


class HeadGate:
    """Follows the frames in the raw bytes and lets pass those whose heads are right."""

    __slots__ = ('_before', '_deflated', '_inflating', '_inside', '_left', '_limits')

    def __init__(self, limits: WebSocketLimits, *, deflated: bool) -> None:
        self._limits = limits
        self._deflated = deflated
        # Payload bytes to come of the frame at hand.
        self._left = 0
        # Whether a message is open, whether it is deflated, and the bytes of its frames.
        self._inside = self._inflating = False
        self._before = 0

    def closes(self, data: bytes, at: int) -> bool:
        """Whether a close frame is at `at`, all of it."""
        return (
            not self._left
            and len(data) - at >= 6
            and data[at] == FIN | CLOSE
            and MASKED <= data[at + 1] <= MASKED | CONTROL_BYTES_MAX
            and len(data) - at >= 6 + data[at + 1] - MASKED
        )

    def passed(self, data: bytes, at: int) -> int:
        """Where the frame at `at`, or what is there of it, ends; the same position: more input is needed. Raises Fault."""
        if self._left:
            step = min(self._left, len(data) - at)
            self._left -= step
            return at + step
        if len(data) - at < 2:
            return at
        first = data[at]
        check_first(first, data[at + 1], inside=self._inside, deflated=self._deflated)
        length, mask_at = read_length(data, at)
        if length < 0:
            return at
        if not first & CONTROL:
            inflating = bool(first & RSV1) if first & 0x0F else self._inflating
            check_size(length, None if inflating else self._before, self._limits)
            if len(data) < mask_at + 4:
                return at
            self._inflating = inflating
            self._inside = not first & FIN
            self._before = self._before + length if self._inside else 0
        if len(data) < mask_at + 4:
            return at
        end = min(mask_at + 4 + length, len(data))
        self._left = mask_at + 4 + length - end
        return end


class WebSocketWsproto:
    """One WebSocket session. See `websocket.contract.WebSocketEngine`."""

    __slots__ = (
        '_connection', '_ended', '_events', '_fault', '_gate', '_kept', '_parts', '_told',
        'held', 'output', 'pending', 'phase',
    )  # fmt: skip

    def __init__(self, limits: WebSocketLimits, terms: DeflateTerms | None, events: WebSocketEvents) -> None:
        self._events = events
        self.output: list[bytes] = []
        self.phase = OPEN
        self.held = self.pending = False
        # A message was told in this call, or before it was held; and the fault that was found behind it.
        self._told = False
        self._fault: Fault | None = None
        # The peer sends no more.
        self._ended = False
        # Input that wsproto did not get yet.
        self._kept = b''
        # What there is of the open message, text as UTF-8.
        self._parts = bytearray()
        extensions: list[Extension] = []
        if terms is not None and limits.deflate is not None:
            extensions.append(BoundedDeflate(terms, limits.deflate, limits.message_bytes_max))
        self._gate = HeadGate(limits, deflated=bool(extensions))
        self._connection = Connection(ConnectionType.SERVER, extensions)

    @property
    def closing(self) -> bool:
        return self.phase is CLOSED

    # ── bytes in ─────────────────────────────────────────────────────────────────────────────────────────────────

    def receive(self, data: bytes) -> None:
        if self.phase is CLOSED:
            return
        if self._fault is not None:
            self._fail(self._fault)
            return
        if self.pending or (data and not self.held):
            # Else it goes on with what the application is at.
            self._told = False
        data, at = self._kept + data, 0
        self._kept = b''
        self.pending = False
        try:
            at = self._take_frames(data)
        except Fault as fault:
            if self._told:
                self._fault, self.pending = fault, True
            else:
                self._fail(fault)
            return
        if self.phase is CLOSED:
            return
        self._kept = data[at:]
        if self._ended and not (self.held or self.pending):
            self._find_end()

    def _take_frames(self, data: bytes) -> int:
        """Take frames for as long as they are wanted; where the rest begins. Raises Fault."""
        at = 0
        while at < len(data) and not self.held and self.phase is not CLOSED:
            if self._told and self._gate.closes(data, at):
                # Once wsproto has seen it, it sends no message any more.
                self.pending = True
                break
            after = self._gate.passed(data, at)
            if after == at:
                break
            self._connection.receive_data(data[at:after])
            at = after
            for event in self._connection.events():
                self._take(event)
        return at

    def receive_eof(self) -> None:
        self._ended = True
        if not (self.held or self.pending or self.phase is CLOSED):
            self._find_end()

    def _find_end(self) -> None:
        """Nothing more comes; what was told just before may still be answered."""
        if self._told:
            self.pending = True
        else:
            self._end(ABNORMAL, '')

    def _take(self, event: Event) -> None:
        if isinstance(event, (TextMessage, BytesMessage)):
            self._parts += event.data.encode() if isinstance(event, TextMessage) else event.data
            if event.message_finished:
                whole, self._parts = self._parts, bytearray()
                if self.phase is OPEN:
                    self._told = True
                    self._events.on_message(whole.decode() if isinstance(event, TextMessage) else bytes(whole))
        elif isinstance(event, CloseConnection):
            self._take_close(event)
        elif self.phase is OPEN:
            self._take_sign_of_life(event)

    def _take_sign_of_life(self, event: Event) -> None:
        if isinstance(event, Ping):
            self.output.append(bytes(self._connection.send(event.response())))
            self._events.on_ping(bytes(event.payload))
        elif isinstance(event, Pong):
            self._events.on_pong(bytes(event.payload))

    def _take_close(self, event: CloseConnection) -> None:
        state = self._connection.state
        if state not in (ConnectionState.REMOTE_CLOSING, ConnectionState.CLOSED):
            # No close frame, but what wsproto makes of a fault. Its reason names positions and values.
            raise Fault(int(event.code), 'text is not UTF-8' if event.code == BAD_DATA else 'protocol fault')
        if state is ConnectionState.REMOTE_CLOSING:
            self.output.append(bytes(self._connection.send(CloseConnection(event.code))))
        self._end(int(event.code), event.reason or '')

    def _fail(self, fault: Fault) -> None:
        if self.phase is OPEN:
            self.output.append(bytes(self._connection.send(CloseConnection(fault.code, fault.reason))))
        self._end(fault.code, fault.reason)

    def _end(self, code: int, reason: str) -> None:
        self.phase = CLOSED
        self.pending = False
        self._fault = None
        self._kept = b''
        self._parts = bytearray()
        self._events.on_closed(code, reason)

    # ── calls in, bytes out ──────────────────────────────────────────────────────────────────────────────────────

    def send(self, data: str | bytes) -> None:
        if self.phase is not OPEN:
            raise FlowError('the WebSocket is closed')
        if isinstance(data, str):
            encoded(data)
            self.output.append(bytes(self._connection.send(TextMessage(data))))
        else:
            self.output.append(bytes(self._connection.send(BytesMessage(data))))

    def ping(self, data: bytes = b'') -> None:
        if self.phase is OPEN:
            control_frame(CONTROL, data)
            self.output.append(bytes(self._connection.send(Ping(data))))

    def close(self, code: int = NORMAL, reason: str = '') -> None:
        check_code(code)
        if self.phase is OPEN:
            text = reason.encode('utf-8', 'replace').decode()
            event = CloseConnection(CloseReason.NO_STATUS_RCVD) if code == NO_CODE else CloseConnection(code, text)
            self.output.append(bytes(self._connection.send(event)))
            self.phase = CLOSING
