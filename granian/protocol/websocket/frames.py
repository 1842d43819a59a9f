"""What WebSocket frames are made of, and what a close frame may say: once for all engines (RFC 6455 5, 7.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.errors import FlowError
from granian.protocol.websocket.contract import BAD_DATA, NO_CODE, PROTOCOL_FAULT, TOO_BIG

if TYPE_CHECKING:
    from granian.protocol.limits import WebSocketLimits

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
OPCODES = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
FIN, RSV1, RSV_OTHERS = 0x80, 0x40, 0x30
MASKED = 0x80
# A control frame's opcode has this bit.
CONTROL = 0x08
# RFC 6455 5.5
CONTROL_BYTES_MAX = 125
REASON_BYTES_MAX = CONTROL_BYTES_MAX - 2
# Up to this a payload is sent in one piece with its frame's head: the copy costs less than a second buffer.
JOIN_BYTES_MAX = 16 * 1024

# RFC 6455 7.4.1 and the registry of RFC 6455 11.7: those that may stand in a close frame; beyond are 3000 to 4999.
_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})

# The heads of frames whose length takes no bytes of its own.
SMALL_BYTES_MAX = 125
SMALL_TEXT = [bytes([FIN | TEXT, size]) for size in range(SMALL_BYTES_MAX + 1)]
SMALL_BINARY = [bytes([FIN | BINARY, size]) for size in range(SMALL_BYTES_MAX + 1)]


class Fault(Exception):  # noqa: N818
    """The peer broke the protocol. `reason` is a constant phrase: it goes to the log and into the close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def check_first(first: int, second: int, *, inside: bool, deflated: bool) -> None:
    """The rules of a frame's first two bytes; `inside` a message, `deflated` agreed on. Raises Fault (RFC 6455 5.2, 5.4, 5.5)."""
    opcode = first & 0x0F
    if opcode not in OPCODES:
        raise Fault(PROTOCOL_FAULT, 'unknown opcode')
    if first & RSV_OTHERS or (first & RSV1 and not (deflated and opcode in (TEXT, BINARY))):
        # RFC 7692 6: of a message only the first frame is marked.
        raise Fault(PROTOCOL_FAULT, 'reserved bit set')
    if not second & MASKED:
        raise Fault(PROTOCOL_FAULT, 'frame is not masked')
    if opcode & CONTROL:
        if not first & FIN or second & 0x7F > CONTROL_BYTES_MAX:
            raise Fault(PROTOCOL_FAULT, 'control frame is fragmented or too long')
    elif (opcode == CONTINUATION) != inside:
        raise Fault(PROTOCOL_FAULT, 'message inside a message' if opcode else 'continuation of nothing')


def read_length(data: bytes, at: int) -> tuple[int, int]:
    """The payload's length of the frame at `at`, and where its mask begins; -1: more input is needed. Raises Fault (RFC 6455 5.2)."""
    length = data[at + 1] & 0x7F
    if length < 126:
        return length, at + 2
    size = 2 if length == 126 else 8
    after = at + 2 + size
    if after > len(data):
        return -1, after
    length = int.from_bytes(data[at + 2 : after], 'big')
    if length < (126 if size == 2 else 65536):
        raise Fault(PROTOCOL_FAULT, 'length is not in its shortest form')
    if length >> 63:
        raise Fault(PROTOCOL_FAULT, 'length has its highest bit set')
    return length, after


def check_size(length: int, before: int | None, limits: WebSocketLimits) -> None:
    """Whether a data frame of this length is taken; `before`: bytes its message has, None if they are deflated. Raises Fault."""
    if length > limits.frame_bytes_max:
        raise Fault(TOO_BIG, 'frame too large')
    if before is not None and before + length > limits.message_bytes_max:
        raise Fault(TOO_BIG, 'message too large')


def frame_head(first: int, size: int) -> bytes:
    """The head of an unmasked frame; `first`: its opcode and flags."""
    if size < 126:
        return bytes((first, size))
    if size < 65536:
        return bytes((first, 126, size >> 8, size & 255))
    return bytes((first, 127)) + size.to_bytes(8, 'big')


class Farewell(Fault):
    """No fault: the peer's close frame."""


def encoded(text: str) -> bytes:
    """Text as it travels. Raises FlowError where it is none that can."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        # RFC 6455 8.1
        raise FlowError('a text message with half of a surrogate pair cannot be sent') from None


def control_frame(opcode: int, payload: bytes) -> bytes:
    """A whole control frame. Raises FlowError where it has no room for the payload."""
    if len(payload) > CONTROL_BYTES_MAX:
        raise FlowError(f'a control frame holds {CONTROL_BYTES_MAX} bytes, not {len(payload)}')
    return bytes((FIN | opcode, len(payload))) + payload


def close_frame(code: int, reason: str = '') -> bytes:
    """A close frame; NO_CODE: one that says nothing. A reason that is too long is cut."""
    if code == NO_CODE:
        return control_frame(CLOSE, b'')
    text = reason.encode('utf-8', 'replace')
    if len(text) > REASON_BYTES_MAX:
        text = text[:REASON_BYTES_MAX].decode('utf-8', 'ignore').encode()
    return control_frame(CLOSE, code.to_bytes(2, 'big') + text)


def check_code(code: int) -> None:
    """Raise FlowError for a close code that is never sent; NO_CODE stands for none and may be given."""
    if code != NO_CODE and not is_code(code):
        raise FlowError(f'close code {code} is never sent')


def is_code(code: int) -> bool:
    """Whether a close frame may have this code."""
    return code in _CODES or 3000 <= code <= 4999


def read_close(payload: bytes) -> tuple[int, str]:
    """Code and reason of a close frame. Raises Fault (RFC 6455 5.5.1, 7.1.5)."""
    if not payload:
        return NO_CODE, ''
    if len(payload) == 1:
        raise Fault(PROTOCOL_FAULT, 'half a close code')
    code = int.from_bytes(payload[:2], 'big')
    if not is_code(code):
        raise Fault(PROTOCOL_FAULT, 'bad close code')
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise Fault(BAD_DATA, 'close reason is not UTF-8') from None
