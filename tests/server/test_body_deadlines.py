"""How long a client may take for the body of its request, whichever HTTP it speaks."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from tests.helpers.http2_client import Peer
from tests.helpers.serving import answer, echo, one_loop, read_body


class Http1Upload:
    """A request on a connection of its own. Its body is sent by the test, piece by piece."""

    def __init__(self, server, client):
        self._server = server
        self._client = client

    @classmethod
    async def begin(cls, server, count, *fields):
        client = await server.connect()
        lines = [f'{name}: {value}' for name, value in fields]
        await client.get('/', f'Content-Length: {count}', *lines, method='POST')
        return cls(server, client)

    async def send(self, data):
        """Return once the server has heard it."""
        await self._client.send(data)
        await self._server.heard()

    async def told_to_go_on(self):
        assert await self._client.line() == b'HTTP/1.1 100 Continue'
        await self._client.line()

    async def reply(self):
        reply = await self._client.reply()
        return reply.status, reply.body

    async def ends_alone(self):
        """What is left of the body would be taken for a request: there is no other on this connection."""
        await self._client.closed()


class Http2Upload:
    """The same on HTTP/2."""

    def __init__(self, peer, stream, count):
        self._peer = peer
        self._stream = stream
        self._left = count

    @classmethod
    async def begin(cls, server, count, *fields):
        peer = await Peer.of(server)
        stream = await peer.get('/', *fields, ('content-length', str(count)), method='POST', ended=False)
        return cls(peer, stream, count)

    async def send(self, data):
        self._left -= len(data)
        await self._peer.data(self._stream, data, ended=self._left == 0)
        await self._peer.acked()

    async def told_to_go_on(self):
        await self._peer.until(lambda: self._stream in self._peer.answers)
        assert self._peer.answers[self._stream].interim

    async def reply(self):
        reply = await self._peer.reply(self._stream)
        return reply.status, reply.body

    async def ends_alone(self):
        """The others on this connection go on."""
        assert (await self._peer.reply(await self._peer.post('/', b'whole'))).body == b'whole'


SPOKEN = {
    'http1-fast': (Http1Upload, 'fast', {}),
    'http1-h11': (Http1Upload, 'h11', {}),
    'http2-fast': (Http2Upload, 'fast', {'http2_engine': 'fast', 'tls': None}),
    'http2-h2': (Http2Upload, 'fast', {'http2_engine': 'h2', 'tls': None}),
}


@pytest.fixture(params=SPOKEN)
def spoken(request):
    return SPOKEN[request.param]


@pytest.fixture
def engine(spoken):
    return spoken[1]


@pytest.fixture
def upload(spoken):
    return spoken[0].begin


@pytest.fixture
def serve(serve, spoken):
    return partial(serve, holds_time=True, **spoken[2])


async def test_one_that_stops_is_answered_408_and_is_a_disconnect(serve, upload):
    raised = []

    async def app(scope, receive, send):
        try:
            data = await read_body(receive)
        except ConnectionError:
            raised.append(True)
            raise
        await answer(send, data)

    async with serve(app, timeouts={'body_read_s': 30}) as server:
        slow = await upload(server, 10)
        await slow.send(b'some')
        await server.passes(29)
        assert not raised
        await server.passes(2)
        assert await slow.reply() == (408, b'body too slow\n')
        await slow.ends_alone()
    assert raised


@one_loop
async def test_one_that_goes_on_has_time_for_each_piece(serve, upload):
    async with serve(echo, timeouts={'body_read_s': 30}) as server:
        slow = await upload(server, 5)
        for _ in range(5):
            await server.passes(29)
            await slow.send(b'x')
        assert await slow.reply() == (200, b'xxxxx')


async def test_one_that_drips_is_answered_408(serve, upload):
    async with serve(echo, timeouts={'body_read_s': 30, 'body_byte_s': 0.001}) as server:
        slow = await upload(server, 100_000)
        for _ in range(5):
            await slow.send(b'x')
            await server.passes(7)
        assert (await slow.reply())[0] == 408
        await slow.ends_alone()


@one_loop
async def test_one_that_comes_slowly_but_fast_enough_is_waited_for(serve, upload):
    async with serve(echo, timeouts={'body_read_s': 30, 'body_byte_s': 10}) as server:
        slow = await upload(server, 8)
        for _ in range(8):
            await server.passes(9)
            await slow.send(b'x')
        assert await slow.reply() == (200, b'x' * 8)


@one_loop
async def test_one_that_was_not_asked_for_yet_is_not_late(serve, upload):
    begun, may_read = asyncio.Event(), asyncio.Event()

    async def app(scope, receive, send):
        begun.set()
        await may_read.wait()
        await answer(send, await read_body(receive))

    async with serve(app, timeouts={'body_read_s': 30}) as server:
        polite = await upload(server, 2, ('expect', '100-continue'))
        await begun.wait()
        await server.passes(300)
        may_read.set()
        await polite.told_to_go_on()
        await server.passes(29)
        await polite.send(b'ok')
        assert await polite.reply() == (200, b'ok')


@one_loop
async def test_one_that_was_asked_for_and_does_not_come_is_answered_408(serve, upload):
    async with serve(echo, timeouts={'body_read_s': 30}) as server:
        mute = await upload(server, 2, ('expect', '100-continue'))
        await mute.told_to_go_on()
        await server.passes(31)
        assert (await mute.reply())[0] == 408


@one_loop
async def test_an_application_that_has_it_may_take_longer_than_any_deadline(serve, upload):
    has_it, may_answer = asyncio.Event(), asyncio.Event()

    async def app(scope, receive, send):
        data = await read_body(receive)
        has_it.set()
        await may_answer.wait()
        await answer(send, data)

    async with serve(app) as server:
        whole = await upload(server, 5)
        await whole.send(b'whole')
        await has_it.wait()
        await server.passes(300)
        may_answer.set()
        assert await whole.reply() == (200, b'whole')
