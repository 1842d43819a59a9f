"""What an HTTP/2 engine costs by itself, without sockets and applications: `python -m benchmarks.http2_engine [ENGINE]`.

The client's bytes are made beforehand. Each read holds the frames of as many requests as streams are open at a time; the
application answers at once; the client grants the windows back. µs of CPU a request, the least of several rounds.
"""

from __future__ import annotations

import struct
import sys
import time
from typing import TYPE_CHECKING, Any

import hpack

from granian.protocol.contract import ResponseDefaults
from granian.protocol.limits import Http2Limits
from granian.protocol.responses import response_head

if TYPE_CHECKING:
    from collections.abc import Callable

PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
LIMITS = Http2Limits(
    head_bytes_max=65536,
    target_bytes_max=8192,
    fields_max=128,
    body_bytes_max=None,
    discard_bytes_max=65536,
    streams_max=200,
    frame_bytes_max=16384,
    stream_window_bytes=1048576,
    connection_window_bytes=1048576,
    adaptive_window=False,
    send_buffer_bytes_max=409600,
)
BARE = [(b':method', b'GET'), (b':scheme', b'https'), (b':authority', b'localhost:8000'), (b':path', b'/')]
BROWSER = [
    (b'sec-ch-ua', b'"Chromium";v="128", "Not;A=Brand";v="24", "Google Chrome";v="128"'), (b'sec-ch-ua-mobile', b'?0'),
    (b'sec-ch-ua-platform', b'"Linux"'), (b'upgrade-insecure-requests', b'1'),
    (b'user-agent', b'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36'),
    (b'accept', b'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8'),
    (b'sec-fetch-site', b'same-origin'), (b'sec-fetch-mode', b'navigate'), (b'sec-fetch-user', b'?1'),
    (b'sec-fetch-dest', b'document'), (b'referer', b'https://localhost:8000/items/list'),
    (b'accept-encoding', b'gzip, deflate, br, zstd'), (b'accept-language', b'en-GB,en;q=0.9,de;q=0.8'),
    (b'cookie', b'session=0123456789abcdef0123456789abcdef; theme=dark'), (b'priority', b'u=0, i'),
]  # fmt: skip
COUNT = 4000
ROUNDS = 7


def frame(kind: int, flags: int, stream: int, payload: bytes = b'') -> bytes:
    return struct.pack('>BHBBI', 0, len(payload), kind, flags, stream) + payload


class Client:
    """Blocks as clients make them: the path is not indexed (browsers, nghttp2), or is."""

    def __init__(self, *, index_path: bool) -> None:
        self.encoder = hpack.Encoder()
        self.index_path = index_path

    def block(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        if self.index_path:
            return self.encoder.encode(fields)
        at = [name for name, _ in fields].index(b':path')
        path = hpack.Encoder().huffman_coder.encode(fields[at][1])
        # RFC 7541 6.2.2, with the name of static index 4.
        literal = b'\x04' + bytes((128 | len(path),)) + path
        return self.encoder.encode(fields[:at]) + literal + self.encoder.encode(fields[at + 1 :])


def same(_: int) -> list[tuple[bytes, bytes]]:
    return BARE


def same_browser(_: int) -> list[tuple[bytes, bytes]]:
    return [*BARE, *BROWSER]


def other_path(number: int) -> list[tuple[bytes, bytes]]:
    return [*BARE[:3], (b':path', b'/items/%d?page=%d&q=abc' % (number, number * 7)), *BROWSER]


def other_path_and_id(number: int) -> list[tuple[bytes, bytes]]:
    return [*other_path(number), (b'x-request-id', b'%032x' % (number * 0x9E3779B97F4A7C15))]


class Application:
    """Answers at once, and takes bodies as they come."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.engine: Any = None
        self.bodies: dict[int, bytes] = {}
        self.fields = [(b'content-type', b'text/plain')]

    def on_request(self, stream: int, head: Any, body: bytes, ended: bool) -> None:
        if ended:
            if body:
                self.engine.took(stream, len(body))
            self.engine.respond(stream, response_head(200, self.fields), body or self.answer)
        else:
            self.bodies[stream] = body

    def on_body(self, stream: int, data: bytes) -> None:
        self.engine.took(stream, len(data))
        self.bodies[stream] += data

    def on_body_end(self, stream: int, trailers: Any) -> None:
        self.engine.respond(stream, response_head(200, self.fields), self.bodies.pop(stream))

    def on_room(self, stream: int) -> None: ...

    def on_much_output(self) -> None: ...


def reads(fields: Callable[[int], Any], streams: int, body: bytes, *, index_path: bool) -> list[bytes]:
    """What a client sends, by reads."""
    client = Client(index_path=index_path)
    frames = []
    window = frame(8, 0, 0, struct.pack('>I', max(1, streams * len(body or b'x' * 10))))
    for number in range(COUNT):
        stream = 2 * number + 1
        block = client.block([(b':method', b'POST'), *fields(number)[1:]] if body else fields(number))
        sent = frame(1, 4 if body else 5, stream, block)
        if body:
            sent += frame(0, 1, stream, body)
        frames.append(sent)
    return [window + b''.join(frames[at : at + streams]) for at in range(0, COUNT, streams)]


def measure(make: Callable[..., Any], pieces: list[bytes]) -> float:
    best = float('inf')
    for _ in range(ROUNDS):
        app = Application(b'x' * 10)
        engine = app.engine = make(LIMITS, ResponseDefaults(b'granian', b'Tue, 15 Nov 1994 08:12:31 GMT'), app)
        engine.receive(PREFACE + frame(4, 0, 0, struct.pack('>HI', 4, 1 << 20)) + frame(4, 1, 0))
        started = time.process_time()
        for piece in pieces:
            engine.receive(piece)
            while engine.sendable:
                engine.produce(65536)
            b''.join(engine.output)
            engine.output.clear()
        best = min(best, time.process_time() - started)
        assert not engine.closing
        assert engine.streams_open == 0
    return best / COUNT * 1e6


ROWS = {
    'get, bare': (same, b'', False),
    "get, a browser's fields": (same_browser, b'', False),
    '… and another path each time': (other_path, b'', False),
    '… path indexed too': (other_path, b'', True),
    '… and another x-request-id, indexed': (other_path_and_id, b'', False),
    'echo 10 B': (same, b'x' * 10, False),
    'echo 1 KB': (same, b'x' * 1024, False),
    'echo 10 KB': (same, b'x' * 10240, False),
}


def engine_class(name: str) -> Callable[..., Any]:
    if name == 'h2':
        from granian.protocol.http2.h2 import Http2H2  # type: ignore[import-not-found,unused-ignore]

        return Http2H2  # type: ignore[no-any-return,unused-ignore]
    from granian.protocol.http2.fast import Http2Fast

    return Http2Fast


def main() -> None:
    make = engine_class(sys.argv[1] if len(sys.argv) > 1 else 'fast')
    print(f'{"µs a request, streams at a time:":36}{1:>8}{10:>8}{100:>8}')
    for name, (fields, body, index_path) in ROWS.items():
        figures = [measure(make, reads(fields, streams, body, index_path=index_path)) for streams in (1, 10, 100)]
        print(f'{name:36}' + ''.join(f'{figure:8.2f}' for figure in figures), flush=True)


if __name__ == '__main__':
    main()
