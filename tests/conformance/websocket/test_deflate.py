"""permessage-deflate over each engine (RFC 7692); sections 12 and 13 of the Autobahn test suite are in `test_deflate_sections.py`."""

from __future__ import annotations

import random
import tracemalloc
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from granian.protocol.websocket import deflate as websocket_deflate
from tests.helpers.engines import byte_by_byte, splits_in_two
from tests.helpers.websocket_engines import (
    BINARY,
    CONTINUATION,
    DEFLATE,
    LIMITS,
    PING,
    TAIL,
    TEXT,
    Deflate,
    Session,
    echo,
    frame,
    limits,
    terms,
)

RSV1 = 4
SIZES = (0, 15, 16, 64, 256, 1024, 4096, 16384, 32768, 65536, 100_000)
# More ways than section 13 has.
OFFERS = [
    b'permessage-deflate',
    b'permessage-deflate; client_no_context_takeover',
    b'permessage-deflate; server_no_context_takeover',
    b'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
    b'permessage-deflate; server_max_window_bits=9; client_max_window_bits=9',
    b'permessage-deflate; server_max_window_bits=12; client_max_window_bits=8; client_no_context_takeover',
    b'permessage-deflate; server_max_window_bits=15; client_max_window_bits=15; server_no_context_takeover',
]
WORDS = [b'granian', b'websocket', 'µß'.encode(), b'{"a": 1}', b' ', b'\n', b'0123456789']


def plain_text(size, seed=1):
    chosen = random.Random(seed)
    text = b''.join(chosen.choice(WORDS) for _ in range(size // 3 + 1))[:size]
    return text.decode('utf-8', 'ignore').encode().ljust(size, b'.')


def marked(opcode, payload, **more):
    return frame(opcode, payload, rsv=RSV1, **more)


def fragments(opcode, payload, count):
    step = max(1, -(-len(payload) // count))
    parts = [payload[at : at + step] for at in range(0, len(payload), step)] or [b'']
    last = len(parts) - 1
    return b''.join(
        frame(opcode if not n else CONTINUATION, part, rsv=0 if n else RSV1, fin=n == last)
        for n, part in enumerate(parts)
    )


@pytest.mark.parametrize('offer', OFFERS)
@pytest.mark.parametrize('size', SIZES)
def test_echo_both_ways(engine, offer, size):
    agreed = terms(offer)
    client = Deflate(agreed)
    session = Session(engine, LIMITS, agreed, then=echo)
    for turn in range(3):
        plain = plain_text(size, turn // 2)
        wire = client.deflated(plain)
        session.feed(marked(TEXT, wire) if len(wire) <= LIMITS.frame_bytes_max else fragments(TEXT, wire, 3))
    assert session.messages == [plain_text(size, turn // 2).decode() for turn in range(3)]
    assert session.code is None
    for turn, sent in enumerate(session.frames):
        compressed = size >= DEFLATE.message_bytes_min
        assert (sent.opcode, sent.rsv) == (TEXT, RSV1 if compressed else 0)
        assert (client.inflated(sent.payload) if compressed else sent.payload) == plain_text(size, turn // 2)


@pytest.mark.parametrize('offer', OFFERS)
def test_fragmented_with_pings_between(engine, offer):
    agreed = terms(offer)
    client = Deflate(agreed)
    session = Session(engine, LIMITS, agreed)
    for count in (2, 5, 1000):
        raw = fragments(BINARY, client.deflated(plain_text(20_000, count)), count)
        first = 14 + (len(raw) - 14) // 2
        session.feed(raw[:first], raw[first:])
        assert session.messages[-1] == plain_text(20_000, count)
    session.feed(marked(TEXT, client.deflated(b'x'), fin=False), frame(PING, b'p'), frame(CONTINUATION))
    assert session.told[-2:] == [('ping', b'p'), ('message', 'x')]


def test_at_any_split(engine):
    agreed = terms()
    raw = marked(TEXT, Deflate(agreed).deflated('Hellö Hellö Hellö'.encode())) + fragments(
        TEXT, Deflate(agreed).deflated(b'again'), 3
    )
    for pieces in [byte_by_byte(raw), *splits_in_two(raw)]:
        session = Session(engine, LIMITS, terms(b'permessage-deflate; client_no_context_takeover')).feed(*pieces)
        assert session.messages == ['Hellö Hellö Hellö', 'again']


def test_a_message_that_is_not_marked_is_not_inflated(engine):
    session = Session(engine, LIMITS, terms()).feed(frame(TEXT, b'x' * 100), frame(BINARY, b'\x00'))
    assert session.messages == ['x' * 100, b'\x00']


# RFC 7692 7.2.3
EXAMPLES = {
    'one block': 'f2 48 cd c9 c9 07 00',
    'no compression': '00 05 00 fa ff 48 65 6c 6c 6f 00',
    'last block': 'f3 48 cd c9 c9 07 00 00',
    'last block, without the empty one': 'f3 48 cd c9 c9 07 00',
    'two blocks': 'f2 48 05 00 00 00 ff ff ca c9 c9 07 00',
}


@pytest.mark.parametrize('example', EXAMPLES.values(), ids=EXAMPLES)
def test_examples_of_the_rfc_twice(engine, example):
    payload = bytes.fromhex(example)
    session = Session(engine, LIMITS, terms()).feed(marked(TEXT, payload), fragments(TEXT, payload, 8))
    assert session.messages == ['Hello', 'Hello']


def test_an_example_that_refers_to_the_message_before(engine):
    session = Session(engine, LIMITS, terms())
    session.feed(marked(TEXT, bytes.fromhex('f248cdc9c90700')), marked(TEXT, bytes.fromhex('f200110000')))
    assert session.messages == ['Hello', 'Hello']


def test_without_takeover_nothing_before_can_be_referred_to(engine):
    session = Session(engine, LIMITS, terms(b'permessage-deflate; client_no_context_takeover'))
    session.feed(marked(TEXT, bytes.fromhex('f248cdc9c90700')), marked(TEXT, bytes.fromhex('f200110000')))
    assert session.messages == ['Hello']
    assert session.code == session.close_code == 1007


FAULTY = {
    'garbage': (b'\xff\xff\xff\xff', 1007),
    'a block after the last': (bytes.fromhex('f348cdc9c90700') + b'f348cdc9c90700', 1007),
    'two last blocks': (bytes.fromhex('f348cdc9c907000000') * 2, 1007),
    'no UTF-8 inside': (Deflate(terms()).deflated(b'x\xff' + b'x' * 1000), 1007),
    'half a character inside': (Deflate(terms()).deflated(b'x\xc3'), 1007),
}


@pytest.mark.parametrize(('payload', 'code'), FAULTY.values(), ids=FAULTY)
@pytest.mark.parametrize('count', [1, 2, 5])
def test_faults_inside(engine, payload, code, count):
    session = Session(engine, LIMITS, terms()).feed(fragments(TEXT, payload, count))
    assert session.messages == []
    assert session.code == session.close_code == code


@pytest.mark.parametrize('raw', [
    marked(PING, b''), frame(TEXT, b'\x00', fin=False, rsv=RSV1) + marked(CONTINUATION, b''), frame(TEXT, b'\x00', rsv=6),
    frame(TEXT, b'\x00', rsv=5), marked(8, b''), frame(TEXT, b'x', fin=False) + marked(CONTINUATION, b''),
])  # fmt: skip
def test_marks_where_none_may_be(engine, raw):
    assert Session(engine, LIMITS, terms()).feed(raw).close_code == 1002


def bomb(size):
    stream = zlib.compressobj(9, wbits=-15)
    return (stream.compress(bytes(size)) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


def test_a_message_may_inflate_to_its_limit(engine):
    session = Session(engine, LIMITS, terms()).feed(marked(BINARY, bomb(100_000)), fragments(BINARY, bomb(100_000), 7))
    assert [len(data) for data in session.messages] == [100_000] * 2


def test_a_bomb_takes_no_more_memory_than_the_limit(engine):
    raw = fragments(BINARY, bomb(32 << 20), 3)
    session = Session(engine, limits(frame_bytes_max=1 << 20), terms())
    tracemalloc.start()
    try:
        session.feed(raw)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert session.close_code == 1009
    assert peak < 4 << 20


@pytest.mark.parametrize('count', [1, 7])
@pytest.mark.parametrize('size', [100_001, 50_000_000])
def test_a_message_that_inflates_beyond_its_limit_is_1009(engine, size, count):
    session = Session(engine, limits(frame_bytes_max=1 << 20), terms()).feed(fragments(BINARY, bomb(size), count))
    assert session.messages == []
    assert session.code == session.close_code == 1009


def test_the_limit_counts_what_fragments_inflate_to_together(engine):
    stream = zlib.compressobj(9, wbits=-15)
    pieces = [stream.compress(bytes(60_000)) + stream.flush(zlib.Z_SYNC_FLUSH) for _ in range(2)]
    raw = marked(BINARY, pieces[0], fin=False) + frame(CONTINUATION, pieces[1])
    assert Session(engine, LIMITS, terms()).feed(raw).close_code == 1009


def test_a_deflated_frame_has_its_limit_too(engine):
    session = Session(engine, limits(frame_bytes_max=100), terms()).feed(marked(TEXT, b'x' * 101)[:8])
    assert session.close_code == 1009


def test_small_messages_go_as_they_are(engine):
    session = Session(engine, limits(), terms())
    for size in (0, 15, 16):
        session.engine.send(b'x' * size)
    assert [sent.rsv for sent in session.frames] == [0, 0, RSV1]


@pytest.mark.parametrize('takeover', [True, False])
def test_messages_refer_to_those_before_only_where_that_was_agreed_on(engine, takeover):
    session = Session(engine, LIMITS, terms(server_takeover=takeover))
    data = random.Random(1).randbytes(1000)
    session.engine.send(data)
    session.engine.send(data)
    first, second = (len(sent.payload) for sent in session.frames)
    assert (second < first // 10) is takeover
    assert (second == first) is not takeover


def test_a_broadcast_is_deflated_once(engine, monkeypatch):
    begun = []
    monkeypatch.setattr(websocket_deflate._prepared, 'recent', None)
    begin = websocket_deflate.Deflater._begun
    monkeypatch.setattr(websocket_deflate.Deflater, '_begun', lambda self: begun.append(1) or begin(self))
    sessions = [Session(engine, LIMITS, terms(server_takeover=False)) for _ in range(5)]
    for session in sessions:
        session.engine.send('x' * 1000)
    assert len(begun) == 1
    other = Session(engine, LIMITS, terms(b'permessage-deflate; server_max_window_bits=9', server_takeover=False))
    other.engine.send('x' * 1000)
    sessions[0].engine.send('y' * 1000)
    assert len(begun) == 3
    for session in (*sessions, other):
        assert Deflate(terms(server_takeover=False)).inflated(session.frames[0].payload) == b'x' * 1000
    assert Deflate(terms(server_takeover=False)).inflated(sessions[0].frames[1].payload) == b'y' * 1000


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_sent_comes_back(engine, data):
    agreed = terms(data.draw(st.sampled_from(OFFERS)))
    client = Deflate(agreed)
    session = Session(engine, LIMITS, agreed, then=echo)
    messages = data.draw(st.lists(st.one_of(st.binary(max_size=300), st.text(max_size=100)), min_size=1, max_size=6))
    raw = b''
    for plain in messages:
        opcode, payload = (TEXT, plain.encode()) if isinstance(plain, str) else (BINARY, plain)
        if data.draw(st.booleans()):
            raw += fragments(opcode, client.deflated(payload), data.draw(st.integers(1, 5)))
        else:
            raw += frame(opcode, payload)
    at = sorted(data.draw(st.sets(st.integers(1, len(raw)), max_size=6)))
    session.feed(*[raw[a:b] for a, b in zip([0, *at], [*at, len(raw)], strict=True)])
    assert session.messages == messages
    for plain, sent in zip(messages, session.frames, strict=True):
        payload = client.inflated(sent.payload) if sent.rsv else sent.payload
        assert payload == (plain.encode() if isinstance(plain, str) else plain)
