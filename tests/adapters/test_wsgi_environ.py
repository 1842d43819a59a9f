from __future__ import annotations

import io
import os
import random
import sys
from wsgiref.validate import validator

import pytest

from tests.helpers.serving import one_loop
from tests.helpers.wsgi import answer


def keeping(into):
    """An application that keeps the environ it is given."""

    def app(environ, start_response):
        into.append(environ)
        return answer(start_response, environ['wsgi.input'].read())

    return app


async def environ_of(serve_wsgi, *request, **options):
    """The environ of a request given as the arguments of `Client.get`."""
    environs = []
    async with serve_wsgi(keeping(environs), **options) as server:
        client = await server.connect()
        await client.get(*request)
        assert (await client.reply()).status == 200
        environs[0]['test.server'] = server
        environs[0]['test.client'] = client.sock.getsockname()
    return environs[0]


async def test_the_request_line_and_the_addresses(serve_wsgi):
    environ = await environ_of(serve_wsgi, '/a/b%20c?d=%20e&f')
    host, port = environ['test.server'].address
    wanted = {
        'REQUEST_METHOD': 'GET',
        'SCRIPT_NAME': '',
        'PATH_INFO': '/a/b c',
        'QUERY_STRING': 'd=%20e&f',
        'SERVER_PROTOCOL': 'HTTP/1.1',
        'SERVER_NAME': host,
        'SERVER_PORT': str(port),
        'SERVER_SOFTWARE': 'Granian',
        'GATEWAY_INTERFACE': 'CGI/1.1',
        'REMOTE_ADDR': environ['test.client'][0],
        'REMOTE_PORT': str(environ['test.client'][1]),
        'HTTP_HOST': 'test',
        'wsgi.version': (1, 0),
        'wsgi.url_scheme': environ['test.server'].scheme,
        'wsgi.errors': sys.stderr,
        'wsgi.multithread': True,
        'wsgi.multiprocess': False,
        'wsgi.run_once': False,
        'wsgi.input_terminated': True,
    }
    assert {key: environ[key] for key in wanted} == wanted
    assert type(environ) is dict


async def test_nothing_else_is_told(serve_wsgi):
    environ = await environ_of(serve_wsgi, tls=None)
    keys = {key for key in environ if not key.startswith(('wsgi.', 'test.'))}
    assert keys == {
        'GATEWAY_INTERFACE', 'HTTP_HOST', 'PATH_INFO', 'QUERY_STRING', 'REMOTE_ADDR', 'REMOTE_PORT', 'REQUEST_METHOD',
        'SCRIPT_NAME', 'SERVER_NAME', 'SERVER_PORT', 'SERVER_PROTOCOL', 'SERVER_SOFTWARE',
    }  # fmt: skip
    assert not {'PATH', 'HOME'} & set(environ), os.environ


@pytest.mark.parametrize(('threads', 'siblings'), [(1, False), (2, True)])
async def test_who_else_runs_the_application_is_told_as_it_is(serve_wsgi, threads, siblings):
    environ = await environ_of(serve_wsgi, threads=threads, siblings=siblings)
    assert environ['wsgi.multithread'] is (threads > 1)
    assert environ['wsgi.multiprocess'] is siblings


async def test_an_unix_socket_has_a_path_and_no_port(serve_wsgi, tmp_path):
    environ = await environ_of(serve_wsgi, unix_path=tmp_path / 's')
    assert environ['SERVER_NAME'] == str(tmp_path / 's')
    assert (environ['SERVER_PORT'], environ['REMOTE_ADDR']) == ('0', '')
    assert 'REMOTE_PORT' not in environ


@pytest.mark.parametrize(
    ('sent', 'path'),
    [
        ('/', '/'),
        ('/%C3%A9', '/Ã©'),
        ('/%E9', '/é'),
        ('/a%2Fb', '/a/b'),
        ('/a//../b', '/a//../b'),
        ('/%25', '/%'),
    ],
)
async def test_the_path_is_decoded_to_bytes_that_are_shown_as_latin_1(serve_wsgi, sent, path):
    assert (await environ_of(serve_wsgi, sent))['PATH_INFO'] == path


async def test_fields_become_keys(serve_wsgi):
    environ = await environ_of(
        serve_wsgi, '/', 'X-One: 1', 'Content-Type: text/plain', 'x-latin: caf\u00e9', 'X-EMPTY:'
    )
    assert environ['HTTP_X_ONE'] == '1'
    assert environ['CONTENT_TYPE'] == 'text/plain'
    assert environ['HTTP_X_LATIN'].encode('latin-1').decode() == 'café'
    assert environ['HTTP_X_EMPTY'] == ''
    assert 'HTTP_CONTENT_TYPE' not in environ
    assert 'CONTENT_LENGTH' not in environ


async def test_a_chunked_body_has_the_length_it_came_to(serve_wsgi):
    seen = []

    def app(environ, start_response):
        seen.append((environ.get('CONTENT_LENGTH'), 'HTTP_TRANSFER_ENCODING' in environ, environ['wsgi.input'].read()))
        start_response('204 No Content', [])
        return []

    async with serve_wsgi(app) as server:
        for body in (b'12345', b'x' * 300_000):
            client = await server.connect()
            await client.get('/', 'Transfer-Encoding: chunked', method='POST')
            await client.send(b'%x\r\n%b\r\n0\r\n\r\n' % (len(body), body))
            assert (await client.reply()).status == 204
    assert seen == [('5', False, b'12345'), ('300000', False, b'x' * 300_000)]


async def test_the_length_is_told_once(serve_wsgi):
    environs = []
    async with serve_wsgi(keeping(environs)) as server:
        client = await server.connect()
        await client.post('/', b'12345')
        await client.reply()
    assert environs[0]['CONTENT_LENGTH'] == '5'
    assert 'HTTP_CONTENT_LENGTH' not in environs[0]


async def test_repeated_fields_are_joined_each_in_its_way(serve_wsgi):
    environ = await environ_of(
        serve_wsgi,
        '/',
        'X-A: 1',
        'Cookie: a=1',
        'X-A: 2',
        'Cookie: b=2',
        'X-B: 3',
        'Content-Type: a',
        'Content-Type: b',
    )
    assert environ['HTTP_X_A'] == '1,2'
    assert environ['HTTP_COOKIE'] == 'a=1; b=2'
    assert environ['HTTP_X_B'] == '3'
    assert environ['CONTENT_TYPE'] == 'a,b'


async def test_a_field_with_an_underscore_passes_for_no_other(serve_wsgi):
    environ = await environ_of(
        serve_wsgi, '/', 'X_Forwarded_User: root', 'X-A: 1', 'Content_Length: 3', 'Content_Type: x'
    )
    assert 'HTTP_X_FORWARDED_USER' not in environ
    assert not {'CONTENT_LENGTH', 'CONTENT_TYPE', 'HTTP_CONTENT_LENGTH', ''} & set(environ)
    assert environ['HTTP_X_A'] == '1'


async def test_a_later_request_gets_nothing_of_an_earlier_one(serve_wsgi):
    environs = []
    async with serve_wsgi(keeping(environs)) as server:
        client = await server.connect()
        for fields in (('X-A: 1', 'Cookie: a=1'), (), ('X-B: 2',)):
            await client.get('/', *fields)
            await client.reply()
            environs[-1]['left'] = 'behind'
    assert [('HTTP_X_A' in each, 'HTTP_COOKIE' in each, 'HTTP_X_B' in each) for each in environs] == [
        (True, True, False),
        (False, False, False),
        (False, False, True),
    ]
    assert all(each['left'] for each in environs)


async def test_secrets_are_not_remembered(serve_wsgi):
    async with serve_wsgi(keeping([])) as server:
        client = await server.connect()
        for _ in range(3):
            await client.get('/', 'Cookie: hush=1', 'Authorization: hush', 'X-A: 1')
            await client.reply()
        environs = server.serving.adapters[0].handle.__self__._environs
        memory = repr((environs._keys.recent, environs._bases.recent))
    assert 'HTTP_COOKIE' in memory
    assert 'hush' not in memory


# Requests on one connection: what an environ is made of that was kept must not show in another.
TARGETS = ['/', '/a?b', '/a?c', '/%C3%A9', 'http://other.example/x']
CHANGES = [
    [], ['X-Id: 1'], ['X-Id: 2'], ['X-Id: 3'], ['X-Id: caf\u00e9'], ['X-Id:'], ['X-Other: 3'], ['X_Id: 3'], ['X-A: 5'],
    ['X-Id: 4', 'X-Id: 5'], ['Cookie: a=1'], ['Cookie: a=2'], ['Content-Type: a'], ['Content-Type: b'], ['x-ID: 9'],
]  # fmt: skip


def comparable(environ):
    changing = ('REMOTE_PORT', 'wsgi.input', 'wsgi.errors')
    return {key: value for key, value in environ.items() if key not in changing}


@pytest.mark.parametrize('seed', range(6))
@one_loop
async def test_on_a_connection_as_on_one_of_its_own(serve_wsgi, seed):
    environs = []
    pick = random.Random(seed)
    asked = [(pick.choice(TARGETS), pick.choice(CHANGES), pick.choice(['GET', 'DELETE'])) for _ in range(60)]
    async with serve_wsgi(keeping(environs)) as server:
        for own in (False, True):
            client = await server.connect()
            for target, change, method in asked:
                if own:
                    client.close()
                    client = await server.connect()
                await client.get(target, 'X-A: 1', 'Accept: */*', *change, 'X-B: 2', method=method)
                assert (await client.reply()).status == 200
                # Its own to change.
                environs[-1] = {**environs[-1]}
                environs[-1].pop('wsgi.input').close()
    half = len(environs) // 2
    assert list(map(comparable, environs[:half])) == list(map(comparable, environs[half:]))


async def test_http_1_0_without_a_host(serve_wsgi):
    environs = []
    async with serve_wsgi(keeping(environs)) as server:
        client = await server.connect()
        await client.send(b'GET / HTTP/1.0\r\n\r\n')
        await client.reply()
    assert environs[0]['SERVER_PROTOCOL'] == 'HTTP/1.0'
    assert 'HTTP_HOST' not in environs[0]


async def test_a_target_in_absolute_form_says_the_host(serve_wsgi):
    environ = await environ_of(serve_wsgi, 'http://other.example:81/x?y')
    assert (environ['HTTP_HOST'], environ['PATH_INFO'], environ['QUERY_STRING']) == ('other.example:81', '/x', 'y')


@pytest.mark.parametrize('prefix', ['/pre', '/pre/', '/été'])
@pytest.mark.parametrize(('rest', 'path'), [('', ''), ('/', '/'), ('/x/y', '/x/y'), ('//x', '//x')])
async def test_the_prefix_is_script_name_and_no_part_of_the_path(serve_wsgi, prefix, rest, path):
    sent = prefix.rstrip('/').replace('é', '%C3%A9')
    environ = await environ_of(serve_wsgi, sent + rest, root_path=prefix)
    assert environ['SCRIPT_NAME'].encode('latin-1').decode() == prefix.rstrip('/')
    assert environ['PATH_INFO'] == path


@pytest.mark.parametrize('path', ['/', '/env', '/prefix', '/pr', '/x/pre', '/pre%2e', '/PRE'])
async def test_what_is_outside_of_the_prefix_is_not_found(serve_wsgi, path):
    environs = []
    async with serve_wsgi(keeping(environs), root_path='/pre') as server:
        assert (await server.get(path)).status == 404
    assert not environs


@pytest.mark.parametrize('method', ['GET', 'POST', 'PUT', 'HEAD'])
@pytest.mark.filterwarnings('ignore:Unknown REQUEST_METHOD')
async def test_wsgiref_validate_has_nothing_to_say(serve_wsgi, method, caplog):
    def app(environ, start_response):
        source = environ['wsgi.input']
        read = [source.readline(), source.read(3), *source.readlines(), *source]
        environ['wsgi.errors'].flush()
        start_response('200 Fine', [('Content-Type', 'text/plain')])
        return [] if method == 'HEAD' else [b''.join(read)]

    async with serve_wsgi(validator(app), root_path='/pre') as server:
        client = await server.connect()
        await client.get('/pre/x', method=method, body=b'' if method in ('GET', 'HEAD') else b'one\ntwo\nthree\n\nfour')
        reply = await client.reply(to_head=method == 'HEAD')
        assert reply.status == 200
        assert reply.body == (b'' if method in ('GET', 'HEAD') else b'one\ntwo\nthree\n\nfour')
    assert not caplog.records


async def test_the_input_is_a_file(serve_wsgi):
    environ = await environ_of(serve_wsgi)
    assert isinstance(environ['wsgi.input'], io.IOBase)
