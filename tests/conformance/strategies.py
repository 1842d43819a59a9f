"""Input for the differential fuzzer: requests by grammar, some of them a little broken, in pipelines, cut anywhere.

Written once over `Choices`: hypothesis makes them where a smallest example is wanted, a random generator where many are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from hypothesis import strategies as st

from tests.helpers.engines import LIMITS, byte_by_byte, limits

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from granian.protocol.limits import Http1Limits

METHODS = [b'GET', b'POST', b'HEAD', b'OPTIONS', b'PUT', b'CONNECT', b'get', b'X-Y', b'G(T', b'', b'G\x00T', b'X' * 60]
TARGETS = [
    b'/', b'/a?b', b'*', b'http://b/c', b'http://b', b'http://b?c', b'//x', b'/%41%ff', b'/\xff', b'/a b', b'/#', b'a:80', b'',
    b'http://u@b/', b'/' + b'x' * 1023, b'/' + b'x' * 1024, b'/\x00', b'/GET / HTTP/1.1',
]  # fmt: skip
VERSIONS = [
    b'HTTP/1.1', b'HTTP/1.0', b'HTTP/2.0', b'HTTP/1.2', b'HTTP/0.9', b'http/1.1', b'HTTP/1', b'HTTP/1.1 ', b'HTTP/1.1x', b'',
]  # fmt: skip
HOSTS = [
    b'Host: a', b'host:a', b'HOST: [::1]:80', b'Host: a\r\nHost: a', b'Host: a\r\nHost: b', b'', b'Host:', b'Host: a b',
    b'Host: a@b', b'Host : a', b' Host: a', b'Host: a,b', b'Host: a:', b'Host\x00: a', b'X-Host: b\r\nHost: a',
]  # fmt: skip
FIELDS = [
    b'Accept: */*', b'Accept', b'A:', b':x', b'A : x', b'\tA: x', b' folded', b'A: x\x00', b'A: \x01', b'A: \xff', b'A: x\ry',
    b'A: x\ny', b'\xffA: x', b'A(: x', b'Cookie: a=b', b'Connection: close', b'Connection: keep-alive', b'Connection: a, close',
    b'Connection: keep-alive, close', b'Expect: 100-continue', b'Expect: x', b'Upgrade: websocket', b'Upgrade: h2c',
    b'Connection: Upgrade', b'Content_Length: 5', b'Content-Length\x0b: 5', b'X: %b' % (b'x' * 3000), b'TE: trailers', b'',
    b'Trailer: X', b'A: x\r\nA: x\r\nA: x', b'Content-Length: 5, 5', b'A: \x85', b'A:\xa0', b'A: "\\"', b'A: x\x0b',
]  # fmt: skip
LENGTHS = [
    b'0',
    b'5',
    b'05',
    b'+5',
    b'-5',
    b'5, 5',
    b'5,6',
    b'',
    b'0x5',
    b'5 5',
    b'9' * 19,
    b'9' * 20,
    b'6',
    b'70000',
    b'5\x0b',
]
CODINGS = [
    b'chunked', b'Chunked', b' chunked', b'chunked ', b'xchunked', b'gzip', b'gzip, chunked', b'chunked, chunked', b'identity', b'',
    b'chunked\x0b', b'chunked;a', b',chunked', b'chunked, gzip', b'\x00chunked',
]  # fmt: skip
SIZE_LINES = [
    b'5', b'05', b'5;a', b'5;a=b', b'5;a="b"', b'5 ;a', b'5 ', b' 5', b'0x5', b'+5', b'5;', b'5;a\x00', b'5;a\nb', b'5\r', b'-5',
    b'g', b'', b'6', b'4', b'0000000000000005', b'00000000000000005', b'fffffffffffffff', b'5;a b', b'5;a="', b'5\x0b', b'5_',
]  # fmt: skip
TRAILERS = [
    b'', b'X: y\r\n', b'X: y\r\nZ:\r\n', b'Content-Length: 5\r\n', b'Host: b\r\n', b' folded\r\n', b'X : y\r\n', b'X\r\n',
    b'X: y\n', b'Transfer-Encoding: x\r\n', b'X: y\r\n z\r\n', b'X: y\x00\r\n', b'GET / HTTP/1.1\r\n', b'\n', b'Cookie: a\r\n',
]  # fmt: skip
# Of what similar heads are made, and what may stand in for a line of them.
PLAIN_FIELDS = [
    b'Accept: */*', b'User-Agent: x', b'Cookie: a=b', b'Connection: keep-alive', b'X: y', b'A: b: c', b'Authorization: x',
    b'Expect: 100-continue', b'Connection: close',
]  # fmt: skip
CODING = b'Transfer-Encoding: chunked'
FRAMING = [
    CODING,
    b'Content-Length: 0',
    b'Content-Length: 5',
    b'Content-Length: 6',
    b'Content-Length: 5\r\nX: y',
    b'\r\nX: y',
]
# What mutations put in.
TOKENS = [
    b'\r\n', b'\n', b'\r', b' ', b'\t', b'\x00', b'\x0b', b':', b';', b',', b'0', b'5', b'\r\n\r\n', b'\n\n', b'\xff', b'\x7f', b'a',
    b'GET / HTTP/1.1\r\nHost: a\r\n\r\n', b'0\r\n\r\n', b'Transfer-Encoding: chunked\r\n', b'Content-Length: 5\r\n', b'"', b'\\',
    b'HTTP/1.1', b'\r\n ', b'chunked', b'\x85', b'\xa0', b'/', b'\r\r\n', b'Host: b\r\n',
]  # fmt: skip

T = TypeVar('T')

ALL_LIMITS = [
    LIMITS,
    limits(require_host=False),
    limits(keep_alive=False),
    limits(body_bytes_max=None),
    limits(
        head_bytes_max=80,
        target_bytes_max=16,
        fields_max=3,
        body_bytes_max=8,
        read_ahead_bytes_max=4,
        discard_bytes_max=4,
    ),
]


@dataclass(frozen=True)
class Input:
    """`pieces` are what arrives. `replies` names how the application answers; `at_once`: within the engine's call."""

    pieces: tuple[bytes, ...]
    limits: Http1Limits = LIMITS
    replies: str = 'whole'
    at_once: bool = False
    ends: bool = False


class Choices:
    """Whatever makes the choices: `number(low, high)` gives one of low … high; low is the plainest."""

    def __init__(self, number: Callable[[int, int], int]) -> None:
        self.number = number

    def pick(self, values: list[T]) -> T:
        return values[self.number(0, len(values) - 1)]

    def mostly(self, values: list[bytes], percent: int = 90) -> bytes:
        """The first value, but for a few percent."""
        return values[0] if self.number(0, 99) < percent else self.pick(values)

    def chance(self, percent: int) -> bool:
        return self.number(0, 99) >= 100 - percent


def body(choices: Choices) -> tuple[list[bytes], bytes]:
    """Framing fields, and a body that more or less obeys them."""
    kind = choices.number(0, 9)
    if kind < 3:
        return [], b'hello' if choices.chance(5) else b''
    if kind < 5:
        return [b'Content-Length: ' + choices.mostly([b'5', *LENGTHS])], b'hello'
    lines = [choices.mostly(SIZE_LINES) for _ in range(choices.number(0, 2))]
    data = b''.join(b'%b\r\nhello\r\n' % line for line in lines) + b'0\r\n' + choices.mostly(TRAILERS, 70) + b'\r\n'
    fields = [b'Transfer-Encoding: ' + choices.mostly(CODINGS)]
    if kind == 9 and choices.chance(50):
        fields.insert(choices.number(0, 1), b'Content-Length: ' + choices.mostly([b'5', *LENGTHS]))
    elif kind == 9:
        data = choices.pick([data[:-2], b'hello', b'', b'5\r\nhel'])
    return fields, data


def request(choices: Choices) -> bytes:
    framing, data = body(choices)
    method = choices.pick(METHODS[:5]) if choices.chance(60) else choices.mostly(METHODS)
    version = choices.mostly([VERSIONS[0], VERSIONS[1]], 60) if choices.chance(30) else choices.mostly(VERSIONS)
    line = b' '.join([method, choices.mostly(TARGETS, 80), version])
    fields = [choices.mostly(FIELDS, 60) for _ in range(choices.number(0, 2))]
    return b'\r\n'.join([line, choices.mostly(HOSTS), *fields, *framing, b'', data])


def similar_requests(choices: Choices) -> list[bytes]:
    """Requests of one client: the same fields each time, in the same order, but for a line."""
    fields = [choices.pick(PLAIN_FIELDS) for _ in range(choices.number(2, 5))]
    framing, data = choices.pick(
        [([], b''), ([b'Content-Length: 5'], b'hello'), ([CODING], b'5\r\nhello\r\n0\r\n\r\n')]
    )
    fields += framing
    for line in (b'Host: a', b'X-Id: 0'):
        fields.insert(choices.number(0, len(fields)), line)
    changes = choices.number(0, len(fields) - 1) if choices.chance(50) else fields.index(b'X-Id: 0')
    made = []
    for number in range(choices.number(2, 6)):
        lines = list(fields)
        lines[changes] = choices.mostly([b'X-Id: %d' % number, *FIELDS, *HOSTS, *PLAIN_FIELDS, *FRAMING], 70)
        line = b' '.join([choices.mostly(METHODS, 96), choices.mostly(TARGETS, 92), choices.mostly(VERSIONS, 96)])
        made.append(b'\r\n'.join([line, *lines, b'', data]))
    return made


def strange_requests(choices: Choices) -> list[bytes]:
    """Requests of which every field is new: an engine may stop to look for what it knows."""
    made = []
    for _ in range(choices.number(3, 6)):
        lines = [b'X-%d: %d' % (choices.number(0, 99), choices.number(0, 10**9)) for _ in range(choices.number(8, 20))]
        framing, data = body(choices) if choices.chance(30) else ([], b'')
        odd = [choices.pick(FIELDS)] if choices.chance(20) else []
        for line in (choices.mostly(HOSTS, 97), *odd, *framing):
            lines.insert(choices.number(0, len(lines)), line)
        lines = [mutated(choices, line) if choices.chance(1) else line for line in lines]
        made.append(b'\r\n'.join([b'GET / HTTP/1.1', *lines, b'', data]))
    return made


def mutated(choices: Choices, raw: bytes) -> bytes:
    for _ in range(choices.number(0, 2) if choices.chance(50) else 0):
        at, size = choices.number(0, len(raw)), choices.number(0, 3)
        raw = raw[:at] + choices.pick(TOKENS) + raw[at + size :]
    return raw


def cut(choices: Choices, parts: list[bytes]) -> tuple[bytes, ...]:
    if choices.chance(40):
        return tuple(filter(None, parts))
    raw = b''.join(parts)
    if choices.chance(10) and len(raw) < 1000:
        return tuple(byte_by_byte(raw))
    places = sorted({choices.number(1, len(raw)) for _ in range(choices.number(0, 3))} - {len(raw)}) if raw else []
    return tuple(raw[a:b] for a, b in zip([0, *places], [*places, len(raw)], strict=True))


def make_input(choices: Choices, corpus: list[bytes]) -> Input:
    parts = [request(choices) for _ in range(choices.number(1, 4))]
    if choices.chance(40):
        parts = similar_requests(choices)
    elif choices.chance(20):
        parts = strange_requests(choices)
    elif choices.chance(20):
        parts = [request(choices) if choices.chance(50) else b'', choices.pick(corpus)]
    at = choices.number(0, len(parts) - 1)
    parts[at] = mutated(choices, parts[at])
    replies = ['whole', 'chunks', 'length', 'early', 'continue']
    return Input(
        cut(choices, parts),
        ALL_LIMITS[choices.number(0, len(ALL_LIMITS) - 1)] if choices.chance(40) else LIMITS,
        replies[choices.number(0, len(replies) - 1)],
        choices.chance(50),
        choices.chance(30),
    )


@st.composite
def inputs(draw: st.DrawFn, corpus: list[bytes]) -> Input:
    return make_input(Choices(lambda low, high: draw(st.integers(low, high))), corpus)


def random_input(source: random.Random, corpus: list[bytes]) -> Input:
    return make_input(Choices(source.randint), corpus)
