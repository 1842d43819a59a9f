"""No body is held whole, and no large one stands before a small one."""

from __future__ import annotations

import asyncio
import hashlib
import tracemalloc

import pytest

from granian.protocol.limits import HTTP2_WAITING_BODIES_MAX
from granian.server import http2_connection, passage
from tests.helpers import http2_client as h2
from tests.helpers.http2_client import Answer, Peer
from tests.helpers.serving import answer, asyncio_timeout, body, let_grace_pass, one_loop, read_body, start

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
    monkeypatch.setattr(passage, 'NOT_SENT_BYTES_MAX', 16 * 1024)

    async def app(scope, receive, send):
        await read_body(receive)
        await answer(send, status=204, headers=[(b'x-large', (scope['path'] * 4).encode())])

    async with serve(app, http2={'send_buffer_bytes_max': 1024}) as server:
        peer = await Peer.of(server, receive_buffer_bytes=4096)
        data = b''.join(peer.request(f'/{number}'.ljust(2000, 'x'))[1] for number in range(100))
        sending = asyncio.ensure_future(peer.send(data))
        await server.until(lambda: any(connection._clogged for connection in server.connections))
        (connection,) = server.shared.connections
        assert connection._transport.get_write_buffer_size() < 2 * MIB
        sending.cancel()
        peer.client.reset()


WHOLE_BYTES = 256 * 1024


class Publisher:
    """Gives each body whole, and knows which requests were begun."""

    def __init__(self):
        self.begun = []

    async def __call__(self, scope, receive, send):
        self.begun.append(scope['path'])
        await answer(send, bytes(100 if scope['path'].startswith('/small') else WHOLE_BYTES))


@pytest.mark.parametrize('receive_buffer_bytes', [None, 4096])
async def test_small_responses_to_one_read_are_sent_as_the_socket_takes_them(serve, receive_buffer_bytes):
    async def app(scope, receive, send):
        await answer(send, scope['path'].encode() * 2000)

    async with serve(app) as server:
        peer = await Peer.of(server, values={h2.INITIAL_WINDOW_SIZE: 2**20}, receive_buffer_bytes=receive_buffer_bytes)
        await peer.open(2**24, 0)
        for stream, path in zip(await ask_for_many(peer, 90), range(90), strict=True):
            assert (await peer.reply(stream)).body == b'/%d' % path * 2000


async def ask_for_many(peer, count):
    streams = [peer.request(f'/{number}') for number in range(count)]
    await peer.send(b''.join(data for _, data in streams))
    return [stream for stream, _ in streams]


@pytest.mark.parametrize('shut', ['windows', 'socket'])
async def test_bodies_given_whole_do_not_pile_up(serve, shut):
    """Neither for a client that opens no window, nor for one that reads nothing; once it does, all are served, in order."""
    app = Publisher()
    async with serve(app) as server:
        small = {'receive_buffer_bytes': 4096} if shut == 'socket' else {}
        initial = 0 if shut == 'windows' else 2**30
        peer = await Peer.of(server, values={h2.INITIAL_WINDOW_SIZE: initial}, greedy=False, **small)
        if shut == 'socket':
            await peer.open(2**30, 0)
        streams = await ask_for_many(peer, 80)
        await server.until(lambda: app.begun)
        await server.until(lambda: all(connection._waiting for connection in server.connections))
        held = len(app.begun)
        # Some fit into the buffers of the socket.
        assert HTTP2_WAITING_BODIES_MAX <= held < (20 if shut == 'windows' else 60)
        # Others are served meanwhile: nobody's place in the worker is taken.
        other = await Peer.of(server)
        assert (await other.ask('/small')).status == 200
        assert server.shared.gate.busy == 0
        if shut == 'windows':
            await peer.open(2**30, 0, *streams)
        for stream in streams:
            assert len((await peer.reply(stream)).body) == WHOLE_BYTES
    app.begun.remove('/small')
    assert app.begun == [f'/{number}' for number in range(80)]


@one_loop
async def test_a_few_bodies_that_lie_there_hold_up_nothing(serve):
    app = Publisher()
    async with serve(app, http2={'send_buffer_bytes_max': 1024}) as server:
        peer = await Peer.of(server, greedy=False)
        await ask_for_many(peer, HTTP2_WAITING_BODIES_MAX - 1)
        await peer.acked()
        await peer.open(2**20, 0)
        for _ in range(20):
            assert (await peer.ask('/small')).status == 200
        peer.client.reset()


@one_loop
async def test_what_waits_for_room_holds_up_nobody_at_the_gate(serve):
    app = Publisher()
    may_end = asyncio.Event()

    async def with_slow_ones(scope, receive, send):
        if scope['path'] == '/slow':
            await may_end.wait()
        await app(scope, receive, send)

    async with serve(with_slow_ones, exchanges_max=1) as server:
        shut = await Peer.of(server, values={h2.INITIAL_WINDOW_SIZE: 0}, greedy=False)
        other = await Peer.of(server)
        slow = await other.get('/slow')
        await server.until(lambda: server.shared.gate.busy)
        # They find the gate closed, and when it opens their own connection fills up.
        streams = await ask_for_many(shut, 30)
        await shut.acked()
        behind = await other.get('/small/behind')
        may_end.set()
        await other.reply(slow)
        await other.reply(behind)
        assert HTTP2_WAITING_BODIES_MAX <= len(app.begun) - 2 <= HTTP2_WAITING_BODIES_MAX + 1
        assert (await other.ask('/small/later')).status == 200
        await shut.open(2**30, 0, *streams)
        for stream in streams:
            assert len((await shut.reply(stream)).body) == WHOLE_BYTES


@one_loop
async def test_what_waits_for_room_is_never_begun_once_it_was_reset(serve):
    app = Publisher()
    async with serve(app) as server:
        peer = await Peer.of(server, values={h2.INITIAL_WINDOW_SIZE: 0}, greedy=False)
        streams = await ask_for_many(peer, 40)
        await peer.acked()
        begun = len(app.begun)
        assert begun < 40
        await peer.send(b''.join(h2.reset(stream) for stream in streams[begun:-1]))
        await peer.acked()
        # Bodies that wait go with their streams, and make room for the last.
        await peer.send(b''.join(h2.reset(stream) for stream in streams[:begun]))
        await peer.open(2**30, streams[-1])
        await peer.until(lambda: len(peer.answers.get(streams[-1], Answer()).body) > 60_000)
        assert app.begun == [*(f'/{number}' for number in range(begun)), '/39']
        assert server.shared.gate.busy == 0
        peer.client.reset()


@one_loop
async def test_bodies_that_nobody_takes_are_let_go(serve):
    """By streams that take nothing for too long, each in its turn; by a connection that is lost."""
    app = Publisher()
    async with serve(app, timeouts={'write_s': 0.3}) as server:
        peer = await Peer.of(server, values={h2.INITIAL_WINDOW_SIZE: 0}, greedy=False)
        streams = await ask_for_many(peer, 40)
        for stream in streams:
            assert (await peer.reply(stream)).code == h2.CANCEL
        (connection,) = server.shared.connections
        assert not connection.engine.full
        assert not connection.engine.stalled
        await ask_for_many(peer, 40)
        await server.until(lambda: connection.engine.full)
        peer.client.reset()
        await server.until(lambda: not server.shared.connections)
        assert not connection.engine.stalled
        assert not connection.engine.full
        assert len(app.begun) < 80


@one_loop
async def test_a_request_answered_while_it_waits_leaves_no_place(serve):
    """Its body never comes: it is answered 408 without having begun."""
    app = Publisher()
    async with serve(app, timeouts={'body_read_s': 0.3}) as server:
        peer = await Peer.of(server, values={h2.INITIAL_WINDOW_SIZE: 0}, greedy=False)
        streams = await ask_for_many(peer, 20)
        await peer.acked()
        stream = await peer.get('/never', method='POST', ended=False)
        await peer.until(lambda: stream in peer.answers)
        assert peer.answers[stream].status == 408
        assert server.shared.gate.busy == 0
        await peer.open(2**30, 0, stream, *streams)
        for other in streams:
            assert len((await peer.reply(other)).body) == WHOLE_BYTES
        assert '/never' not in app.begun
        assert server.shared.gate.busy == 0


class Late(Publisher):
    """Waits for something first, so that many requests of a connection are in progress before any has a body."""

    async def __call__(self, scope, receive, send):
        await asyncio.sleep(0)
        await super().__call__(scope, receive, send)


@one_loop
async def test_bodies_are_bounded_over_all_connections(serve):
    bytes_max = 40 * WHOLE_BYTES
    app = Late()
    async with serve(app, exchanges_max=1000, unsent_bytes_max=bytes_max) as server:
        hostile = [await Peer.of(server, values={h2.INITIAL_WINDOW_SIZE: 0}, greedy=False) for _ in range(8)]
        await ask_for_many(hostile[0], 60)
        await server.until(lambda: server.shared.unsent.tight and server.shared.gate.busy == 0)
        # All of the first: nothing is known of a body before it is there.
        assert len(app.begun) == 60
        for peer in hostile[1:]:
            await ask_for_many(peer, 60)
            await peer.acked()
        await server.until(lambda: server.shared.gate.busy == 0)
        # Of the others each its share, and a few that were in progress with the last of it.
        assert 60 < len(app.begun) < 60 + 40 * sum(1 / count for count in range(2, 9)) + 8 * 5
        other = await Peer.of(server)
        assert (await other.ask('/small')).status == 200
        assert len((await other.ask('/large')).body) == WHOLE_BYTES
        # Who takes nothing is cut, until it is not too much any more.
        let_grace_pass(server.shared.unsent)
        assert not server.shared.unsent.tight
        await server.until(lambda: len(server.shared.connections) < 9)
        assert (await other.ask('/small')).status == 200
        for peer in hostile:
            peer.client.reset()
    assert not server.shared.unsent._marks


@one_loop
async def test_a_proxy_goes_on_while_others_hold_too_much(serve):
    """Its client has taken much before, so it may have as much in progress as ever."""
    app = Late()
    async with serve(app, exchanges_max=1000, unsent_bytes_max=4 * WHOLE_BYTES) as server:
        proxy = await Peer.of(server)
        for _ in range(10):
            assert len((await proxy.ask('/large')).body) == WHOLE_BYTES
        hostile = await Peer.of(server, values={h2.INITIAL_WINDOW_SIZE: 0}, greedy=False)
        await ask_for_many(hostile, 10)
        await server.until(lambda: server.shared.unsent.tight)
        streams = [proxy.request('/small') for _ in range(30)]
        await proxy.send(b''.join(data for _, data in streams))
        for stream, _ in streams:
            assert (await proxy.reply(stream)).status == 200
        assert server.shared.unsent.tight
        hostile.client.reset()


@one_loop
async def test_what_was_held_back_is_begun_when_it_is_enough(serve):
    """Nothing else happens on its connection: all its requests wait for something."""
    polls = asyncio.Event()

    async def app(scope, receive, send):
        if scope['path'] == '/poll':
            await polls.wait()
        await answer(send, bytes(WHOLE_BYTES if scope['path'] == '/large' else 100))

    async with serve(app, unsent_bytes_max=4 * WHOLE_BYTES) as server:
        hostile = await Peer.of(server, values={h2.INITIAL_WINDOW_SIZE: 0}, greedy=False)
        await hostile.send(b''.join([hostile.request('/large')[1] for _ in range(6)]))
        await server.until(lambda: server.shared.unsent.tight)
        peer = await Peer.of(server)
        await peer.send(b''.join([peer.request('/poll')[1] for _ in range(10)]))
        last = await peer.get('/small')
        await server.until(lambda: any(connection._waiting for connection in server.connections))
        hostile.client.reset()
        assert (await peer.reply(last)).status == 200
        polls.set()
