"""Many exchanges on one connection of HTTP/2."""

from __future__ import annotations

import asyncio

import pytest

from tests.helpers import http2_client as h2
from tests.helpers.doorman import Doorman
from tests.helpers.http2_client import Peer
from tests.helpers.serving import answer, asyncio_timeout, body, echo, one_loop, read_body, start


async def say_path(scope, receive, send):
    await read_body(receive)
    await answer(send, scope['path'].encode(), headers=[(b'Content-Type', b'text/plain'), (b'Connection', b'close')])


async def test_a_request_is_answered(serve):
    async with serve(say_path) as server:
        peer = await Peer.of(server)
        reply = await peer.ask('/hello')
        assert (reply.status, reply.body) == (200, b'/hello')
        assert reply.names[0][0] == ':status'
        assert {name for name, _ in reply.names[1:]} == {'content-type', 'content-length', 'server', 'date'}


async def test_settings_say_what_is_served(serve):
    async with serve(say_path, http2={'streams_max': 17, 'frame_bytes_max': 20000}) as server:
        peer = await Peer.of(server)
        await peer.ask()
        assert peer.settings[h2.MAX_CONCURRENT_STREAMS] == 17
        assert peer.settings[h2.INITIAL_WINDOW_SIZE] == 65536
        assert peer.settings[h2.MAX_FRAME_SIZE] == 20000
        assert peer.settings[h2.MAX_HEADER_LIST_SIZE] == 65536
        assert peer.settings[h2.ENABLE_CONNECT_PROTOCOL] == 1
        updates = [f.number for f in peer.frames if f.kind == h2.WINDOW_UPDATE and f.stream == 0]
        assert sum(updates) == 256 * 1024 - 65535


async def test_many_requests_in_one_read_are_answered_in_one_write(serve):
    async with serve(say_path) as server:
        peer = await Peer.of(server)
        await peer.acked()
        requests = [peer.request(f'/{number}') for number in range(50)]
        await peer.send(b''.join(data for _, data in requests))
        for number, (stream, _) in enumerate(requests):
            assert (await peer.reply(stream)).body == b'/%d' % number


async def test_exchanges_are_answered_in_the_order_they_are_ready(serve):
    may_answer = {'/1': asyncio.Event(), '/2': asyncio.Event()}

    async def app(scope, receive, send):
        await may_answer[scope['path']].wait()
        await answer(send, scope['path'].encode())

    async with serve(app) as server:
        peer = await Peer.of(server)
        first, second = await peer.get('/1'), await peer.get('/2')
        may_answer['/2'].set()
        assert (await peer.reply(second)).body == b'/2'
        assert peer.answers[first].fields is None if first in peer.answers else True
        may_answer['/1'].set()
        assert (await peer.reply(first)).body == b'/1'


async def test_a_body_is_echoed_through_windows_smaller_than_it(serve):
    content = bytes(range(256)) * 4096
    async with serve(echo) as server:
        peer = await Peer.of(server)
        stream = await peer.get('/', method='POST', ended=False)
        await send_within_windows(peer, stream, content)
        reply = await peer.reply(stream)
        assert reply.body == content
        assert int(reply['content-length']) == len(content)


async def send_within_windows(peer, stream, content):
    """Send a whole body, waiting for the server's windows."""
    sent = 0
    while sent < len(content):
        size = min(16384, len(content) - sent)
        await peer.until(lambda end=sent + size: end <= min(window(peer, 0, 65535), window(peer, stream, None)))
        await peer.send(h2.frame(h2.DATA, int(sent + size == len(content)), stream, content[sent : sent + size]))
        sent += size


def window(peer, stream, initial):
    """All that may be sent from the beginning on."""
    if initial is None:
        initial = peer.settings.get(h2.INITIAL_WINDOW_SIZE, 65535)
    return initial + sum(f.number for f in peer.frames if f.kind == h2.WINDOW_UPDATE and f.stream == stream)


async def test_head_has_the_length_of_get_and_no_body(serve):
    async with serve(say_path) as server:
        peer = await Peer.of(server)
        reply = await peer.reply(await peer.get('/four', method='HEAD'))
        assert (reply.status, reply['content-length'], reply.body) == (200, b'5', b'')


async def test_trailers_go_both_ways(serve):
    seen = []

    async def app(scope, receive, send):
        await read_body(receive)
        await start(send, headers=[(b'trailer', b'x-sum')], trailers=True)
        await body(send, b'data')
        await send({'type': 'http.response.trailers', 'headers': [(b'X-Sum', b'1')]})
        seen.append(scope['http_version'])

    async with serve(app) as server:
        peer = await Peer.of(server)
        stream = await peer.get('/', ('te', 'trailers'), method='POST', ended=False)
        await peer.data(stream, b'abc')
        block = peer.encoder.encode([('x-check', 'abc')])
        await peer.send(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, stream, block))
        reply = await peer.reply(stream)
        assert (reply.body, reply.trailers, seen) == (b'data', [(b'x-sum', b'1')], ['2'])


async def test_early_hints_come_before_the_answer(serve):
    async def app(scope, receive, send):
        await send({'type': 'http.response.early_hint', 'links': [b'</a.css>; rel=preload']})
        await answer(send, b'page')

    async with serve(app) as server:
        peer = await Peer.of(server)
        reply = await peer.ask()
        assert reply.interim == [[(b':status', b'103'), (b'link', b'</a.css>; rel=preload')]]
        assert reply.body == b'page'


async def test_a_body_that_is_held_back_is_asked_for(serve):
    async with serve(echo) as server:
        peer = await Peer.of(server)
        stream = await peer.get('/', ('expect', '100-continue'), method='POST', ended=False)
        await peer.until(lambda: stream in peer.answers and peer.answers[stream].interim)
        assert peer.answers[stream].interim == [[(b':status', b'100')]]
        await peer.data(stream, b'body', ended=True)
        assert (await peer.reply(stream)).body == b'body'


async def test_an_application_that_fails_is_500_and_the_connection_goes_on(serve, caplog):
    async def app(scope, receive, send):
        if scope['path'] == '/fail':
            raise ValueError('oops')
        await answer(send, b'fine')

    async with serve(app) as server:
        peer = await Peer.of(server)
        assert (await peer.ask('/fail')).status == 500
        assert (await peer.ask('/')).body == b'fine'


async def test_a_response_that_breaks_off_is_reset(serve, caplog):
    async def app(scope, receive, send):
        if scope['path'] == '/fail':
            await start(send)
            await body(send, b'some', more=True)
            raise ValueError('oops')
        await answer(send, b'fine')

    async with serve(app) as server:
        peer = await Peer.of(server)
        reply = await peer.ask('/fail')
        assert (reply.status, reply.code, reply.ended) == (200, h2.INTERNAL_ERROR, False)
        assert (await peer.ask('/')).body == b'fine'


async def test_an_application_learns_that_its_client_has_left(serve):
    learned = asyncio.Queue()

    async def app(scope, receive, send):
        await read_body(receive)
        await start(send)
        await body(send, b'x', more=True)
        learned.put_nowait((await receive())['type'])
        try:
            await body(send, b'y', more=True)
        except OSError as error:
            learned.put_nowait(type(error).__mro__[-3])

    async with serve(app) as server:
        peer = await Peer.of(server)
        stream = await peer.get()
        await peer.head(stream)
        await peer.send(h2.reset(stream))
        assert await asyncio.wait_for(learned.get(), 5) == 'http.disconnect'
        await asyncio.wait_for(learned.get(), 5)
        await peer.acked()


async def test_all_exchanges_of_a_connection_that_breaks_learn_of_it(serve):
    learned = []

    async def app(scope, receive, send):
        await read_body(receive)
        learned.append((await receive())['type'])

    async with serve(app) as server:
        peer = await Peer.of(server)
        for _ in range(10):
            await peer.get()
        await peer.acked()
        peer.client.reset()
        await server.until(lambda: len(learned) == 10)
        assert set(learned) == {'http.disconnect'}


@one_loop
async def test_a_malformed_request_harms_no_other(serve):
    async with serve(say_path) as server:
        peer = await Peer.of(server)
        stream, data = peer.request('/', ('connection', 'keep-alive'))
        await peer.send(data)
        assert (await peer.reply(stream)).code == h2.PROTOCOL_ERROR
        assert (await peer.ask('/fine')).body == b'/fine'


@one_loop
async def test_a_head_over_the_limit_is_431(serve):
    async with serve(say_path, http2={'head_bytes_max': 1000}) as server:
        peer = await Peer.of(server)
        reply = await peer.ask('/', ('x-large', 'x' * 900))
        assert reply.status == 431
        assert (await peer.ask('/fine')).body == b'/fine'


@one_loop
async def test_a_body_over_the_limit_is_413(serve):
    async with serve(echo, http2={'body_bytes_max': 1000}) as server:
        peer = await Peer.of(server)
        stream = await peer.get('/', method='POST', ended=False)
        await peer.data(stream, bytes(2000), ended=True)
        assert (await peer.reply(stream)).status == 413
        declared = await peer.get('/', ('content-length', '2000'), method='POST', ended=False)
        assert (await peer.reply(declared)).status == 413


@one_loop
async def test_one_stream_too_many_is_refused_and_may_be_asked_again(serve):
    may_answer = asyncio.Event()

    async def app(scope, receive, send):
        await may_answer.wait()
        await answer(send)

    async with serve(app, http2={'streams_max': 3}) as server:
        peer = await Peer.of(server)
        streams = [await peer.get() for _ in range(4)]
        assert (await peer.reply(streams[3])).code == h2.REFUSED_STREAM
        may_answer.set()
        for stream in streams[:3]:
            assert (await peer.reply(stream)).status == 200
        assert (await peer.ask()).status == 200


class Log:
    def __init__(self):
        self.lines = []

    def request(self, peer, scheme, head, status, duration_s):
        self.lines.append((head.version, head.method, head.path, status))
        assert duration_s >= 0

    def refused(self, peer, scheme, request_line, status, reason):
        self.lines.append((request_line, status, reason))


@one_loop
async def test_every_request_is_logged(serve):
    async def app(scope, receive, send):
        if scope['path'] == '/left':
            await asyncio.Event().wait()
        await answer(send)

    log = Log()
    async with serve(app, access_log=log) as server:
        peer = await Peer.of(server)
        await peer.ask('/one')
        left = await peer.get('/left')
        await peer.send(h2.reset(left))
        stream, data = peer.request('/bad', ('te', 'gzip'))
        await peer.send(data)
        await peer.reply(stream)
        assert log.lines == [
            ('2', 'GET', '/one', 200),
            ('2', 'GET', '/left', 499),
            (b'GET /bad HTTP/2', 400, 'te other than trailers'),
        ]
        for task in server.shared.tasks:
            task.cancel()


async def test_requests_over_the_workers_limit_wait_in_order(serve):
    app = Doorman()
    async with serve(app, exchanges_max=2) as server:
        peer = await Peer.of(server)
        streams = [await peer.get(f'/{number}') for number in range(8)]
        await peer.acked()
        assert app.order == ['/0', '/1']
        app.let_end(8)
        for number, stream in enumerate(streams):
            assert (await peer.reply(stream)).body == b'/%d' % number
    assert app.order == [f'/{number}' for number in range(8)]
    assert app.busy_max == 2


@one_loop
async def test_connections_that_wait_take_turns(serve):
    app = Doorman()
    async with serve(app, exchanges_max=1) as server:
        first, second = await Peer.of(server), await Peer.of(server)
        many = [await first.get(f'/a{number}') for number in range(5)]
        await first.acked()
        few = [await second.get(f'/b{number}') for number in range(2)]
        await second.acked()
        app.let_end(7)
        for stream in many:
            await first.reply(stream)
        for stream in few:
            await second.reply(stream)
    assert app.order == ['/a0', '/a1', '/b0', '/a2', '/b1', '/a3', '/a4']


@one_loop
async def test_requests_that_were_reset_while_they_waited_are_never_begun(serve):
    app = Doorman()
    async with serve(app, exchanges_max=1) as server:
        peer = await Peer.of(server)
        first = await peer.get('/first')
        for _ in range(100):
            await peer.send(h2.reset(await peer.get('/never')))
            await peer.acked()
        last = await peer.get('/last')
        app.let_end(2)
        assert (await peer.reply(first)).body == b'/first'
        assert (await peer.reply(last)).body == b'/last'
        assert len(server.shared.gate._waiting) <= 1
    assert app.order == ['/first', '/last']


async def test_http1_is_served_on_the_same_port(serve):
    async with serve(say_path) as server:
        assert (await server.get('/one')).body == b'/one'


async def test_a_preface_in_pieces_is_a_preface(serve):
    async with serve(say_path) as server:
        peer = Peer(await server.connect())
        for byte in h2.PREFACE:
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)
        await peer.send(h2.settings())
        assert (await peer.ask('/late')).body == b'/late'


@pytest.mark.parametrize('start_line', ['PRI * HTTP/2.0\r\n\r\nXX', 'PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n', 'P'])
@one_loop
async def test_what_only_begins_like_a_preface_is_http1(serve, start_line):
    async with serve(say_path, timeouts={'head_s': 0.2}) as server:
        client = await server.connect()
        await client.send(start_line.encode())
        if start_line == 'P':
            await client.closed()
        else:
            reply = await client.reply()
            assert reply.status == (505 if start_line.startswith('PRI') else 200)


@one_loop
async def test_where_only_http2_is_spoken_http1_is_told_so(serve):
    async with serve(say_path, http='2') as server:
        client = await server.connect()
        await client.get()
        reply = await client.reply()
        assert (reply.status, reply.body) == (505, b'only HTTP/2 is spoken here\n')
        await client.closed()
        peer = await Peer.of(server)
        assert (await peer.ask('/two')).body == b'/two'


@one_loop
async def test_where_only_http1_is_spoken_a_preface_is_refused(serve):
    async with serve(say_path, http='1') as server:
        client = await server.connect()
        await client.send(h2.PREFACE + h2.settings())
        assert (await client.reply()).status == 505


@one_loop
async def test_bytes_that_are_neither_are_told_off(serve):
    async with serve(say_path) as server:
        peer = Peer(await server.connect())
        await peer.send(h2.PREFACE + h2.frame(h2.PING, 0, 0, bytes(8)))
        assert (await peer.goaway())[1] == h2.PROTOCOL_ERROR
        async with asyncio_timeout(5):
            await peer.cut()
