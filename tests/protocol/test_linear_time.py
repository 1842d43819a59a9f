"""No input costs more than in proportion to its length: counted in calls made and bytes looked at, not in seconds."""

from __future__ import annotations

import sys

import pytest

from granian.protocol.responses import response_head
from tests.conformance.tables.bodies import chunked, post
from tests.conformance.tables.heads import head
from tests.helpers.engines import Conversation, byte_by_byte, limits, no_reply

ROOMY = limits(
    head_bytes_max=1 << 20,
    target_bytes_max=1 << 20,
    fields_max=10_000,
    body_bytes_max=None,
    read_ahead_bytes_max=1 << 30,
    discard_bytes_max=1 << 30,
)

INPUTS = {
    'target byte by byte': lambda n: byte_by_byte(head(b'GET /%b HTTP/1.1' % (b'x' * n))),
    'fields byte by byte': lambda n: byte_by_byte(head(b'GET / HTTP/1.1', *[b'X: y'] * (n // 6))),
    'one field byte by byte': lambda n: byte_by_byte(head(b'GET / HTTP/1.1', b'X: ' + b'y' * n)),
    'different fields': lambda n: [head(b'GET / HTTP/1.1', *[b'X-%d: y' % k for k in range(n // 10)])],
    'colons': lambda n: [head(b'GET / HTTP/1.1', b'X' + b': ' * (n // 2))],
    'white space': lambda n: [head(b'GET / HTTP/1.1', b'X:' + b' \t' * (n // 2) + b'y')],
    'commas': lambda n: [head(b'GET / HTTP/1.1', b'Connection: ' + b',' * n)],
    'body byte by byte': lambda n: byte_by_byte(post(b'Content-Length: %d' % n, body=b'x' * n)),
    'chunks of a byte': lambda n: [chunked(b'1\r\nx\r\n' * (n // 6) + b'0\r\n\r\n')],
    'chunks byte by byte': lambda n: byte_by_byte(chunked(b'1\r\nx\r\n' * (n // 6) + b'0\r\n\r\n')),
    'extensions': lambda n: [chunked((b'1%b\r\nx\r\n' % (b' ;a' * 80)) * (n // 250) + b'0\r\n\r\n')],
    'open quotes': lambda n: [chunked((b'1;a="%b"\r\nx\r\n' % (b'\\"' * 100)) * (n // 210) + b'0\r\n\r\n')],
    'trailers byte by byte': lambda n: byte_by_byte(chunked(b'0\r\n%b\r\n' % (b'X: y\r\n' * (n // 6)))),
    'pipelined': lambda n: [head() * (n // 30)],
    'pipelined, a field changing': lambda n: [
        b''.join(head(b'GET / HTTP/1.1', b'A: b', b'C: d', b'X-Id: %d' % k) for k in range(n // 60))
    ],
    'empty lines between': lambda n: [(b'\r\n' + head()) * (n // 30)],
}


class Count:
    """Calls made, and the bytes of whatever bytes methods were called on."""

    def __init__(self) -> None:
        self.calls = 0

    def __enter__(self):
        sys.setprofile(self._note)
        return self

    def __exit__(self, *details):
        sys.setprofile(None)

    def _note(self, frame, event, called):
        self.calls += event in ('call', 'c_call')


@pytest.mark.parametrize('name', INPUTS)
def test_twice_the_input_makes_twice_the_calls(engine, name):
    counts = []
    for size in (1500, 3000, 6000):
        pieces = INPUTS[name](size)
        talk = Conversation(engine, ROOMY)
        with Count() as count:
            for piece in pieces:
                talk.engine.receive(piece)
            talk.settle()
        assert set(talk.statuses) == {200}
        counts.append(count.calls)
    assert counts[1] <= 2.3 * counts[0]
    assert counts[2] <= 2.3 * counts[1]


@pytest.mark.parametrize(
    'name', ['target byte by byte', 'one field byte by byte', 'fields byte by byte', 'trailers byte by byte']
)
def test_a_byte_is_looked_at_once_however_slowly_it_comes(engine, name, monkeypatch):
    """What is held grows; what is searched of it at each byte does not."""
    looked = []
    real_find, real_count = bytes.find, bytes.count
    talk = Conversation(engine, ROOMY, reply=no_reply)

    class Watched(bytes):
        """Bytes that stay watched through the joins an engine makes, and know how far they are searched."""

        def __add__(self, other):
            return Watched(bytes.__add__(self, other))

        def __radd__(self, other):
            joined = other + bytes(self)
            return Watched(joined) if isinstance(other, bytes) else joined

        def __getitem__(self, key):
            got = bytes.__getitem__(self, key)
            return Watched(got) if isinstance(key, slice) else got

        def find(self, sub, start=0, end=sys.maxsize):
            looked.append(max(0, min(len(self), end) - start))
            return real_find(self, sub, start, end)

        def count(self, sub, start=0, end=sys.maxsize):
            looked.append(max(0, min(len(self), end) - start))
            return real_count(self, sub, start, end)

    pieces = INPUTS[name](5000)
    for piece in pieces[:-4]:
        talk.engine.receive(Watched(piece))
    assert sum(looked) <= 40 * len(pieces)


def test_a_stream_of_small_writes_makes_as_many_calls(engine):
    counts = []
    for size in (500, 1000, 2000):
        talk = Conversation(engine, ROOMY, reply=no_reply)
        talk.feed(head())
        with Count() as count:
            talk.engine.start(1, response_head(200, []))
            for _ in range(size):
                talk.engine.write(1, b'x')
            talk.engine.finish(1)
        counts.append(count.calls)
    assert counts[2] <= 2.3 * counts[1] <= 5.3 * counts[0]
