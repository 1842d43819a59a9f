from __future__ import annotations

import asyncio
import logging

import pytest

from tests.helpers.asgi_messages import (
    BODY,
    CLOSED,
    FINISHED,
    HINT,
    MORE,
    NOT_STARTED,
    PATH,
    START,
    STARTED,
    TRAILERS,
    UNSUPPORTED,
    Stepper,
    raised_by,
)
from tests.helpers.serving import answer, body, one_loop, read_body, start

# ── out of order ─────────────────────────────────────────────────────────────────────────────────────────────────────


@one_loop
@pytest.mark.parametrize(
    ('messages', 'text'),
    [
        ([BODY], NOT_STARTED),
        ([TRAILERS], NOT_STARTED),
        ([PATH], NOT_STARTED),
        ([{'type': 'http.response.zerocopysend', 'file': 0}], NOT_STARTED),
        ([START, START], STARTED),
        ([START, HINT], STARTED),
        ([START, TRAILERS], STARTED),
        ([{'type': 'websocket.accept'}], UNSUPPORTED),
        ([{'type': 'http.response.push', 'path': '/', 'headers': []}], UNSUPPORTED),
        ([{'type': 'http.response.debug', 'info': {}}], UNSUPPORTED),
    ],
)
async def test_out_of_order_before_the_head_is_sent_is_told_and_answered_500(serve, messages, text):
    told, reply, error = await raised_by(serve, *messages)
    assert told == text
    assert isinstance(error, RuntimeError)
    assert (reply.status, reply.body) == (500, b'Internal server error')


@one_loop
@pytest.mark.parametrize('message', [START, BODY, MORE, TRAILERS, HINT, PATH])
async def test_out_of_order_after_the_response_is_told_and_the_connection_stays(serve, message):
    told, reply, _ = await raised_by(serve, START, BODY, message)
    assert (told, reply.body) == (FINISHED, b'ok')


@one_loop
@pytest.mark.parametrize('message', [START, TRAILERS, HINT, PATH])
async def test_out_of_order_in_the_middle_is_told_and_the_response_cut(serve, message):
    told, reply, _ = await raised_by(serve, START, MORE, message)
    assert (told, reply) == (STARTED, None)


@one_loop
async def test_body_after_the_last_where_trailers_are_due_is_told(serve):
    told, reply, _ = await raised_by(serve, {**START, 'trailers': True}, BODY, BODY)
    assert (told, reply) == (FINISHED, None)


# ── what cannot be sent ──────────────────────────────────────────────────────────────────────────────────────────────


@one_loop
@pytest.mark.parametrize(
    'message',
    [
        {**START, 'status': '200'},
        {**START, 'status': 99},
        {**START, 'status': 101},
        {**START, 'status': 1000},
        {**START, 'headers': [('x-a', 'b')]},
        {**START, 'headers': [(b'x-a', 'b')]},
        {**START, 'headers': [(b'x-a',)]},
        {**START, 'headers': [b'x-a: b']},
        {**START, 'headers': {b'x-a': b'b'}},
        {**START, 'headers': [(b'x-a', b'b\r\nx-b: c')]},
        {**START, 'headers': [(b'x-a', b'b\nc')]},
        {**START, 'headers': [(b'x-a', b'b\x00c')]},
        {**START, 'headers': [(b'x a', b'b')]},
        {**START, 'headers': [(b'x-a:', b'b')]},
        {**START, 'headers': [(b'', b'b')]},
        {**START, 'headers': [(b'content-length', b'-1')]},
        {**START, 'headers': [(b'content-length', b'1, 1')]},
        {**START, 'headers': [(b'content-length', b'1'), (b'content-length', b'2')]},
        {**START, 'headers': [(b'transfer-encoding', b'gzip')]},
    ],
)
async def test_a_head_that_is_not_http_is_refused_and_answered_500(serve, message, caplog):
    told, reply, error = await raised_by(serve, message)
    assert told == UNSUPPORTED
    assert isinstance(error, RuntimeError)
    assert (reply.status, reply.body) == (500, b'Internal server error')
    assert any(record.message.startswith('Application response refused: ') for record in caplog.records)


@one_loop
@pytest.mark.parametrize('data', ['text', None, 5, [b'x']])
@pytest.mark.parametrize('more', [True, False])
async def test_a_body_that_is_not_bytes_is_refused_and_answered_500(serve, data, more):
    message = {'type': 'http.response.body', 'body': data, 'more_body': more}
    told, reply, _ = await raised_by(serve, START, message)
    assert (told, reply.status) == (UNSUPPORTED, 500)


@one_loop
async def test_an_application_may_correct_a_message_that_was_refused(serve):
    async def app(scope, receive, send):
        for wrong in ({**START, 'status': 'x'}, {**START, 'headers': [(b'a', 'b')]}):
            with pytest.raises(RuntimeError, match=UNSUPPORTED):
                await send(wrong)
        await send(START)
        with pytest.raises(RuntimeError, match=UNSUPPORTED):
            await send({'type': 'http.response.body', 'body': 'text'})
        await send(BODY)

    async with serve(app) as server:
        assert (await server.get()).body == b'ok'


@one_loop
@pytest.mark.parametrize('data', [bytearray(b'ab'), memoryview(b'ab'), memoryview(b'a_b_')[::2]])
@pytest.mark.parametrize('more', [True, False])
async def test_all_kinds_of_bytes_are_a_body(serve, data, more):
    async def app(scope, receive, send):
        await start(send)
        await body(send, data, more=more)
        if more:
            await body(send)

    async with serve(app) as server:
        assert (await server.get()).body == b'ab'


@one_loop
@pytest.mark.parametrize(
    'headers', [[[b'X-A', b'b']], ((b'X-A', b'b'),), {(b'X-A', b'b')}, [(b'X-A', bytearray(b'b'))]]
)
async def test_all_kinds_of_iterables_are_headers(serve, headers):
    async def app(scope, receive, send):
        await answer(send, headers=headers)

    async with serve(app) as server:
        assert (await server.get())['x-a'] == b'b'


@one_loop
async def test_headers_and_body_may_be_left_out(serve):
    async def app(scope, receive, send):
        await send({'type': 'http.response.start', 'status': 200})
        await send({'type': 'http.response.body'})

    async with serve(app) as server:
        reply = await server.get()
        assert (reply.body, reply['content-length']) == (b'', b'0')


# ── too long, too short ──────────────────────────────────────────────────────────────────────────────────────────────


def with_length(length):
    return {**START, 'headers': [(b'content-length', b'%d' % length)]}


@one_loop
@pytest.mark.parametrize('length', [0, 1, 3, 100])
async def test_a_whole_body_of_another_length_than_declared_is_refused_and_answered_500(serve, length, caplog):
    told, reply, _ = await raised_by(serve, with_length(length), BODY)
    assert (told, reply.status) == (UNSUPPORTED, 500)
    assert f'Application response refused: content-length {length} with a body of 2 bytes' in caplog.messages


@one_loop
async def test_a_streamed_body_too_long_is_cut_and_logged(serve, caplog):
    told, reply, _ = await raised_by(serve, with_length(3), MORE, MORE)
    assert (told, reply) == (UNSUPPORTED, None)
    assert 'Application response refused: body longer than its content-length' in caplog.messages


@one_loop
async def test_a_streamed_body_too_short_is_cut_and_logged(serve, caplog):
    told, reply, _ = await raised_by(serve, with_length(5), MORE, BODY)
    assert (told, reply) == (UNSUPPORTED, None)
    assert any('body shorter than its content-length' in message for message in caplog.messages)


@one_loop
async def test_nothing_over_the_declared_length_is_sent(serve):
    async def app(scope, receive, send):
        await send(with_length(3))
        await send({**MORE, 'body': b'abcdef'})

    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        assert (await client.rest()).partition(b'\r\n\r\n')[2] == b''


@one_loop
async def test_a_declared_length_that_fits_is_streamed_without_chunks(serve):
    async def app(scope, receive, send):
        await send(with_length(4))
        await send(MORE)
        await send(BODY)

    async with serve(app) as server:
        reply = await server.get()
        assert (reply.body, reply['content-length']) == (b'okok', b'4')
        assert 'transfer-encoding' not in reply


# ── when things leave ────────────────────────────────────────────────────────────────────────────────────────────────


async def nothing_comes(server, client):
    """Before the server answers another that asks it later."""
    waiting = asyncio.ensure_future(client.more())
    await server.heard()
    assert not waiting.done()
    waiting.cancel()
    await asyncio.wait({waiting})


@one_loop
async def test_the_head_waits_for_the_first_body_message(serve):
    app = Stepper(START, MORE, BODY)
    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        await app.step()
        await nothing_comes(server, client)
        await app.step()
        assert (await client.head()).status == 200
        assert await client.chunk() == b'ok'
        await app.step()
        assert [await client.chunk(), await client.chunk()] == [b'ok', b'']
        app.end()


async def test_an_event_stream_head_leaves_at_once_and_each_event_too(serve):
    app = Stepper({**START, 'headers': [(b'content-type', b'text/event-stream; charset=utf-8')]}, MORE, BODY)
    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        await app.step()
        assert (await client.head())['content-type'] == b'text/event-stream; charset=utf-8'
        await app.step()
        assert await client.chunk() == b'ok'
        await app.step()
        assert [await client.chunk(), await client.chunk()] == [b'ok', b'']
        app.end()


@one_loop
async def test_an_empty_body_message_with_more_to_come_sends_the_head(serve):
    app = Stepper(START, {**MORE, 'body': b''}, BODY)
    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        await app.step()
        await app.step()
        assert (await client.head())['transfer-encoding'] == b'chunked'
        await app.step()
        assert [await client.chunk(), await client.chunk()] == [b'ok', b'']
        app.end()


# ── the client is gone ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('message', [START, {**START, 'headers': [(b'content-type', b'text/event-stream')]}, HINT])
async def test_sending_a_head_after_the_client_left_raises_an_os_error(serve, message):
    errors = asyncio.Queue()

    async def app(scope, receive, send):
        await read_body(receive)
        await receive()
        while server.shared.connections:
            await asyncio.sleep(0)
        try:
            await send(message)
        except Exception as error:
            errors.put_nowait(error)
            raise

    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        await server.until(lambda: server.shared.tasks)
        client.reset()
        error = await asyncio.wait_for(errors.get(), 5)
    assert isinstance(error, OSError)
    assert isinstance(error, RuntimeError)
    assert str(error) == CLOSED


async def test_sending_a_body_after_the_client_left_raises_an_os_error_and_is_no_failure(serve, caplog):
    errors = asyncio.Queue()

    async def app(scope, receive, send):
        await start(send)
        try:
            while True:
                await body(send, b'x' * 1000, more=True)
                await asyncio.sleep(0)
        except OSError as error:
            errors.put_nowait(error)
            with pytest.raises(OSError, match=CLOSED):
                await body(send, b'x', more=True)
            with pytest.raises(OSError, match=CLOSED):
                await body(send, b'x')
            raise

    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        await client.head()
        client.reset()
        error = await asyncio.wait_for(errors.get(), 5)
    assert str(error) == CLOSED
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


# ── statuses and methods without a body ──────────────────────────────────────────────────────────────────────────────


@one_loop
@pytest.mark.parametrize('status', [204, 304])
@pytest.mark.parametrize('more', [True, False])
async def test_a_body_given_with_204_or_304_is_not_sent(serve, status, more):
    async def app(scope, receive, send):
        if scope['path'] == '/next':
            return await answer(send, b'next')
        await start(send, status)
        await body(send, b'not wanted', more=more)
        if more:
            await body(send, b'more')
        return None

    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        reply = await client.reply()
        assert reply.status == status
        assert 'transfer-encoding' not in reply
        await client.get('/next')
        assert (await client.reply()).body == b'next'


@one_loop
@pytest.mark.parametrize('more', [True, False])
@pytest.mark.parametrize('headers', [[], [(b'content-length', b'10')]])
async def test_head_gets_the_fields_and_no_body(serve, more, headers):
    async def app(scope, receive, send):
        await start(send, headers=headers)
        await body(send, b'not wanted'[: 5 if more else 10], more=more)
        if more:
            await body(send, b'anted')

    async with serve(app) as server:
        client = await server.connect()
        for _ in range(2):
            await client.get(method='HEAD')
            reply = await client.reply(to_head=True)
            assert reply.status == 200
            if headers or not more:
                assert reply['content-length'] == b'10'


# ── default fields ───────────────────────────────────────────────────────────────────────────────────────────────────


@one_loop
async def test_server_and_date_are_added_unless_given(serve):
    async def app(scope, receive, send):
        own = [(b'server', b'mine'), (b'date', b'today')] if scope['path'] == '/own' else []
        await answer(send, headers=own)

    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        reply = await client.reply()
        assert reply['server'] == b'granian'
        assert reply['date'].endswith(b' GMT')
        await client.get('/own')
        reply = await client.reply()
        assert (reply['server'], reply['date']) == (b'mine', b'today')


@one_loop
async def test_an_application_may_ask_for_the_end_of_the_connection(serve):
    async def app(scope, receive, send):
        await answer(send, b'bye', headers=[(b'connection', b'close')])

    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        reply = await client.reply()
        assert (reply.body, reply['connection']) == (b'bye', b'close')
        await client.closed()
