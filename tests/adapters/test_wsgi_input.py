from __future__ import annotations

import os
import stat
import threading

import pytest

from granian.adapters.wsgi.spool import HELD_BYTES_MAX
from tests.helpers.serving import one_loop
from tests.helpers.wsgi import answer

LINES = b'one\r\ntwo\n\n\nfive\nsix'
# Sent at once: all there before the application begins.
WAYS = pytest.mark.parametrize('way', ['at once', 'in two', 'chunked'])


async def sent(client, way, body, path='/'):
    if way == 'at once':
        await client.post(path, body)
    elif way == 'in two':
        await client.send(b'POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n' % (path.encode(), len(body)))
        await client.send(body[:4])
        await client.send(body[4:])
    else:
        await client.send(b'POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n' % path.encode())
        for piece in (body[:4], body[4:]):
            await client.send(b'%x\r\n%b\r\n' % (len(piece), piece))
        await client.send(b'0\r\n\r\n')


def pieces(read):
    """An application that answers what `read(wsgi.input)` returns, as its repr."""

    def app(environ, start_response):
        return answer(start_response, repr(read(environ['wsgi.input'])).encode())

    return app


@WAYS
@pytest.mark.parametrize(
    ('read', 'result'),
    [
        (lambda source: source.read(), LINES),
        (lambda source: source.read(-1), LINES),
        (lambda source: source.read(None), LINES),
        (lambda source: source.read(1000), LINES),
        (lambda source: [source.read(3), source.read(0), source.read()], [b'one', b'', LINES[3:]]),
        (lambda source: [source.read(7), source.readline(), source.read()], [b'one\r\ntw', b'o\n', LINES[9:]]),
        (lambda source: [source.readline() for _ in range(8)], [*LINES.splitlines(True), b'', b'']),
        (lambda source: [source.readline(2), source.readline(20)], [b'on', b'e\r\n']),
        (lambda source: source.readlines(), LINES.splitlines(True)),
        (lambda source: source.readlines(6), [b'one\r\n', b'two\n']),
        (list, LINES.splitlines(True)),
        (
            lambda source: [next(source), source.read(4), *source],
            [b'one\r\n', b'two\n', b'\n', b'\n', b'five\n', b'six'],
        ),
        (lambda source: [source.read(), source.read(), source.read(5), source.readline()], [LINES, b'', b'', b'']),
    ],
)
async def test_the_body_is_a_file(serve_wsgi, way, read, result):
    async with serve_wsgi(pieces(read)) as server:
        client = await server.connect()
        await sent(client, way, LINES)
        assert (await client.reply()).body == repr(result).encode()
        # What was left unread does not stand before the next request.
        await client.post('/', LINES)
        assert (await client.reply()).body == repr(result).encode()


def length(environ, start_response):
    """Counts the body, in small pieces."""
    total = 0
    while piece := environ['wsgi.input'].read(10_000):
        total += len(piece)
    return answer(start_response, b'%d' % total)


@pytest.mark.parametrize('size', [HELD_BYTES_MAX - 1, HELD_BYTES_MAX, HELD_BYTES_MAX + 1, 3_000_000])
@pytest.mark.parametrize('way', ['at once', 'in two'])
async def test_a_body_of_any_size_arrives(serve_wsgi, size, way):
    async with serve_wsgi(length) as server:
        client = await server.connect()
        await sent(client, way, b'x' * size)
        assert (await client.reply()).body == b'%d' % size


@one_loop
async def test_a_large_body_is_not_read_faster_than_the_application_takes_it(serve_wsgi):
    go = threading.Event()

    def app(environ, start_response):
        go.wait(10)
        return length(environ, start_response)

    size = 20_000_000
    async with serve_wsgi(app) as server:
        client = await server.connect()
        await client.send(b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n' % size)
        upload = server.loop.create_task(client.send(b'x' * size))
        connection = None
        await server.until(lambda: any(each.engine.paused for each in server.connections))
        (connection,) = server.shared.connections
        assert sum(map(len, connection._exchange._chunks)) < 1_000_000
        assert not upload.done()
        go.set()
        reply = await client.reply()
        assert reply.body == b'%d' % size
        await upload


async def test_a_slow_client_of_a_small_body_holds_no_thread_up(serve_wsgi):
    async with serve_wsgi(length, threads=1) as server:
        slow = await server.connect()
        await slow.send(b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345')
        await server.until(lambda: server.shared.gate.busy == 1)
        assert (await server.get('/')).body == b'0'
        await slow.send(b'67890')
        assert (await slow.reply()).body == b'10'


def spools():
    """How many files without a name are open."""
    return sum(os.fstat(int(name)).st_nlink == 0 for name in os.listdir('/proc/self/fd') if is_file(int(name)))


def is_file(descriptor):
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        # The one the directory was read through.
        return False


@one_loop
async def test_a_slow_client_of_a_large_body_holds_no_thread_up(serve_wsgi):
    before = spools()
    async with serve_wsgi(length, threads=1) as server:
        slow = await server.connect()
        await slow.send(b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n\r\n' + b'x' * 1_000_000)
        await server.until(lambda: spools() > before)
        assert (await server.get('/')).body == b'0'
        await slow.send(b'x')
        assert (await slow.reply()).body == b'1000001'
        await server.until(lambda: spools() == before)


@one_loop
async def test_a_large_body_that_is_cut_off_leaves_no_file_and_reaches_no_application(serve_wsgi):
    called = []
    before = spools()
    async with serve_wsgi(lambda *_: called.append(1)) as server:
        client = await server.connect()
        await client.send(b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n\r\n' + b'x' * 1_000_000)
        client.half_close()
        assert (await client.reply()).status == 400
        await server.until(lambda: spools() == before)
    assert not called


async def test_the_client_is_told_to_continue_when_the_body_is_read(serve_wsgi):
    async with serve_wsgi(length) as server:
        client = await server.connect()
        await client.get('/', 'Expect: 100-continue', 'Content-Length: 5', method='POST')
        assert await client.line() == b'HTTP/1.1 100 Continue'
        await client.line()
        await client.send(b'12345')
        assert (await client.reply()).body == b'5'


async def test_the_client_is_not_told_to_continue_when_the_body_is_not_read(serve_wsgi):
    def app(environ, start_response):
        return answer(start_response, b'no', status='413 Payload Too Large')

    async with serve_wsgi(app) as server:
        client = await server.connect()
        await client.get('/', 'Expect: 100-continue', 'Content-Length: 5', method='POST')
        reply = await client.reply()
        assert (reply.status, reply.interim) == (413, [])


@pytest.mark.parametrize('end', ['half_close', 'reset'])
async def test_a_body_that_is_cut_off_is_an_error_of_the_read(serve_wsgi, end, caplog):
    seen = []

    def app(environ, start_response):
        source = environ['wsgi.input']
        seen.append(source.readline())
        try:
            source.read()
        except OSError as exc:
            seen.append(type(exc).__name__)
            raise
        finally:
            seen.append('left')

    async with serve_wsgi(app) as server:
        client = await server.connect()
        await client.send(b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\none\n')
        await server.until(lambda: seen)
        getattr(client, end)()
        await server.until(lambda: seen[-1] == 'left')
        if end == 'half_close':
            assert (await client.reply()).status == 400
    assert seen == [b'one\n', 'ClientDisconnected', 'left']
    assert not [record for record in caplog.records if record.levelname == 'ERROR']


async def test_a_small_body_that_is_cut_off_reaches_no_application(serve_wsgi):
    called = []
    async with serve_wsgi(lambda *_: called.append(1)) as server:
        client = await server.connect()
        await client.send(b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345')
        client.half_close()
        assert (await client.reply()).status == 400
    assert not called


async def test_a_body_over_its_limit_is_refused_while_it_is_read(serve_wsgi):
    async with serve_wsgi(length, limits={'body_bytes_max': 1000}) as server:
        client = await server.connect()
        await client.send(b'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n' + b'x' * 1000)
        await client.send(b'\r\n1\r\nx\r\n0\r\n\r\n')
        assert (await client.reply()).status == 413
