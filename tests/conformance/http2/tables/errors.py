"""What a client must not send, and the error it is answered with, by the sections of RFC 9113."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

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
    GET,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    POST,
    PREFACE,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    START,
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

    from tests.helpers.http2 import Talk

# Any code will do: the RFC names none, or lets an endpoint choose.
CONNECTION = 0
LARGEST = (1 << 31) - 1


class Case(NamedTuple):
    """`stream` 0: an error of the connection. `answered`: the application answers what is whole."""

    send: Callable[[Talk], bytes]
    stream: int
    code: int
    answered: bool = False


def fixed(raw: bytes) -> Callable[[Talk], bytes]:
    return lambda talk: raw


def opened(raw: bytes, fields: list[tuple[bytes, bytes]] = POST) -> Callable[[Talk], bytes]:
    """On top of stream 1, which is open."""
    return lambda talk: talk.headers(1, fields, end=False) + raw


def whole(raw: bytes) -> Callable[[Talk], bytes]:
    """On top of stream 1, whose request is whole."""
    return lambda talk: talk.headers(1) + raw


def twice(first: tuple[int, bool], second: tuple[int, bool], between: bytes = b'') -> Callable[[Talk], bytes]:
    """Two heads: (stream, whether it ends the stream)."""
    return lambda talk: talk.headers(first[0], end=first[1]) + between + talk.headers(second[0], end=second[1])


def begun_block(raw: bytes) -> Callable[[Talk], bytes]:
    """Within a header block."""
    return lambda talk: frame(HEADERS, END_STREAM, 1, talk.block(GET)) + raw


def body(length: bytes, *pieces: bytes, trailers: bool = False) -> Callable[[Talk], bytes]:
    """A request with this content-length and body."""

    def send(talk: Talk) -> bytes:
        sent = talk.headers(1, [*POST, (b'content-length', length)], end=False)
        for number, piece in enumerate(pieces, start=1):
            sent += data(1, piece, end=number == len(pieces) and not trailers)
        return sent + (talk.headers(1, [(b'x-sum', b'1')]) if trailers else b'')

    return send


def trailers(fields: list[tuple[bytes, bytes]], *, end: bool = True) -> Callable[[Talk], bytes]:
    return lambda talk: talk.headers(1, POST, end=False) + data(1, b'a') + talk.headers(1, fields, end=end)


def many(talk: Talk) -> bytes:
    return b''.join([talk.headers(stream) for stream in range(1, 2 * 17, 2)])


def padded(kind: int, flags: int, payload: bytes) -> bytes:
    return frame(kind, flags | PADDED, 1, payload)


# Sent in place of the usual start.
BEFORE_THE_START: dict[str, Case] = {
    'preface that is none (3.4)': Case(fixed(b'GET / HTTP/1.1\r\nhost: a\r\n\r\n'), 0, PROTOCOL_ERROR),
    'preface with another end (3.4)': Case(fixed(PREFACE[:-2] + b'\n\n' + settings()), 0, PROTOCOL_ERROR),
    'PING before SETTINGS (3.4)': Case(fixed(PREFACE + frame(PING, 0, 0, b'12345678')), 0, PROTOCOL_ERROR),
    'HEADERS before SETTINGS (3.4)': Case(lambda talk: PREFACE + talk.headers(1), 0, PROTOCOL_ERROR),
    'acknowledgement before SETTINGS (3.4)': Case(fixed(PREFACE + frame(SETTINGS, ACK, 0)), 0, PROTOCOL_ERROR),
    'unknown frame before SETTINGS (3.4)': Case(fixed(PREFACE + frame(77, 0, 0, b'')), 0, PROTOCOL_ERROR),
    'bad first SETTINGS (3.4, 6.5)': Case(fixed(PREFACE + frame(SETTINGS, 0, 0, b'123')), 0, FRAME_SIZE_ERROR),
    'bad value in the first SETTINGS (3.4, 6.5.2)': Case(fixed(PREFACE + settings((2, 2))), 0, PROTOCOL_ERROR),
    'CONTINUATION at once (6.10)': Case(fixed(START + frame(CONTINUATION, END_HEADERS, 1, b'\x82')), 0, PROTOCOL_ERROR),
}
FRAMES: dict[str, Case] = {
    'DATA larger than SETTINGS_MAX_FRAME_SIZE (4.2)': Case(opened(data(1, b'a' * 16385)), 0, FRAME_SIZE_ERROR),
    'DATA larger than SETTINGS_MAX_FRAME_SIZE that ends its stream (4.2)': Case(
        opened(data(1, b'a' * 16385, end=True)), 0, FRAME_SIZE_ERROR
    ),
    'HEADERS larger than SETTINGS_MAX_FRAME_SIZE (4.2)': Case(
        fixed(frame(HEADERS, 5, 1, b'\x82' * 16385)), 0, FRAME_SIZE_ERROR
    ),
    'SETTINGS larger than SETTINGS_MAX_FRAME_SIZE (4.2)': Case(
        fixed(frame(SETTINGS, 0, 0, b'a' * 16386)), 0, FRAME_SIZE_ERROR
    ),
    'unknown frame larger than SETTINGS_MAX_FRAME_SIZE (4.2)': Case(
        fixed(frame(77, 0, 0, b'a' * 16385)), 0, FRAME_SIZE_ERROR
    ),
    'head of a frame that is too large (4.2)': Case(fixed(frame(DATA, 0, 1, size=16385)), 0, FRAME_SIZE_ERROR),
    'block that cannot be decoded (4.3)': Case(fixed(frame(HEADERS, 5, 1, b'\x80')), 0, COMPRESSION_ERROR),
    'trailers that cannot be decoded (4.3)': Case(opened(frame(HEADERS, 5, 1, b'\x80')), 0, COMPRESSION_ERROR),
    'block of a refused stream that cannot be decoded (4.3)': Case(
        lambda talk: many(talk) + frame(HEADERS, 5, 41, b'\x80'), 0, COMPRESSION_ERROR
    ),
    'block that ends within a field (4.3)': Case(fixed(frame(HEADERS, 5, 1, b'\x00\x05ab')), 0, COMPRESSION_ERROR),
    'DATA within a block (4.3)': Case(begun_block(data(1, b'a')), 0, PROTOCOL_ERROR),
    'HEADERS within a block (4.3)': Case(begun_block(frame(HEADERS, 5, 3, b'\x82')), 0, PROTOCOL_ERROR),
    'PRIORITY within a block (4.3)': Case(begun_block(frame(PRIORITY, 0, 1, priority(0))), 0, PROTOCOL_ERROR),
    'RST_STREAM within a block (4.3)': Case(begun_block(reset(1)), 0, PROTOCOL_ERROR),
    'SETTINGS within a block (4.3)': Case(begun_block(settings()), 0, PROTOCOL_ERROR),
    'PING within a block (4.3)': Case(begun_block(frame(PING, 0, 0, b'12345678')), 0, PROTOCOL_ERROR),
    'WINDOW_UPDATE within a block (4.3)': Case(begun_block(window(0, 1)), 0, PROTOCOL_ERROR),
    'unknown frame within a block (4.3, 5.5)': Case(begun_block(frame(77, 0, 1, b'')), 0, PROTOCOL_ERROR),
    'CONTINUATION of another stream (4.3, 6.10)': Case(begun_block(frame(CONTINUATION, 4, 3, b'')), 0, PROTOCOL_ERROR),
    'CONTINUATION without a stream (4.3, 6.10)': Case(begun_block(frame(CONTINUATION, 4, 0, b'')), 0, PROTOCOL_ERROR),
}
STREAMS: dict[str, Case] = {
    'DATA on an idle stream (5.1)': Case(fixed(data(1, b'a')), 0, PROTOCOL_ERROR),
    'RST_STREAM on an idle stream (5.1)': Case(fixed(reset(1)), 0, PROTOCOL_ERROR),
    'WINDOW_UPDATE on an idle stream (5.1)': Case(fixed(window(1, 1)), 0, PROTOCOL_ERROR),
    'CONTINUATION on an idle stream (5.1)': Case(fixed(frame(CONTINUATION, 4, 1, b'\x82')), 0, PROTOCOL_ERROR),
    'DATA on an idle stream behind others (5.1)': Case(whole(data(3, b'a')), 0, PROTOCOL_ERROR),
    'DATA after END_STREAM (5.1)': Case(whole(data(1, b'a')), 1, STREAM_CLOSED),
    'empty DATA after END_STREAM (5.1)': Case(whole(data(1, b'', end=True)), 1, STREAM_CLOSED),
    'HEADERS after END_STREAM (5.1)': Case(twice((1, True), (1, True)), 1, STREAM_CLOSED),
    'CONTINUATION after END_STREAM (5.1)': Case(whole(frame(CONTINUATION, 4, 1, b'\x82')), 0, PROTOCOL_ERROR),
    'DATA after the END_STREAM of DATA (5.1)': Case(opened(data(1, b'a', end=True) + data(1, b'b')), 1, STREAM_CLOSED),
    'DATA on a stream that is closed (5.1)': Case(whole(data(1, b'a')), 0, STREAM_CLOSED, answered=True),
    'HEADERS on a stream that is closed (5.1)': Case(twice((1, True), (1, True)), 0, STREAM_CLOSED, answered=True),
    'CONTINUATION on a stream that is closed (5.1)': Case(
        whole(frame(CONTINUATION, 4, 1, b'\x82')), 0, PROTOCOL_ERROR, answered=True
    ),
    'DATA after RST_STREAM (5.1)': Case(opened(reset(1) + data(1, b'a')), 1, STREAM_CLOSED),
    'HEADERS after RST_STREAM (5.1)': Case(twice((1, False), (1, True), reset(1)), 1, STREAM_CLOSED),
    'WINDOW_UPDATE after RST_STREAM (5.1)': Case(opened(reset(1) + window(1, 1)), 1, STREAM_CLOSED),
    'stream with an even number (5.1.1)': Case(lambda talk: talk.headers(2), 0, PROTOCOL_ERROR),
    'DATA on a stream with an even number (5.1.1)': Case(whole(data(2, b'a')), 0, PROTOCOL_ERROR),
    'stream with a number passed over (5.1.1)': Case(twice((5, True), (3, True)), 0, PROTOCOL_ERROR),
    'more streams than SETTINGS_MAX_CONCURRENT_STREAMS (5.1.2)': Case(many, 33, REFUSED_STREAM),
    'HEADERS of a stream that depends on itself (RFC 7540 5.3.1)': Case(
        lambda talk: frame(HEADERS, 5 | WITH_PRIORITY, 1, priority(1) + talk.block(GET)), 0, PROTOCOL_ERROR
    ),
    'PRIORITY of a stream that depends on itself (RFC 7540 5.3.1)': Case(
        fixed(frame(PRIORITY, 0, 3, priority(3))), 0, PROTOCOL_ERROR
    ),
}
KINDS: dict[str, Case] = {
    'DATA without a stream (6.1)': Case(fixed(frame(DATA, 0, 0, b'a')), 0, PROTOCOL_ERROR),
    'DATA with padding of its length (6.1)': Case(opened(padded(DATA, 0, b'\x03ab')), 0, PROTOCOL_ERROR),
    'DATA with more padding than its length (6.1)': Case(opened(padded(DATA, 0, b'\xffab')), 0, PROTOCOL_ERROR),
    'padded DATA without a length of padding (6.1, 4.2)': Case(opened(padded(DATA, 0, b'')), 0, FRAME_SIZE_ERROR),
    'HEADERS without a stream (6.2)': Case(lambda talk: talk.headers(0), 0, PROTOCOL_ERROR),
    'HEADERS with too much padding (6.2)': Case(fixed(padded(HEADERS, 5, b'\x05\x82\x87')), 0, PROTOCOL_ERROR),
    'padded HEADERS without a length of padding (6.2, 4.2)': Case(fixed(padded(HEADERS, 5, b'')), 0, FRAME_SIZE_ERROR),
    'HEADERS too short for its priority (6.2, 4.2)': Case(
        fixed(frame(HEADERS, 5 | WITH_PRIORITY, 1, b'\0\0\0')), 0, FRAME_SIZE_ERROR
    ),
    'PRIORITY without a stream (6.3)': Case(fixed(frame(PRIORITY, 0, 0, priority(1))), 0, PROTOCOL_ERROR),
    'PRIORITY too short (6.3)': Case(opened(frame(PRIORITY, 0, 1, b'\0\0\0\0')), 1, FRAME_SIZE_ERROR),
    'PRIORITY too long (6.3)': Case(opened(frame(PRIORITY, 0, 1, b'\0\0\0\0\0\0')), 1, FRAME_SIZE_ERROR),
    'PRIORITY too short on an idle stream (6.3)': Case(fixed(frame(PRIORITY, 0, 1, b'\0')), 0, FRAME_SIZE_ERROR),
    'RST_STREAM without a stream (6.4)': Case(fixed(reset(0)), 0, PROTOCOL_ERROR),
    'RST_STREAM too short (6.4)': Case(opened(frame(RST_STREAM, 0, 1, b'\0\0\0')), 0, FRAME_SIZE_ERROR),
    'RST_STREAM too long (6.4)': Case(opened(frame(RST_STREAM, 0, 1, b'\0\0\0\0\0')), 0, FRAME_SIZE_ERROR),
    'SETTINGS on a stream (6.5)': Case(opened(frame(SETTINGS, 0, 1, b'')), 0, PROTOCOL_ERROR),
    'acknowledgement of SETTINGS with a payload (6.5)': Case(fixed(frame(SETTINGS, ACK, 0, b'123456')), 0, FRAME_SIZE_ERROR),
    'SETTINGS that are not six bytes each (6.5)': Case(fixed(frame(SETTINGS, 0, 0, b'1234567')), 0, FRAME_SIZE_ERROR),
    'SETTINGS_ENABLE_PUSH of 2 (6.5.2)': Case(fixed(settings((2, 2))), 0, PROTOCOL_ERROR),
    'SETTINGS_INITIAL_WINDOW_SIZE of 2^31 (6.5.2)': Case(fixed(settings((4, 1 << 31))), 0, FLOW_CONTROL_ERROR),
    'SETTINGS_MAX_FRAME_SIZE of 2^14 - 1 (6.5.2)': Case(fixed(settings((5, 16383))), 0, PROTOCOL_ERROR),
    'SETTINGS_MAX_FRAME_SIZE of 2^24 (6.5.2)': Case(fixed(settings((5, 1 << 24))), 0, PROTOCOL_ERROR),
    'SETTINGS_ENABLE_CONNECT_PROTOCOL of 2 (RFC 8441 3)': Case(fixed(settings((8, 2))), 0, PROTOCOL_ERROR),
    'SETTINGS_NO_RFC7540_PRIORITIES of 2 (RFC 9218 2.1)': Case(fixed(settings((9, 2))), 0, PROTOCOL_ERROR),
    'bad setting behind a good one of its kind (6.5.3)': Case(fixed(settings((5, 16384), (5, 1))), 0, PROTOCOL_ERROR),
    'bad setting before a good one of its kind (6.5.3)': Case(fixed(settings((5, 1), (5, 16384))), 0, PROTOCOL_ERROR),
    'PUSH_PROMISE (6.6, 8.4)': Case(opened(frame(PUSH_PROMISE, 4, 1, struct.pack('>I', 2) + b'\x82')), 0, PROTOCOL_ERROR),
    'PUSH_PROMISE without a stream (6.6, 8.4)': Case(fixed(frame(PUSH_PROMISE, 4, 0, struct.pack('>I', 2))), 0, PROTOCOL_ERROR),
    'PING on a stream (6.7)': Case(opened(frame(PING, 0, 1, b'12345678')), 0, PROTOCOL_ERROR),
    'PING too short (6.7)': Case(fixed(frame(PING, 0, 0, b'1234567')), 0, FRAME_SIZE_ERROR),
    'PING too long (6.7)': Case(fixed(frame(PING, 0, 0, b'123456789')), 0, FRAME_SIZE_ERROR),
    'acknowledgement of PING too short (6.7)': Case(fixed(frame(PING, ACK, 0, b'1')), 0, FRAME_SIZE_ERROR),
    'GOAWAY on a stream (6.8)': Case(opened(frame(GOAWAY, 0, 1, bytes(8))), 0, PROTOCOL_ERROR),
    'GOAWAY too short (6.8, 4.2)': Case(fixed(frame(GOAWAY, 0, 0, bytes(7))), 0, FRAME_SIZE_ERROR),
    'WINDOW_UPDATE of nothing (6.9)': Case(fixed(window(0, 0)), 0, PROTOCOL_ERROR),
    'WINDOW_UPDATE of nothing but the reserved bit (6.9)': Case(fixed(window(0, 1 << 31)), 0, PROTOCOL_ERROR),
    'WINDOW_UPDATE of nothing on a stream (6.9)': Case(opened(window(1, 0)), 1, PROTOCOL_ERROR),
    'WINDOW_UPDATE too short (6.9)': Case(fixed(frame(WINDOW_UPDATE, 0, 0, b'\0\0\1')), 0, FRAME_SIZE_ERROR),
    'WINDOW_UPDATE too long (6.9)': Case(fixed(frame(WINDOW_UPDATE, 0, 0, b'\0\0\0\0\1')), 0, FRAME_SIZE_ERROR),
    'WINDOW_UPDATE too short on a stream (6.9)': Case(opened(frame(WINDOW_UPDATE, 0, 1, b'\1')), 0, FRAME_SIZE_ERROR),
    'window of the connection over 2^31 - 1 (6.9.1)': Case(fixed(window(0, LARGEST)), 0, FLOW_CONTROL_ERROR),
    'window of the connection over 2^31 - 1 by steps (6.9.1)': Case(
        fixed(window(0, LARGEST - 65535) + window(0, 1)), 0, FLOW_CONTROL_ERROR
    ),
    'window of a stream over 2^31 - 1 (6.9.1)': Case(opened(window(1, LARGEST)), 1, FLOW_CONTROL_ERROR),
    'window of a whole request over 2^31 - 1 (6.9.1)': Case(whole(window(1, LARGEST)), 1, FLOW_CONTROL_ERROR),
    'window of a stream over 2^31 - 1 by SETTINGS (6.9.2)': Case(
        opened(window(1, 1 << 30) + settings((4, LARGEST))), 0, FLOW_CONTROL_ERROR
    ),
    'more DATA than the window of the stream (6.9.1)': Case(
        opened(b''.join([data(1, b'a' * 16384)] * 4)), 1, FLOW_CONTROL_ERROR
    ),
    'more DATA, padding counted, than the window of the stream (6.1, 6.9.1)': Case(
        opened(b''.join([data(1, b'a' * 16300)] * 4) + padded(DATA, 0, b'\xff' + bytes(400))), 1, FLOW_CONTROL_ERROR
    ),
    'more DATA than the window of the connection (6.9.1)': Case(
        lambda talk: b''.join(
            [talk.headers(s, POST, end=False) + b''.join([data(s, b'a' * 16384)] * 3) for s in (1, 3, 5)]
        ),
        0, FLOW_CONTROL_ERROR,
    ),
    'CONTINUATION behind a whole block (6.10)': Case(opened(frame(CONTINUATION, 4, 1, b'\x82')), 0, PROTOCOL_ERROR),
    'CONTINUATION behind a CONTINUATION that ends its block (6.10)': Case(
        begun_block(frame(CONTINUATION, 4, 1, b'') + frame(CONTINUATION, 4, 1, b'')), 0, PROTOCOL_ERROR
    ),
    'CONTINUATION behind DATA (6.10)': Case(opened(data(1, b'a') + frame(CONTINUATION, 4, 1, b'\x82')), 0, PROTOCOL_ERROR),
}  # fmt: skip
MESSAGES: dict[str, Case] = {
    'trailers without END_STREAM (8.1)': Case(trailers([(b'x-sum', b'1')], end=False), 1, PROTOCOL_ERROR),
    'second head (8.1)': Case(trailers(GET), 1, PROTOCOL_ERROR),
    'pseudo-field in trailers (8.1, 8.3)': Case(trailers([(b':method', b'GET')]), 1, PROTOCOL_ERROR),
    'upper case in trailers (8.2.1)': Case(trailers([(b'X-Sum', b'1')]), 1, PROTOCOL_ERROR),
    'connection-specific field in trailers (8.2.2)': Case(trailers([(b'connection', b'close')]), 1, PROTOCOL_ERROR),
    'content-length in trailers': Case(trailers([(b'content-length', b'1')]), 1, PROTOCOL_ERROR),
    'body shorter than its content-length (8.1.1)': Case(body(b'3', b'ab'), 1, PROTOCOL_ERROR),
    'body longer than its content-length (8.1.1)': Case(body(b'3', b'abcd'), 1, PROTOCOL_ERROR),
    'body of several DATA shorter than its content-length (8.1.1)': Case(body(b'5', b'ab', b'cd'), 1, PROTOCOL_ERROR),
    'body of several DATA longer than its content-length (8.1.1)': Case(body(b'3', b'ab', b'cd'), 1, PROTOCOL_ERROR),
    'body and content-length 0 (8.1.1)': Case(body(b'0', b'a'), 1, PROTOCOL_ERROR),
    'trailers before the content-length is reached (8.1.1)': Case(body(b'3', b'ab', trailers=True), 1, PROTOCOL_ERROR),
    'content-length and END_STREAM at once (8.1.1)': Case(
        lambda talk: talk.headers(1, [*POST, (b'content-length', b'1')]), 1, PROTOCOL_ERROR
    ),
}
BLOCKS: dict[str, Case] = {
    f'RFC 7541: {name}': Case(fixed(frame(HEADERS, 5, 1, bytes.fromhex(block))), 0, COMPRESSION_ERROR)
    for name, block in FAULTS.items()
}
ERRORS = {**FRAMES, **STREAMS, **KINDS, **MESSAGES, **BLOCKS}
