from __future__ import annotations

import socket

import pytest

from tests.helpers.serving import answer
from tests.helpers.tls import tls_settings


async def test_small_writes_are_not_held_back_for_acknowledgements(serve):
    options = []

    async def app(scope, receive, send):
        (connection,) = server.shared.connections
        sock = connection._transport.get_extra_info('socket')
        options.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await answer(send)

    async with serve(app) as server:
        await server.get()
    assert options[0] != 0


@pytest.mark.parametrize('closes', [True, False])
async def test_a_last_answer_is_not_lost_to_requests_that_follow_it(serve, closes):
    """What the client sends behind its last request stays unread; a reset for that would destroy the answer."""
    size = 2_000_000

    async def app(scope, receive, send):
        headers = [(b'connection', b'close')] if closes else []
        await answer(send, b'x' * size, headers=headers)

    async with serve(app) as server:
        client = await server.connect()
        last = b'' if closes else b'Connection: close\r\n'
        await client.send(b'GET / HTTP/1.1\r\nHost: a\r\n%b\r\n' % last)
        # More than a read takes, while the answer is on its way.
        await client.send(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n' * 20_000)
        assert len((await client.reply()).body) == size


@pytest.mark.parametrize('encrypted', [False, True])
async def test_client_that_asked_for_the_end_is_not_waited_for(serve, encrypted, tmp_path):
    async with serve(answered, holds_time=True, tls=tls_settings(tmp_path) if encrypted else None) as server:
        client = await server.connect()
        await client.get('/', 'Connection: close')
        assert (await client.reply()).status == 200
        await client.closed()
        # The client's side is open still.
        await server.until(lambda: not server.shared.connections)


@pytest.mark.parametrize('fields', [(), ('Connection: close',)])
async def test_client_that_sends_more_than_its_last_request_is_waited_for(serve, fields):
    async def app(scope, receive, send):
        await answer(send, headers=[(b'connection', b'close')])

    async with serve(app, holds_time=True) as server:
        client = await server.connect()
        lines = ['GET / HTTP/1.1', 'Host: a', *fields, '', '']
        await client.send('\r\n'.join(lines).encode() + b'GET / HTTP/1.1\r\n')
        assert (await client.reply()).status == 200
        await client.closed()
        assert server.shared.connections
        client.close()
        await server.until(lambda: not server.shared.connections)


async def answered(scope, receive, send):
    await answer(send, b'x')
