"""How long an HTTP/2 client may take for what."""

from __future__ import annotations

import asyncio

import pytest

from granian.server import deadlines
from tests.helpers import http2_client as h2
from tests.helpers.http2_client import Peer
from tests.helpers.serving import answer, asyncio_timeout, body, echo, one_loop, read_body, start

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def short_ticks(monkeypatch):
    monkeypatch.setattr(deadlines, 'TICK_S', 0.01)


@pytest.mark.parametrize('said', [b'', b'PRI * HT', h2.PREFACE, h2.PREFACE + b'\0\0\x06\x04'])
@one_loop
async def test_a_preface_that_does_not_come_is_not_waited_for(serve, said):
    async with serve(echo, timeouts={'head_s': 0.1}) as server:
        peer = Peer(await server.connect())
        if said:
            await peer.send(said)
        async with asyncio_timeout(5):
            await peer.cut()


@one_loop
async def test_a_block_of_fields_that_stops_ends_the_connection(serve):
    async with serve(echo, timeouts={'head_s': 0.1}) as server:
        peer = await Peer.of(server)
        await peer.acked()
        _, data = peer.request()
        head = data[:9]
        await peer.send(head[:4] + b'\1' + head[5:] + data[9:])
        last, code, _ = await peer.goaway()
        assert (last, code) == (0, h2.NO_ERROR)
        await peer.cut()


@one_loop
async def test_continuations_do_not_buy_time(serve):
    async with serve(echo, timeouts={'head_s': 0.15}) as server:
        peer = await Peer.of(server)
        await peer.acked()
        _, data = peer.request()
        await peer.send(data[:4] + b'\1' + data[5:])
        trickle = asyncio.ensure_future(trickling(peer))
        try:
            async with asyncio_timeout(5):
                assert (await peer.goaway())[1] == h2.NO_ERROR
        finally:
            trickle.cancel()


async def trickling(peer):
    while True:
        await peer.send(h2.frame(h2.CONTINUATION, 0, 1))
        await asyncio.sleep(0.02)


@one_loop
async def test_an_idle_connection_is_closed_with_a_goaway(serve):
    async with serve(echo, timeouts={'keep_alive_s': 0.1}) as server:
        peer = await Peer.of(server)
        await peer.ask()
        last, code, _ = await peer.goaway()
        assert (last, code) == (1, h2.NO_ERROR)
        await peer.cut()


@one_loop
async def test_pings_do_not_keep_an_idle_connection(serve):
    async with serve(echo, timeouts={'keep_alive_s': 0.2}) as server:
        peer = await Peer.of(server)
        async with asyncio_timeout(5):
            while not peer.goaways:
                await peer.send(h2.frame(h2.PING, 0, 0, bytes(8)))
                await peer.step()
                await asyncio.sleep(0.01)


@one_loop
async def test_an_application_may_take_its_time(serve):
    async def app(scope, receive, send):
        await read_body(receive)
        await asyncio.sleep(0.3)
        await answer(send, b'late')

    short = {'keep_alive_s': 0.1, 'head_s': 0.1, 'body_read_s': 0.1, 'write_s': 0.1}
    async with serve(app, timeouts=short) as server:
        peer = await Peer.of(server)
        assert (await peer.ask()).body == b'late'


@one_loop
async def test_a_body_that_stops_is_408_and_others_go_on(serve):
    async with serve(echo, timeouts={'body_read_s': 0.1}) as server:
        peer = await Peer.of(server)
        slow = await peer.get('/', method='POST', ended=False)
        await peer.data(slow, b'some')
        reply = await peer.reply(slow)
        assert (reply.status, reply.body) == (408, b'body too slow\n')
        assert (await peer.reply(await peer.post('/', b'whole'))).body == b'whole'


@one_loop
async def test_a_body_that_drips_is_408(serve):
    async with serve(echo, timeouts={'body_read_s': 0.2, 'body_byte_s': 0.001}) as server:
        peer = await Peer.of(server)
        slow = await peer.get('/', method='POST', ended=False)
        waiting = asyncio.ensure_future(peer.reply(slow))
        while not waiting.done():
            await peer.data(slow, b'x')
            await asyncio.sleep(0.02)
        assert (await waiting).status == 408


@one_loop
async def test_a_body_that_comes_in_pieces_has_time_for_each(serve):
    async with serve(echo, timeouts={'body_read_s': 0.3}) as server:
        peer = await Peer.of(server)
        stream = await peer.get('/', method='POST', ended=False)
        for _ in range(6):
            await peer.data(stream, b'x')
            await asyncio.sleep(0.1)
        await peer.data(stream, b'', ended=True)
        assert (await peer.reply(stream)).body == b'xxxxxx'


@one_loop
async def test_a_body_that_the_application_holds_up_is_not_timed(serve):
    may_read = asyncio.Event()

    async def app(scope, receive, send):
        if scope['path'] == '/slow':
            await may_read.wait()
        await answer(send, b'%d' % len(await read_body(receive)))

    # Another's body cannot come either: the connection's window is full.
    windows = {'stream_window_bytes': 65535, 'connection_window_bytes': 65535}
    async with serve(app, timeouts={'body_read_s': 0.1}, http2=windows) as server:
        peer = await Peer.of(server)
        slow = await peer.get('/slow', method='POST', ended=False)
        await peer.data(slow, bytes(65535))
        other = await peer.get('/', method='POST', ended=False)
        await asyncio.sleep(0.4)
        may_read.set()
        await peer.until(lambda: any(f.kind == h2.WINDOW_UPDATE and f.stream == 0 for f in peer.frames))
        await peer.data(slow, b'', ended=True)
        await peer.data(other, b'x', ended=True)
        assert (await peer.reply(slow)).body == b'65535'
        assert (await peer.reply(other)).body == b'1'


@one_loop
async def test_a_body_that_nobody_asked_for_is_not_timed(serve):
    may_read = asyncio.Event()

    async def app(scope, receive, send):
        await may_read.wait()
        await answer(send, await read_body(receive))

    async with serve(app, timeouts={'body_read_s': 0.1}) as server:
        peer = await Peer.of(server)
        stream = await peer.get('/', ('expect', '100-continue'), method='POST', ended=False)
        await asyncio.sleep(0.3)
        may_read.set()
        await peer.until(lambda: stream in peer.answers and peer.answers[stream].interim)
        await peer.data(stream, b'body', ended=True)
        assert (await peer.reply(stream)).body == b'body'


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

    async with serve(app, timeouts={'write_s': 0.15}) as server:
        peer = await Peer.of(server, greedy=False)
        shut = await peer.get('/large')
        await peer.open(100_000, 0)
        assert (await peer.ask('/small')).body == b'small'
        reply = await peer.reply(shut)
        assert (len(reply.body), reply.code) == (65535, h2.CANCEL if kind == 'whole' else h2.INTERNAL_ERROR)
        assert (await peer.ask('/small')).body == b'small'
    assert raised == ([True] if kind == 'streamed' else [])


@one_loop
async def test_a_window_that_opens_a_little_now_and_then_is_borne(serve):
    async def app(scope, receive, send):
        await answer(send, bytes(10_000))

    async with serve(app, timeouts={'write_s': 0.4}) as server:
        peer = await Peer.of(server, values={h2.INITIAL_WINDOW_SIZE: 0}, greedy=False)
        stream = await peer.get()
        for _ in range(10):
            await asyncio.sleep(0.1)
            await peer.open(1000, stream)
        assert len((await peer.reply(stream)).body) == 10_000


@one_loop
async def test_a_window_that_opens_by_a_byte_now_and_then_is_cut(serve):
    async def app(scope, receive, send):
        await answer(send, bytes(10_000))

    async with serve(app, timeouts={'write_s': 0.2}) as server:
        peer = await Peer.of(server, values={h2.INITIAL_WINDOW_SIZE: 0}, greedy=False)
        stream = await peer.get()
        trickle = asyncio.ensure_future(granting(peer, stream))
        try:
            async with asyncio_timeout(5):
                assert (await peer.reply(stream)).code == h2.CANCEL
        finally:
            trickle.cancel()


async def granting(peer, stream):
    while True:
        await peer.open(1, stream)
        await asyncio.sleep(0.02)


@one_loop
async def test_a_client_that_reads_nothing_is_cut(serve):
    async def app(scope, receive, send):
        await answer(send, bytes(16 * MIB))

    async with serve(app, timeouts={'write_s': 0.2}) as server:
        peer = await Peer.of(server, receive_buffer_bytes=4096)
        stream = await peer.get()
        await peer.open(2**30, 0, stream)
        await server.until(lambda: server.shared.connections)
        await server.until(lambda: not server.shared.connections)
        with pytest.raises((ConnectionError, EOFError)):
            await peer.reply(stream)


@one_loop
async def test_a_silent_client_is_asked_for_a_sign_of_life(serve):
    async with serve(echo, ping=(0.1, 5)) as server:
        peer = await Peer.of(server)
        await peer.until(lambda: any(f.kind == h2.PING and not f.flags for f in peer.frames))
        ping = next(f for f in peer.frames if f.kind == h2.PING)
        await peer.send(h2.frame(h2.PING, h2.ACK, 0, ping.payload))
        count = len(peer.frames)
        await peer.until(lambda: any(f.kind == h2.PING for f in peer.frames[count:]))
        assert (await peer.ask()).status == 200


@one_loop
async def test_a_client_that_gives_no_sign_of_life_is_cut(serve):
    async with serve(echo, ping=(0.05, 0.1)) as server:
        peer = await Peer.of(server)
        async with asyncio_timeout(5):
            await peer.cut()
        assert any(f.kind == h2.PING for f in peer.frames)
        await server.until(lambda: not server.shared.connections)
