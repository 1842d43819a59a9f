from __future__ import annotations

import json
import socket
import struct

import pytest

from granian.protocol.proxies.forwarded import X_FORWARDED
from granian.server.settings import ProxySettings
from tests.helpers.serving import answer, one_loop

LOCAL = ProxySettings(('127.0.0.1', '10.0.0.0/8', 'unix'), X_FORWARDED, proxy_protocol=False)
ALL = (
    'X-Forwarded-For: 6.6.6.6, 203.0.113.7:81',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: shop.example',
    'X-Forwarded-Port: 8443',
    'X-Forwarded-Prefix: /b%C3%BCcher/',
)


async def show(scope, receive, send):
    """What an application is told of who asks."""
    keys = ('client', 'server', 'scheme', 'root_path', 'path')
    hosts = [value.decode() for name, value in scope['headers'] if name == b'host']
    told = {**{key: scope[key] for key in keys}, 'raw_path': scope['raw_path'].decode(), 'hosts': hosts}
    await answer(send, json.dumps(told).encode())


async def told(client, *fields, path='/a%20b'):
    await client.get(path, *fields)
    return json.loads((await client.reply()).body)


@one_loop
async def test_a_trusted_peer_tells_who_asks(serve):
    async with serve(show, proxies=LOCAL, root_path='/shop') as server:
        assert await told(await server.connect(), *ALL) == {
            'client': ['203.0.113.7', 81],
            'server': ['shop.example', 8443],
            'scheme': 'https',
            'root_path': '/bücher/shop',
            'path': '/bücher/a b',
            'raw_path': '/b%C3%BCcher/a%20b',
            'hosts': ['shop.example:8443'],
        }


async def test_a_client_that_has_left_before_it_is_accepted_is_no_unix_socket(serve):
    # uvloop cannot say who it was; what it sent is there all the same.
    found = []

    async def app(scope, receive, send):
        found.append(scope['client'])

    proxies = ProxySettings(('unix',), X_FORWARDED, proxy_protocol=False)
    async with serve(app, proxies=proxies, tls=None) as server:
        with socket.create_connection(server.address) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            client.sendall(b'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n')
        # Its turn comes after that of who has left.
        await server.get()
    assert len(found) == 2
    assert '203.0.113.7' not in [client[0] for client in found if client is not None]


@one_loop
@pytest.mark.parametrize('proxies', [None, ProxySettings(('127.0.0.2', 'unix'), X_FORWARDED, proxy_protocol=False)])
async def test_the_claims_of_others_are_ignored(serve, proxies):
    async with serve(show, proxies=proxies) as server:
        client = await server.connect()
        found = await told(client, *ALL)
        assert found == {
            'client': list(client.sock.getsockname()),
            'server': list(server.address),
            'scheme': server.scheme,
            'root_path': '',
            'path': '/a b',
            'raw_path': '/a%20b',
            'hosts': ['test'],
        }


@one_loop
async def test_each_request_of_a_connection_has_its_own(serve):
    async with serve(show, proxies=LOCAL) as server:
        client = await server.connect()
        peer = list(client.sock.getsockname())
        seen = [
            (await told(client, *fields))['client']
            for fields in (
                ['X-Forwarded-For: 1.1.1.1'],
                [],
                ['X-Forwarded-For: 1.1.1.1'],
                ['X-Forwarded-For: 2.2.2.2'],
                ['X-Forwarded-For: nonsense'],
                ['X-Forwarded-Proto: https'],
            )
        ]
        assert seen == [['1.1.1.1', 0], peer, ['1.1.1.1', 0], ['2.2.2.2', 0], peer, peer]


@one_loop
@pytest.mark.parametrize(
    ('fields', 'server', 'hosts'),
    [
        (['X-Forwarded-Host: shop.example', 'X-Forwarded-Proto: http'], ['shop.example', 80], ['shop.example']),
        (['X-Forwarded-Host: shop.example:81', 'X-Forwarded-Port: 82'], ['shop.example', 81], ['shop.example:81']),
        (['X-Forwarded-Host: [::1]:81'], ['::1', 81], ['[::1]:81']),
        (['X-Forwarded-Port: 443', 'X-Forwarded-Proto: https'], ['127.0.0.1', 443], ['test']),
        (['X-Forwarded-Port: 443', 'X-Forwarded-Proto: http'], ['127.0.0.1', 443], ['test:443']),
        (['X-Forwarded-Host: a/b'], None, ['test']),
    ],
)
async def test_host_and_port(serve, fields, server, hosts):
    async with serve(show, proxies=LOCAL) as served:
        found = await told(await served.connect(), *fields)
        assert (found['server'], found['hosts']) == (server or list(served.address), hosts)


@one_loop
async def test_only_the_fields_that_are_named_are_read(serve):
    async with serve(show, proxies=ProxySettings(('*',), ('forwarded',), proxy_protocol=False)) as server:
        found = await told(await server.connect(), *ALL, 'Forwarded: for="[2001:db8::7]:9";proto=https;host=a.example')
        assert (found['client'], found['scheme'], found['hosts']) == (['2001:db8::7', 9], 'https', ['a.example'])
        assert found['root_path'] == ''


@one_loop
async def test_a_peer_on_a_unix_socket(serve, tmp_path):
    async with serve(show, proxies=LOCAL, unix_path=tmp_path / 's') as server:
        client = await server.connect()
        assert (await told(client))['client'] is None
        assert (await told(client, 'X-Forwarded-For: 1.1.1.1'))['client'] == ['1.1.1.1', 0]


@one_loop
@pytest.mark.parametrize(
    ('options', 'server_field', 'has_date'),
    [
        ({}, b'granian', True),
        ({'server_header': b''}, None, True),
        ({'server_header': b'shop', 'date_header': False}, b'shop', False),
    ],
)
async def test_server_and_date_fields(serve, options, server_field, has_date):
    async with serve(show, **options) as server:
        reply = await server.get()
        assert dict(reply.fields).get(b'server') == server_field
        assert ('date' in reply) is has_date
