from __future__ import annotations

import asyncio
import logging
import sys
import threading

import pytest

from granian.adapters.wsgi import call as wsgi_call
from tests.helpers.serving import one_loop
from tests.helpers.wsgi import answer

FAILED = 'Application callable raised an exception'


def errors(caplog):
    """Of ours: asyncio has a word on writing to a connection that was reset."""
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING and r.name == '_granian']


class Pieces:
    """An iterable that counts how often it is closed; `then` is raised after the last piece."""

    def __init__(self, *pieces, then=None):
        self.pieces = pieces
        self.then = then
        self.taken = self.closed = 0

    def __iter__(self):
        for piece in self.pieces:
            self.taken += 1
            yield piece
        if self.then:
            raise self.then

    def close(self):
        self.closed += 1


def returning(result, *headers, status='200 OK'):
    def app(environ, start_response):
        start_response(status, list(headers))
        return result

    return app


async def ask(server, method='GET', version='1.1'):
    client = await server.connect()
    await client.get('/', method=method, version=version)
    return await client.reply(to_head=method == 'HEAD')


# ── whole answers ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('result', [[b'ab'], [b'a', b'b'], (b'ab',), [b'', b'ab'], [bytearray(b'ab')]])
async def test_a_list_is_answered_whole_with_its_length(serve_wsgi, result):
    async with serve_wsgi(returning(result, ('X-A', '1'))) as server:
        reply = await ask(server)
    assert (reply.body, reply['content-length'], reply['x-a']) == (b'ab', b'2', b'1')


@pytest.mark.parametrize('result', [[], [b''], (), iter(()), Pieces()])
async def test_nothing_is_an_empty_body(serve_wsgi, result):
    async with serve_wsgi(returning(result)) as server:
        reply = await ask(server)
    assert (reply.status, reply.body, reply['content-length']) == (200, b'', b'0')


@pytest.mark.parametrize(
    ('status', 'line'),
    [
        ('200 OK', b'HTTP/1.1 200 OK'),
        ('200 Alles gut', b'HTTP/1.1 200 Alles gut'),
        ('299 Caf\u00e9', b'HTTP/1.1 299 Caf\xe9'),
        ('404', b'HTTP/1.1 404 Not Found'),
        ('404 ', b'HTTP/1.1 404 Not Found'),
    ],
)
async def test_the_reason_phrase_is_kept(serve_wsgi, status, line):
    async with serve_wsgi(returning([b'x'], status=status)) as server:
        client = await server.connect()
        for _ in range(2):
            await client.get()
            assert await client.line() == line
            await client._fields()
            await client.exactly(1)


async def test_headers_are_sent_in_order_with_their_repeats_and_in_latin_1(serve_wsgi):
    headers = [('Set-Cookie', 'a=1'), ('X-Latin', '\u00e9'), ('Set-Cookie', 'b=2')]
    async with serve_wsgi(returning([b''], *headers)) as server:
        reply = await ask(server)
    assert reply.fields[:3] == [(b'set-cookie', b'a=1'), (b'x-latin', b'\xe9'), (b'set-cookie', b'b=2')]


async def test_a_header_list_that_changes_is_looked_at_again(serve_wsgi):
    headers = [('X-N', '0')]

    def app(environ, start_response):
        headers[0] = ('X-N', str(int(headers[0][1]) + 1))
        start_response('200 OK', headers)
        return [b'']

    async with serve_wsgi(app) as server:
        assert [(await ask(server))['x-n'] for _ in range(3)] == [b'1', b'2', b'3']


@pytest.mark.parametrize(
    'kind', [iter, tuple, lambda pairs: (pair for pair in pairs), lambda pairs: dict(pairs).items()]
)
async def test_headers_that_can_be_read_once_are_sent_and_harm_no_later_response(serve_wsgi, kind):
    # Of this run only: what is remembered is remembered for all.
    headers = [('X-Once', str(object())), ('X-Secret', 'no')]
    given = iter([kind(headers), headers, kind(headers)])

    def app(environ, start_response):
        start_response('200 OK', next(given))
        return [b'']

    async with serve_wsgi(app) as server:
        replies = [await ask(server) for _ in range(3)]
    assert [reply.fields[:2] for reply in replies] == [[(b'x-once', headers[0][1].encode()), (b'x-secret', b'no')]] * 3


async def test_secrets_read_once_are_not_remembered(serve_wsgi):
    secret = ('Set-Cookie', f'id={object()}')

    def app(environ, start_response):
        start_response('200 OK', iter([secret]))
        return [b'']

    async with serve_wsgi(app) as server:
        assert (await ask(server))['set-cookie'] == secret[1].encode()
    for memory in (wsgi_call._heads.recent, wsgi_call._heads._older):
        assert not [key for key in memory if secret in key]


class Loose(str):
    """Equal to any other text of its length."""

    __slots__ = ()

    def __eq__(self, other):
        return len(self) == len(other)

    def __hash__(self):
        return hash('1' * len(self))


@pytest.mark.parametrize(
    'odd',
    [[('X-Odd', Loose('2'))], [('X-Odd', '1'), ('X-Bad', 'a\nb')], [('X-Odd', '1'), None], (('X-Odd', b'1'),), None],
    ids=['equal to all', 'refused', 'no pair', 'bytes', 'nothing'],
)
async def test_an_odd_or_refused_call_changes_no_later_one(serve_wsgi, odd):
    given = iter([odd, [('X-Odd', '1')]])

    def app(environ, start_response):
        start_response('200 Odd', next(given))
        return [b'']

    async with serve_wsgi(app) as server:
        await ask(server)
        reply = await ask(server)
    assert (reply.status, reply['x-odd']) == (200, b'1')


@pytest.mark.parametrize(
    ('status', 'headers'),
    [
        (200, []),
        (b'200 OK', []),
        ('OK', []),
        ('20 OK', []),
        ('2000 OK', []),
        ('\u0662\u0660\u0660 OK', []),
        ('100 Continue', []),
        ('200 O\r\nX: y', []),
        ('200 \u20ac', []),
        ('200 OK', [('X-A', 'a\r\nX-B: b')]),
        ('200 OK', [('X-A', 'a\nb')]),
        ('200 OK', [('X A', 'a')]),
        ('200 OK', [('X-A', '\u20ac')]),
        ('200 OK', [('X-A', 1)]),
        ('200 OK', [('X-A', None)]),
        ('200 OK', [(b'X-A', b'1')]),
        ('200 OK', [['X-A', b'1']]),
        ('200 OK', ['X-A']),
        ('200 OK', [('X-A', 'b', 'c')]),
        ('200 OK', None),
        ('200 OK', [('Content-Length', 'x')]),
        ('200 OK', [('Transfer-Encoding', 'gzip')]),
    ],
)
async def test_a_head_that_cannot_be_sent_is_an_error_of_start_response(serve_wsgi, status, headers, caplog):
    seen = []

    def app(environ, start_response):
        try:
            start_response(status, headers)
        except Exception as exc:
            seen.append(exc)
            raise

    async with serve_wsgi(app) as server:
        for _ in range(2):
            reply = await ask(server)
            assert (reply.status, reply.body) == (500, b'Internal server error')
    assert len(seen) == 2
    assert errors(caplog) == [FAILED] * 2


@pytest.mark.parametrize('result', ['text', b'bytes', ['text'], [b'a', 'b'], [1], None, 7, Pieces('x'), {'a': 1}])
async def test_what_is_not_bytes_is_500_and_logged(serve_wsgi, result, caplog):
    async with serve_wsgi(returning(result)) as server:
        assert (await ask(server)).status == 500
    assert errors(caplog) == [FAILED]


@pytest.mark.parametrize('result', [[b'x'], Pieces(b'x'), Pieces()])
async def test_no_start_response_is_500_and_logged(serve_wsgi, result, caplog):
    async with serve_wsgi(lambda environ, start_response: result) as server:
        assert (await ask(server)).status == 500
    assert errors(caplog) == [FAILED]
    assert 'start_response was not called' in caplog.text


@pytest.mark.parametrize('result', [[b'abc'], [b'a'], Pieces(b'abc'), Pieces(b''), []])
async def test_a_wrong_length_is_500_and_logged(serve_wsgi, result, caplog):
    async with serve_wsgi(returning(result, ('Content-Length', '2'))) as server:
        assert (await ask(server)).status == 500
    assert len(errors(caplog)) == 1


@pytest.mark.parametrize('result', [Pieces(b'a', b'bc'), Pieces(b'a')])
async def test_a_wrong_length_after_the_head_cuts_the_response(serve_wsgi, result, caplog):
    async with serve_wsgi(returning(result, ('Content-Length', '2'))) as server:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await ask(server)
    assert len(errors(caplog)) == 1


async def test_more_than_was_announced_is_dropped_and_logged(serve_wsgi, caplog):
    result = Pieces(b'ab', b'c')
    async with serve_wsgi(returning(result, ('Content-Length', '2'))) as server:
        assert (await ask(server)).body == b'ab'
        await server.until(lambda: result.closed)
    assert errors(caplog) == [FAILED]
    assert 'longer than its content-length' in caplog.text


# ── streams ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_each_piece_is_sent_when_it_is_there(serve_wsgi):
    go = threading.Event()

    def app(environ, start_response):
        start_response('200 OK', [])
        yield b'one'
        go.wait(10)
        yield b''
        yield b'two'

    async with serve_wsgi(app) as server:
        client = await server.connect()
        await client.get()
        head = await client.head()
        assert head['transfer-encoding'] == b'chunked'
        assert await client.chunk() == b'one'
        go.set()
        assert [await client.chunk(), await client.chunk()] == [b'two', b'']


async def test_the_head_waits_for_the_first_piece(serve_wsgi):
    def app(environ, start_response):
        yield b''
        start_response('201 Created', [('X-A', '1')])
        yield b'x'

    async with serve_wsgi(app) as server:
        reply = await ask(server)
    assert (reply.status, reply.body, reply['x-a']) == (201, b'x', b'1')


@pytest.mark.parametrize('version', ['1.0', '1.1'])
@pytest.mark.parametrize('headers', [[], [('Content-Length', '6')]])
async def test_pieces_arrive_whole_and_in_order(serve_wsgi, version, headers):
    result = Pieces(b'ab', b'cd', b'', b'ef')
    async with serve_wsgi(returning(result, *headers)) as server:
        reply = await ask(server, version=version)
        assert reply.body == b'abcdef'
        assert ('content-length' in reply) is bool(headers)
        await server.until(lambda: result.closed)


async def test_write_sends_at_once_and_before_what_is_returned(serve_wsgi):
    go = threading.Event()

    def app(environ, start_response):
        write = start_response('200 OK', [])
        write(b'')
        write(b'one ')
        go.wait(10)
        write(b'two ')
        return [b'three']

    async with serve_wsgi(app) as server:
        client = await server.connect()
        await client.get()
        await client.head()
        assert await client.chunk() == b'one '
        go.set()
        assert [await client.chunk(), await client.chunk(), await client.chunk()] == [b'two ', b'three', b'']


@one_loop
async def test_a_client_that_does_not_read_stops_the_application(serve_wsgi):
    taken = []

    def app(environ, start_response):
        start_response('200 OK', [])
        for n in range(3000):
            taken.append(n)
            yield b'x' * 10_000

    async with serve_wsgi(app) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        await client.get()
        await server.until(lambda: any(each.blocked for each in server.connections))
        held = -1
        while held != len(taken):
            held = len(taken)
            await asyncio.sleep(0.05)
        # What the kernel holds, and no more than a little of ours.
        assert held < 2500
        # Other requests are served meanwhile.
        other = await server.connect()
        await other.get('/', method='HEAD')
        assert (await other.reply(to_head=True)).status == 200
        assert len((await client.reply()).body) == 30_000_000


@one_loop
@pytest.mark.parametrize('blocked', [False, True])
async def test_a_client_that_leaves_ends_the_iteration_and_closes_it(serve_wsgi, blocked, caplog):
    def endless():
        while True:
            yield b'x' * 10_000

    result = Pieces()
    result.pieces = endless()
    async with serve_wsgi(returning(result)) as server:
        client = await server.connect(receive_buffer_bytes=4096)
        await client.get()
        if blocked:
            await server.until(lambda: any(each.blocked for each in server.connections))
        else:
            await client.head()
        client.reset()
        await server.until(lambda: result.closed)
    assert result.closed == 1
    assert not errors(caplog)


# ── close, HEAD, bodiless ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('method', ['GET', 'HEAD'])
@pytest.mark.parametrize(
    'result', [lambda: Pieces(b'a', b'b'), Pieces, lambda: Pieces('no bytes'), lambda: Pieces(b'a', then=OSError())]
)
async def test_close_is_called_once(serve_wsgi, result, method):
    result = result()
    async with serve_wsgi(returning(result)) as server:
        client = await server.connect()
        await client.get('/', method=method)
        await server.until(lambda: result.closed)
    assert result.closed == 1


async def test_an_exception_of_close_harms_nobody(serve_wsgi, caplog):
    result = Pieces(b'a')
    result.close = lambda: 1 / 0
    async with serve_wsgi(returning(result)) as server:
        assert (await ask(server)).body == b'a'
        await server.until(lambda: errors(caplog))
    assert errors(caplog) == [FAILED]


@pytest.mark.parametrize(
    ('result', 'headers', 'length'),
    [
        ([b'abc'], [], b'3'),
        ([b'abc'], [('Content-Length', '3')], b'3'),
        ([], [('Content-Length', '3')], b'3'),
        (Pieces(b'abc', b'd'), [('Content-Length', '4')], b'4'),
        (Pieces(b'abc', b'd'), [], None),
    ],
)
async def test_head_gets_the_head_of_get(serve_wsgi, result, headers, length):
    async with serve_wsgi(returning(result, *headers)) as server:
        client = await server.connect()
        await client.get('/', method='HEAD')
        reply = await client.reply(to_head=True)
        assert (reply['content-length'] if length else None) == length
        await client.get('/', method='HEAD')
        assert (await client.reply(to_head=True)).status == 200


@pytest.mark.parametrize('status', ['204 No Content', '304 Not Modified'])
@pytest.mark.parametrize('result', [[b'abc'], [], Pieces(b'abc')])
async def test_what_has_no_body_gets_none(serve_wsgi, status, result):
    async with serve_wsgi(returning(result, status=status)) as server:
        client = await server.connect()
        for _ in range(2):
            await client.get()
            assert (await client.reply()).body == b''


@pytest.mark.parametrize(
    ('method', 'status', 'headers'),
    [
        ('HEAD', '200 OK', []),
        ('HEAD', '200 OK', [('Content-Length', '2')]),
        ('GET', '204 No Content', []),
        ('GET', '304 Not Modified', []),
        ('GET', '304 Not Modified', [('Content-Length', '2')]),
    ],
)
@pytest.mark.parametrize('result', [[], [b'c'], (b'c', b'd'), Pieces(b'c', b'd')])
async def test_what_is_written_where_no_body_goes_is_dropped(serve_wsgi, method, status, headers, result, caplog):
    returned = []

    def app(environ, start_response):
        write = start_response(status, headers)
        write(b'a')
        write(b'b')
        write(b'longer than it was to be')
        returned.append(True)
        return result

    async with serve_wsgi(app) as server:
        client = await server.connect()
        for _ in range(2):
            await client.get('/', method=method)
            reply = await client.reply(to_head=method == 'HEAD')
            assert (reply.status, reply.body) == (int(status[:3]), b'')
    assert returned == [True, True]
    assert errors(caplog) == []


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    'error', [ValueError('no'), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), StopIteration()]
)
@pytest.mark.parametrize('when', ['at once', 'after start_response', 'in the iterable'])
async def test_an_exception_before_the_body_is_500_and_ends_no_thread(serve_wsgi, error, when, caplog):
    def app(environ, start_response):
        if environ['PATH_INFO'] == '/next':
            return answer(start_response, threading.current_thread().name.encode())
        if when == 'at once':
            raise error
        start_response('200 OK', [('X-A', '1')])
        if when == 'after start_response':
            raise error
        return Pieces(then=error)

    async with serve_wsgi(app, threads=1) as server:
        client = await server.connect()
        await client.get()
        reply = await client.reply()
        assert (reply.status, reply.body) == (500, b'Internal server error')
        assert 'x-a' not in reply
        assert errors(caplog) == [FAILED]
        await client.get('/next')
        assert (await client.reply()).body == b'app-1'


@pytest.mark.parametrize('headers', [[], [('Content-Length', '100')]])
@pytest.mark.parametrize('version', ['1.0', '1.1'])
async def test_an_exception_in_the_middle_cuts_the_response(serve_wsgi, headers, version, caplog):
    result = Pieces(b'ab', then=ValueError('no'))
    async with serve_wsgi(returning(result, *headers)) as server:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await ask(server, version=version)
    assert errors(caplog) == [FAILED]
    assert result.closed == 1


async def test_exc_info_replaces_a_head_that_was_not_sent(serve_wsgi):
    def app(environ, start_response):
        start_response('200 OK', [('X-A', '1')])
        try:
            raise ValueError('no')
        except ValueError:
            start_response('503 Sorry', [('X-B', '2')], sys.exc_info())
        return [b'sorry']

    async with serve_wsgi(app) as server:
        reply = await ask(server)
    assert (reply.status, reply.body, reply['x-b'], 'x-a' in reply) == (503, b'sorry', b'2', False)


async def test_exc_info_after_the_head_is_raised_again(serve_wsgi, caplog):
    seen = []

    def app(environ, start_response):
        start_response('200 OK', [])
        yield b'x'
        try:
            raise ValueError('no')
        except ValueError as error:
            try:
                start_response('500 Sorry', [], sys.exc_info())
            except ValueError as again:
                seen.append(again is error)
                raise

    async with serve_wsgi(app) as server:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await ask(server)
    assert seen == [True]
    assert errors(caplog) == [FAILED]


async def test_start_response_twice_without_exc_info_is_an_error(serve_wsgi, caplog):
    def app(environ, start_response):
        start_response('200 OK', [])
        start_response('200 OK', [])
        return []

    async with serve_wsgi(app) as server:
        assert (await ask(server)).status == 500
    assert errors(caplog) == [FAILED]


async def test_connection_close_of_the_application_closes(serve_wsgi):
    async with serve_wsgi(returning([b'x'], ('Connection', 'close'))) as server:
        client = await server.connect()
        await client.get()
        assert (await client.reply())['connection'] == b'close'
        await client.closed()


async def test_pipelined_requests_are_answered_in_order(serve_wsgi):
    def app(environ, start_response):
        return answer(start_response, environ['PATH_INFO'].encode())

    async with serve_wsgi(app) as server:
        client = await server.connect()
        await client.send(b''.join(b'GET /%d HTTP/1.1\r\nHost: x\r\n\r\n' % n for n in range(50)))
        assert [(await client.reply()).body for _ in range(50)] == [b'/%d' % n for n in range(50)]
