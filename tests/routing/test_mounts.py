"""What a document with mounts does to requests: who answers, what the application is told, and under whose terms."""

from __future__ import annotations

import asyncio
import logging

import pytest

from granian.errors import LifespanError
from tests.helpers.mounted import named
from tests.helpers.serving import answer, body, one_loop, read_body, start

pytestmark = one_loop

THREE = """
[[apps]]
target = "site"
interface = "asgi"
[[apps]]
target = "api"
interface = "asgi"
path = "/api"
root_path = "/v1"
[[apps]]
target = "admin"
interface = "asgi"
hosts = ["admin.example"]
"""
THREE_APPS = {name: named(name) for name in ('site', 'api', 'admin')}


@pytest.mark.parametrize(
    ('host', 'target', 'expected'),
    [
        ('x', '/', 'site  / / 0'),
        ('x', '/apis', 'site  /apis /apis 0'),
        ('x', '/api', 'api /api/v1 /api /api 0'),
        ('x', '/api/v1/users?q', 'api /api/v1 /api/v1/users /api/v1/users 0'),
        ('admin.example', '/api/x', 'admin  /api/x /api/x 0'),
        ('ADMIN.example:8080', '/', 'admin  / / 0'),
        ('x', 'http://admin.example/y', 'admin  /y /y 0'),
        # The place is that of the resolved path; the application gets the path as it was sent.
        ('x', '/a/../api/b', 'api /api/v1 /a/../api/b /a/../api/b 0'),
        ('x', '/api/%2e%2e/b', 'site  /api/../b /api/%2e%2e/b 0'),
        ('x', '/a%2f..%2fapi', 'api /api/v1 /a/../api /a%2f..%2fapi 0'),
        ('x', '//api/', 'api /api/v1 //api/ //api/ 0'),
        ('x', '/%2e%2e/api', 'api /api/v1 /../api /%2e%2e/api 0'),
        ('x', '/%61pi', 'api /api/v1 /api /%61pi 0'),
    ],
)
async def test_who_answers_and_what_it_is_told(host, target, expected, mounted):
    async with mounted(THREE, **THREE_APPS) as server:
        assert (await server.ask(host, target)).body.decode() == expected


async def test_asterisk_is_the_roots(mounted):
    async with mounted(THREE, **THREE_APPS) as server:
        assert (await server.ask('x', '*', method='OPTIONS')).body == b'site  * * 0'


async def test_what_nothing_holds_is_not_found(mounted):
    async with mounted(
        '[[apps]]\ntarget = "a"\ninterface = "asgi"\npath = "/a"\nhosts = ["h"]\n', a=named('a')
    ) as server:
        assert (await server.ask('h', '/a/x')).status == 200
        for host, target in (('h', '/b'), ('h', '/'), ('x', '/a/x'), ('h', '/a/../')):
            reply = await server.ask(host, target)
            assert (reply.status, reply.body, reply['content-type']) == (
                404,
                b'Not found',
                b'text/plain; charset=utf-8',
            )


async def test_connection_stays_after_not_found_whatever_mount_answers_next(mounted):
    async with mounted('[[apps]]\ntarget = "a"\ninterface = "asgi"\npath = "/a"\n', a=named('a')) as server:
        client = await server.connect()
        for path, status in (('/b', 404), ('/a', 200), ('/c', 404), ('/a/b', 200)):
            await client.post(path, b'some body')
            assert (await client.reply()).status == status


# ── interfaces ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def rsgi(scope, protocol):
    protocol.response_str(200, [], scope.path)


def wsgi(environ, start_response):
    start_response('200 OK', [])
    return [f'{environ["SCRIPT_NAME"]!r} {environ["PATH_INFO"]!r} {environ["wsgi.multiprocess"]}'.encode()]


@pytest.mark.parametrize(
    ('toml', 'target', 'expected'),
    [
        ('path = "/r"', '/r/x', (200, b'/r/x')),
        ('path = "/r"\nstrip_prefix = true', '/r/x', (200, b'/x')),
        ('path = "/r"\nstrip_prefix = true', '/r/', (200, b'/')),
        ('path = "/r"\nstrip_prefix = true', '/r', (200, b'/')),
        ('path = "/r"\nstrip_prefix = true', '/a/../r/x', (404, b'Not found')),
        ('path = "/r"\nstrip_prefix = true', '//r/x', (404, b'Not found')),
        ('path = "/r"', '/a/../r/x', (200, b'/a/../r/x')),
    ],
)
async def test_rsgi_sees_the_whole_path_unless_the_mount_strips_its_own(toml, target, expected, mounted):
    async with mounted(f'[[apps]]\ntarget = "rsgi"\ninterface = "rsgi"\n{toml}\n', rsgi=rsgi) as server:
        reply = await server.ask('x', target)
        assert (reply.status, reply.body) == expected


@pytest.mark.parametrize(
    ('toml', 'target', 'expected'),
    [
        ('', '/x', (200, b"'' '/x' False")),
        ('path = "/w"', '/w/x', (200, b"'/w' '/x' False")),
        ('path = "/w"', '/w', (200, b"'/w' '' False")),
        ('path = "/w"\nroot_path = "/v1"', '/w/v1/x', (200, b"'/w/v1' '/x' False")),
        ('path = "/w"\nroot_path = "/v1"', '/w/v10', (404, b'Not found')),
        ('path = "/w"', '/a/../w/x', (404, b'Not found')),
    ],
)
async def test_wsgi_has_its_place_in_script_name_and_the_rest_in_path_info(toml, target, expected, mounted):
    async with mounted(f'[[apps]]\ntarget = "wsgi"\ninterface = "wsgi"\n{toml}\n', wsgi=wsgi) as server:
        reply = await server.ask('x', target)
        assert (reply.status, reply.body) == expected


# ── start and stop ───────────────────────────────────────────────────────────────────────────────────────────────────


def lifespan(name, events, *, fails=False):
    async def app(scope, receive, send):
        await receive()
        events.append(f'{name} starts')
        if fails:
            await send({'type': 'lifespan.startup.failed', 'message': 'no database'})
            return
        await send({'type': 'lifespan.startup.complete'})
        await receive()
        events.append(f'{name} stops')
        await send({'type': 'lifespan.shutdown.complete'})

    return app


ABC = ''.join(
    f'[[apps]]\ntarget = "{name}"\nname = "the {name}"\ninterface = "asgi"\npath = "/{name}"\n' for name in 'abc'
)


async def test_applications_start_in_order_and_stop_in_the_other(mounted):
    events = []
    async with mounted(ABC, **{name: lifespan(name, events) for name in 'abc'}):
        assert events == ['a starts', 'b starts', 'c starts']
    assert events[3:] == ['c stops', 'b stops', 'a stops']


async def test_start_that_fails_names_the_application_and_stops_those_before_it(mounted, caplog):
    events = []
    apps = {name: lifespan(name, events, fails=name == 'b') for name in 'abc'}

    with pytest.raises(LifespanError, match="application 'the b': ASGI lifespan startup failed"):
        async with mounted(ABC, **apps):
            pass
    assert events == ['a starts', 'b starts', 'a stops']
    assert "application 'the b': no database" in caplog.messages
    assert "application 'the b': ASGI lifespan startup failed" in caplog.messages


class Hooked:
    def __init__(self, name, events, *, fails=False):
        self.name, self.events, self.fails = name, events, fails

    def __rsgi_init__(self, loop):
        assert not loop.is_running()
        loop.run_until_complete(asyncio.sleep(0))
        if self.fails:
            raise ValueError('no queue')
        self.events.append(f'{self.name} init')

    def __rsgi_del__(self, loop):
        loop.run_until_complete(asyncio.sleep(0))
        self.events.append(f'{self.name} del')

    async def __rsgi__(self, scope, protocol):
        protocol.response_empty()


RSGI_AB = ''.join(f'[[apps]]\ntarget = "{name}"\ninterface = "rsgi"\npath = "/{name}"\n' for name in 'ab')


def test_rsgi_hooks_run_in_order_while_the_loop_does_not(mounted, loop):
    events = []
    server = mounted(RSGI_AB, **{name: Hooked(name, events) for name in 'ab'})

    async def serve():
        async with server:
            assert (await server.ask('x', '/b')).status == 200
            assert events == ['a init', 'b init']

    server.serving.init()
    loop.loop.run_until_complete(serve())
    server.serving.close()
    loop.loop.close()
    assert events[2:] == ['b del', 'a del']


def test_rsgi_hook_that_fails_names_the_application_and_closes_those_before_it(mounted, loop):
    events = []
    server = mounted(RSGI_AB, a=Hooked('a', events), b=Hooked('b', events, fails=True))

    with pytest.raises(LifespanError, match="application 'b': RSGI init failed: ValueError: no queue") as failed:
        server.serving.init()
    server._socket.close()
    loop.loop.close()
    assert isinstance(failed.value.__cause__, ValueError)
    assert events == ['a init', 'a del']


# ── terms ────────────────────────────────────────────────────────────────────────────────────────────────────────────

BOUNDED = """
[limits]
body = 100
[[apps]]
target = "small"
interface = "asgi"
path = "/small"
limits = { body = 10 }
headers = { x-frame-options = "DENY" }
[[apps]]
target = "large"
interface = "asgi"
path = "/large"
limits = { body = 1000 }
[[apps]]
target = "usual"
interface = "asgi"
"""
BOUNDED_APPS = {name: named(name) for name in ('small', 'large', 'usual')}


def chunked(data, size):
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return b''.join(b'%x\r\n%b\r\n' % (len(piece), piece) for piece in pieces) + b'0\r\n\r\n'


@pytest.mark.parametrize(
    ('path', 'size', 'status'),
    [
        ('/small', 10, 200),
        ('/small', 11, 413),
        ('/usual', 100, 200),
        ('/usual', 101, 413),
        ('/large', 1000, 200),
        ('/large', 1001, 413),
    ],
)
@pytest.mark.parametrize('coding', ['length', 'chunked at once', 'chunk by chunk'])
async def test_each_mount_has_its_own_bound_on_bodies(path, size, status, coding, mounted):
    async with mounted(BOUNDED, **BOUNDED_APPS) as server:
        client = await server.connect()
        if coding == 'length':
            await client.post(path, b'x' * size)
        else:
            await client.get(path, 'transfer-encoding: chunked', method='POST')
            if coding == 'chunk by chunk':
                await server.until(lambda: server.shared.gate.busy)
            await client.send(chunked(b'x' * size, 7))
        reply = await client.reply()
        assert reply.status == status
        if status == 413:
            assert reply['connection'] == b'close'
            client.half_close()
            await client.closed()


async def test_body_over_the_bound_of_its_mount_is_never_asked_for(mounted):
    async with mounted(BOUNDED, **BOUNDED_APPS) as server:
        client = await server.connect()
        await client.get('/small', 'content-length: 11', 'expect: 100-continue', method='POST')
        reply = await client.reply()
        assert (reply.status, reply.interim, reply.body) == (413, [], b'body too large\n')
        await client.closed()


async def test_body_that_grows_over_the_bound_after_the_response_began_cuts_it(mounted, caplog):
    async def app(scope, receive, send):
        await start(send)
        await body(send, b'begun', more=True)
        await read_body(receive)

    async with mounted(BOUNDED, **(BOUNDED_APPS | {'small': app})) as server:
        client = await server.connect()
        await client.get('/small', 'transfer-encoding: chunked', method='POST')
        assert await client.head()
        assert await client.chunk() == b'begun'
        await client.send(chunked(b'x' * 11, 11))
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await client.chunk()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_application_whose_body_was_refused_sees_its_client_leave(mounted):
    seen = []

    async def app(scope, receive, send):
        assert scope['type'] == 'http'
        seen.append('asked')
        try:
            await read_body(receive)
        except ConnectionError:
            seen.append('disconnected')
            with pytest.raises(OSError, match='Transport closed'):
                await answer(send)
            seen.append('refused')

    async with mounted(BOUNDED, **(BOUNDED_APPS | {'small': app})) as server:
        client = await server.connect()
        await client.get('/small', 'transfer-encoding: chunked', method='POST')
        # Were the body to come along with the head, the application would not be asked at all.
        await server.until(lambda: seen)
        await client.send(chunked(b'x' * 11, 11))
        assert (await client.reply()).status == 413
        await server.until(lambda: len(seen) == 3)
    assert seen == ['asked', 'disconnected', 'refused']


async def test_times_of_a_mount_are_its_own(mounted):
    toml = """
[timeouts]
body_read = "1h"
write = "1h"
[[apps]]
target = "a"
interface = "asgi"
path = "/impatient"
timeouts = { body_read = "200ms", write = "200ms" }
[[apps]]
target = "a"
interface = "asgi"
"""

    async def app(scope, receive, send):
        await read_body(receive)
        await answer(send, b'x' * 50_000_000)

    async with mounted(toml, a=app) as server:
        patient = await server.connect()
        await patient.get('/', 'content-length: 5', method='POST')
        slow_sender, slow_reader = await server.connect(), await server.connect(receive_buffer_bytes=4096)
        await slow_sender.get('/impatient', 'content-length: 5', method='POST')
        await slow_reader.get('/impatient')
        assert (await slow_sender.reply()).status == 408
        await server.until(lambda: len(server.shared.connections) == 1)
        await patient.send(b'12345')
        assert (await patient.head()).status == 200


FIELDS = """
[[apps]]
target = "a"
interface = "asgi"
path = "/a"
[apps.headers]
X-Frame-Options = "DENY"
Cache-Control = "no-store"
Server = "shop"
[[apps]]
target = "b"
interface = "asgi"
"""


async def test_fields_of_a_mount_are_on_its_responses_unless_the_application_gives_them(mounted):
    async def app(scope, receive, send):
        if scope['path'] == '/a/own':
            await answer(send, b'', 200, [(b'Cache-Control', b'private'), (b'set-cookie', b'a=b')])
        elif scope['path'] == '/a/stream':
            await start(send, 201)
            await body(send, b'x', more=True)
            await body(send)
        elif scope['path'] == '/a/fails':
            raise ValueError
        else:
            await answer(send, b'hello', 200, [(b'content-length', b'5')])

    async with mounted(FIELDS, a=app, b=app) as server:
        for path, status, cache in [
            ('/a', 200, b'no-store'),
            ('/a/own', 200, b'private'),
            ('/a/stream', 201, b'no-store'),
        ] * 2:
            reply = await server.ask('x', path)
            assert (reply.status, reply['cache-control'], reply['x-frame-options']) == (status, cache, b'DENY')
            assert reply['server'] == b'shop'
        reply = await server.ask('x', '/b')
        assert 'x-frame-options' not in reply
        assert reply['server'] == b'granian'


@pytest.mark.parametrize('path', ['/a', '/zzz'])
async def test_fields_are_on_failures_of_the_mount_too(path, mounted, caplog):
    async def app(scope, receive, send):
        raise ValueError

    async with mounted(FIELDS.rpartition('[[apps]]')[0], a=app) as server:
        reply = await server.ask('x', path)
        assert (reply.status, 'x-frame-options' in reply) == ((500, True) if path == '/a' else (404, False))


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ('rule', 'target', 'status', 'location'),
    [
        ('redirect = "https://new.example"', '/', 307, 'https://new.example/'),
        ('redirect = "https://new.example"', '/a/b?c=d&e', 307, 'https://new.example/a/b?c=d&e'),
        ('redirect = "https://new.example/"', '/a/', 307, 'https://new.example/a/'),
        ('redirect = "https://new.example"\nstatus = 308', '/', 308, 'https://new.example/'),
        ('redirect = "https://new.example"\nkeep_path = false', '/a?b', 307, 'https://new.example?b'),
        ('redirect = "https://new.example"\nkeep_query = false', '/a?b', 307, 'https://new.example/a'),
        ('path = "/a"\nredirect = "/x?y=1"\nkeep_path = false', '/a?b', 307, '/x?y=1&b'),
        ('path = "/a"\nredirect = "/x#there"\nkeep_path = false', '/a?b', 307, '/x?b#there'),
        ('path = "/a"\nredirect = "/x?y#z"\nkeep_path = false', '/a?b', 307, '/x?y&b#z'),
        ('path = "/old"\nredirect = "/new"', '/old/x', 307, '/new/x'),
        ('path = "/old"\nredirect = "/new"', '/old', 307, '/new'),
        ('path = "/old"\nredirect = "/new/"', '/old', 307, '/new/'),
        ('path = "/old"\nredirect = "/"', '/old//evil.example', 307, '/evil.example'),
        ('path = "/old"\nredirect = "/"', '//old//evil.example/', 307, '/evil.example/'),
        ('path = "/old"\nredirect = "/"', '/old/\\evil.example/', 307, '/%5Cevil.example/'),
        ('path = "/go"\nredirect = "/to"', '/go/a%2Fb%3Fc%25', 307, '/to/a%2Fb%3Fc%25'),
        ('path = "/go"\nredirect = "/to"', '/%67o%2fa%2F', 307, '/to/a%2F'),
        ('path = "/go/on"\nredirect = "/to"', '/x/../go%2fon/./b%e9/..%2fc%2f..', 307, '/to/'),
        ('path = "/go/on"\nredirect = "/to"', '/go/on/%2e%2E/on/b%e9/', 307, '/to/b%e9/'),
        ('redirect = "https://new.example"', '/%2f%2fevil', 307, 'https://new.example/evil'),
        ('redirect = "https://new.example"', '/a%20%c3%a9%0d%0ax%3f', 307, 'https://new.example/a%20%c3%a9%0d%0ax%3f'),
        ('redirect = "https://new.example"', '/a/../b', 307, 'https://new.example/b'),
    ],
)
async def test_redirect(rule, target, status, location, mounted):
    async with mounted(f'[[rules]]\n{rule}\n') as server:
        reply = await server.ask('x', target)
        assert (reply.status, reply['location'].decode(), reply.body) == (status, location, b'')


@pytest.mark.parametrize('status', [200, 204, 304, 404, 410, 503])
async def test_fixed_answer(status, mounted):
    text = '' if status in {204, 304} else 'body = "Grüße"\n'
    async with mounted(f'[[rules]]\nreturn = {status}\n{text}headers = {{ retry-after = "60" }}\n') as server:
        for method in ('GET', 'POST', 'HEAD'):
            reply = await server.ask('x', '/any', method=method)
            assert (reply.status, reply['retry-after']) == (status, b'60')
            assert reply.body.decode() == ('Grüße' if text and method != 'HEAD' else '')


async def test_rule_takes_the_place_of_a_part_of_an_application(mounted):
    toml = '[[rules]]\npath = "/gone"\nreturn = 410\n[[apps]]\ntarget = "a"\ninterface = "asgi"\n'
    async with mounted(toml, a=named('a')) as server:
        assert [(await server.ask('x', path)).status for path in ('/', '/gone', '/gone/x', '/x/../gone')] == [
            200,
            410,
            410,
            410,
        ]
