"""The frames of HTTP/2 as bytes, and the codes of its errors (RFC 9113 4, 6, 7)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
# Flags. ACK is that of SETTINGS and PING.
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

# RFC 9113 7
NO_ERROR = 0x0
PROTOCOL_ERROR = 0x1
INTERNAL_ERROR = 0x2
FLOW_CONTROL_ERROR = 0x3
STREAM_CLOSED = 0x5
FRAME_SIZE_ERROR = 0x6
REFUSED_STREAM = 0x7
CANCEL = 0x8
COMPRESSION_ERROR = 0x9
ENHANCE_YOUR_CALM = 0xB

# RFC 9113 6.5.2
HEADER_TABLE_SIZE = 0x1
ENABLE_PUSH = 0x2
MAX_CONCURRENT_STREAMS = 0x3
INITIAL_WINDOW_SIZE = 0x4
MAX_FRAME_SIZE = 0x5
MAX_HEADER_LIST_SIZE = 0x6
# RFC 8441 3
ENABLE_CONNECT_PROTOCOL = 0x8
# RFC 9218 2.1
NO_RFC7540_PRIORITIES = 0x9

FRAME_HEAD_BYTES = 9
# Where its stream stands in it, as the last thing.
STREAM_AT = 5
# What may be sent before a peer has said otherwise (RFC 9113 6.5.2).
FRAME_BYTES_DEFAULT = 16384
FRAME_BYTES_LARGEST = (1 << 24) - 1
WINDOW_BYTES_DEFAULT = 65535
WINDOW_BYTES_LARGEST = (1 << 31) - 1
# Stream ids have 31 bits; the one above is reserved and ignored (RFC 9113 4.1).
STREAM_LARGEST = (1 << 31) - 1

# Length in 8 and 16 bits, type, flags, stream.
FRAME_HEAD = Struct('>BHBBI')
pack_head = FRAME_HEAD.pack
UINT32 = Struct('>I')
SETTING = Struct('>HI')
_GOAWAY = Struct('>II')


class ConnectionFault(Exception):  # noqa: N818
    """The peer broke a rule that ends the connection: GOAWAY with `code` (RFC 9113 5.4.1)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class StreamFault(Exception):  # noqa: N818
    """The peer broke a rule that ends a stream: RST_STREAM with `code` (RFC 9113 5.4.2)."""

    def __init__(self, stream: int, code: int, reason: str) -> None:
        super().__init__(stream, code, reason)
        self.stream = stream
        self.code = code
        self.reason = reason


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    size = len(payload)
    return pack_head(size >> 16, size & 0xFFFF, kind, flags, stream) + payload


def block_frames(stream: int, block: bytes, flags: int, frame_bytes_max: int) -> bytes:
    """HEADERS, and CONTINUATION as far as it takes; `flags`: END_STREAM or none."""
    if len(block) <= frame_bytes_max:
        return frame(HEADERS, flags | END_HEADERS, stream, block)
    parts = [block[at : at + frame_bytes_max] for at in range(0, len(block), frame_bytes_max)]
    frames = [frame(HEADERS, flags, stream, parts[0])]
    frames += [frame(CONTINUATION, 0, stream, part) for part in parts[1:-1]]
    frames.append(frame(CONTINUATION, END_HEADERS, stream, parts[-1]))
    return b''.join(frames)


def reset_frame(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream, UINT32.pack(code))


def window_frame(stream: int, count: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, UINT32.pack(count))


def goaway_frame(last: int, code: int, reason: str = '') -> bytes:
    return frame(GOAWAY, 0, 0, _GOAWAY.pack(last, code) + reason.encode())


def settings_frame(settings: Iterable[tuple[int, int]]) -> bytes:
    return frame(SETTINGS, 0, 0, b''.join([SETTING.pack(*setting) for setting in settings]))


def unpadded(flags: int, payload: bytes) -> bytes:
    """The payload of DATA or HEADERS without its padding (RFC 9113 6.1, 6.2)."""
    if not flags & PADDED:
        return payload
    if not payload:
        raise ConnectionFault(FRAME_SIZE_ERROR, 'no room for the length of the padding')
    end = len(payload) - payload[0]
    if end < 1:
        raise ConnectionFault(PROTOCOL_ERROR, 'padding longer than its frame')
    return payload[1:end]


def without_priority(stream: int, payload: bytes) -> bytes:
    """The unpadded payload of HEADERS without the deprecated fields of priority (RFC 9113 6.2)."""
    if len(payload) < 5:
        raise ConnectionFault(FRAME_SIZE_ERROR, 'no room for the priority')
    check_dependency(stream, payload)
    return payload[5:]


def check_dependency(stream: int, priority: bytes) -> None:
    """RFC 7540 5.3.1: a stream cannot depend on itself. RFC 9113 has nothing of dependencies; nobody sends this in earnest."""
    (other,) = UINT32.unpack_from(priority)
    if other & STREAM_LARGEST == stream:
        raise ConnectionFault(PROTOCOL_ERROR, 'a stream that depends on itself')
