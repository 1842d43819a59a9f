"""The same frames to two engines: what they make of each must be the same, or one of the differences that are explained.

`docs/explanation/http2-decisions.md` lists these. After one of them the two connections are in different states, so the
comparison of that conversation ends there.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from granian.protocol.responses import response_head
from tests.conformance.http2.tables.heads import MALFORMED
from tests.helpers.http2 import (
    ACK,
    CONNECT,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    HTTP2_ENGINES,
    PADDED,
    PING,
    POST,
    PRIORITY,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    Talk,
    data,
    frame,
    limits,
    no_reply,
    priority,
    reset,
    settings,
    window,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.http2 import Response, Seen

LIMITS = limits(body_bytes_max=3000, discard_bytes_max=2000, streams_max=8, fields_max=12, head_bytes_max=2048)
# The application goes on between the reads; in one of them it does not take bodies at once.
BETWEEN = ('late', 'untaken')
# A body may be larger than its window, which is opened as the application takes it.
TIGHT = replace(LIMITS, stream_window_bytes=1500, body_bytes_max=6000)
HEADS = [
    GET, POST, CONNECT, [(b':method', b'HEAD'), *GET[1:]],
    [*GET, (b'x-a', b'1'), (b'x-b', b'')], [*GET, (b'cookie', b'a=1'), (b'x', b'y'), (b'cookie', b'b=2')],
    [*POST, (b'content-length', b'5')], [*POST, (b'content-length', b'0')], [*POST, (b'content-length', b'3001')],
    [*POST, (b'expect', b'100-continue')], [*POST, (b'te', b'trailers')],
    [*GET[:3], (b':path', b'/' + b'a' * 1030)], [*GET, (b'x', b'a' * 2100)], [*GET, *[(b'x', b'1')] * 13],
    [(b':method', b'CONNECT'), (b':authority', b'a')],
]  # fmt: skip
TRAILERS = [[(b'x-sum', b'1')], [], [(b'content-length', b'1')], [(b':path', b'/')], [(b'x', b'1')] * 13]
NUMBERS = [0, 1, 2, 3, 4, 5, 6, 100, 255, 16383, 16384, 65535, 65536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


class Generator:
    """Frames of a client that mostly does as it should. Every engine is sent the same bytes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.next = 1
        # For blocks, whose meaning does not depend on a table.
        self.encoder = Talk(HTTP2_ENGINES['fast']).encoder

    def block(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        if self.random.random() < 0.02:
            return self.random.choice([b'\x80', b'\x82\xff', b'\x3f\xff\xff\xff\xff\x0f', b'\x00\x81\xff\x00', b''])
        return self.encoder.encode(fields, huffman=self.random.random() < 0.5)

    def stream(self) -> int:
        """Of a stream that was begun, mostly."""
        if self.random.random() < 0.03:
            return self.random.choice([0, 2, self.next, self.next + 2])
        return max(1, self.next - 2 * self.random.choice([1, 1, 1, 2, 2, 3, 4, 9]))

    def head(self) -> bytes:
        stream = self.next
        if self.random.random() < 0.03:
            stream = self.random.choice([0, 2, max(1, stream - 2), stream + 4, stream | 1 << 31])
        self.next = max(self.next, (stream & 0x7FFFFFFF | 1) + 2)
        fields = self.random.choice(HEADS)
        if self.random.random() < 0.08:
            fields = self.random.choice(list(MALFORMED.values()))
        return self.headers(stream, self.block(fields), END_STREAM if self.random.random() < 0.5 else 0)

    def headers(self, stream: int, block: bytes, flags: int) -> bytes:
        kind = self.random.random()
        if kind < 0.15 and len(block) > 2:
            cut = self.random.randrange(len(block))
            rest = frame(CONTINUATION, END_HEADERS, stream & 0x7FFFFFFF, block[cut:])
            between = self.any() if self.random.random() < 0.05 else b''
            return frame(HEADERS, flags, stream, block[:cut]) + between + rest
        flags |= END_HEADERS
        if kind < 0.25:
            return frame(HEADERS, flags | PADDED, stream, b'\x03' + block + b'\0\0\0')
        if kind < 0.3:
            return frame(HEADERS, flags | WITH_PRIORITY, stream, priority(stream + 2) + block)
        return frame(HEADERS, flags, stream, block)

    def body(self) -> bytes:
        size = self.random.choice([0, 1, 3, 5, 5, 5, 700, 2999, 3001])
        stream, end = self.stream(), self.random.random() < 0.4
        if self.random.random() < 0.1:
            return frame(DATA, PADDED | end, stream, b'\x02' + b'd' * size + b'\0\0')
        return data(stream, b'd' * size, end=end)

    def trailers(self) -> bytes:
        end = END_STREAM if self.random.random() < 0.9 else 0
        return self.headers(self.stream(), self.block(self.random.choice(TRAILERS)), end)

    def settings(self) -> bytes:
        if self.random.random() < 0.7:
            return settings((self.random.choice([1, 4]), self.random.choice([0, 5, 100, 4096, 65535, 100000])))
        pairs = [(self.random.randrange(8), self.random.choice(NUMBERS)) for _ in range(self.random.randrange(4))]
        return settings(*pairs)

    def window(self) -> bytes:
        if self.random.random() < 0.9:
            return window(self.random.choice([0, self.stream()]), self.random.choice([1, 100, 65535, 100000]))
        return window(self.stream(), self.random.choice(NUMBERS))

    def any(self) -> bytes:
        kind = self.random.choice(
            [DATA, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION, 77]
        )
        size = self.random.choice([0, 1, 4, 5, 6, 8, 12])
        flags = self.random.choice([0, 0, ACK, END_HEADERS, PADDED])
        return frame(kind, flags, self.random.choice([0, self.stream()]), self.random.randbytes(size))

    def piece(self) -> bytes:
        makers: list[tuple[int, Callable[[], bytes]]] = [
            (40, self.head), (30, self.body), (6, self.trailers), (4, self.settings), (8, self.window), (2, self.any),
            (2, lambda: frame(PING, 0, 0, b'12345678')), (4, lambda: reset(self.stream())),
            (2, lambda: frame(PRIORITY, 0, self.stream(), priority(0))), (1, lambda: frame(77, 0, self.stream(), b'x')),
        ]  # fmt: skip
        (make,) = self.random.choices([maker for _, maker in makers], [weight for weight, _ in makers])
        return make()

    def pieces(self) -> list[bytes]:
        start = [window(0, 1 << 24)] if self.random.random() < 0.8 else []
        return start + [self.piece() for _ in range(self.random.randrange(1, 40))]

    def reads(self, mode: str) -> list[list[bytes]]:
        """The pieces as they come out of the socket: mostly one by one.

        Where the application answers within a read, what follows in it may come before the answer went out, or not.
        """
        pieces, reads = self.pieces(), []
        while pieces:
            count = self.random.choice([1, 1, 1, 1, 2, 5]) if mode in BETWEEN else 1
            reads.append(pieces[:count])
            pieces = pieces[count:]
        return reads


class Application(Talk):
    """Replies in one of several ways, the same for each engine."""

    def __init__(self, engine: Any, mode: str, seed: int = 0) -> None:
        self.mode = mode
        self.seed = seed
        self.steps = 0
        # Those whose response has begun, for `late`.
        self.begun: set[int] = set()
        super().__init__(engine, TIGHT if mode == 'untaken' else LIMITS, reply=no_reply, takes=mode != 'untaken')
        self.reply = no_reply if mode in BETWEEN else self.answer  # type: ignore[assignment]

    def on_request(self, stream: int, head: Any, body: bytes, ended: bool) -> None:
        super().on_request(stream, head, body, ended=ended)
        if self.mode == 'early' and not ended:
            seen = self.requests[stream]
            seen.replied = True
            self.engine.respond(stream, response_head(200, []), b'early')

    def on_body(self, stream: int, data: bytes) -> None:
        if not self.requests[stream].replied:
            super().on_body(stream, data)

    def on_body_end(self, stream: int, trailers: Any) -> None:
        if not self.requests[stream].replied:
            super().on_body_end(stream, trailers)

    def is_open(self, stream: int) -> bool:
        return stream in self.begun

    def answer(self, talk: Talk, seen: Seen) -> None:
        body = b'<%b>' % seen.body
        if self.mode in ('whole', 'early'):
            self.engine.respond(seen.stream, response_head(200, [(b'x-path', seen.head.raw_path[:9])]), body)
            return
        self.engine.inform(seen.stream, 103, [(b'link', b'<a>')])
        self.engine.start(seen.stream, response_head(203, []))
        self.engine.write(seen.stream, body)
        self.engine.write(seen.stream, body)
        self.engine.finish(seen.stream, [(b'x-sum', b'1')])

    def step(self) -> None:
        """What the application does between two reads."""
        self.steps += 1
        if self.mode not in BETWEEN:
            return
        # Requests of one read may be told of in another order, and who answers first gets what is left of a window.
        for stream, seen in sorted(self.requests.items()):
            choice = random.Random(f'{self.seed} {self.steps} {stream}')
            if seen.gone is None and not seen.replied and not self.engine.closing:
                self.go_on(seen, choice)
            if seen.gone is None and seen.untaken and choice.random() < 0.3:
                self.take(stream)
        self.settle()

    def go_on(self, seen: Seen, choice: random.Random) -> None:
        engine, stream, kind = self.engine, seen.stream, choice.random()
        piece = b'%d' % stream * choice.choice([0, 1, 50, 5000, 40000])
        if kind < 0.5:
            return
        if kind < 0.53:
            seen.replied = True
            engine.abort(stream)
        elif stream in self.begun:
            self.continue_response(seen, piece, kind)
        elif kind < 0.6:
            engine.inform(stream, 103, [(b'link', b'<a>')])
        elif kind < 0.75:
            seen.replied = True
            engine.respond(stream, response_head(200, []), piece)
        else:
            self.begun.add(stream)
            engine.start(stream, response_head(200, []))

    def continue_response(self, seen: Seen, piece: bytes, kind: float) -> None:
        if kind < 0.8:
            self.engine.write(seen.stream, piece)
        else:
            seen.replied = True
            self.engine.finish(seen.stream, [(b'x-sum', b'1')] if kind < 0.9 else [])


MODES = ('whole', 'early', 'pieces', *BETWEEN)


def streams(talk: Talk) -> dict[int, Any]:
    """What each stream came to."""
    found: dict[int, Any] = {}
    for stream in sorted({*talk.requests, *talk.responses}):
        seen = talk.requests.get(stream)
        response = talk.responses[stream]
        found[stream] = (
            _request(seen) if seen else None,
            _response(response, answered=seen is None or seen.answered != 0),
            [fields[0] for fields in response.interim],
        )
    return found


def _request(seen: Seen) -> tuple[Any, ...]:
    summary = seen.summary()
    # Whether the last bytes of a body that breaks its framing are handed on.
    body = () if seen.gone else summary[11:13]
    return (*summary[:11], *body, seen.whole and not seen.gone, seen.gone is not None, seen.answered)


def _response(response: Response, *, answered: bool) -> tuple[Any, ...]:
    """A response with what may differ taken out. `answered`: in the application's place."""
    if answered:
        # With a window too small for its body, fast waits, h2 leaves it out.
        return (response.status,)
    # Whether a request is reset whose response is whole is a matter of taste, as is STREAM_CLOSED to one that crossed it.
    code = None if response.whole or response.code == STREAM_CLOSED else response.code
    return response.status, response.whole, response.body if response.whole else b'', response.trailers, code


def explained(fast: Talk, other: Talk, read: list[bytes]) -> bool:
    """Whether the two differ now in a way that is explained: see http2-decisions.md."""
    if other.engine.closing:
        # An error of a stream, which h2 takes for one of the connection, whatever became of that.
        return any(piece[3] == WINDOW_UPDATE or padding_alone(piece) for piece in read) or any(
            response.code for response in fast.responses.values()
        )
    # A frame on a stream that has ended, which h2 answers by a reset, or takes for one that crossed it.
    return fast.goaway == STREAM_CLOSED


def late_window(piece: bytes) -> bool:
    """WINDOW_UPDATE of nothing on a stream, which h2 takes for an error of the connection where that is over."""
    return piece[3] == WINDOW_UPDATE and not int.from_bytes(piece[9:13], 'big') & 0x7FFFFFFF


def padding_alone(piece: bytes) -> bool:
    """HEADERS of an empty block and padding, which h2 refuses."""
    return piece[3] == HEADERS and bool(piece[4] & PADDED) and len(piece) == 10 + piece[9]


def turned_away(fast: Talk, other: Talk) -> bool:
    """One engine has a place less: an answer of its own waits for a window there."""
    refused = [{s for s, r in talk.responses.items() if r.code == REFUSED_STREAM} for talk in (fast, other)]
    return refused[0] != refused[1]


def disagreement(seed: int) -> str | None:
    """What the engines disagree about, or None."""
    generator = Generator(seed)
    mode = generator.random.choice(MODES)
    talks = {name: Application(engine, mode, seed) for name, engine in HTTP2_ENGINES.items()}
    fast = talks['fast']
    for number, read in enumerate(generator.reads(mode)):
        for talk in talks.values():
            talk.feed(b''.join(read))
            talk.step()
        for name, talk in talks.items():
            difference = _difference(fast, talk, read)
            if difference:
                return f'read {number} {[piece[:60] for piece in read]} ({mode})\n  fast, then {name}: {difference}'
            if talk is not fast and (talk.engine.closing or fast.engine.closing or turned_away(fast, talk)):
                return None
    return None


def _difference(fast: Talk, other: Talk, read: list[bytes]) -> str | None:
    # An answer of its own that waits for a window is one more stream to fast.
    waits = fast.refusals or any(seen.answered for seen in fast.requests.values())
    if fast.engine.closing != other.engine.closing and not (waits and other.goaway is None):
        return (
            None
            if explained(fast, other, read)
            else f'closing {fast.engine.closing} {fast.goaway}, {other.engine.closing} {other.goaway}'
        )
    if fast.engine.closing:
        return None
    if turned_away(fast, other):
        return None
    first, second = streams(fast), streams(other)
    for stream in sorted({*first, *second}):
        if first.get(stream) != second.get(stream):
            return f'stream {stream}\n    {first.get(stream)}\n    {second.get(stream)}'
    if not waits and fast.engine.streams_open != other.engine.streams_open:
        return f'open {fast.engine.streams_open}, {other.engine.streams_open}'
    return None
