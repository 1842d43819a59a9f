"""Sections 12 and 13 of the Autobahn test suite: messages of all sizes, each deflated and in fragments, echoed one after another."""

from __future__ import annotations

import random

import pytest

from tests.helpers.websocket_engines import BINARY, CONTINUATION, TEXT, Deflate, Session, echo, frame, limits, terms

BOUNDS = limits(frame_bytes_max=1 << 20, message_bytes_max=1 << 20)
SIZES = (16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072)
# 0: none.
FRAGMENTS = (0, 256, 1024, 4096, 32768)

# By how the client offers in section 13: take-over and window of what the server sends.
_BASE = b'permessage-deflate; client_no_context_takeover; client_max_window_bits'
_NO_TAKEOVER, _BITS_9, _BITS_15 = (
    b'; server_no_context_takeover',
    b'; server_max_window_bits=9',
    b'; server_max_window_bits=15',
)
OFFERS = {
    '13.1': _BASE,
    '13.2': _BASE + _NO_TAKEOVER,
    '13.3': _BASE + _BITS_9,
    '13.4': _BASE + _BITS_15,
    '13.5': _BASE + _NO_TAKEOVER + _BITS_9,
    '13.6': _BASE + _NO_TAKEOVER + _BITS_15,
    '13.7': b', '.join((_BASE + _NO_TAKEOVER + _BITS_9, _BASE + _NO_TAKEOVER, _BASE)),
}
AGREED = {
    '13.1': (15, True),
    '13.2': (15, False),
    '13.3': (9, True),
    '13.4': (15, True),
    '13.5': (9, False),
    '13.6': (15, False),
    '13.7': (9, False),
}

_source = random.Random(12)
_words = [''.join(_source.choices('abcdefghijklmnöß', k=_source.randint(1, 9))) for _ in range(500)]


def _json():
    rows = ({'id': n, 'name': _source.choice(_words), 'tags': _source.sample(_words, 3)} for n in range(4000))
    return ','.join(map(str, rows)).encode()


def _picture():
    return bytes((x * y // 512 + _source.getrandbits(3)) & 255 for y in range(512) for x in range(512))


def _html():
    return ''.join(f'<p class="{word}">{word}</p>\n' for word in _source.choices(_words, k=6000)).encode()


# What section 12 sends is of these kinds: text, binary that deflates, binary that hardly does.
DATA = {
    '12.1': (TEXT, _json()),
    '12.2': (BINARY, _picture()),
    '12.3': (BINARY, ' '.join(_source.choices(_words, k=40_000)).encode()),
    '12.4': (TEXT, _html()),
    '12.5': (BINARY, _source.randbytes(200_000)),
}


def messages_of(opcode, data):
    """One of each size, from one place after another; text is cut where a character ends."""
    at = 0
    for size in SIZES:
        at = (at + size) % (len(data) - size)
        piece = data[at : at + size]
        yield piece.decode('utf-8', 'ignore').encode() if opcode == TEXT else piece


def sent(opcode, payload, fragment):
    step = fragment or max(len(payload), 1)
    parts = [payload[at : at + step] for at in range(0, len(payload), step)]
    last = len(parts) - 1
    return [
        frame(CONTINUATION if n else opcode, part, rsv=0 if n else 4, fin=n == last) for n, part in enumerate(parts)
    ]


def check(engine, agreed, opcode, data, fragment):
    client = Deflate(agreed)
    session = Session(engine, BOUNDS, agreed, then=echo)
    told = list(messages_of(opcode, data))
    for plain in told:
        session.feed(*sent(opcode, client.deflated(plain), fragment))
    assert session.code is None
    assert [text.encode() if isinstance(text, str) else text for text in session.messages] == told
    assert [(back.opcode, client.inflated(back.payload) if back.rsv else back.payload) for back in session.frames] == [
        (opcode, plain) for plain in told
    ]


@pytest.mark.parametrize('section', DATA)
@pytest.mark.parametrize('fragment', FRAGMENTS)
def test_of_any_data_in_any_fragments(engine, section, fragment):
    check(engine, terms(OFFERS['13.1']), *DATA[section], fragment)


@pytest.mark.parametrize('section', OFFERS)
@pytest.mark.parametrize('fragment', FRAGMENTS)
def test_by_any_offer_in_any_fragments(engine, section, fragment):
    agreed = terms(OFFERS[section])
    assert (agreed.server_window_bits, agreed.server_takeover) == AGREED[section]
    check(engine, agreed, *DATA['12.1'], fragment)
