"""No body is held whole, and no large one stands before a small one."""

from __future__ import annotations

import asyncio
import hashlib
import tracemalloc

import pytest

from granian.server import http2_connection
from tests.helpers import http2_client as h2
from tests.helpers.http2_client import Answer, Peer
from tests.helpers.serving import answer, asyncio_timeout, body, one_loop, read_body, start

MIB = 1024 * 1024


@pytest.mark.parametrize('shut', ['window', 'socket'])
async def test_an_application_is_held_back_by_a_client_that_takes_nothing(serve, shut):
    sent = []

    async def app(scope, receive, send):
        await start(send)
        piece = bytes(16384)
        while True:
            await body(send, piece, more=True)
            sent.append(len(piece))

    async with serve(app) as server:
        buffer_bytes = 4096 if shut == 'socket' else None
        peer = await Peer.of(server, greedy=False, receive_buffer_bytes=buffer_bytes)
        stream = await peer.get()
        if shut == 'socket':
            await peer.open(2**30, 0, stream)
        tracemalloc.start()
        try:
            counts = []
            while len(counts) < 3 or counts[-1] != counts[-3] or not counts[-1]:
                counts.append(len(sent))
                await asyncio.sleep(0.02)
            assert tracemalloc.get_traced_memory()[1] < 4 * MIB
        finally:
            tracemalloc.stop()
        assert sum(sent) < 6 * MIB
        if shut == 'window':
            await peer.open(MIB, 0, stream)
        await peer.until(lambda: len(peer.answers.get(stream, Answer()).body) > 200_000)
        async with asyncio_timeout(5):
            while len(sent) == counts[-1]:
                await peer.step()
        peer.client.reset()


async def test_streams_are_held_back_one_by_one(serve):
    sent = {'/shut': 0, '/open': 0}

    async def app(scope, receive, send):
        await start(send)
        for _ in range(64):
            await body(send, bytes(16384), more=True)
            sent[scope['path']] += 16384
        await body(send)

    async with serve(app) as server:
        peer = await Peer.of(server, greedy=False)
        await peer.get('/shut')
        stream = await peer.get('/open')
        await peer.open(2 * MIB, 0, stream)
        assert len((await peer.reply(stream)).body) == MIB
        assert sent['/open'] == MIB
        assert sent['/shut'] < 64 * 1024 * 3


async def test_a_client_is_held_back_by_an_application_that_does_not_read(serve):
    may_read = asyncio.Event()

    async def app(scope, receive, send):
        await may_read.wait()
        digest = hashlib.sha256()
        while True:
            message = await receive()
            digest.update(message['body'])
            if not message['more_body']:
                break
        await answer(send, digest.digest())

    content = bytes(range(256)) * 4096
    async with serve(app) as server:
        peer = await Peer.of(server)
        stream = await peer.get('/', method='POST', ended=False)
        await peer.data(stream, content[:65536])
        await peer.acked()
        # What is said of the stream's window, nobody has opened it again.
        assert not [f for f in peer.frames if f.kind == h2.WINDOW_UPDATE and f.stream == stream]
        may_read.set()
        left = content[65536:]
        while left:
            count = len(peer.frames)
            while not (sizes := [f.number for f in peer.frames[count:] if f.kind == h2.WINDOW_UPDATE and f.stream]):
                await peer.step()
            size = sizes[0]
            await peer.data(stream, left[:size], ended=len(left) <= size)
            left = left[size:]
        assert (await peer.reply(stream)).body == hashlib.sha256(content).digest()


async def test_a_small_response_overtakes_a_large_one(serve):
    async def app(scope, receive, send):
        await answer(send, bytes(8 * MIB) if scope['path'] == '/large' else b'small')

    async with serve(app) as server:
        peer = await Peer.of(server, receive_buffer_bytes=65536)
        large = await peer.get('/large')
        await peer.open(2**25, 0, large)
        await peer.until(lambda: len(peer.answers.get(large, Answer()).body) > MIB)
        before = len(peer.answers[large].body)
        assert (await peer.ask('/small')).body == b'small'
        # What was on its way already: in the transport, in the kernel at both ends, in this turn.
        assert len(peer.answers[large].body) - before < 3 * MIB
        assert len((await peer.reply(large)).body) == 8 * MIB


async def test_large_responses_share_the_connection(serve):
    async def app(scope, receive, send):
        await answer(send, bytes(4 * MIB))

    async with serve(app) as server:
        peer = await Peer.of(server, receive_buffer_bytes=65536)
        streams = [await peer.get(f'/{number}') for number in range(4)]
        await peer.open(2**24, 0, *streams)
        await peer.reply(streams[0])
        for stream in streams:
            assert len(peer.answers[stream].body) > 2 * MIB
        for stream in streams:
            assert len((await peer.reply(stream)).body) == 4 * MIB


@one_loop
async def test_a_client_that_only_asks_is_read_no_more(serve, monkeypatch):
    """Heads and PING answers pile up where the client reads nothing: there is a bound to that."""
    monkeypatch.setattr(http2_connection, 'UNSENT_BYTES_MAX', 64 * 1024)
    monkeypatch.setattr(http2_connection, 'NOT_SENT_BYTES_MAX', 16 * 1024)

    async def app(scope, receive, send):
        await read_body(receive)
        await answer(send, status=204, headers=[(b'x-large', (scope['path'] * 4).encode())])

    async with serve(app, http2={'send_buffer_bytes_max': 1024}) as server:
        peer = await Peer.of(server, receive_buffer_bytes=4096)
        data = b''.join(peer.request(f'/{number}'.ljust(2000, 'x'))[1] for number in range(100))
        sending = asyncio.ensure_future(peer.send(data))
        await server.until(lambda: any(connection._clogged for connection in server.shared.connections))
        (connection,) = server.shared.connections
        assert connection._transport.get_write_buffer_size() < 2 * MIB
        sending.cancel()
        peer.client.reset()
