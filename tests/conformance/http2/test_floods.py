"""Clients that keep a server busy for nothing are cut off, others are not (RFC 9113 10.5), over every engine."""

from __future__ import annotations

import pytest

from granian.protocol.responses import response_head
from tests.helpers.http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    GET,
    HEADERS,
    PADDED,
    PING,
    POST,
    PRIORITY,
    PROTOCOL_ERROR,
    SETTINGS,
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

READ_BYTES = 65536
# By then a flood has to be over.
FLOOD_BYTES_MAX = 8 * 1024 * 1024

FLOODS = {
    'PING': lambda talk, n: frame(PING, 0, 0, b'12345678'),
    'acknowledged PING': lambda talk, n: frame(PING, ACK, 0, b'12345678'),
    'SETTINGS': lambda talk, n: settings(),
    'SETTINGS that change windows': lambda talk, n: settings((4, n % 65535)),
    'SETTINGS that change the table': lambda talk, n: settings((1, n % 4096)),
    'acknowledged SETTINGS': lambda talk, n: frame(SETTINGS, ACK, 0),
    'PRIORITY': lambda talk, n: frame(PRIORITY, 0, 2 * n + 1, priority(0)),
    'unknown frames': lambda talk, n: frame(99, 0, 0),
    'WINDOW_UPDATE': lambda talk, n: window(0, 1),
    'WINDOW_UPDATE on a stream': lambda talk, n: (talk.headers(1, POST, end=False) if not n else b'') + window(1, 1),
    'WINDOW_UPDATE on a closed stream': lambda talk, n: (talk.headers(1) + reset(1) if not n else b'') + window(1, 1),
    'empty DATA': lambda talk, n: (talk.headers(1, POST, end=False) if not n else b'') + data(1),
    'DATA of padding alone': lambda talk, n: (
        (talk.headers(1, POST, end=False) if not n else b'') + frame(DATA, PADDED, 1, b'\x05' + bytes(5))
    ),
    'RST_STREAM': lambda talk, n: (talk.headers(1) if not n else b'') + reset(1),
    'rapid reset': lambda talk, n: talk.headers(2 * n + 1) + reset(2 * n + 1),
    'rapid reset of requests with bodies': lambda talk, n: talk.headers(2 * n + 1, POST, end=False) + reset(2 * n + 1),
    'streams reset for a fault of theirs': lambda talk, n: talk.headers(2 * n + 1, POST, end=False) + window(2 * n + 1, 0),
    'malformed requests': lambda talk, n: talk.headers(2 * n + 1, [*GET, (b'X', b'1')]),
    'heads over their bounds': lambda talk, n: talk.headers(2 * n + 1, [*GET, *[(b'x', b'')] * 50]),
    'trailers over their bounds': lambda talk, n: (
        talk.headers(2 * n + 1, POST, end=False) + talk.headers(2 * n + 1, [(b'x', b'')] * 50)
    ),
    'too many streams': lambda talk, n: talk.headers(2 * n + 1, POST, end=False),
    'CONTINUATION': lambda talk, n: (frame(HEADERS, END_STREAM, 1) if not n else b'') + frame(CONTINUATION, 0, 1, b'\0\1a\1b'),
    'empty CONTINUATION': lambda talk, n: (frame(HEADERS, END_STREAM, 1) if not n else b'') + frame(CONTINUATION, 0, 1),
    'large CONTINUATION': lambda talk, n: (
        (frame(HEADERS, END_STREAM, 1) if not n else b'') + frame(CONTINUATION, 0, 1, b'\x82' * 16000)
    ),
}  # fmt: skip


def reads(make, talk):
    """A flood as one read after the other."""
    number = 0
    while True:
        read = b''
        while len(read) < READ_BYTES:
            read += make(talk, number)
            number += 1
        yield read


@pytest.mark.parametrize('make', FLOODS.values(), ids=FLOODS)
def test_a_flood_is_cut(engine_name, engine, make):
    talk = Talk(engine, reply=no_reply)
    received = 0
    for read in reads(make, talk):
        talk.feed(read)
        received += len(read)
        if talk.engine.closing or received > FLOOD_BYTES_MAX:
            break
    assert talk.engine.closing
    # h2 has a bound on CONTINUATION of its own, and takes some faults of streams for faults of the connection.
    assert talk.goaway == ENHANCE_YOUR_CALM or (engine_name == 'h2' and talk.goaway == PROTOCOL_ERROR)
    assert talk.engine.streams_open == 0
    assert all(seen.gone for seen in talk.requests.values())


RESETS = [
    'rapid reset',
    'rapid reset of requests with bodies',
    'streams reset for a fault of theirs',
    'malformed requests',
    'heads over their bounds',
    'trailers over their bounds',
]


@pytest.mark.parametrize('name', RESETS)
def test_streams_that_come_to_nothing_are_counted_however_slowly_they_come(engine_name, engine, name):
    talk = Talk(engine, reply=no_reply)
    for number in range(300):
        if talk.engine.closing:
            break
        talk.feed(FLOODS[name](talk, number))
    assert talk.engine.closing
    assert talk.goaway == ENHANCE_YOUR_CALM or (engine_name == 'h2' and talk.goaway == PROTOCOL_ERROR)


# One field of 4 000 bytes put into the table (RFC 7541 6.2.1), and a byte that names it again: it is the newest entry.
BOMB, AGAIN = b'\x40\x01a\x7f\xa1\x1e' + b'x' * 4000, b'\xbe'
BOMB_BYTES = 1 + 4000 + 32
# A field of the static table, `:method: GET`: a list of many is small.
CROWD = b'\x82'
USUAL = b'\x82\x86\x84\x01\x04test'
EXCESS_BYTES, EXCESS_FIELDS = 4 * 65536, 4 * 64


@pytest.mark.parametrize(
    'block',
    [
        BOMB + AGAIN * (EXCESS_BYTES // BOMB_BYTES),
        BOMB + AGAIN * 9000,
        CROWD * (EXCESS_FIELDS + 1),
        CROWD * 15_000,
        b'\x00\x01a\x01b' * (EXCESS_FIELDS + 1),
    ],
    ids=['just too large', 'a bomb', 'just too many', 'far too many', 'many literals'],
)
@pytest.mark.parametrize('trailers', [False, True])
def test_a_list_far_over_its_bounds_ends_the_connection(engine, block, trailers):
    # RFC 9113 10.5.1
    talk = Talk(engine, reply=no_reply)
    if trailers:
        talk.feed(talk.headers(1, POST, end=False))
    talk.feed(frame(HEADERS, END_HEADERS | END_STREAM, 1, block if trailers else USUAL + block))
    assert talk.engine.closing
    assert talk.goaway == ENHANCE_YOUR_CALM
    assert [seen.gone is not None for seen in talk.requests.values()] == [True] * trailers


def test_a_bomb_on_one_stream_too_many_ends_the_connection(engine):
    talk = Talk(engine, limits(streams_max=1), reply=no_reply)
    talk.feed(talk.headers(1), frame(HEADERS, END_HEADERS | END_STREAM, 3, USUAL + BOMB + AGAIN * 9000))
    assert talk.engine.closing
    assert talk.goaway == ENHANCE_YOUR_CALM


@pytest.mark.parametrize('block', [BOMB + AGAIN * (EXCESS_BYTES // BOMB_BYTES - 2), CROWD * (EXCESS_FIELDS - 10)])
def test_a_list_not_so_far_over_its_bounds_is_431_and_decoded_to_its_end(engine, block):
    talk = Talk(engine)
    talk.feed(frame(HEADERS, END_HEADERS | END_STREAM, 1, USUAL + block + b'\x40\x05x-new\x05value'))
    assert talk.responses[1].status == 431
    talk.feed(frame(HEADERS, END_HEADERS | END_STREAM, 3, USUAL + AGAIN))
    assert talk.responses[3].status == 200
    assert (b'x-new', b'value') in talk.requests[3].head.fields
    assert not talk.engine.closing


def test_keep_alive_pings_go_on_for_ever(engine):
    talk = Talk(engine)
    for _ in range(3000):
        talk.feed(frame(PING, 0, 0, b'12345678'))
    assert not talk.engine.closing


def test_a_download_brings_as_many_window_updates_as_it_likes(engine):
    talk = Talk(engine, limits(send_buffer_bytes_max=1 << 24), reply=no_reply)
    talk.feed(settings((4, 1 << 20)), talk.headers(1))
    talk.engine.start(1, response_head(200, []))
    for _ in range(200):
        talk.engine.write(1, b'x' * 32768)
        talk.settle()
        talk.feed((window(0, 1024) + window(1, 1024)) * 32)
    assert not talk.engine.closing
    assert len(talk.responses[1].body) > 6_000_000


def test_a_browser_may_cancel_all_it_asked_for_at_once(engine):
    talk = Talk(engine, limits(streams_max=100), reply=no_reply)
    talk.feed(b''.join([talk.headers(stream) for stream in range(1, 200, 2)]))
    talk.feed(b''.join([reset(stream) for stream in range(1, 200, 2)]))
    talk.feed(talk.headers(201))
    assert not talk.engine.closing


def test_responses_make_up_for_cancelled_requests(engine):
    talk = Talk(engine, reply=no_reply)
    for stream in range(1, 6000, 4):
        talk.feed(talk.headers(stream), reset(stream), talk.headers(stream + 2))
        talk.engine.respond(stream + 2, response_head(200, []), b'ok')
    assert not talk.engine.closing


def test_responses_that_had_begun_may_be_cancelled_for_ever(engine):
    talk = Talk(engine, reply=no_reply)
    for stream in range(1, 3000, 2):
        talk.feed(talk.headers(stream))
        talk.engine.start(stream, response_head(200, []))
        talk.feed(reset(stream))
    assert not talk.engine.closing


def test_a_head_in_small_pieces_is_served(engine):
    talk = Talk(engine)
    block = talk.block([*GET, (b'cookie', b'x' * 4000)])
    sent = frame(HEADERS, END_STREAM, 1)
    for at in range(0, len(block), 64):
        sent += frame(CONTINUATION, 0, 1, block[at : at + 64])
    talk.feed(sent + frame(CONTINUATION, 4, 1))
    assert talk.responses[1].whole


def test_an_upload_in_small_pieces_is_served(engine):
    talk = Talk(engine, limits(body_bytes_max=None))
    talk.feed(talk.headers(1, POST, end=False))
    for _ in range(300):
        talk.feed(data(1, b'abc') * 100)
    talk.feed(data(1, b'', end=True))
    assert len(talk.requests[1].body) == 90000
    assert talk.requests[1].whole
