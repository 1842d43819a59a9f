"""What conformance tools ask of a server, by the sections of RFC 9113 and RFC 7541, and what they take for an answer.

Each case has a connection to itself. The application may have answered by the time the next frame comes, or not: both are right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.http2.tables.hpack import FAULTS
from tests.helpers.http2 import (
    ACK,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    data,
    frame,
    priority,
    reset,
    settings,
    window,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.http2.wire import Fields, Wire

CASES: dict[str, Callable[[Wire], None]] = {}
INITIAL_WINDOW, MAX_FRAME = 4, 5
UNKNOWN = 0x16
LARGEST = (1 << 31) - 1
CLOSED_OR_PROTOCOL = STREAM_CLOSED, PROTOCOL_ERROR


def case(name: str) -> Callable[[Callable[[Wire], None]], Callable[[Wire], None]]:
    """Add a case that begins with a connection whose settings are acknowledged."""

    def add(run: Callable[[Wire], None]) -> Callable[[Wire], None]:
        CASES[name] = lambda wire: run(wire.greet())
        return run

    return add


def breaks(name: str, *codes: int, sends: Callable[[Wire], bytes] | bytes, opened: bool | None = None) -> None:
    """Add a case that ends the connection. `opened`: stream 1 is, or (False) half-closed."""

    def run(wire: Wire) -> None:
        if opened is not None:
            wire.ask(end=not opened)
        wire.send(sends if isinstance(sends, bytes) else sends(wire))
        wire.expect_connection_error(*codes)

    case(name)(run)


def spoils(name: str, *codes: int, sends: Callable[[Wire], bytes] | bytes, opened: bool | None = None) -> None:
    """Add a case that ends the stream, or the connection."""

    def run(wire: Wire) -> None:
        if opened is not None:
            wire.ask(end=not opened)
        wire.send(sends if isinstance(sends, bytes) else sends(wire))
        wire.expect_stream_error(*codes)

    case(name)(run)


def serves(
    name: str, *before: bytes, flags: int = END_HEADERS | END_STREAM, around: tuple[bytes, bytes] = (b'', b'')
) -> None:
    """Add a case that is answered. `around`: what stands before and behind the block."""

    def run(wire: Wire) -> None:
        wire.send(*before, frame(HEADERS, flags, 1, around[0] + wire.block() + around[1]))
        wire.expect(HEADERS, 1)

    case(name)(run)


# ── what has to be served ────────────────────────────────────────────────────────────────────────────────────────────


def start(wire: Wire) -> None:
    wire.send(PREFACE + settings((INITIAL_WINDOW, 65535)))
    first = next(wire.frames())
    assert (first.kind, first.flags & ACK) == (SETTINGS, 0)


def bad_start(wire: Wire) -> None:
    wire.send(b'INVALID CONNECTION PREFACE\r\n\r\n')
    wire.expect_end()


CASES['3.4 the start of a connection'] = start
CASES['3.4 a start that is none'] = bad_start
serves('5.1 PRIORITY on an idle stream', frame(PRIORITY, 0, 1, priority(0)))
serves('6.3 PRIORITY, least weight', frame(PRIORITY, 0, 1, b'\0\0\0\0\0'))
serves('6.3 PRIORITY, largest weight', frame(PRIORITY, 0, 1, b'\0\0\0\0\xff'))
serves('6.3 PRIORITY, depends on another', frame(PRIORITY, 0, 3, priority(1)))
serves('6.3 PRIORITY, exclusive', frame(PRIORITY, 0, 1, b'\x80\0\0\0\0'))
serves('6.3 PRIORITY on an idle stream, then a lower stream begins', frame(PRIORITY, 0, 3, priority(0)))
serves('6.2 HEADERS')
serves('6.2 HEADERS with padding', flags=END_HEADERS | END_STREAM | PADDED, around=(b'\x08', bytes(8)))
serves('6.2 HEADERS with priority', flags=END_HEADERS | END_STREAM | WITH_PRIORITY, around=(b'\0\0\0\0\xff', b''))
serves('6.5 SETTINGS of all kinds', settings((1, 4096), (2, 0), (3, 100), (4, 65535), (5, 16384), (6, 65536)))
serves('RFC 7541 6.3 size update', around=(b'\x20', b''))
serves('RFC 7541 4.2 two size updates', around=(b'\x20\x3f\xe1\x1f', b''))
for kind, first in {
    '6.2.1 incremental indexing': 0x40,
    '6.2.2 without indexing': 0,
    '6.2.3 never indexed': 0x10,
}.items():
    # user-agent is entry 58: over the prefix of four bits, or within that of six.
    index = b'\x7a' if first == 0x40 else bytes([first | 0xF, 58 - 15])
    for how, name, value in [
        ('plain', b'\x06x-test', b'\x06h2spec'),
        ('Huffman', bytes.fromhex('85f2b24a84ff'), bytes.fromhex('849c48aca4')),
    ]:
        serves(f'RFC 7541 {kind}, known name, {how}', around=(b'', index + value))
        serves(f'RFC 7541 {kind}, new name, {how}', around=(b'', bytes([first]) + name + value))
serves('RFC 7541 6.1 indexed field', around=(b'', b'\xba'))
serves('4.1 unknown frame', frame(UNKNOWN, 0, 0, bytes(8)))
serves('4.1 unknown flags', flags=END_HEADERS | END_STREAM | 0x12)


@case('5.1 WINDOW_UPDATE on a half-closed stream')
def _(wire: Wire) -> None:
    wire.send(settings((INITIAL_WINDOW, 0)))
    wire.ask()
    wire.send(frame(PRIORITY, 0, 1, priority(0)), window(1, 1))
    wire.expect(DATA, 1, size=1)


@case('5.1 RST_STREAM on a half-closed stream')
def _(wire: Wire) -> None:
    wire.ask()
    wire.send(reset(1))
    wire.expect_pong()


@case('5.1 PRIORITY on a closed stream')
def _(wire: Wire) -> None:
    wire.ask()
    wire.expect_whole()
    wire.send(frame(PRIORITY, 0, 1, priority(0)))
    wire.expect_pong()


def _with_body(name: str, *pieces: bytes, trailers: bool = False) -> None:
    @case(name)
    def run(wire: Wire) -> None:
        wire.ask(wire.head(b'POST'), end=False)
        wire.send(*pieces)
        if trailers:
            wire.ask([(b'x-test', b'ok')])
        wire.expect(HEADERS, 1)


_with_body('6.1 DATA', data(1, b'test', end=True))
_with_body('6.1 DATA twice', data(1, b'test'), data(1, b'test', end=True))
_with_body('6.1 DATA with padding', frame(DATA, PADDED | END_STREAM, 1, b'\x06test' + bytes(6)))
_with_body('4.2 DATA of 2^14 bytes', data(1, bytes(16384), end=True))
_with_body('8.1 trailers', data(1, b'test'), trailers=True)


@case('8.1 GET')
def _(wire: Wire) -> None:
    wire.ask()
    wire.expect_whole()


@case('8.1 HEAD')
def _(wire: Wire) -> None:
    wire.ask(wire.head(b'HEAD'))
    assert wire.expect(HEADERS, 1).flags & END_STREAM


@case('6.4 RST_STREAM')
def _(wire: Wire) -> None:
    wire.ask(end=False)
    wire.send(reset(1))
    wire.expect_pong()


@case('6.5.3 SETTINGS are acknowledged')
def _(wire: Wire) -> None:
    wire.send(settings((2, 0)))
    wire.expect(SETTINGS, ack=True)


@case('6.5.3 the last of two values holds')
def _(wire: Wire) -> None:
    wire.send(settings((INITIAL_WINDOW, 100), (INITIAL_WINDOW, 1)))
    wire.expect(SETTINGS, ack=True)
    wire.ask()
    wire.expect(DATA, 1, size=1)


@case('6.7 PING')
def _(wire: Wire) -> None:
    wire.expect_pong()


@case('6.7 an acknowledged PING is not answered')
def _(wire: Wire) -> None:
    wire.send(frame(PING, ACK, 0, b'no reply'))
    wire.send(frame(PING, 0, 0, b'a reply '))
    assert wire.expect(PING).payload == b'a reply '


@case('6.8 GOAWAY')
def _(wire: Wire) -> None:
    wire.send(frame(GOAWAY, 0, 0, bytes(8)))
    wire.expect_pong(closed=True)


@case('7 GOAWAY with an unknown code')
def _(wire: Wire) -> None:
    wire.send(frame(GOAWAY, 0, 0, b'\0\0\0\0\0\0\0\xff'))
    wire.expect_pong(closed=True)


@case('7 RST_STREAM with an unknown code')
def _(wire: Wire) -> None:
    wire.ask(end=False)
    wire.send(reset(1, 0xFF))
    wire.expect_pong()


@case('6.9 WINDOW_UPDATE of the connection and of a stream')
def _(wire: Wire) -> None:
    wire.send(window(0, 1))
    wire.ask()
    wire.send(window(1, 1))
    wire.expect(HEADERS, 1)


@case('6.10 CONTINUATION')
def _(wire: Wire) -> None:
    block = wire.block()
    wire.send(frame(HEADERS, END_STREAM, 1, block[:3]), frame(CONTINUATION, END_HEADERS, 1, block[3:]))
    wire.expect(HEADERS, 1)


@case('6.10 CONTINUATION twice')
def _(wire: Wire) -> None:
    block = wire.block()
    wire.send(
        frame(HEADERS, END_STREAM, 1, block[:2]), frame(CONTINUATION, 0, 1, block[2:4]),
        frame(CONTINUATION, END_HEADERS, 1, block[4:]),
    )  # fmt: skip
    wire.expect(HEADERS, 1)


@case('4.1 the reserved bit')
def _(wire: Wire) -> None:
    wire.send(frame(PING, 0, 1 << 31, b'reserved'))
    assert wire.expect(PING, ack=True).payload == b'reserved'


@case('4.1 unknown flags of PING')
def _(wire: Wire) -> None:
    wire.send(frame(PING, 0x16, 0, b'unknown!'))
    assert wire.expect(PING, ack=True).payload == b'unknown!'


@case('6.9.1 a window of one byte')
def _(wire: Wire) -> None:
    wire.send(settings((INITIAL_WINDOW, 1)))
    wire.expect(SETTINGS, ack=True)
    wire.ask()
    wire.expect(DATA, 1, size=1)


@case('6.9.2 a window that is opened by SETTINGS')
def _(wire: Wire) -> None:
    wire.send(settings((INITIAL_WINDOW, 0)))
    wire.expect(SETTINGS, ack=True)
    wire.ask()
    wire.send(settings((INITIAL_WINDOW, 1)))
    wire.expect(SETTINGS, ack=True)
    wire.expect(DATA, 1, size=1)


@case('6.9.2 a window that is negative')
def _(wire: Wire) -> None:
    wire.send(settings((INITIAL_WINDOW, 3)))
    wire.expect(SETTINGS, ack=True)
    wire.ask()
    wire.expect(DATA, 1, size=3)
    wire.send(settings((INITIAL_WINDOW, 2)))
    wire.expect(SETTINGS, ack=True)
    wire.send(window(1, 2))
    wire.expect(DATA, 1, size=1)


# ── frames ───────────────────────────────────────────────────────────────────────────────────────────────────────────

spoils('4.2 DATA too large', FRAME_SIZE_ERROR, opened=True, sends=data(1, bytes(16385), end=True))
breaks(
    '4.2 HEADERS too large', FRAME_SIZE_ERROR,
    sends=lambda wire: frame(HEADERS, END_HEADERS | END_STREAM, 1, wire.block() + wire.block([(b'x-dummy', b'x' * 4000)]) * 5 + bytes(16384)),
)  # fmt: skip
breaks(
    '4.3 block that cannot be decoded',
    COMPRESSION_ERROR,
    sends=frame(HEADERS, END_HEADERS | END_STREAM, 1, b'\0\x85\xf2\xb2\x4a\x87\xff\xff\xff\xff'),
)
breaks(
    '4.3 PRIORITY within a block',
    PROTOCOL_ERROR,
    sends=lambda wire: frame(HEADERS, 0, 1, wire.block()) + frame(PRIORITY, 0, 1, priority(0)),
)
breaks(
    '4.3 HEADERS of another stream within a block',
    PROTOCOL_ERROR,
    sends=lambda wire: frame(HEADERS, 0, 1, wire.block()) + frame(HEADERS, END_HEADERS, 3, wire.block()),
)
breaks(
    '5.5 unknown frame within a block',
    PROTOCOL_ERROR,
    sends=lambda wire: frame(HEADERS, 0, 1, wire.block()) + frame(UNKNOWN, 0, 0, bytes(8)),
)

# ── streams ──────────────────────────────────────────────────────────────────────────────────────────────────────────

breaks('5.1 DATA on an idle stream', PROTOCOL_ERROR, sends=data(1, b'test', end=True))
breaks('5.1 RST_STREAM on an idle stream', PROTOCOL_ERROR, sends=reset(1))
breaks('5.1 WINDOW_UPDATE on an idle stream', PROTOCOL_ERROR, sends=window(1, 100))
breaks(
    '5.1 CONTINUATION on an idle stream',
    PROTOCOL_ERROR,
    sends=lambda wire: frame(CONTINUATION, END_HEADERS, 1, wire.block()),
)
spoils('5.1 DATA on a half-closed stream', STREAM_CLOSED, opened=False, sends=data(1, b'test', end=True))
spoils(
    '5.1 HEADERS on a half-closed stream',
    STREAM_CLOSED,
    opened=False,
    sends=lambda wire: frame(HEADERS, END_HEADERS | END_STREAM, 1, wire.block()),
)
spoils(
    '5.1 CONTINUATION on a half-closed stream',
    *CLOSED_OR_PROTOCOL,
    opened=False,
    sends=lambda wire: frame(CONTINUATION, END_HEADERS, 1, wire.block()),
)
spoils('5.1 DATA after RST_STREAM', STREAM_CLOSED, opened=True, sends=reset(1) + data(1, b'test', end=True))
spoils(
    '5.1 HEADERS after RST_STREAM',
    STREAM_CLOSED,
    opened=True,
    sends=lambda wire: reset(1) + frame(HEADERS, END_HEADERS | END_STREAM, 1, wire.block()),
)
spoils(
    '5.1 CONTINUATION after RST_STREAM',
    *CLOSED_OR_PROTOCOL,
    opened=True,
    sends=lambda wire: reset(1) + frame(CONTINUATION, END_HEADERS, 1, wire.block()),
)


def _on_closed(name: str, *codes: int, kind: int) -> None:
    @case(name)
    def run(wire: Wire) -> None:
        wire.ask()
        wire.expect_whole()
        if kind == DATA:
            wire.send(data(1, b'test', end=True))
        else:
            wire.send(frame(kind, END_HEADERS | (END_STREAM if kind == HEADERS else 0), 1, wire.block()))
        wire.expect_connection_error(*codes)


_on_closed('5.1 DATA on a closed stream', STREAM_CLOSED, kind=DATA)
_on_closed('5.1 HEADERS on a closed stream', STREAM_CLOSED, kind=HEADERS)
_on_closed('5.1 CONTINUATION on a closed stream', *CLOSED_OR_PROTOCOL, kind=CONTINUATION)
breaks(
    '5.1.1 an even stream', PROTOCOL_ERROR, sends=lambda wire: frame(HEADERS, END_HEADERS | END_STREAM, 2, wire.block())
)
breaks(
    '5.1.1 a lower stream',
    PROTOCOL_ERROR,
    sends=lambda wire: frame(HEADERS, 5, 5, wire.block()) + frame(HEADERS, 5, 3, wire.block()),
)


@case('5.1.2 too many streams')
def _(wire: Wire) -> None:
    wire.send(settings((INITIAL_WINDOW, 0)))
    block = wire.block()
    for number in range(wire.settings[3] + 1):
        wire.send(frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, block))
    wire.expect_stream_error(PROTOCOL_ERROR, REFUSED_STREAM)


spoils(
    '5.3.1 HEADERS that depend on themselves',
    PROTOCOL_ERROR,
    sends=lambda wire: frame(HEADERS, 5 | WITH_PRIORITY, 1, priority(1) + wire.block()),
)
spoils('5.3.1 PRIORITY that depends on itself', PROTOCOL_ERROR, sends=frame(PRIORITY, 0, 2, priority(2)))


@case('5.4.1 after an error of the connection it is closed')
def _(wire: Wire) -> None:
    wire.send(frame(PING, 0, 3, bytes(8)))
    wire.expect_goaway(PROTOCOL_ERROR)
    wire.expect_end()


# ── kinds of frames ──────────────────────────────────────────────────────────────────────────────────────────────────

breaks('6.1 DATA without a stream', PROTOCOL_ERROR, sends=data(0, b'test'))
spoils('6.1 DATA on a stream that is not open', STREAM_CLOSED, opened=False, sends=data(1, b'test', end=True))
breaks(
    '6.1 DATA with too much padding',
    PROTOCOL_ERROR,
    opened=True,
    sends=frame(DATA, PADDED | END_STREAM, 1, b'\x06test'),
)
breaks('6.2 HEADERS without a stream', PROTOCOL_ERROR, sends=lambda wire: frame(HEADERS, 5, 0, wire.block()))
breaks(
    '6.2 HEADERS with too much padding',
    PROTOCOL_ERROR,
    sends=lambda wire: frame(HEADERS, 5 | PADDED, 1, b'\xff' + wire.block()),
)
breaks('6.3 PRIORITY without a stream', PROTOCOL_ERROR, sends=frame(PRIORITY, 0, 0, priority(1)))
spoils('6.3 PRIORITY of a bad length', FRAME_SIZE_ERROR, opened=True, sends=frame(PRIORITY, 0, 1, b'\x80\0\0\1'))
breaks('6.4 RST_STREAM without a stream', PROTOCOL_ERROR, sends=reset(0))
breaks('6.4 RST_STREAM of a bad length', FRAME_SIZE_ERROR, opened=True, sends=frame(RST_STREAM, 0, 1, b'\0\0\0'))
breaks('6.5 acknowledgement of SETTINGS with a payload', FRAME_SIZE_ERROR, sends=frame(SETTINGS, ACK, 0, b'\0'))
breaks('6.5 SETTINGS on a stream', PROTOCOL_ERROR, sends=frame(SETTINGS, 0, 1, b'\0\3\0\0\0\x64'))
breaks('6.5 SETTINGS of a bad length', FRAME_SIZE_ERROR, sends=frame(SETTINGS, 0, 0, b'\0\3\0'))
breaks('6.5.2 SETTINGS_ENABLE_PUSH of 2', PROTOCOL_ERROR, sends=settings((2, 2)))
breaks('6.5.2 SETTINGS_INITIAL_WINDOW_SIZE too large', FLOW_CONTROL_ERROR, sends=settings((INITIAL_WINDOW, 1 << 31)))
breaks('6.5.2 SETTINGS_MAX_FRAME_SIZE too small', PROTOCOL_ERROR, sends=settings((MAX_FRAME, 16383)))
breaks('6.5.2 SETTINGS_MAX_FRAME_SIZE too large', PROTOCOL_ERROR, sends=settings((MAX_FRAME, 1 << 24)))
breaks(
    '6.6 PUSH_PROMISE',
    PROTOCOL_ERROR,
    opened=True,
    sends=lambda wire: frame(PUSH_PROMISE, END_HEADERS, 1, b'\0\0\0\2' + wire.block()),
)
breaks('6.7 PING on a stream', PROTOCOL_ERROR, sends=frame(PING, 0, 1, bytes(8)))
breaks('6.7 PING of a bad length', FRAME_SIZE_ERROR, sends=frame(PING, 0, 0, bytes(6)))
breaks('6.8 GOAWAY on a stream', PROTOCOL_ERROR, sends=frame(GOAWAY, 0, 1, bytes(8)))
breaks('6.9 WINDOW_UPDATE of nothing', PROTOCOL_ERROR, sends=window(0, 0))
spoils('6.9 WINDOW_UPDATE of nothing on a stream', PROTOCOL_ERROR, opened=True, sends=window(1, 0))
breaks('6.9 WINDOW_UPDATE of a bad length', FRAME_SIZE_ERROR, sends=frame(WINDOW_UPDATE, 0, 0, b'\0\0\1'))


@case('6.9.1 window of the connection too large')
def _(wire: Wire) -> None:
    wire.send(window(0, LARGEST), window(0, LARGEST))
    wire.expect_goaway(FLOW_CONTROL_ERROR)


@case('6.9.1 window of a stream too large')
def _(wire: Wire) -> None:
    wire.ask(end=False)
    wire.send(window(1, LARGEST), window(1, LARGEST))
    wire.expect_reset(1, FLOW_CONTROL_ERROR)


def _block_then(name: str, *rest: Callable[[Wire], bytes], first: int = END_STREAM) -> None:
    breaks(
        name,
        PROTOCOL_ERROR,
        sends=lambda wire: frame(HEADERS, first, 1, wire.block()) + b''.join([make(wire) for make in rest]),
    )


def _continued(flags: int, stream: int = 1) -> Callable[[Wire], bytes]:
    return lambda wire: frame(CONTINUATION, flags, stream, wire.block([(b'x-dummy', b'1')]))


_block_then('6.10 DATA behind a CONTINUATION', _continued(0), lambda wire: data(1, b'test', end=True))
_block_then('6.10 CONTINUATION without a stream', _continued(END_HEADERS, 0))
_block_then('6.10 CONTINUATION behind a whole block', _continued(END_HEADERS), first=END_HEADERS)
_block_then('6.10 CONTINUATION behind the last CONTINUATION', _continued(END_HEADERS), _continued(END_HEADERS))
_block_then(
    '6.10 CONTINUATION behind DATA',
    lambda wire: data(1, b'test', end=False),
    _continued(END_HEADERS),
    first=END_HEADERS,
)

# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────

spoils(
    '8.1 second HEADERS without END_STREAM',
    PROTOCOL_ERROR,
    opened=True,
    sends=lambda wire: frame(HEADERS, END_HEADERS, 1, wire.block([(b'x-test', b'1')])),
)
spoils(
    '8.1 pseudo-field in trailers',
    PROTOCOL_ERROR,
    opened=True,
    sends=lambda wire: data(1, b'test') + frame(HEADERS, 5, 1, wire.block([(b':method', b'POST')])),
)


def _bad_head(name: str, make: Callable[[Fields], Fields]) -> None:
    spoils(
        name,
        PROTOCOL_ERROR,
        sends=lambda wire: frame(HEADERS, END_HEADERS | END_STREAM, 1, wire.block(make(wire.head()))),
    )


_bad_head('8.2.1 upper case', lambda head: [*head, (b'X-TEST', b'ok')])
_bad_head('8.2.2 connection', lambda head: [*head, (b'connection', b'keep-alive')])
_bad_head('8.2.2 te', lambda head: [*head, (b'trailers', b'test'), (b'te', b'trailers, deflate')])
_bad_head('8.3 unknown pseudo-field', lambda head: [*head, (b':test', b'ok')])
_bad_head('8.3 pseudo-field of responses', lambda head: [*head, (b':status', b'200')])
_bad_head('8.3 pseudo-field behind a field', lambda head: [(b'x-test', b'ok'), *head])
_bad_head('8.3.1 empty :path', lambda head: [(name, b'' if name == b':path' else value) for name, value in head])
for place, name in enumerate([b':method', b':scheme', b':path']):
    _bad_head(f'8.3.1 no {name.decode()}', lambda head, place=place: [*head[:place], *head[place + 1 :]])
    _bad_head(f'8.3.1 {name.decode()} twice', lambda head, place=place: [*head, head[place]])


def _length(name: str, *pieces: bytes) -> None:
    @case(name)
    def run(wire: Wire) -> None:
        wire.ask([*wire.head(b'POST'), (b'content-length', b'1')], end=False)
        wire.send(*pieces)
        wire.expect_stream_error(PROTOCOL_ERROR)


_length('8.1.1 content-length that is not the length', data(1, b'test', end=True))
_length('8.1.1 content-length that is not the length of several DATA', data(1, b'test'), data(1, b'test', end=True))

# ── RFC 7541 ─────────────────────────────────────────────────────────────────────────────────────────────────────────

# Entries of the static table alone, so that the dynamic table stays empty.
STATIC_HEAD = b'\x82\x86\x84'

for name, block in FAULTS.items():
    breaks(
        f'RFC 7541 {name}',
        COMPRESSION_ERROR,
        sends=frame(HEADERS, END_HEADERS | END_STREAM, 1, STATIC_HEAD + bytes.fromhex(block)),
    )
