"""Sessions over real sockets: bounds both ways, signs of life, deadlines, the server's stop."""

from __future__ import annotations

import asyncio
import logging
import zlib
from dataclasses import replace

import pytest

from granian.observe import access_log
from granian.protocol.limits import DeflateSettings
from tests.helpers.serving import WEBSOCKETS, answer, one_loop
from tests.helpers.websocket import Peer, ask, echo, open_session
from tests.helpers.websocket_engines import BINARY, PING, PONG, TEXT, close, frame, message

ACCEPT = {'type': 'websocket.accept'}


def websockets(*, limits=None, engine='fast', origins=(), **terms):
    return replace(
        WEBSOCKETS,
        engine=engine,
        origins=origins,
        limits=replace(WEBSOCKETS.limits, **(limits or {})),
        terms=replace(WEBSOCKETS.terms, **terms),
    )


def keeper(seen, *, after=None):
    """Accepts, waits for `after`, and notes what it receives up to the disconnect."""

    async def app(scope, receive, send):
        if scope['type'] == 'http':
            await answer(send)
            return
        await receive()
        await send(ACCEPT)
        if after is not None:
            await after.wait()
        while (got := await receive())['type'] == 'websocket.receive':
            seen.append(got.get('text', got.get('bytes')))
        seen.append((got['code'], got['reason']))

    return app


def only(server):
    [session] = server.serving.sessions.open
    return session


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('size', [10, 20_000])
async def test_a_full_queue_stops_the_reading_and_loses_nothing(serve, size):
    seen, go = [], asyncio.Event()
    async with serve(keeper(seen, after=go)) as server:
        peer = await open_session(server)
        sent = [f'{number:0{size}d}' for number in range(2_000_000 // size if size > 10 else 5000)]
        wire = b''.join([frame(TEXT, text.encode()) for text in sent])
        sending = asyncio.ensure_future(peer.client.send(wire))
        session = only(server)
        await server.until(lambda: session._engine.held)
        assert session.messages_received <= 8
        assert session._queued_bytes <= 100_000 + size
        # What one read brings, and what is read ahead, is all there is of it.
        assert session.bytes_received < 1_000_000
        go.set()
        await sending
        await peer.close(1000)
        await peer.closed()
        await server.until(lambda: len(seen) == len(sent) + 1)
    assert seen[:-1] == sent


@pytest.mark.parametrize('engine_name', ['fast', 'wsproto'])
@pytest.mark.parametrize('count', [1, 2, 3])
async def test_what_filled_the_queue_is_answered_before_the_close_that_came_with_it(engine_name, count, serve):
    given = websockets(engine=engine_name, queue_messages_max=1)
    async with serve(echo, websockets=given) as server:
        peer = await open_session(server)
        sent = [f'message {number}' for number in range(count)]
        await peer.client.send(b''.join(frame(TEXT, text.encode()) for text in sent) + close(4000))
        assert [await peer.message() for _ in sent] == sent
        assert await peer.closed() == (4000, b'')


async def test_a_client_that_does_not_read_makes_the_application_wait(serve):
    progress = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        for number in range(200):
            await send({'type': 'websocket.send', 'bytes': bytes(65536)})
            progress.append(number)

    async with serve(app) as server:
        peer = await open_session(server, receive_buffer_bytes=4096)
        session = only(server)
        await server.until(lambda: session.blocked)
        await server.until(lambda: stalled(progress))
        assert len(progress) < 200
        for _ in range(200):
            assert len(await peer.message()) == 65536
        assert await peer.gone() == (1000, b'')
    assert progress == list(range(200))


def stalled(progress, known=[-1, 0]):  # noqa: B006  (what it saw before)
    """Whether it was the same a hundred looks ago."""
    known[:] = [len(progress), known[1] + 1 if known[0] == len(progress) else 0]
    return known[1] > 100


async def test_many_senders_at_once_wait_for_a_client_that_does_not_read(serve):
    progress = []

    async def app(scope, receive, send):
        async def one(number):
            await send({'type': 'websocket.send', 'bytes': bytes(65536)})
            progress.append(number)

        await receive()
        await send(ACCEPT)
        await asyncio.gather(*[one(number) for number in range(200)])

    async with serve(app) as server:
        peer = await open_session(server, receive_buffer_bytes=4096)
        session = only(server)
        await server.until(lambda: session.blocked)
        await server.until(lambda: stalled(progress))
        assert len(progress) < 200
        for _ in range(200):
            await peer.message()
        await peer.gone()


async def test_of_pings_to_whoever_cannot_send_the_latest_is_answered(serve):
    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await send({'type': 'websocket.send', 'bytes': bytes(8 * 1024 * 1024)})
        await send({'type': 'websocket.send', 'bytes': b'last'})
        await receive()

    async with serve(app) as server:
        peer = await open_session(server, receive_buffer_bytes=4096)
        session = only(server)
        await server.until(lambda: session.blocked)
        pings = b''.join([frame(PING, b'%d' % number) for number in range(5000)])
        await peer.client.send(pings)
        await server.until(lambda: session.bytes_received == len(pings))
        assert len(session._engine.output) == 1
        assert len(await peer.message()) == 8 * 1024 * 1024
        got = [await peer.frame(), await peer.frame()]
        assert sorted((each.opcode, each.payload) for each in got) == [(BINARY, b'last'), (PONG, b'4999')]
        await peer.close()


@one_loop
@pytest.mark.parametrize('engine_name', ['fast', 'wsproto'])
@pytest.mark.parametrize('wire', [frame(TEXT, b'x' * 70_001), message(BINARY, b'x' * 60_000, b'x' * 60_000)])
async def test_a_message_over_its_bound_is_1009(serve, engine_name, wire):
    seen = []
    async with serve(keeper(seen), websockets=websockets(engine=engine_name)) as server:
        peer = await open_session(server)
        await peer.client.send(wire)
        assert (await peer.closed())[0] == 1009
    assert seen[-1][0] == 1009


@one_loop
async def test_a_session_takes_no_place_of_a_request(serve):
    async with serve(keeper([]), exchanges_max=1) as server:
        peers = [await open_session(server) for _ in range(3)]
        assert (await server.get()).status == 200
        for peer in peers:
            await peer.close()
            await peer.closed()


# ── compression ──────────────────────────────────────────────────────────────────────────────────────────────────────


@one_loop
@pytest.mark.parametrize('engine_name', ['fast', 'wsproto'])
async def test_messages_are_compressed_for_who_offers_it(serve, engine_name):
    deflate = DeflateSettings(6, 5, 12, 12, server_takeover=True, client_takeover=True, message_bytes_min=100)
    given = websockets(engine=engine_name, limits={'deflate': deflate})
    async with serve(echo, websockets=given) as server:
        plain = await open_session(server)
        assert 'sec-websocket-extensions' not in plain.reply
        peer = await open_session(server, '/', 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits')
        assert peer.reply['sec-websocket-extensions'].startswith(b'permessage-deflate')
        for size, compressed in ((99, False), (10_000, True), (10_000, True)):
            await peer.send('x' * size)
            got = await peer.frame()
            assert bool(got.rsv) is compressed
            assert (len(got.payload) < 100) is (compressed or size < 100)
        await plain.close()
        await peer.close()


@one_loop
async def test_a_bomb_is_1009(serve):
    deflate = DeflateSettings(6, 8, 15, 15, server_takeover=True, client_takeover=True, message_bytes_min=100)
    async with serve(echo, websockets=websockets(limits={'deflate': deflate})) as server:
        peer = await open_session(server, '/', 'Sec-WebSocket-Extensions: permessage-deflate')
        packer = zlib.compressobj(wbits=-15)
        bomb = (packer.compress(bytes(30_000_000)) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b'\0\0\xff\xff')
        await peer.client.send(frame(BINARY, bomb, rsv=4))
        assert (await peer.closed())[0] == 1009


# ── who may ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@one_loop
@pytest.mark.parametrize(
    ('fields', 'status'),
    [
        ((), 101),
        (('Origin: https://shop.example',), 101),
        (('Origin: HTTPS://SHOP.example',), 101),
        (('Origin: https://shop.example.evil.example',), 403),
        (('Origin: null',), 403),
    ],
)
async def test_only_pages_of_these_sites_may(serve, fields, status):
    async with serve(echo, websockets=websockets(origins=('https://shop.example',))) as server:
        _, reply = await ask(server, '/', *fields)
        assert reply.status == status


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('engine_name', ['fast', 'wsproto'])
async def test_whoever_is_silent_is_asked_and_lives_if_it_answers(serve, engine_name):
    seen = []
    given = websockets(engine=engine_name, ping_interval_s=20, ping_timeout_s=10)
    async with serve(keeper(seen), holds_time=True, websockets=given) as server:
        peer = await open_session(server)
        for _ in range(3):
            await server.passes(21)
            await peer.pong(await peer.pinged())
            await server.heard()
        await peer.close(1000)
        assert (await peer.frame()).payload == b'\x03\xe8'
    assert seen == [(1000, '')]


@one_loop
async def test_a_message_in_place_of_a_pong_is_a_sign_of_life(serve):
    seen = []
    given = websockets(ping_interval_s=20, ping_timeout_s=10)
    async with serve(keeper(seen), holds_time=True, websockets=given) as server:
        peer = await open_session(server)
        for number in range(5):
            await server.passes(21)
            await peer.pinged()
            await peer.send('x')
            await server.until(lambda number=number: len(seen) > number)
        await server.passes(15)
        assert only(server).code is None


async def test_whoever_does_not_answer_a_ping_is_cut(serve):
    seen = []
    given = websockets(ping_interval_s=20, ping_timeout_s=10)
    async with serve(keeper(seen), holds_time=True, websockets=given) as server:
        peer = await open_session(server)
        await server.passes(21)
        await peer.pinged()
        await server.passes(8)
        assert only(server).code is None
        await server.passes(2)
        with pytest.raises(ConnectionResetError):
            await peer.client.rest()
        await server.until(lambda: seen)
    assert seen == [(1006, 'no answer to a ping')]


@one_loop
async def test_whoever_we_do_not_read_is_not_taken_for_dead(serve):
    seen, go = [], asyncio.Event()
    given = websockets(ping_interval_s=20, ping_timeout_s=10, queue_messages_max=1)
    async with serve(keeper(seen, after=go), holds_time=True, websockets=given) as server:
        peer = await open_session(server)
        await peer.send('x')
        await server.until(lambda: only(server)._engine.held)
        await server.passes(300)
        assert only(server).code is None
        go.set()
        await server.until(lambda: seen)
        await peer.close(1000)
        await server.until(lambda: len(seen) == 2)
    assert seen == ['x', (1000, '')]


@one_loop
async def test_a_session_that_nobody_uses_is_closed_with_1001(serve):
    seen = []
    given = websockets(idle_timeout_s=100, ping_interval_s=30)
    async with serve(keeper(seen), holds_time=True, websockets=given) as server:
        peer = await open_session(server)
        for _ in range(3):
            await server.passes(31)
            # Signs of life are no use.
            await peer.pong(await peer.pinged())
            await server.heard()
        await server.passes(8)
        assert (await peer.frame()).payload == b'\x03\xe9idle'
        await peer.close(1001)
        assert await peer.client.rest() == b''
    assert seen == [(1001, 'idle')]


@one_loop
async def test_whoever_does_not_answer_our_close_is_cut(serve):
    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await send({'type': 'websocket.close', 'code': 4000})

    async with serve(app, holds_time=True, websockets=websockets(close_timeout_s=30)) as server:
        peer = await open_session(server)
        assert await peer.closed() == (4000, b'')
        await server.passes(29)
        assert server.shared.connections
        await server.passes(2)
        with pytest.raises(ConnectionResetError):
            await peer.client.rest()


@one_loop
async def test_a_close_is_answered_though_the_queue_is_full(serve):
    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await go.wait()

    go = asyncio.Event()
    async with serve(app, websockets=websockets(queue_messages_max=1)) as server:
        peer = await open_session(server)
        for _ in range(20):
            await peer.send('x')
        await server.until(lambda: only(server)._engine.held)
        go.set()
        assert await peer.gone() == (1000, b'')


# ── the server's stop ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_stop_tells_clients_and_applications_1012(serve):
    seen = []
    async with serve(keeper(seen)) as server:
        peers = [await open_session(server) for _ in range(3)]
        stopping = asyncio.ensure_future(server.stop())
        for peer in peers:
            assert await peer.gone() == (1012, b'service restart')
        await stopping
    assert seen == [(1012, 'service restart')] * 3


@one_loop
@pytest.mark.parametrize('silent', ['client', 'application'])
async def test_a_stop_waits_no_longer_than_it_may(serve, silent):
    seen, never = [], asyncio.Event()
    app = keeper(seen, after=never if silent == 'application' else None)
    async with serve(app, graceful_timeout_s=0.1) as server:
        peer = await open_session(server)
        stopping = asyncio.ensure_future(server.stop())
        assert await peer.closed() == (1012, b'service restart')
        if silent == 'application':
            await peer.close(1012)
        await stopping


@one_loop
async def test_a_session_that_is_asked_for_while_it_stops_begins_and_is_told_at_once(serve):
    seen = []
    async with serve(keeper(seen)) as server:
        client = await server.connect()
        await client.send(b'GET / HTTP/1.1\r\nHost: test\r\n')
        await server.until(lambda: [c for c in server.connections if c.engine.phase == 'head'])
        stopping = asyncio.ensure_future(server.stop())
        await server.until(lambda: server.serving.sessions.draining)
        await client.send(
            b'Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'
            b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
        )
        opened = await client.head()
        assert opened.status == 101
        assert await Peer(client, opened).gone() == (1012, b'service restart')
        await stopping
    assert seen == [(1012, 'service restart')]


@one_loop
async def test_a_session_that_is_accepted_while_it_stops_is_told_at_once(serve):
    go = asyncio.Event()

    async def app(scope, receive, send):
        await receive()
        await go.wait()
        await send(ACCEPT)
        await receive()

    async with serve(app) as server:
        opening = asyncio.ensure_future(open_session(server))
        await server.until(lambda: server.shared.tasks)
        stopping = asyncio.ensure_future(server.stop())
        await server.until(lambda: server.serving.sessions.draining)
        go.set()
        assert await (await opening).gone() == (1012, b'service restart')
        await stopping


# ── the access log ───────────────────────────────────────────────────────────────────────────────────────────────────


@one_loop
@pytest.mark.parametrize(
    ('form', 'said'),
    [
        (
            '%(method)s %(path)s %(status)d',
            ['GET /x 101', 'GET /x 4000 received 2 messages 25 bytes, sent 2 messages 13 bytes'],
        ),
        (
            'json',
            [
                '"status":101',
                '"close_code":4000,"messages_received":2,"bytes_received":25,"messages_sent":2,"bytes_sent":13}',
            ],
        ),
    ],
)
async def test_a_line_when_it_opens_and_a_line_when_it_closes(serve, caplog, monkeypatch, form, said):
    monkeypatch.setattr(logging.getLogger('granian.access'), 'propagate', True)
    with caplog.at_level(logging.INFO, 'granian.access'):
        async with serve(echo, access_log=access_log.build(form)) as server:
            peer = await open_session(server, '/x')
            for text in ('abc', 'de'):
                await peer.send(text)
                await peer.message()
            await peer.close(4000)
            assert await peer.closed() == (4000, b'')
    lines = [record.getMessage() for record in caplog.records if record.name == 'granian.access']
    assert len(lines) == 2
    for line, words in zip(lines, said, strict=True):
        assert words in line
