from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import struct
from functools import partial

import pytest

from granian.protocol.proxies.forwarded import X_FORWARDED
from granian.protocol.proxies.proxy_header import V2_MARK
from granian.server import serving
from granian.server.settings import ProxySettings
from tests.helpers.serving import Served, answer, one_loop
from tests.helpers.tls import tls_settings
from tests.server.test_forwarding import show, told

TRUSTING = ProxySettings(('127.0.0.1', '10.0.0.0/8'), X_FORWARDED, proxy_protocol=True)
REQUEST = b'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
V1 = b'PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n'
BODY = socket.inet_aton('203.0.113.7') + socket.inet_aton('192.0.2.1') + struct.pack('!HH', 4711, 443)
V2 = V2_MARK + struct.pack('!BBH', 0x21, 0x11, len(BODY)) + BODY
SECURE = b'\x20\0\x05\x01\0\0\0\0'
V2_SECURE = V2_MARK + struct.pack('!BBH', 0x21, 0x11, len(BODY + SECURE)) + BODY + SECURE
LOCAL = V2_MARK + struct.pack('!BBH', 0x20, 0, 0)
UNNAMED = {'v1': b'PROXY UNKNOWN 203.0.113.7 192.0.2.1 4711 443\r\n', 'v2': V2_MARK + struct.pack('!BBH', 0x21, 0, 0)}


@pytest.fixture
def serve(engine, loop):
    """In clear: the header comes before TLS, and two tests here are about just that."""
    return partial(Served, loop, engine)


async def gone(client):
    with contextlib.suppress(ConnectionResetError):
        await client.closed()


@pytest.mark.parametrize('header', [V1, V2])
async def test_header_tells_the_client_of_all_requests_on_the_connection(serve, header):
    async with serve(show, proxies=TRUSTING) as server:
        client = await server.connect()
        await client.send(header)
        for _ in range(2):
            found = await told(client)
            assert (found['client'], found['server']) == (['203.0.113.7', 4711], ['192.0.2.1', 443])
            assert found['scheme'] == 'http'


@one_loop
async def test_header_may_be_split_anywhere_and_the_request_come_along(serve):
    data = V2 + REQUEST
    async with serve(show, proxies=TRUSTING) as server:
        for at in range(1, len(V2) + 2):
            client = await server.connect()
            await client.send(data[:at])
            await asyncio.sleep(0)
            await client.send(data[at:])
            assert json.loads((await client.reply()).body)['client'] == ['203.0.113.7', 4711]


@one_loop
async def test_tls_with_the_proxy_makes_the_scheme(serve):
    async with serve(show, proxies=TRUSTING) as server:
        client = await server.connect()
        await client.send(V2_SECURE)
        assert (await told(client))['scheme'] == 'https'


@one_loop
async def test_a_proxy_that_speaks_for_itself_is_the_client(serve):
    async with serve(show, proxies=TRUSTING) as server:
        client = await server.connect()
        await client.send(LOCAL)
        assert (await told(client))['client'] == list(client.sock.getsockname())
        assert (await told(client, 'X-Forwarded-For: 198.51.100.1'))['client'] == ['198.51.100.1', 0]


@one_loop
@pytest.mark.parametrize('header', UNNAMED.values(), ids=UNNAMED)
async def test_for_a_client_that_is_not_named_the_proxy_stands_and_what_it_claims_is_not_believed(serve, header):
    async with serve(show, proxies=TRUSTING) as server:
        client = await server.connect()
        await client.send(header)
        found = await told(client, 'X-Forwarded-For: 198.51.100.1', 'X-Forwarded-Proto: https')
        assert (found['client'], found['scheme']) == (list(client.sock.getsockname()), 'http')


@one_loop
@pytest.mark.parametrize(
    ('source', 'client'), [('203.0.113.7', ['203.0.113.7', 4711]), ('10.9.9.9', ['198.51.100.1', 0])]
)
async def test_forwarded_fields_count_if_the_header_names_a_trusted_address(serve, source, client):
    async with serve(show, proxies=TRUSTING) as server:
        connection = await server.connect()
        await connection.send(V1.replace(b'203.0.113.7', source.encode()))
        assert (await told(connection, 'X-Forwarded-For: 198.51.100.1'))['client'] == client


@pytest.mark.parametrize('data', [REQUEST, b'PROXY TCP4 nonsense\r\n' + REQUEST, b'\x16\x03\x01\x02'])
async def test_a_connection_without_a_header_is_refused(serve, data, caplog):
    async with serve(show, proxies=TRUSTING) as server:
        client = await server.connect()
        with caplog.at_level(logging.WARNING):
            await client.send(data)
            await gone(client)
        assert 'Connection of 127.0.0.1 refused: ' in caplog.text


async def test_a_client_that_has_left_before_it_is_accepted_is_no_unix_socket(serve):
    found = []

    async def app(scope, receive, send):
        found.append(scope['client'])
        await answer(send)

    proxies = ProxySettings(('unix',), X_FORWARDED, proxy_protocol=True)
    async with serve(app, proxies=proxies) as server:
        with socket.create_connection(server.address) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            client.sendall(V1 + REQUEST)
        # Its turn comes after that of who has left.
        await gone(await server.connect())
    assert found == []


async def test_a_header_of_an_untrusted_peer_is_refused(serve, caplog):
    untrusting = ProxySettings(('10.0.0.0/8',), X_FORWARDED, proxy_protocol=True)
    async with serve(show, proxies=untrusting) as server:
        for number in range(1, 4):
            client = await server.connect()
            await gone(client)
            assert server.shared.tally.broken == number
        # The others within the same second are not told.
        assert caplog.text.count('it is not one of trusted_proxies') == 1


@one_loop
async def test_a_header_that_does_not_come_is_not_waited_for(serve):
    async with serve(show, proxies=TRUSTING, holds_time=True, timeouts={'head_s': 30}) as server:
        for begun in (b'', V1[:20]):
            client = await server.connect()
            await client.send(begun)
            await server.until(lambda: server.shared.connections)
            await server.passes(29)
            assert server.shared.connections
            await server.passes(2)
            await gone(client)
            await server.until(lambda: not server.shared.connections)


@one_loop
async def test_a_client_that_leaves_before_its_header_is_forgotten(serve):
    async with serve(show, proxies=TRUSTING) as server:
        client = await server.connect()
        await client.send(V1[:9])
        await server.until(lambda: server.shared.connections)
        client.close()
        await server.until(lambda: not server.shared.connections)


@one_loop
async def test_a_drain_still_serves_the_header_that_is_on_its_way(serve):
    async with serve(show, proxies=TRUSTING, holds_time=True) as server:
        silent, late = await server.connect(), await server.connect()
        await server.until(lambda: len(server.shared.connections) == 2)
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0)
        await late.send(V1 + REQUEST)
        assert (await late.reply()).status == 200
        await server.passes(2)
        await gone(silent)
        late.close()
        await stopping


@one_loop
async def test_large_bodies_go_both_ways(serve):
    async def echo(scope, receive, send):
        data = b''
        more = True
        while more:
            message = await receive()
            data, more = data + message['body'], message['more_body']
        await answer(send, data)

    async with serve(echo, proxies=TRUSTING) as server:
        client = await server.connect()
        data = b'x' * 1_000_000
        await client.send(V2)
        sending = asyncio.ensure_future(client.post('/', data))
        assert (await client.reply()).body == data
        await sending


async def test_tls_stands_behind_the_header(serve, tmp_path):
    async with serve(show, proxies=TRUSTING, tls=tls_settings(tmp_path)) as server:
        client = await server.connect(shake=False)
        await client.raw_send(V2)
        await client.handshake()
        for _ in range(2):
            found = await told(client)
            assert (found['client'], found['scheme']) == (['203.0.113.7', 4711], 'https')


@one_loop
async def test_tls_before_the_header_is_refused(serve, tmp_path):
    async with serve(show, proxies=TRUSTING, tls=tls_settings(tmp_path)) as server:
        with pytest.raises(ConnectionError):
            await server.connect()


@one_loop
async def test_header_on_a_unix_socket(serve, tmp_path):
    proxies = ProxySettings(('unix',), X_FORWARDED, proxy_protocol=True)
    async with serve(show, proxies=proxies, unix_path=tmp_path / 's') as server:
        client = await server.connect()
        await client.send(V1)
        # The client is no Unix peer, so what it claims to forward is its own invention.
        found = await told(client, 'X-Forwarded-For: 6.6.6.6')
        assert (found['client'], found['server']) == (['203.0.113.7', 4711], ['192.0.2.1', 443])


@one_loop
async def test_a_stop_waits_a_little_for_a_header_that_is_on_its_way(serve, caplog):
    async with serve(show, proxies=TRUSTING, holds_time=True, graceful_timeout_s=60) as server:
        client = await server.connect()
        await client.send(V1[:9])
        await server.until(lambda: server.shared.connections)
        with caplog.at_level(logging.WARNING):
            stopping = asyncio.ensure_future(server.stop())
            await server.until(lambda: server.serving._services[0].draining)
            await server.passes(serving.DRAIN_IDLE_S / 2)
            assert server.shared.connections
            await server.passes(serving.DRAIN_IDLE_S)
            await stopping
        await gone(client)
    # Not by the end of all patience.
    assert 'Cutting' not in caplog.text
