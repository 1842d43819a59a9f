"""Large messages and many: section 9 of the Autobahn test suite."""

from __future__ import annotations

import pytest

from tests.helpers.websocket_engines import BINARY, TEXT, Session, echo, frame, limits, message

KIB, MIB = 1 << 10, 1 << 20
BOUNDS = limits(frame_bytes_max=16 * MIB, message_bytes_max=16 * MIB)
# What a socket hands out in one read.
READ_BYTES = 256 * KIB
KINDS = {'text': (TEXT, b'BAsd7&jh23'), 'binary': (BINARY, b'\x00\xfe\x80*~')}
each_kind = pytest.mark.parametrize('kind', KINDS)


def payload_of(kind, size):
    pattern = KINDS[kind][1]
    return (pattern * (size // len(pattern) + 1))[:size]


def check(engine, kind, plain, raw, piece=READ_BYTES):
    session = Session(engine, BOUNDS, then=echo).feed(*(raw[at : at + piece] for at in range(0, len(raw), piece)))
    assert session.code is None
    assert session.messages == [plain.decode() if kind == 'text' else plain]
    assert [(sent.opcode, sent.payload) for sent in session.frames] == [(KINDS[kind][0], plain)]


@each_kind
@pytest.mark.parametrize('size', [64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB])
def test_a_large_message(engine, kind, size):
    plain = payload_of(kind, size)
    check(engine, kind, plain, frame(KINDS[kind][0], plain))


@each_kind
@pytest.mark.parametrize(
    ('size', 'fragment'),
    [(128 * KIB, 64), (256 * KIB, 256), (MIB, KIB), (MIB, 16 * KIB), (4 * MIB, MIB), (4 * MIB, 4 * MIB)],
)
def test_a_large_message_in_fragments(engine, kind, size, fragment):
    plain = payload_of(kind, size)
    parts = [plain[at : at + fragment] for at in range(0, size, fragment)]
    check(engine, kind, plain, message(KINDS[kind][0], *parts))


@each_kind
@pytest.mark.parametrize('piece', [64, 128, 256, 512, 1024, 2048])
def test_a_large_message_in_small_reads(engine, kind, piece):
    plain = payload_of(kind, 1000 * piece)
    check(engine, kind, plain, frame(KINDS[kind][0], plain), piece)


@each_kind
@pytest.mark.parametrize('size', [0, 16, 64, 256, 1024, 4096])
def test_a_thousand_messages_one_by_one(engine, kind, size):
    plain = payload_of(kind, size)
    session = Session(engine, BOUNDS, then=echo)
    session.feed(*[frame(KINDS[kind][0], plain)] * 1000)
    assert session.messages == [plain.decode() if kind == 'text' else plain] * 1000
    assert [sent.payload for sent in session.frames] == [plain] * 1000
