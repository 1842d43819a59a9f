"""Further MUSTs of RFC 9113, RFC 7541, RFC 8441 and RFC 9110 that the usual tools do not ask for, as in `wire`."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tests.conformance.http2.tables.heads import MALFORMED
from tests.conformance.http2.tables.wire import CASES, STATIC_HEAD, breaks, case, serves, spoils
from tests.helpers.http2 import (
    ACK,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    NO_ERROR,
    PADDED,
    PING,
    PREFACE,
    PROTOCOL_ERROR,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WITH_PRIORITY,
    data,
    frame,
    reset,
    settings,
    window,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.http2.wire import Fields, Wire

WHOLE = END_HEADERS | END_STREAM
LARGEST = (1 << 31) - 1


def _bad_start(name: str, raw: bytes, code: int) -> None:
    def run(wire: Wire) -> None:
        wire.send(raw)
        wire.expect_connection_error(code)

    CASES[name] = run


_bad_start('3.4 PING in place of SETTINGS', PREFACE + frame(PING, 0, 0, bytes(8)), PROTOCOL_ERROR)
_bad_start('3.4 an acknowledgement in place of SETTINGS', PREFACE + frame(SETTINGS, ACK, 0), PROTOCOL_ERROR)
_bad_start('3.4 a preface with another end', PREFACE[:-2] + b'\n\n' + settings(), PROTOCOL_ERROR)

# ── frames and streams ───────────────────────────────────────────────────────────────────────────────────────────────

breaks('4.2 PING too large for its kind', FRAME_SIZE_ERROR, sends=frame(PING, 0, 0, bytes(16385)))
breaks('4.2 padded DATA without room for it', FRAME_SIZE_ERROR, opened=True, sends=frame(DATA, PADDED, 1))
breaks('4.2 padded HEADERS without room for it', FRAME_SIZE_ERROR, sends=frame(HEADERS, WHOLE | PADDED, 1))
breaks(
    '4.2 HEADERS without room for their priority',
    FRAME_SIZE_ERROR,
    sends=frame(HEADERS, WHOLE | WITH_PRIORITY, 1, b'\0\0'),
)
breaks('4.2 GOAWAY too short', FRAME_SIZE_ERROR, sends=frame(GOAWAY, 0, 0, bytes(7)))
breaks('6.4 RST_STREAM too long', FRAME_SIZE_ERROR, opened=True, sends=frame(RST_STREAM, 0, 1, bytes(5)))
breaks('6.7 PING too long', FRAME_SIZE_ERROR, sends=frame(PING, 0, 0, bytes(9)))
breaks('6.7 acknowledgement of PING of a bad length', FRAME_SIZE_ERROR, sends=frame(PING, ACK, 0, bytes(7)))
breaks(
    '4.3 a block in pieces without end',
    ENHANCE_YOUR_CALM,
    sends=lambda wire: frame(HEADERS, END_STREAM, 1, wire.block()) + frame(CONTINUATION, 0, 1, bytes(16384)) * 20,
)
breaks('5.1.1 a stream passed over', PROTOCOL_ERROR, sends=lambda wire: _head(wire, 9) + _head(wire, 7))
breaks('5.1.1 DATA on an even stream', PROTOCOL_ERROR, opened=False, sends=data(2, b'test'))
spoils('5.1 trailers behind the end', STREAM_CLOSED, opened=False, sends=lambda wire: _head(wire, 1, [(b'x', b'1')]))
breaks('6.5.2 SETTINGS_ENABLE_CONNECT_PROTOCOL of 2', PROTOCOL_ERROR, sends=settings((8, 2)))
breaks('6.5.3 a bad value before a good one', FLOW_CONTROL_ERROR, sends=settings((4, 1 << 31), (4, 65535)))
breaks(
    '6.9.2 a window that SETTINGS make too large',
    FLOW_CONTROL_ERROR,
    opened=True,
    sends=window(1, 1 << 30) + settings((4, LARGEST)),
)


def _head(wire: Wire, stream: int, fields: Fields | None = None) -> bytes:
    return frame(HEADERS, WHOLE, stream, wire.block(fields))


@case('5.1 frames that cross the end of a response')
def _(wire: Wire) -> None:
    wire.ask()
    wire.expect_whole()
    wire.send(reset(1), window(1, 5))
    wire.ask(stream=3)
    wire.expect_whole(3)


@case('5.1.1 the largest stream')
def _(wire: Wire) -> None:
    wire.ask(stream=LARGEST)
    wire.expect_whole(LARGEST)


@case('6.5.3 each of many SETTINGS is acknowledged')
def _(wire: Wire) -> None:
    wire.send(settings((4, 1)) + settings() + settings((99, 1)))
    for _ in range(3):
        wire.expect(SETTINGS, ack=True, size=0)


@case('6.8 what was begun before GOAWAY is served')
def _(wire: Wire) -> None:
    wire.ask(wire.head(b'POST'), end=False)
    wire.send(frame(GOAWAY, 0, 0, struct.pack('>II', 0, NO_ERROR) + b'bye'), data(1, b'test', end=True))
    wire.expect_whole()
    wire.expect_end()


@case('RFC 8441 3 extended CONNECT is announced')
def _(wire: Wire) -> None:
    assert wire.settings[8] == 1


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────

for name, fields in MALFORMED.items():
    spoils(f'8 {name}', PROTOCOL_ERROR, sends=lambda wire, fields=fields: _head(wire, 1, fields))


def _bad_trailers(name: str, *fields: tuple[bytes, bytes], length: bytes = b'4') -> None:
    @case(name)
    def run(wire: Wire) -> None:
        wire.ask([*wire.head(b'POST'), (b'content-length', length)], end=False)
        wire.send(data(1, b'test') + _head(wire, 1, list(fields)))
        wire.expect_stream_error(PROTOCOL_ERROR)


_bad_trailers('8.1.1 trailers before the content-length is reached', (b'x-sum', b'1'), length=b'5')
_bad_trailers('8.2.1 upper case in trailers', (b'X-Sum', b'1'))
_bad_trailers('8.2.1 line feed in trailers', (b'x-sum', b'a\nb'))
_bad_trailers('8.2.2 transfer-encoding in trailers', (b'transfer-encoding', b'chunked'))
_bad_trailers('RFC 9110 6.5.1 content-length in trailers', (b'content-length', b'4'))


def _answered(name: str, *fields: tuple[bytes, bytes], method: bytes = b'GET', path: bytes = b'/') -> None:
    @case(name)
    def run(wire: Wire) -> None:
        head = [(key, path if key == b':path' else value) for key, value in wire.head(method)]
        wire.ask([*head, *fields])
        wire.expect_whole()
        wire.expect_pong()


_answered('8.2.2 te of trailers', (b'te', b'trailers'))
_answered('8.2.3 cookies in crumbs', (b'cookie', b'a=1'), (b'x', b'y'), (b'cookie', b'b=2'))
_answered('8.3.1 a Host that is the authority', (b'host', b'localhost'))
_answered('RFC 9110 9.3.7 OPTIONS of the server', method=b'OPTIONS', path=b'*')
_answered('RFC 9110 9.1 a method nobody knows', method=b'BREW')
_answered('RFC 9110 10.1.1 an expectation without a body', (b'expect', b'100-continue'))
_answered('RFC 9110 10.1.1 an unknown expectation', (b'expect', b'miracle'))


def _refused(name: str, make: Callable[[Wire], Fields]) -> None:
    """The stream is answered and ended though the client goes on; others are served."""

    @case(name)
    def run(wire: Wire) -> None:
        wire.ask(make(wire), end=False)
        wire.expect_whole()
        wire.expect_reset(1, NO_ERROR)
        wire.ask(stream=3)
        wire.expect_whole(3)


_refused('8.5 CONNECT', lambda wire: [(b':method', b'CONNECT'), (b':authority', b'localhost:1')])
_refused('RFC 9220 3 another protocol', lambda wire: [*wire.head(b'CONNECT'), (b':protocol', b'connect-udp')])


@case('RFC 9110 10.1.1 an expectation is met or answered')
def _(wire: Wire) -> None:
    wire.ask([*wire.head(b'POST'), (b'expect', b'100-continue'), (b'content-length', b'4')], end=False)
    wire.expect(HEADERS, 1)
    wire.send(data(1, b'test', end=True))
    wire.expect_pong()


# ── RFC 7541 ─────────────────────────────────────────────────────────────────────────────────────────────────────────

HEAD = STATIC_HEAD + b'\x01\x09localhost'
# 34 and 35 bytes of the table.
ENTRIES = b'\x40\x01x\x01y' + b'\x40\x02xx\x01y'
SIZE_34, SIZE_36 = b'\x3f\x03', b'\x3f\x05'


def _two_blocks(name: str, second: bytes, *, faulty: bool, first: bytes = HEAD + ENTRIES) -> None:
    """The blocks of two requests."""

    @case(f'RFC 7541 {name}')
    def run(wire: Wire) -> None:
        wire.send(frame(HEADERS, WHOLE, 1, first))
        wire.expect_whole()
        wire.send(frame(HEADERS, WHOLE, 3, second))
        if faulty:
            wire.expect_goaway(COMPRESSION_ERROR)
        else:
            wire.expect_whole(3)


_two_blocks('2.3.3 the newest entry and the oldest', HEAD + b'\xbe\xbf', faulty=False)
_two_blocks('2.3.3 beyond the oldest entry', HEAD + b'\xc0', faulty=True)
_two_blocks('4.3 an entry that a smaller table still has', SIZE_36 + HEAD + b'\xbe', faulty=False)
_two_blocks('4.3 an entry that a smaller table has lost', SIZE_36 + HEAD + b'\xbf', faulty=True)
_two_blocks('4.3 a table that is too small for any entry', SIZE_34 + HEAD + b'\xbe', faulty=True)
_two_blocks('4.3 a table that was made larger again is empty', b'\x20' + SIZE_36 + HEAD + b'\xbe', faulty=True)
_two_blocks(
    '4.4 an entry larger than the table empties it',
    HEAD + b'\x40\x01z\x0512345' + b'\xbe',
    faulty=True,
    first=SIZE_34 + HEAD + ENTRIES[:5],
)
serves('RFC 7541 4.4 an entry larger than the table is no error', around=(b'\x3f\x01', b'\x40\x01x\x0512345'))
serves('RFC 7541 5.1 an integer of as few bytes as it takes', around=(b'', b'\x0f\x2b\x01z'))
serves('RFC 7541 5.1 an integer with a byte that adds nothing', around=(b'', b'\x0f\xab\x00\x01z'))
serves('RFC 7541 5.2 an empty string, coded', around=(b'', b'\x00\x01x\x80'))
