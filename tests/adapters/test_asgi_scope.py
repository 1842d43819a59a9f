from __future__ import annotations

import pytest

from tests.helpers.serving import answer, one_loop


class Recorder:
    """An application that keeps the scopes it was called with."""

    def __init__(self):
        self.scopes = []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        await answer(send)


async def scope_of(serve, target: str, *fields: str, version: str = '1.1', **options):
    app = Recorder()
    async with serve(app, **options) as server:
        client = await server.connect()
        await client.get(target, *fields, version=version)
        assert (await client.reply()).status == 200
    return app.scopes[0]


async def test_scope_has_the_keys_and_types_of_the_specification(serve):
    app = Recorder()
    async with serve(app, tls=None) as server:
        client = await server.connect()
        await client.get('/a?b=c', 'X-One: 1')
        await client.reply()
        assert app.scopes == [
            {
                'type': 'http',
                'asgi': {'version': '3.0', 'spec_version': '2.4'},
                'http_version': '1.1',
                'method': 'GET',
                'scheme': 'http',
                'path': '/a',
                'raw_path': b'/a',
                'query_string': b'b=c',
                'root_path': '',
                'headers': [(b'host', b'test'), (b'x-one', b'1')],
                'client': client.sock.getsockname(),
                'server': server.address,
                'state': {},
                'extensions': {
                    'http.response.trailers': {},
                    'http.response.early_hint': {},
                    'http.response.zerocopysend': {},
                    'http.response.pathsend': {},
                },
            }
        ]
        assert type(app.scopes[0]['client'][1]) is type(app.scopes[0]['server'][1]) is int


async def test_unix_socket_has_no_client_and_its_path_as_server(serve, tmp_path):
    path = tmp_path / 'sock'
    scope = await scope_of(serve, '/', unix_path=path)
    assert scope['client'] is None
    assert scope['server'] == (str(path), None)


@one_loop
@pytest.mark.parametrize('version', ['1.0', '1.1'])
async def test_http_version(serve, version):
    assert (await scope_of(serve, '/', version=version))['http_version'] == version


@one_loop
@pytest.mark.parametrize(
    ('target', 'path', 'raw_path', 'query'),
    [
        ('/', '/', b'/', b''),
        ('/a%20b', '/a b', b'/a%20b', b''),
        ('/caf%C3%A9', '/café', b'/caf%C3%A9', b''),
        ('/bad%FFutf8', '/bad\ufffdutf8', b'/bad%FFutf8', b''),
        ('/a%2Fb', '/a/b', b'/a%2Fb', b''),
        ('/half%2', '/half%2', b'/half%2', b''),
        ('/a/../b//c', '/a/../b//c', b'/a/../b//c', b''),
        ('/q?a=%20&b=?', '/q', b'/q', b'a=%20&b=?'),
        ('/q?', '/q', b'/q', b''),
        ('http://test/abs?x', '/abs', b'/abs', b'x'),
        ('http://test', '/', b'/', b''),
    ],
)
async def test_target(serve, target, path, raw_path, query):
    scope = await scope_of(serve, target)
    assert (scope['path'], scope['raw_path'], scope['query_string']) == (path, raw_path, query)


@one_loop
async def test_asterisk_form_reaches_the_application(serve):
    app = Recorder()
    async with serve(app) as server:
        client = await server.connect()
        await client.get('*', method='OPTIONS')
        assert (await client.reply()).status == 200
    assert (app.scopes[0]['path'], app.scopes[0]['raw_path']) == ('*', b'*')


@one_loop
async def test_headers_are_lower_case_bytes_in_order_with_repeats(serve):
    scope = await scope_of(serve, '/', 'B: 1', 'A: 2', 'b: 3', 'Latin: caf\xe9', 'Empty:')
    assert scope['headers'] == [
        (b'host', b'test'),
        (b'b', b'1'),
        (b'a', b'2'),
        (b'b', b'3'),
        (b'latin', 'caf\xe9'.encode()),
        (b'empty', b''),
    ]


@one_loop
@pytest.mark.parametrize('method', ['GET', 'get', 'PURGE', 'M-SEARCH'])
async def test_method_is_passed_as_sent(serve, method):
    app = Recorder()
    async with serve(app) as server:
        client = await server.connect()
        await client.get(method=method)
        await client.reply()
    assert app.scopes[0]['method'] == method


@one_loop
async def test_root_path_is_given_and_path_left_alone(serve):
    scope = await scope_of(serve, '/shop/a', root_path='/shop')
    assert (scope['root_path'], scope['path']) == ('/shop', '/shop/a')


@one_loop
async def test_what_an_application_does_to_its_scope_does_not_reach_the_next_request(serve):
    seen = []

    async def app(scope, receive, send):
        if scope['type'] == 'lifespan':
            scope['state']['kept'] = [1]
            for kind in ('startup', 'shutdown'):
                await receive()
                await send({'type': f'lifespan.{kind}.complete'})
            return
        seen.append((scope['state'].copy(), scope['headers'].copy()))
        scope['state']['mine'] = True
        scope['headers'].append((b'x-more', b'1'))
        await answer(send)

    async with serve(app, lifespan='on') as server:
        client = await server.connect()
        for _ in range(3):
            await client.get()
            await client.reply()
    assert seen == [({'kept': [1]}, [(b'host', b'test')])] * 3


@one_loop
@pytest.mark.parametrize('debug', [True, False])
async def test_debug_extension_is_offered_only_where_it_is_on(serve, debug):
    assert ('http.response.debug' in (await scope_of(serve, '/', debug=debug))['extensions']) is debug
