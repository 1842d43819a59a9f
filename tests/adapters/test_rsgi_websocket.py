"""RSGI's WebSocket: scope, accept or close, messages, and what upstream's crashes became."""

from __future__ import annotations

import asyncio

import pytest

from granian.rsgi import ProtocolClosed, ProtocolError, WebsocketMessageType
from tests.helpers.serving import PATIENCE_S, one_loop
from tests.helpers.websocket import OPENING, ask, open_session


async def echo(scope, protocol):
    transport = await protocol.accept()
    while (message := await transport.receive()).kind is not WebsocketMessageType.close:
        if message.kind is WebsocketMessageType.string:
            await transport.send_str(message.data)
        else:
            await transport.send_bytes(message.data)


@one_loop
async def test_the_scope_says_ws(serve_rsgi):
    seen = []

    async def app(scope, protocol):
        seen.append((scope.proto, scope.scheme, scope.method, scope.http_version, scope.path, scope.query_string))
        seen.append(scope.headers.get('upgrade'))
        protocol.close()

    async with serve_rsgi(app, strip=5, tls=None) as server:
        await ask(server, '/base/a?b=c')
    assert seen == [('ws', 'http', 'GET', '1.1', '/a', 'b=c'), 'websocket']


async def test_messages_come_and_go(serve_rsgi):
    async with serve_rsgi(echo) as server:
        peer = await open_session(server)
        await peer.send('größer')
        assert await peer.message() == 'größer'
        await peer.send(b'\0\1')
        assert await peer.message() == b'\0\1'
        await peer.close(1000)
        assert await peer.closed() == (1000, b'')
        assert await peer.client.rest() == b''


async def refused(serve_rsgi, app, **options):
    async with serve_rsgi(app, **options) as server:
        client = await server.connect()
        await client.get('/', *OPENING)
        return await client.reply()


@one_loop
@pytest.mark.parametrize(('status', 'sent'), [((), 403), ((None,), 403), ((401,), 401), ((404,), 404)])
async def test_close_before_accept_refuses_by_that_status(serve_rsgi, status, sent, caplog):
    async def app(scope, protocol):
        protocol.close(*status)
        protocol.close(500)

    reply = await refused(serve_rsgi, app)
    assert (reply.status, reply.body) == (sent, b'')
    assert not caplog.records


@one_loop
@pytest.mark.parametrize(
    ('status', 'error'),
    [('403', TypeError), (True, TypeError), (70000, OverflowError), (-1, OverflowError), (99, ProtocolError)],
)
async def test_a_status_that_is_none_raises_and_changes_nothing(serve_rsgi, status, error):
    async def app(scope, protocol):
        with pytest.raises(error):
            protocol.close(status)
        protocol.close(401)

    assert (await refused(serve_rsgi, app)).status == 401


@one_loop
async def test_returning_without_accept_is_403_and_logged(serve_rsgi, caplog):
    async def app(scope, protocol):
        pass

    assert (await refused(serve_rsgi, app)).status == 403
    assert caplog.messages == ['Application callable returned without accepting or refusing a WebSocket']


@one_loop
async def test_raising_before_accept_is_an_empty_500(serve_rsgi, caplog):
    async def app(scope, protocol):
        raise ValueError('no')

    reply = await refused(serve_rsgi, app)
    assert (reply.status, reply.body) == (500, b'')
    assert caplog.messages == ['Application callable raised an exception']


@one_loop
async def test_an_application_without_websockets_is_not_asked(serve_rsgi):
    async def app(scope, protocol):
        raise AssertionError

    assert (await refused(serve_rsgi, app, websockets=None)).status == 403


@one_loop
async def test_a_second_accept_raises_and_the_session_goes_on(serve_rsgi):
    async def app(scope, protocol):
        transport = await protocol.accept()
        with pytest.raises(ProtocolError, match='RSGI protocol error'):
            await protocol.accept()
        await transport.send_str('still here')

    async with serve_rsgi(app) as server:
        peer = await open_session(server)
        assert await peer.message() == 'still here'
        assert await peer.gone() == (1000, b'')


@one_loop
async def test_accept_after_close_raises(serve_rsgi):
    async def app(scope, protocol):
        protocol.close(404)
        with pytest.raises(ProtocolError):
            await protocol.accept()

    assert (await refused(serve_rsgi, app)).status == 404


@one_loop
@pytest.mark.parametrize(('status', 'code'), [((), 1000), ((4001,), 4001), ((1012,), 1012)])
async def test_close_after_accept_takes_the_status_for_a_close_code(serve_rsgi, status, code):
    after = []

    async def app(scope, protocol):
        transport = await protocol.accept()
        protocol.close(*status)
        protocol.close(1011)
        after.append((await transport.receive()).kind)
        with pytest.raises(ProtocolClosed, match='RSGI transport is closed'):
            await transport.receive()
        for send, data in ((transport.send_str, 'x'), (transport.send_bytes, b'x')):
            with pytest.raises(ProtocolClosed):
                await send(data)

    async with serve_rsgi(app) as server:
        peer = await open_session(server)
        assert await peer.gone() == (code, b'')
    assert after == [WebsocketMessageType.close]


@one_loop
async def test_a_code_that_is_never_sent_raises_and_the_session_goes_on(serve_rsgi):
    async def app(scope, protocol):
        await protocol.accept()
        with pytest.raises(ProtocolError):
            protocol.close(403)

    async with serve_rsgi(app) as server:
        peer = await open_session(server)
        assert await peer.gone() == (1000, b'')


@one_loop
async def test_raising_after_accept_is_1011_and_logged(serve_rsgi, caplog):
    async def app(scope, protocol):
        await protocol.accept()
        raise ValueError('no')

    async with serve_rsgi(app) as server:
        peer = await open_session(server)
        assert await peer.gone() == (1011, b'')
    assert caplog.messages == ['Application callable raised an exception']


async def test_the_end_is_a_message_of_its_own_once(serve_rsgi):
    seen = []

    async def app(scope, protocol):
        transport = await protocol.accept()
        message = await transport.receive()
        seen.append((message.kind, message.data))
        with pytest.raises(ProtocolClosed):
            await transport.receive()
        with pytest.raises(ProtocolClosed):
            await transport.send_str('x')
        seen.append('end')

    async with serve_rsgi(app) as server:
        peer = await open_session(server)
        await peer.close(4000, b'x')
        await server.until(lambda: len(seen) == 2)
    assert seen == [(0, None), 'end']


@one_loop
async def test_one_receive_at_a_time(serve_rsgi):
    async def app(scope, protocol):
        transport = await protocol.accept()
        first = asyncio.ensure_future(transport.receive())
        await asyncio.sleep(0)
        with pytest.raises(ProtocolError):
            await transport.receive()
        await transport.send_str('go on')
        assert (await first).data == 'x'
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(transport.receive(), 0.01)
        await transport.send_str('given up')
        await transport.send_str((await transport.receive()).data)

    async with serve_rsgi(app) as server:
        peer = await open_session(server)
        assert await peer.message() == 'go on'
        await peer.send('x')
        assert await peer.message() == 'given up'
        await peer.send('y')
        assert await peer.message() == 'y'
        assert await peer.gone() == (1000, b'')


@one_loop
async def test_what_is_no_message_raises(serve_rsgi):
    async def app(scope, protocol):
        transport = await protocol.accept()
        with pytest.raises(TypeError):
            await transport.send_str(b'x')
        with pytest.raises(TypeError):
            await transport.send_bytes('x')
        with pytest.raises(ProtocolError):
            await transport.send_str('\ud800')
        await transport.send_bytes(memoryview(b'fine'))

    async with serve_rsgi(app) as server:
        peer = await open_session(server)
        assert await peer.message() == b'fine'
        assert await peer.gone() == (1000, b'')


@one_loop
async def test_messages_that_a_client_takes_at_once_leave_others_a_turn(serve_rsgi):
    told = asyncio.get_running_loop().create_future()

    async def app(scope, protocol):
        transport = await protocol.accept()
        turn = asyncio.Event()
        asyncio.get_running_loop().call_soon(turn.set)
        messages = 0
        while messages < 1000 and not turn.is_set():
            await transport.send_str('x')
            messages += 1
        told.set_result(messages)

    async with serve_rsgi(app) as server:
        client = await server.connect()
        await client.get('/', *OPENING)
        assert await asyncio.wait_for(told, PATIENCE_S) < 1000
