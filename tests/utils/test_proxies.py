from __future__ import annotations

import asyncio

import pytest

from granian.utils.proxies import wrap_asgi_with_proxy_headers, wrap_wsgi_with_proxy_headers


def asgi(headers, *, client=('127.0.0.1', 4711), kind='http', scheme='http', **options):
    seen = {}

    async def app(scope, receive, send):
        seen.update(scope)

    scope = {
        'type': kind,
        'scheme': scheme,
        'client': client,
        'headers': [(k.encode(), v.encode()) for k, v in headers],
    }
    asyncio.run(wrap_asgi_with_proxy_headers(app, **options)(scope, None, None))
    return seen['client'], seen['scheme']


def wsgi(headers, *, client='127.0.0.1', **options):
    environ = {'REMOTE_ADDR': client, 'wsgi.url_scheme': 'http'}
    environ |= {'HTTP_' + name.upper().replace('-', '_'): value for name, value in headers}
    return wrap_wsgi_with_proxy_headers(
        lambda environ, _: (environ['REMOTE_ADDR'], environ['wsgi.url_scheme']), **options
    )(environ, None)


FOR = ('x-forwarded-for', '1.1.1.1, 203.0.113.7, 10.1.1.1')
PROTO = ('x-forwarded-proto', 'https')


@pytest.mark.parametrize(
    ('trusted', 'client'),
    [
        ({}, '10.1.1.1'),
        ({'trusted_hosts': '127.0.0.1, 10.0.0.0/8'}, '203.0.113.7'),
        ({'trusted_hosts': ['127.0.0.1', '10.1.1.1']}, '203.0.113.7'),
        ({'trusted_hosts': '*'}, '1.1.1.1'),
        ({'trusted_hosts': ['*']}, '1.1.1.1'),
    ],
)
def test_client_is_the_right_most_that_is_not_trusted(trusted, client):
    assert asgi([FOR, PROTO], **trusted) == ((client, 0), 'https')
    assert wsgi([FOR, PROTO], **trusted) == (client, 'https')


def test_others_are_not_believed():
    assert asgi([FOR, PROTO], client=('127.0.0.2', 1)) == (('127.0.0.2', 1), 'http')
    assert wsgi([FOR, PROTO], client='127.0.0.2') == ('127.0.0.2', 'http')


def test_no_scheme_without_a_client():
    assert asgi([PROTO]) == (('127.0.0.1', 4711), 'http')
    assert wsgi([PROTO]) == ('127.0.0.1', 'http')


@pytest.mark.parametrize(('said', 'scheme'), [('https', 'wss'), ('http', 'ws'), ('wss', 'wss'), ('gopher', 'ws')])
def test_scheme_of_a_websocket(said, scheme):
    assert asgi([FOR, ('x-forwarded-proto', said)], kind='websocket', scheme='ws')[1] == scheme


@pytest.mark.parametrize('trusted', ['unix', '', 'peer.sock'])
def test_literal_names_of_peers(trusted):
    client = ('peer.sock', 0) if trusted == 'peer.sock' else None
    assert asgi([FOR], client=client, trusted_hosts=[trusted])[0] == ('10.1.1.1', 0)


def test_lifespan_passes_through():
    scope = {'type': 'lifespan'}
    seen = []

    async def app(scope, receive, send):
        seen.append(scope)

    asyncio.run(wrap_asgi_with_proxy_headers(app)(scope, None, None))
    assert seen == [scope]
    assert seen[0] is scope
