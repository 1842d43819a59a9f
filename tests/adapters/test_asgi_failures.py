from __future__ import annotations

import asyncio
import logging
import sys

import pytest

from tests.helpers.serving import answer, asyncio_timeout, body, one_loop, start


class Unusual(BaseException):
    """As some extensions raise."""


FAILED = 'Application callable raised an exception'


def errors(caplog):
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


def failing(fail):
    """An application whose requests all go through `fail` but those for /next."""

    async def app(scope, receive, send):
        if scope['path'] == '/next':
            return await answer(send, b'next')
        return await fail(send)

    return app


@pytest.mark.parametrize(
    'error',
    [
        ValueError('no'),
        SystemExit(3),
        KeyboardInterrupt(),
        asyncio.CancelledError(),
        OSError(5, 'disk'),
        Unusual(),
        GeneratorExit(),
    ],
)
@pytest.mark.parametrize('when', ['at once', 'later', 'after the start'])
async def test_an_exception_before_the_head_is_sent_is_answered_500_and_logged(serve, error, when, caplog):
    async def fail(send):
        if when == 'later':
            await asyncio.sleep(0)
        if when == 'after the start':
            await start(send)
        raise error

    async with serve(failing(fail)) as server:
        client = await server.connect()
        await client.get()
        reply = await client.reply()
        assert (reply.status, reply.body) == (500, b'Internal server error')
        assert 'content-type' not in reply
        await client.get('/next')
        assert (await client.reply()).body == b'next'
    assert errors(caplog) == [FAILED]
    assert caplog.records[-1].exc_info[1] is error


@pytest.mark.parametrize(
    'error', [ValueError('no'), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), Unusual()]
)
@pytest.mark.parametrize(
    ('headers', 'version'),
    [([], '1.1'), ([(b'content-length', b'100')], '1.1'), ([(b'content-length', b'100')], '1.0')],
)
async def test_an_exception_in_the_middle_cuts_the_response_short(serve, error, headers, version, caplog):
    async def fail(send):
        await start(send, headers=headers)
        await body(send, b'some', more=True)
        await asyncio.sleep(0)
        raise error

    async with serve(failing(fail)) as server:
        client = await server.connect()
        await client.get(version=version)
        with pytest.raises(asyncio.IncompleteReadError):
            await client.reply()
    assert errors(caplog) == [FAILED]


async def test_an_exception_in_the_middle_of_a_body_that_ends_by_closing_resets_the_connection(serve, caplog):
    may_fail = asyncio.Event()

    async def fail(send):
        await start(send)
        await body(send, b'some', more=True)
        await may_fail.wait()
        raise ValueError

    async with serve(failing(fail)) as server:
        client = await server.connect()
        await client.get(version='1.0')
        head = await client.head()
        assert 'transfer-encoding' not in head
        assert await client.exactly(4) == b'some'
        may_fail.set()
        with pytest.raises(ConnectionResetError):
            await client.rest()
    assert errors(caplog) == [FAILED]


async def test_a_body_that_ends_by_closing_ends_in_an_orderly_way(serve):
    async def app(scope, receive, send):
        await start(send)
        await body(send, b'some', more=True)
        await body(send, b'more')

    async with serve(app) as server:
        client = await server.connect()
        await client.get('/', 'Connection: keep-alive', version='1.0')
        assert (await client.reply()).body == b'somemore'


@one_loop
async def test_returning_without_a_response_is_answered_500_and_logged(serve, caplog):
    async def fail(send):
        pass

    async with serve(failing(fail)) as server:
        client = await server.connect()
        await client.get()
        assert (await client.reply()).status == 500
        await client.get('/next')
        assert (await client.reply()).body == b'next'
    assert errors(caplog) == ['Application callable returned without a whole response']


@one_loop
async def test_returning_after_the_start_only_is_answered_500(serve, caplog):
    async with serve(failing(start)) as server:
        assert (await server.get()).status == 500
    assert errors(caplog) == ['Application callable returned without a whole response']


@one_loop
@pytest.mark.parametrize('trailers', [False, True])
async def test_returning_in_the_middle_cuts_the_response(serve, trailers, caplog):
    async def fail(send):
        await start(send, trailers=trailers)
        await body(send, b'some', more=not trailers)

    async with serve(failing(fail)) as server:
        with pytest.raises(asyncio.IncompleteReadError):
            await server.get()
    assert errors(caplog) == ['Application callable returned without a whole response']


@one_loop
@pytest.mark.parametrize(
    'application',
    [
        lambda scope, receive, send: None,
        lambda scope: None,
        lambda scope: lambda receive, send: None,
        'not callable',
    ],
)
async def test_something_that_is_no_asgi_application_is_answered_500_and_logged(serve, application, caplog):
    async with serve(application) as server:
        assert (await server.get()).status == 500
    assert errors(caplog) == [FAILED]
    assert isinstance(caplog.records[-1].exc_info[1], TypeError)


@one_loop
async def test_a_failure_after_the_response_is_logged_and_the_connection_kept(serve, caplog):
    async def fail(send):
        await answer(send, b'fine')
        raise ValueError

    async with serve(failing(fail)) as server:
        client = await server.connect()
        await client.get()
        assert (await client.reply()).body == b'fine'
        await client.get('/next')
        assert (await client.reply()).body == b'next'
    assert errors(caplog) == [FAILED]


@one_loop
async def test_a_failure_after_a_failed_message_is_one_500(serve, caplog):
    async def fail(send):
        try:
            await body(send, b'no start')
        except RuntimeError as error:
            raise ValueError from error

    async with serve(failing(fail)) as server:
        assert (await server.get()).status == 500
    assert errors(caplog) == [FAILED]


@one_loop
async def test_a_failure_because_the_client_left_is_no_error(serve, caplog):
    async def app(scope, receive, send):
        try:
            while True:
                message = await receive()
                if message['type'] == 'http.disconnect':
                    raise ConnectionError
        except ConnectionError as error:
            raise ValueError from error

    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        await server.until(lambda: server.shared.tasks)
        client.reset()
        await server.until(lambda: not server.shared.tasks)
    assert errors(caplog) == []


@one_loop
async def test_another_failure_after_the_client_left_is_an_error(serve, caplog):
    async def app(scope, receive, send):
        while (await receive())['type'] != 'http.disconnect':
            pass
        raise ValueError

    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        await server.until(lambda: server.shared.tasks)
        client.reset()
        await server.until(lambda: not server.shared.tasks)
    assert errors(caplog) == [FAILED]


@pytest.mark.skipif(sys.version_info < (3, 11), reason='asyncio.timeout and ExceptionGroup came with 3.11')
@one_loop
async def test_a_timeout_of_the_application_is_its_own(serve, caplog):
    async def fail(send):
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()

    async with serve(failing(fail)) as server:
        assert (await server.get()).status == 500
    assert errors(caplog) == [FAILED]
    assert isinstance(caplog.records[-1].exc_info[1], TimeoutError)


@one_loop
async def test_work_after_the_response_holds_up_neither_client_nor_connection(serve):
    may_end = asyncio.Event()
    ended = []

    async def fail(send):
        await answer(send, b'soon')
        await may_end.wait()
        ended.append(True)

    async with serve(failing(fail)) as server:
        client = await server.connect()
        await client.get()
        assert (await client.reply()).body == b'soon'
        await client.get('/next')
        assert (await client.reply()).body == b'next'
        assert not ended
        may_end.set()
        async with asyncio_timeout(5):
            while not ended:
                await asyncio.sleep(0)


@one_loop
async def test_an_application_that_fails_on_a_body_cut_off_is_answered_400(serve):
    """It was the client's fault, and it may still read."""

    async def app(scope, receive, send):
        while (message := await receive())['type'] != 'http.disconnect':
            pass
        raise ValueError(message)

    async with serve(app) as server:
        client = await server.connect()
        await client.get('/cut', 'Content-Length: 6', method='POST')
        await client.send(b'abc')
        client.half_close()
        assert (await client.reply()).status == 400
