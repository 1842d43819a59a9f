"""ASGI's WebSocket: scope, connect, accept or refuse, messages, and how it ends (ASGI WebSocket 2.4)."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from granian.errors import ClientDisconnected
from tests.helpers.asgi_messages import CLOSED, FLOW, UNSUPPORTED
from tests.helpers.serving import one_loop
from tests.helpers.websocket import OPENING, Peer, ask, echo, open_session

UPGRADED = FLOW + 'Connection already upgraded'
NOT_OPEN = FLOW + 'Transport not initialized or closed'
ACCEPT = {'type': 'websocket.accept'}
SEND = {'type': 'websocket.send', 'text': 'x'}
CLOSE = {'type': 'websocket.close'}
DENY = {'type': 'websocket.http.response.start', 'status': 401, 'headers': [(b'x-why', b'because')]}
DENIED = {'type': 'websocket.http.response.body', 'body': b'no'}


def sender(*messages, seen):
    """Sends them; what the last one raises goes to `seen`, and ends it."""

    async def app(scope, receive, send):
        assert await receive() == {'type': 'websocket.connect'}
        for message in messages[:-1]:
            await send(message)
        try:
            await send(messages[-1])
        except Exception as error:
            seen.append(error)
            raise

    return app


def listener(seen):
    """Accepts, and notes what it receives up to the disconnect."""

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        while True:
            message = await receive()
            seen.append(message)
            if message['type'] == 'websocket.disconnect':
                return

    return app


# ── the scope ────────────────────────────────────────────────────────────────────────────────────────────────────────


@one_loop
async def test_the_scope_is_that_of_the_specification(serve):
    scopes = []

    async def app(scope, receive, send):
        scopes.append(scope)
        await echo(scope, receive, send)

    async with serve(app, root_path='/base', tls=None) as server:
        peer = await open_session(server, '/base/a%20b?c=d', 'Sec-WebSocket-Protocol: chat, superchat', 'X-One: 1')
        client = peer.client.sock.getsockname()
        await peer.close()
    [scope] = scopes
    headers = scope.pop('headers')
    assert (b'x-one', b'1') in headers
    assert (b'sec-websocket-protocol', b'chat, superchat') in headers
    assert scope == {
        'asgi': {'version': '3.0', 'spec_version': '2.4'},
        'extensions': {'websocket.http.response': {}},
        'type': 'websocket',
        'http_version': '1.1',
        'server': server.address,
        'client': client,
        'scheme': 'ws',
        'path': '/base/a b',
        'raw_path': b'/base/a%20b',
        'query_string': b'c=d',
        'root_path': '/base',
        'subprotocols': ['chat', 'superchat'],
        'state': {},
    }


@one_loop
async def test_another_upgrade_is_ignored(serve):
    types = []

    async def app(scope, receive, send):
        types.append(scope['type'])
        await send({'type': 'http.response.start', 'status': 200})
        await send({'type': 'http.response.body'})

    async with serve(app) as server:
        assert (await server.get('/', 'Connection: upgrade', 'Upgrade: h2c')).status == 200
    assert types == ['http']


# ── accepted ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_messages_come_and_go_with_one_key_each(serve):
    seen = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        for _ in range(2):
            seen.append(await receive())
        await send({'type': 'websocket.send', 'text': 'größer', 'bytes': None})
        await send({'type': 'websocket.send', 'bytes': bytearray(b'\0\1')})

    async with serve(app) as server:
        peer = await open_session(server)
        await peer.send('größer')
        await peer.send(b'\0\1')
        assert (await peer.message(), await peer.message()) == ('größer', b'\0\1')
        assert await peer.gone() == (1000, b'')
    assert seen == [
        {'type': 'websocket.receive', 'text': 'größer'},
        {'type': 'websocket.receive', 'bytes': b'\0\1'},
    ]


@one_loop
async def test_the_answer_has_the_subprotocol_and_the_headers_given(serve):
    async def app(scope, receive, send):
        await receive()
        headers = [(b'set-cookie', b'a=b'), [b'x-two', b'2'], (b'connection', b'close')]
        await send({**ACCEPT, 'subprotocol': 'superchat', 'headers': headers})

    async with serve(app) as server:
        peer = await open_session(server, '/', 'Sec-WebSocket-Protocol: chat', 'Sec-WebSocket-Protocol: superchat')
        assert peer.reply['sec-websocket-protocol'] == b'superchat'
        assert (peer.reply['set-cookie'], peer.reply['x-two'], peer.reply['connection']) == (b'a=b', b'2', b'upgrade')
        assert (peer.reply['server'], peer.reply['upgrade']) == (b'granian', b'websocket')
        assert await peer.gone() == (1000, b'')


@one_loop
@pytest.mark.parametrize(
    'accept',
    [
        {'subprotocol': 'unheard'},
        {'headers': [(b'Sec-WebSocket-Protocol', b'chat')]},
        {'headers': [(b'sec-websocket-accept', b'x')]},
        {'headers': [(b'x', b'a\r\nb: c')]},
        {'headers': [('x', 'y')]},
        {'headers': [(b'x',)]},
        {'headers': 5},
    ],
)
async def test_an_accept_that_cannot_be_sent_raises_and_is_answered_500(serve, accept):
    seen = []
    async with serve(sender({**ACCEPT, **accept}, seen=seen)) as server:
        _, reply = await ask(server, '/', 'Sec-WebSocket-Protocol: chat')
        assert reply.status == 500
    assert isinstance(seen[0], RuntimeError)
    assert str(seen[0]) == UNSUPPORTED


@one_loop
async def test_bytes_behind_the_opening_are_the_first_messages(serve):
    async with serve(echo) as server:
        client = await server.connect()
        from tests.helpers.websocket_engines import TEXT, frame

        lines = ['GET / HTTP/1.1', 'Host: test', *OPENING, '', '']
        await client.send('\r\n'.join(lines).encode() + frame(TEXT, b'early'))
        peer = Peer(client, await client.head())
        assert await peer.message() == 'early'
        await peer.close(1000)


async def test_receive_waits_for_accept(serve):
    events = []

    async def app(scope, receive, send):
        await receive()
        receiving = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        events.append('accept')
        await send(ACCEPT)
        events.append((await receiving)['text'])

    async with serve(app) as server:
        peer = await open_session(server)
        await peer.send('x')
        assert await peer.gone() == (1000, b'')
    assert events == ['accept', 'x']


# ── refused ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def refused(serve, app, **options):
    async with serve(app, **options) as server:
        client = await server.connect()
        await client.get('/', *OPENING)
        reply = await client.reply()
        if b'close' not in [value for name, value in reply.fields if name == b'connection']:
            await client.get('/', *OPENING)
            assert (await client.reply()).status == reply.status
        return reply


async def test_close_before_accept_is_403(serve, caplog):
    after = []

    async def app(scope, receive, send):
        await receive()
        await send({**CLOSE, 'code': 4000, 'reason': 'x'})
        after.append(await receive())

    reply = await refused(serve, app)
    assert (reply.status, reply.body) == (403, b'')
    assert after == [{'type': 'websocket.disconnect', 'code': 1006, 'reason': ''}] * 2
    assert not caplog.records


@one_loop
async def test_returning_without_a_word_is_403_and_logged(serve, caplog):
    async def app(scope, receive, send):
        await receive()

    reply = await refused(serve, app)
    assert (reply.status, reply.body) == (403, b'')
    assert set(caplog.messages) == {'Application callable returned without accepting or refusing a WebSocket'}


@one_loop
async def test_raising_before_accept_is_500(serve, caplog):
    async def app(scope, receive, send):
        raise ValueError('no')

    assert (await refused(serve, app)).status == 500
    assert set(caplog.messages) == {'Application callable raised an exception'}


@one_loop
async def test_a_denial_is_an_answer_in_http(serve):
    async def app(scope, receive, send):
        await receive()
        await send(DENY)
        await send(DENIED)

    reply = await refused(serve, app)
    assert (reply.status, reply['x-why'], reply['content-length'], reply.body) == (401, b'because', b'2', b'no')


@one_loop
async def test_a_denial_may_be_streamed(serve):
    async def app(scope, receive, send):
        await receive()
        await send(DENY)
        for _ in range(3):
            await send({**DENIED, 'more_body': True})
        await send({'type': 'websocket.http.response.body'})

    reply = await refused(serve, app)
    assert (reply.status, reply['transfer-encoding'], reply.body) == (401, b'chunked', b'nonono')


@one_loop
async def test_a_denial_that_stops_in_the_middle_is_cut(serve):
    async def app(scope, receive, send):
        await receive()
        await send(DENY)
        await send({**DENIED, 'more_body': True})

    async with serve(app) as server:
        client, reply = await ask(server)
        assert reply.status == 401
        assert await client.chunk() == b'no'
        with pytest.raises(asyncio.IncompleteReadError):
            await client.chunk()


@one_loop
async def test_an_application_without_websockets_is_not_asked(serve):
    async def app(scope, receive, send):
        raise AssertionError

    reply = await refused(serve, app, websockets=None)
    assert (reply.status, reply.body) == (403, b'WebSockets are not served here\n')


@one_loop
@pytest.mark.parametrize(
    ('fields', 'status', 'says'),
    [
        (OPENING[:3], 400, {}),
        ((*OPENING[:3], 'Sec-WebSocket-Version: 8'), 426, {'sec-websocket-version': b'13', 'upgrade': b'websocket'}),
        ((*OPENING[:2], OPENING[3]), 400, {}),
        ((*OPENING[:2], OPENING[3], 'Sec-WebSocket-Key: short'), 400, {}),
    ],
)
async def test_a_faulty_opening_is_answered_and_the_application_is_not_asked(serve, fields, status, says):
    async with serve(None) as server:
        reply = await server.get('/', *fields)
        assert reply.status == status
        for name, value in says.items():
            assert reply[name] == value


# ── what may be sent when ────────────────────────────────────────────────────────────────────────────────────────────


@one_loop
@pytest.mark.parametrize(
    ('messages', 'text'),
    [
        ([SEND], NOT_OPEN),
        ([{'type': 'http.response.start', 'status': 200}], UNSUPPORTED),
        ([{'type': 'websocket.http.response.start', 'status': 'x'}], UNSUPPORTED),
        ([DENIED], FLOW + 'Response not started'),
        ([DENY, ACCEPT], FLOW + 'Response already started'),
        ([{**DENY, 'headers': [(b'content-type', b'text/event-stream')]}, ACCEPT], FLOW + 'Response already started'),
        ([DENY, CLOSE], FLOW + 'Response already started'),
        ([DENY, DENIED, DENIED], FLOW + 'Response already finished'),
        ([DENY, DENIED, ACCEPT], FLOW + 'Response already started'),
        ([CLOSE, ACCEPT], FLOW + 'Response already started'),
        ([CLOSE, SEND], NOT_OPEN),
        ([CLOSE, DENY], FLOW + 'Response already finished'),
        ([ACCEPT, ACCEPT], UPGRADED),
        ([ACCEPT, DENY], UPGRADED),
        ([ACCEPT, {'type': 'websocket.send'}], UNSUPPORTED),
        ([ACCEPT, {'type': 'websocket.send', 'text': 'a', 'bytes': b'a'}], UNSUPPORTED),
        ([ACCEPT, {'type': 'websocket.send', 'text': b'a'}], UNSUPPORTED),
        ([ACCEPT, {'type': 'websocket.send', 'bytes': 'a'}], UNSUPPORTED),
        ([ACCEPT, {'type': 'websocket.send', 'text': '\ud800'}], UNSUPPORTED),
        ([ACCEPT, {'type': 'websocket.close', 'code': 1005.5}], UNSUPPORTED),
        ([ACCEPT, {'type': 'websocket.close', 'code': 1006}], UNSUPPORTED),
        ([ACCEPT, {'type': 'websocket.close', 'reason': b'x'}], UNSUPPORTED),
        ([ACCEPT, CLOSE, SEND], CLOSED),
        ([ACCEPT, CLOSE, CLOSE], CLOSED),
    ],
)
async def test_what_comes_out_of_order_raises(serve, messages, text):
    seen = []
    async with serve(sender(*messages, seen=seen)) as server:
        client, _ = await ask(server)
        client.half_close()
        await client.rest()
    assert [str(error) for error in seen] == [text]
    assert isinstance(seen[0], RuntimeError)
    assert isinstance(seen[0], OSError) is (text == CLOSED)


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ('close', 'told'),
    [
        ((1000, b'bye'), (1000, 'bye')),
        ((4001, 'größer'.encode()), (4001, 'größer')),
        ((None,), (1005, '')),
    ],
)
async def test_a_close_of_the_client_is_told_with_code_and_reason(serve, close, told):
    seen = []
    async with serve(listener(seen)) as server:
        peer = await open_session(server)
        await peer.send('x')
        await peer.close(*close)
        assert await peer.closed() == (close[0], b'')
        assert await peer.client.rest() == b''
    assert seen[1:] == [{'type': 'websocket.disconnect', 'code': told[0], 'reason': told[1]}]


@pytest.mark.parametrize('how', ['end', 'reset'])
async def test_a_client_that_is_lost_is_1006(serve, how):
    seen = []
    async with serve(listener(seen)) as server:
        peer = await open_session(server)
        await peer.send('x')
        await server.until(lambda: seen)
        peer.client.reset() if how == 'reset' else peer.client.close()
        await server.until(lambda: len(seen) == 2)
    assert seen[1] == {'type': 'websocket.disconnect', 'code': 1006, 'reason': ''}


async def test_messages_before_the_end_are_all_received(serve):
    seen = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await go.wait()
        while (message := await receive())['type'] == 'websocket.receive':
            seen.append(message['text'])

    go = asyncio.Event()
    async with serve(app) as server:
        peer = await open_session(server)
        for number in range(5):
            await peer.send(str(number))
        await peer.close(1000)
        await peer.closed()
        go.set()
        await server.until(lambda: len(seen) == 5)
    assert seen == ['0', '1', '2', '3', '4']


@one_loop
@pytest.mark.parametrize(
    ('message', 'told'),
    [
        ({}, (1000, b'')),
        ({'code': 4999, 'reason': 'done'}, (4999, b'done')),
        ({'code': 1001, 'reason': None}, (1001, b'')),
        ({'code': 1000, 'reason': 'x' * 200}, (1000, b'x' * 123)),
    ],
)
async def test_a_close_of_the_application_reaches_the_client_and_itself(serve, message, told):
    after = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await send({**CLOSE, **message})
        after.append(await receive())

    async with serve(app) as server:
        peer = await open_session(server)
        assert await peer.gone() == told
    reason = message.get('reason') or ''
    assert after == [{'type': 'websocket.disconnect', 'code': told[0], 'reason': reason}]


@one_loop
async def test_raising_after_accept_is_1011_and_logged(serve, caplog):
    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        raise ValueError('no')

    async with serve(app) as server:
        peer = await open_session(server)
        assert await peer.gone() == (1011, b'')
    assert caplog.messages == ['Application callable raised an exception']


@one_loop
async def test_a_send_after_the_client_has_left_raises_an_oserror_that_is_not_logged(serve, caplog):
    errors = []

    async def app(scope, receive, send):
        await echo(scope, receive, send)
        try:
            await send(SEND)
        except OSError as error:
            errors.append(error)
            raise

    async with serve(app) as server:
        peer = await open_session(server)
        await peer.close(1000)
        await peer.closed()
        await server.until(lambda: errors)
    assert isinstance(errors[0], ClientDisconnected)
    assert str(errors[0]) == CLOSED
    assert not caplog.records


@one_loop
async def test_whoever_asks_on_after_the_end_holds_nobody_up(serve):
    going = []

    async def app(scope, receive, send):
        if scope['path'] == '/other':
            await echo(scope, receive, send)
            return
        await receive()
        await send(ACCEPT)
        while 'stop' not in going:
            going.append((await receive())['type'])

    async with serve(app) as server:
        peer = await open_session(server)
        await peer.close()
        other = await open_session(server, '/other')
        await other.send('x')
        assert await other.message() == 'x'
        going.append('stop')
        await other.close()


# ── tasks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_receive_that_is_given_up_loses_no_message(serve):
    events = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(receive(), 0.01)
        events.append('given up')
        while (message := await receive())['type'] == 'websocket.receive':
            events.append(message['text'])

    async with serve(app) as server:
        peer = await open_session(server)
        await server.until(lambda: events)
        await peer.send('x')
        await peer.close()
        await server.until(lambda: len(events) == 2)
    assert events == ['given up', 'x']


async def test_an_application_goes_on_as_the_task_it_is_in_the_context_it_has(serve):
    name = contextvars.ContextVar('name')
    seen = []

    async def app(scope, receive, send):
        name.set(scope['path'])
        task = asyncio.current_task()
        await receive()
        await send(ACCEPT)
        while (message := await receive())['type'] == 'websocket.receive':
            seen.append((name.get(), message['text'], asyncio.current_task() is task))
            await asyncio.sleep(0)
            await send({**message, 'type': 'websocket.send'})

    async with serve(app) as server:
        peers = [await open_session(server, path) for path in ('/a', '/b')]
        for number in range(2):
            for peer in peers:
                await peer.send(str(number))
                await peer.message()
        for peer in peers:
            await peer.close()
    assert seen == [('/a', '0', True), ('/b', '0', True), ('/a', '1', True), ('/b', '1', True)]


async def test_one_application_may_wake_another_from_within(serve):
    """A broadcast: what one sends, the tasks of others go on with."""
    queues = []
    seen = []

    async def app(scope, receive, send):
        await receive()
        await send(ACCEPT)
        queues.append(send)
        while (message := await receive())['type'] == 'websocket.receive':
            seen.append(message['text'])
            for other in queues:
                await other({**message, 'type': 'websocket.send'})
        queues.remove(send)

    async with serve(app) as server:
        peers = [await open_session(server) for _ in range(3)]
        await peers[0].send('hello')
        assert [await peer.message() for peer in peers] == ['hello'] * 3
        for peer in peers:
            await peer.close()
            await peer.closed()
