from __future__ import annotations

import pytest

from granian import rsgi
from granian.adapters.rsgi.scope import _address
from tests.helpers.serving import one_loop


async def scope_of(serve_rsgi, target='/', *fields, version='1.1', method='GET', **options):
    scopes = []

    async def app(scope, protocol):
        scopes.append(scope)
        protocol.response_empty()

    async with serve_rsgi(app, **options) as server:
        client = await server.connect()
        await client.get(target, *fields, version=version, method=method)
        assert (await client.reply(to_head=True)).status == 200
        client_address = client.sock.getsockname()
    return scopes[0], server.address, client_address


async def headers_of(serve_rsgi, *fields):
    return (await scope_of(serve_rsgi, '/', *fields))[0].headers


async def test_scope_has_the_attributes_of_the_specification(serve_rsgi):
    scope, server, client = await scope_of(serve_rsgi, '/a?b=c', tls=None)
    assert isinstance(scope, rsgi.Scope)
    assert isinstance(scope.headers, rsgi.Headers)
    assert (scope.proto, scope.rsgi_version, scope.http_version) == ('http', '1.6', '1.1')
    assert (scope.method, scope.path, scope.query_string, scope.scheme) == ('GET', '/a', 'b=c', 'http')
    assert scope.server == f'127.0.0.1:{server[1]}'
    assert scope.client == f'127.0.0.1:{client[1]}'
    assert scope.authority is None


@one_loop
async def test_unix_socket_has_no_client_and_its_path_as_server(serve_rsgi, tmp_path):
    path = tmp_path / 'sock'
    scope, _, _ = await scope_of(serve_rsgi, unix_path=path)
    assert (scope.client, scope.server) == ('', str(path))


def test_an_ipv6_address_is_in_brackets():
    assert _address('::1', 8000) == '[::1]:8000'


@one_loop
async def test_http_1_0_is_called_1(serve_rsgi):
    assert (await scope_of(serve_rsgi, version='1.0'))[0].http_version == '1'


@one_loop
@pytest.mark.parametrize('method', ['HEAD', 'POST', 'PURGE'])
async def test_method_is_as_sent(serve_rsgi, method):
    fields = ('Content-Length: 0',)
    assert (await scope_of(serve_rsgi, '/', *fields, method=method))[0].method == method


@one_loop
@pytest.mark.parametrize(
    ('target', 'path', 'query'),
    [
        ('/', '/', ''),
        ('/a%20b?c%20d', '/a b', 'c%20d'),
        ('/caf%C3%A9?x=%C3%A9&y', '/café', 'x=%C3%A9&y'),
        ('/bad%FF', '/bad\ufffd', ''),
        ('/a%2Fb?', '/a/b', ''),
        ('/q?a?b', '/q', 'a?b'),
    ],
)
async def test_path_is_decoded_and_query_is_not(serve_rsgi, target, path, query):
    scope, _, _ = await scope_of(serve_rsgi, target)
    assert (scope.path, scope.query_string) == (path, query)


@one_loop
@pytest.mark.parametrize(('target', 'path'), [('/shop/cart', '/cart'), ('/shop/', '/'), ('/shop', '/')])
async def test_the_place_of_the_application_is_cut_off_its_path_where_asked_for(serve_rsgi, target, path):
    assert (await scope_of(serve_rsgi, target, strip=len('/shop')))[0].path == path


@one_loop
@pytest.mark.parametrize('name', ['proto', 'rsgi_version', 'path', 'method', 'headers', 'new'])
async def test_attributes_are_read_only(serve_rsgi, name):
    scope, _, _ = await scope_of(serve_rsgi)
    with pytest.raises(AttributeError):
        setattr(scope, name, 'x')


async def test_scope_outlives_its_request(serve_rsgi):
    scope, _, _ = await scope_of(serve_rsgi, '/late', 'X-One: 1')
    assert (scope.path, scope.headers['x-one']) == ('/late', '1')


# ── headers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

REPEATED = ('X-Two: 1', 'Accept: */*', 'x-two: 2')


async def test_repeats_are_in_items_and_values_and_their_name_is_once_in_keys(serve_rsgi):
    headers = await headers_of(serve_rsgi, *REPEATED)
    assert headers.items() == [('host', 'test'), ('x-two', '1'), ('accept', '*/*'), ('x-two', '2')]
    assert headers.values() == ['test', '1', '*/*', '2']
    assert headers.keys() == list(headers) == ['host', 'x-two', 'accept']
    assert len(headers) == 3
    assert repr(headers) == f'Headers({headers.items()!r})'


@one_loop
@pytest.mark.parametrize('name', ['x-two', 'X-TWO', 'X-Two'])
async def test_names_are_found_in_any_case(serve_rsgi, name):
    headers = await headers_of(serve_rsgi, *REPEATED)
    assert headers.get(name) == headers[name] == '1'
    assert headers.get_all(name) == ['1', '2']
    assert name in headers


@one_loop
@pytest.mark.parametrize('name', ['x-one', '', 'x_two', 'ẋ-two', 'host:'])
async def test_a_header_that_is_not_there(serve_rsgi, name):
    headers = await headers_of(serve_rsgi, *REPEATED)
    assert headers.get(name) is None
    assert headers.get(name, 'else') == headers.get(key=name, default='else') == 'else'
    assert headers.get_all(name) == []
    assert name not in headers
    assert 1 not in headers
    with pytest.raises(KeyError):
        headers[name]


@one_loop
async def test_values_that_are_not_ascii_are_left_out(serve_rsgi):
    headers = await headers_of(serve_rsgi, 'X-One: é', 'X-Two: ü', 'X-Two: u')
    assert headers.items() == [('host', 'test'), ('x-two', 'u')]
    assert headers.keys() == ['host', 'x-two']
    assert headers.values() == ['test', 'u']
    assert 'x-one' not in headers
    assert headers.get('x-two') == 'u'
    assert headers.get_all('x-two') == ['u']
    assert len(headers) == 2


@one_loop
async def test_what_an_application_does_with_a_list_does_not_reach_the_next_request(serve_rsgi):
    async def app(scope, protocol):
        listed = scope.headers.items()
        protocol.response_str(body=str(len(listed)))
        listed.clear()
        scope.headers.keys().clear()

    async with serve_rsgi(app) as server:
        client = await server.connect()
        for _ in range(2):
            await client.get('/', 'X-One: 1')
            assert (await client.reply()).body == b'2'


def test_types_of_a_session_can_be_imported():
    assert [(kind.name, int(kind)) for kind in rsgi.WebsocketMessageType] == [('close', 0), ('bytes', 1), ('string', 2)]
    assert {rsgi.WebsocketMessage, rsgi.WebsocketProtocol, rsgi.WebsocketTransport}
