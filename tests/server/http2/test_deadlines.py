"""How long an HTTP/2 client may take for what. Of the bodies of requests: ../test_body_deadlines.py."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from tests.helpers import http2_client as h2
from tests.helpers.http2_client import Peer
from tests.helpers.serving import answer, body, echo, one_loop, read_body, start

MIB = 1024 * 1024


@pytest.fixture
def serve(serve):
    return partial(serve, holds_time=True)


@pytest.mark.parametrize('said', [b'', b'PRI * HT', h2.PREFACE, h2.PREFACE + b'\0\0\x06\x04'])
@one_loop
async def test_a_preface_that_does_not_come_is_not_waited_for(serve, said):
    async with serve(echo, timeouts={'head_s': 30}) as server:
        peer = Peer(await server.connect())
        if said:
            await peer.send(said)
        await server.heard()
        await server.passes(29)
        assert server.shared.connections
        await server.passes(2)
        await peer.cut()


@one_loop
async def test_a_block_of_fields_that_stops_ends_the_connection(serve):
    async with serve(echo, timeouts={'head_s': 30}) as server:
        peer = await Peer.of(server)
        await peer.acked()
        _, data = peer.request()
        head = data[:9]
        await peer.send(head[:4] + b'\1' + head[5:] + data[9:])
        await server.heard()
        await server.passes(29)
        assert server.shared.connections
        await server.passes(2)
        last, code, _ = await peer.goaway()
        assert (last, code) == (0, h2.NO_ERROR)
        await peer.cut()


@one_loop
async def test_continuations_do_not_buy_time(serve):
    async with serve(echo, timeouts={'head_s': 30}) as server:
        peer = await Peer.of(server)
        await peer.acked()
        _, data = peer.request()
        await peer.send(data[:4] + b'\1' + data[5:])
        for _ in range(5):
            await server.heard()
            await server.passes(7)
            await peer.send(h2.frame(h2.CONTINUATION, 0, 1))
        assert (await peer.goaway())[1] == h2.NO_ERROR


@one_loop
async def test_an_idle_connection_is_closed_with_a_goaway(serve):
    async with serve(echo, timeouts={'keep_alive_s': 30}) as server:
        peer = await Peer.of(server)
        for _ in range(2):
            await peer.ask()
            await server.passes(29)
        assert not peer.goaways
        await server.passes(2)
        last, code, _ = await peer.goaway()
        assert (last, code) == (3, h2.NO_ERROR)
        await peer.cut()


@one_loop
async def test_pings_do_not_keep_an_idle_connection(serve):
    async with serve(echo, timeouts={'keep_alive_s': 30}) as server:
        peer = await Peer.of(server)
        await peer.ask()
        for _ in range(4):
            await peer.acked()
            await server.passes(7)
        await peer.acked()
        await server.passes(3)
        await peer.goaway()


@one_loop
async def test_a_body_that_the_application_holds_up_is_not_timed(serve):
    may_read = asyncio.Event()

    async def app(scope, receive, send):
        if scope['path'] == '/slow':
            await may_read.wait()
        await answer(send, b'%d' % len(await read_body(receive)))

    # Another's body cannot come either: the connection's window is full.
    windows = {'stream_window_bytes': 65535, 'connection_window_bytes': 65535}
    async with serve(app, timeouts={'body_read_s': 30}, http2=windows) as server:
        peer = await Peer.of(server)
        slow = await peer.get('/slow', method='POST', ended=False)
        await peer.data(slow, bytes(65535))
        other = await peer.get('/', method='POST', ended=False)
        await peer.acked()
        await server.passes(300)
        may_read.set()
        await peer.until(lambda: any(f.kind == h2.WINDOW_UPDATE and f.stream == 0 for f in peer.frames))
        await peer.data(slow, b'', ended=True)
        await peer.data(other, b'x', ended=True)
        assert (await peer.reply(slow)).body == b'65535'
        assert (await peer.reply(other)).body == b'1'


@pytest.mark.parametrize('kind', ['whole', 'streamed'])
async def test_a_window_that_stays_shut_is_cut_and_others_go_on(serve, kind):
    raised = []

    async def app(scope, receive, send):
        if scope['path'] == '/small':
            await answer(send, b'small')
        elif kind == 'whole':
            await answer(send, bytes(MIB))
        else:
            await start(send)
            try:
                while True:
                    await body(send, bytes(16384), more=True)
            except OSError:
                raised.append(True)

    async with serve(app, timeouts={'write_s': 30}) as server:
        peer = await Peer.of(server, greedy=False)
        shut = await peer.get('/large')
        await peer.open(100_000, 0)
        assert (await peer.ask('/small')).body == b'small'
        await peer.until(lambda: len(peer.answers[shut].body) == 65535)
        await server.passes(29)
        await peer.acked()
        assert peer.answers[shut].code is None
        await server.passes(2)
        reply = await peer.reply(shut)
        assert (len(reply.body), reply.code) == (65535, h2.CANCEL if kind == 'whole' else h2.INTERNAL_ERROR)
        assert (await peer.ask('/small')).body == b'small'
    assert raised == ([True] if kind == 'streamed' else [])


@one_loop
async def test_a_window_that_opens_a_little_now_and_then_is_borne(serve):
    async def app(scope, receive, send):
        await answer(send, bytes(10_000))

    async with serve(app, timeouts={'write_s': 30}) as server:
        peer = await Peer.of(server, values={h2.INITIAL_WINDOW_SIZE: 0}, greedy=False)
        stream = await peer.get()
        for _ in range(7):
            await peer.acked()
            await server.passes(20)
            await peer.open(1500, stream)
        assert len((await peer.reply(stream)).body) == 10_000


@one_loop
async def test_a_window_that_opens_by_a_byte_now_and_then_is_cut(serve):
    async def app(scope, receive, send):
        await answer(send, bytes(10_000))

    async with serve(app, timeouts={'write_s': 30}) as server:
        peer = await Peer.of(server, values={h2.INITIAL_WINDOW_SIZE: 0}, greedy=False)
        stream = await peer.get()
        for _ in range(5):
            await peer.acked()
            await server.passes(7)
            await peer.open(1, stream)
        assert (await peer.reply(stream)).code == h2.CANCEL


@one_loop
async def test_a_client_that_reads_nothing_is_cut(serve):
    async def app(scope, receive, send):
        await answer(send, bytes(16 * MIB))

    async with serve(app, timeouts={'write_s': 30}) as server:
        peer = await Peer.of(server, receive_buffer_bytes=4096)
        stream = await peer.get()
        await peer.open(2**30, 0, stream)
        await server.until(lambda: any(each.blocked for each in server.connections))
        assert 30 <= await server.passes_until(lambda: not server.shared.connections) < 300
        with pytest.raises((ConnectionError, EOFError)):
            await peer.reply(stream)


async def pinged(peer):
    """The next PING that asks for an answer."""
    count = len(peer.frames)
    await peer.until(lambda: any(f.kind == h2.PING and not f.flags for f in peer.frames[count:]))
    return peer.frames[-1]


@one_loop
async def test_a_silent_client_is_asked_for_a_sign_of_life(serve):
    async with serve(echo, ping=(20, 10), timeouts={'keep_alive_s': 1000}) as server:
        peer = await Peer.of(server)
        await peer.acked()
        # Two looks, of which the first finds it alive; while an answer is due they are closer.
        for seconds in (20 + 21, 10 + 20):
            await server.passes(seconds)
            ping = await pinged(peer)
            await peer.send(h2.frame(h2.PING, h2.ACK, 0, ping.payload))
            assert (await peer.ask()).status == 200


@one_loop
async def test_a_client_that_gives_no_sign_of_life_is_cut(serve):
    async with serve(echo, ping=(20, 10), timeouts={'keep_alive_s': 1000}) as server:
        peer = await Peer.of(server)
        await peer.acked()
        await server.passes(41)
        await pinged(peer)
        await server.passes(8)
        assert server.shared.connections
        await server.passes(2)
        await peer.cut()
        await server.until(lambda: not server.shared.connections)
