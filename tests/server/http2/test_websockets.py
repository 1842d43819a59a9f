"""WebSocket sessions over HTTP/2: an extended CONNECT, and the same session on a stream (RFC 8441)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.helpers.http2_client import DATA, END_STREAM, Peer, reset
from tests.helpers.http2_client import frame as data_frame
from tests.helpers.serving import WEBSOCKETS
from tests.helpers.websocket import echo
from tests.helpers.websocket_engines import TEXT, Frame, close, frame, read_frames

OPENING = [
    (':method', 'CONNECT'),
    (':protocol', 'websocket'),
    (':scheme', 'http'),
    (':authority', 'test'),
    (':path', '/x'),
]
VERSION = ('sec-websocket-version', '13')


async def opened(server, *fields, **more):
    peer = await Peer.of(server, **more)
    stream = await peer.get('', VERSION, *fields, pseudo=OPENING, ended=False)
    return peer, stream, await peer.head(stream)


def said(data, opcode=TEXT):
    return Frame(opcode, data)


async def test_messages_come_and_go_on_a_stream(serve):
    scopes = []

    async def app(scope, receive, send):
        scopes.append(scope)
        await echo(scope, receive, send)

    async with serve(app) as server:
        peer, stream, reply = await opened(server)
        assert peer.settings[8] == 1
        assert reply.status == 200
        assert not any(name in reply for name in ('upgrade', 'connection', 'sec-websocket-accept'))
        await peer.data(stream, frame(TEXT, b'one') + frame(TEXT, b'two'))
        await peer.until(lambda: len(reply.body) >= 10)
        assert read_frames(reply.body) == [said(b'one'), said(b'two')]
        await peer.data(stream, close(4000, b'bye'))
        assert read_frames((await peer.reply(stream)).body)[-1] == Frame(8, b'\x0f\xa0')
    assert (scopes[0]['http_version'], scopes[0]['scheme'], scopes[0]['path']) == ('2', 'ws', '/x')


async def test_a_stream_that_is_reset_is_a_client_that_is_lost(serve):
    seen = []

    async def app(scope, receive, send):
        await receive()
        await send({'type': 'websocket.accept'})
        seen.append(await receive())

    async with serve(app) as server:
        peer, stream, _ = await opened(server)
        await peer.send(reset(stream))
        await server.until(lambda: seen)
    assert seen == [{'type': 'websocket.disconnect', 'code': 1006, 'reason': ''}]


@pytest.mark.parametrize('websocket_engine', ['fast', 'wsproto'])
@pytest.mark.parametrize('at_once', [False, True])
async def test_what_comes_with_the_end_of_the_stream_is_answered(serve, websocket_engine, at_once):
    # RFC 8441 5, RFC 9113 8.5: END_STREAM stands for a FIN, behind the data it comes with. We may still send.
    gone = []

    async def app(scope, receive, send):
        await receive()
        await send({'type': 'websocket.accept'})
        while (got := await receive())['type'] == 'websocket.receive':
            await send({'type': 'websocket.send', 'text': got['text']})
        gone.append(got['code'])

    async with serve(app, websockets=replace(WEBSOCKETS, engine=websocket_engine)) as server:
        peer = await Peer.of(server)
        stream, opening = peer.request('', VERSION, pseudo=OPENING, ended=False)
        last = data_frame(DATA, END_STREAM, stream, frame(TEXT, b'one') + frame(TEXT, b'two'))
        await peer.send(opening + last if at_once else opening)
        reply = await peer.head(stream)
        if not at_once:
            await peer.send(last)
        await peer.reply(stream)
        assert read_frames(reply.body) == [said(b'one'), said(b'two')]
        assert (reply.status, reply.code) == (200, None)
    assert gone == [1006]


async def test_a_client_that_opens_no_window_makes_the_application_wait(serve):
    progress = []

    async def app(scope, receive, send):
        await receive()
        await send({'type': 'websocket.accept'})
        for number in range(50):
            await send({'type': 'websocket.send', 'bytes': bytes(65536)})
            progress.append(number)

    async with serve(app) as server:
        peer, stream, reply = await opened(server, greedy=False)
        await peer.until(lambda: len(reply.body) >= 60_000)
        [session] = server.serving.sessions.open
        await server.until(lambda: session.blocked)
        assert len(progress) < 10
        peer.greedy = True
        await peer.open(len(reply.body), stream, 0)
        await peer.until(lambda: len(reply.body) > 50 * 65536 + 50 * 10)
        assert [len(each.payload) for each in read_frames(reply.body)[:50]] == [65536] * 50
        await peer.data(stream, close(1000))
        await peer.reply(stream)


async def test_a_stop_tells_1012(serve):
    async with serve(echo) as server:
        peer, stream, reply = await opened(server)
        stopping = asyncio.ensure_future(server.stop())
        await peer.until(lambda: reply.body)
        assert read_frames(reply.body) == [Frame(8, b'\x03\xf4service restart')]
        await peer.data(stream, close(1012))
        assert (await peer.reply(stream)).ended
        peer.client.close()
        await stopping


@pytest.mark.parametrize(('given', 'status'), [({'websockets': None}, 403), ({}, 403)])
async def test_a_refusal_is_an_answer(serve, given, status):
    async def app(scope, receive, send):
        await receive()
        await send({'type': 'websocket.close'})

    async with serve(app, **given) as server:
        peer, stream, _ = await opened(server)
        assert (await peer.reply(stream)).status == status
