from __future__ import annotations

import asyncio
from http import HTTPStatus

import pytest

from granian.adapters.rsgi.heads import heads
from granian.rsgi import ProtocolError
from tests.helpers.rsgi import by_path
from tests.helpers.serving import one_loop

JSON = ('content-type', 'application/json')


async def reply_of(serve_rsgi, respond, **request):
    """The reply to one `respond(protocol)`, after which the connection serves another request."""

    async def answer(protocol):
        respond(protocol)

    async with serve_rsgi(by_path(answer=answer)) as server:
        client = await server.connect()
        await client.get('/answer', **request)
        reply = await client.reply(to_head=request.get('method') == 'HEAD')
        await client.get('/next')
        assert (await client.reply()).body == b'next'
        return reply


def fields_of(reply):
    return [field for field in reply.fields if field[0] not in (b'date', b'server', b'content-length')]


@pytest.mark.parametrize(
    ('respond', 'status', 'body'),
    [
        (lambda p: p.response_empty(), 200, b''),
        (lambda p: p.response_empty(404), 404, b''),
        (lambda p: p.response_str(), 200, b''),
        (lambda p: p.response_str(201, [], 'naïve'), 201, 'naïve'.encode()),
        (lambda p: p.response_bytes(), 200, b''),
        (lambda p: p.response_bytes(202, [], b'\x00\xff'), 202, b'\x00\xff'),
        (lambda p: p.response_bytes(200, [], b'x' * 300_000), 200, b'x' * 300_000),
        (lambda p: p.response_bytes(299, [], b'unnamed'), 299, b'unnamed'),
    ],
)
async def test_a_whole_response_has_its_status_body_and_length(serve_rsgi, respond, status, body):
    reply = await reply_of(serve_rsgi, respond)
    assert (reply.status, reply.body, int(reply['content-length'])) == (status, body, len(body))
    assert reply['server'] == b'granian'
    assert fields_of(reply) == []


@one_loop
async def test_arguments_have_the_names_of_the_specification(serve_rsgi):
    reply = await reply_of(serve_rsgi, lambda p: p.response_empty(status=204, headers=[JSON]))
    assert (reply.status, fields_of(reply)) == (204, [(b'content-type', b'application/json')])
    reply = await reply_of(serve_rsgi, lambda p: p.response_str(status=200, headers=[JSON], body='a'))
    assert (reply.body, fields_of(reply)) == (b'a', [(b'content-type', b'application/json')])
    reply = await reply_of(serve_rsgi, lambda p: p.response_bytes(body=b'b', headers=[JSON], status=200))
    assert (reply.body, fields_of(reply)) == (b'b', [(b'content-type', b'application/json')])


@pytest.mark.parametrize(
    'headers',
    [
        [('X-One', '1'), ('set-cookie', 'a'), ('x-one', '2'), ('set-cookie', 'b')],
        (('X-One', '1'), ('set-cookie', 'a'), ('x-one', '2'), ('set-cookie', 'b')),
        [['X-One', '1'], ['set-cookie', 'a'], ['x-one', '2'], ['set-cookie', 'b']],
        {'X-One': '1', 'set-cookie': 'a'}.items(),
    ],
)
async def test_headers_are_sent_in_order_with_repeats(serve_rsgi, headers):
    expected = [(name.lower().encode(), value.encode()) for name, value in headers]
    for _ in range(2):
        assert fields_of(await reply_of(serve_rsgi, lambda p: p.response_str(200, headers, 'x'))) == expected


@one_loop
async def test_headers_that_can_be_read_once_are_sent(serve_rsgi):
    reply = await reply_of(serve_rsgi, lambda p: p.response_str(200, iter([JSON]), 'x'))
    assert fields_of(reply) == [(b'content-type', b'application/json')]


@one_loop
async def test_headers_may_be_latin_1(serve_rsgi):
    assert (await reply_of(serve_rsgi, lambda p: p.response_empty(200, [('x-one', 'é')])))['x-one'] == b'\xe9'


@one_loop
async def test_a_list_that_changes_between_requests_is_seen_as_it_is(serve_rsgi):
    headers = [('x-count', '0')]

    def respond(protocol):
        headers[0] = ('x-count', str(int(headers[0][1]) + 1))
        protocol.response_empty(200, headers)

    assert (await reply_of(serve_rsgi, respond))['x-count'] == b'1'
    assert (await reply_of(serve_rsgi, respond))['x-count'] == b'2'


@one_loop
@pytest.mark.parametrize('kind', [bytearray, memoryview])
async def test_a_body_may_be_any_bytes(serve_rsgi, kind):
    assert (await reply_of(serve_rsgi, lambda p: p.response_bytes(body=kind(b'abc')))).body == b'abc'


@one_loop
async def test_status_may_be_an_enum(serve_rsgi):
    assert (await reply_of(serve_rsgi, lambda p: p.response_empty(HTTPStatus.IM_A_TEAPOT))).status == 418


@pytest.mark.parametrize('status', [200.0, True, '200', None])
async def test_what_was_remembered_makes_no_status_of_what_is_none(serve_rsgi, status):
    def respond(protocol):
        with pytest.raises(TypeError):
            protocol.response_str(status, [], 'a')
        with pytest.raises(TypeError):
            protocol.response_stream(status, [])
        protocol.response_str(200, [], 'b')

    for _ in range(2):
        assert (await reply_of(serve_rsgi, respond)).body == b'b'


async def test_head_gets_the_length_and_no_body(serve_rsgi):
    reply = await reply_of(serve_rsgi, lambda p: p.response_str(200, [JSON], 'abc'), method='HEAD')
    assert (reply['content-length'], reply['content-type']) == (b'3', b'application/json')


@one_loop
async def test_a_closed_connection_can_be_asked_for(serve_rsgi):
    async def answer(protocol):
        protocol.response_str(200, [('connection', 'close')], 'bye')

    async with serve_rsgi(by_path(answer=answer)) as server:
        client = await server.connect()
        await client.get('/answer')
        assert (await client.reply())['connection'] == b'close'
        await client.closed()


async def test_an_http_1_0_client_is_answered(serve_rsgi):
    async def answer(protocol):
        protocol.response_str(body='old')

    async with serve_rsgi(by_path(answer=answer)) as server:
        client = await server.connect()
        await client.get('/answer', version='1.0')
        assert (await client.reply()).body == b'old'
        await client.closed()


# ── what is remembered ───────────────────────────────────────────────────────────────────────────────────────────────


@one_loop
async def test_heads_are_remembered_unless_they_hold_a_secret(serve_rsgi):
    for name, kept in (('x-memory', True), ('Set-Cookie', False)):
        headers = [(name, 'only here')]
        await reply_of(serve_rsgi, lambda p, headers=headers: p.response_empty(200, headers))
        assert ((200, *headers) in heads.recent) is kept


@one_loop
async def test_a_huge_head_is_not_remembered(serve_rsgi):
    headers = [('x-huge', 'x' * 4096)]
    assert len((await reply_of(serve_rsgi, lambda p: p.response_empty(200, headers)))['x-huge']) == 4096
    assert (200, *headers) not in heads.recent


# ── more than one response ───────────────────────────────────────────────────────────────────────────────────────────

SECOND = {
    'empty': lambda p: p.response_empty(500),
    'str': lambda p: p.response_str(500, [], 'second'),
    'bytes': lambda p: p.response_bytes(500, [], b'second'),
    'file': lambda p: p.response_file(500, [], __file__),
    'range': lambda p: p.response_file_range(500, [], __file__, 0, 1),
    'even a wrong one': lambda p: p.response_str(500, [('bad name', '')], 'second'),
}


@pytest.mark.parametrize('second', SECOND.values(), ids=SECOND.keys())
async def test_only_the_first_response_counts(serve_rsgi, second):
    def respond(protocol):
        protocol.response_str(200, [], 'first')
        assert second(protocol) is None

    assert (await reply_of(serve_rsgi, respond)).body == b'first'


async def test_a_stream_after_a_response_is_an_error(serve_rsgi):
    def respond(protocol):
        protocol.response_str(200, [], 'first')
        with pytest.raises(ProtocolError, match=r'^RSGI protocol error$'):
            protocol.response_stream()

    assert (await reply_of(serve_rsgi, respond)).body == b'first'


async def test_work_after_the_response_does_not_hold_it_up(serve_rsgi):
    go_on = asyncio.Event()

    async def answer(protocol):
        protocol.response_str(body='first')
        await go_on.wait()

    async with serve_rsgi(by_path(answer=answer)) as server:
        client = await server.connect()
        await client.get('/answer')
        assert (await client.reply()).body == b'first'
        await client.get('/next')
        assert (await client.reply()).body == b'next'
        go_on.set()


# ── wrong use ────────────────────────────────────────────────────────────────────────────────────────────────────────

WRONG = [
    (ProtocolError, lambda p: p.response_empty(200, [('bad name', 'x')])),
    (ProtocolError, lambda p: p.response_empty(200, [('', 'x')])),
    (ProtocolError, lambda p: p.response_empty(200, [('x', 'a\r\nb: c')])),
    (ProtocolError, lambda p: p.response_empty(200, [('x', 'a\x00b')])),
    (ProtocolError, lambda p: p.response_empty(200, [('x', 'snowman ☃')])),
    (ProtocolError, lambda p: p.response_empty(0)),
    (ProtocolError, lambda p: p.response_empty(101)),
    (ProtocolError, lambda p: p.response_empty(1000)),
    (ProtocolError, lambda p: p.response_empty(65535)),
    (ProtocolError, lambda p: p.response_str(200, [('content-length', '7')], 'x')),
    (ProtocolError, lambda p: p.response_str(200, [('content-length', 'seven')], 'x')),
    (ProtocolError, lambda p: p.response_stream(200, [('bad name', 'x')])),
    (ProtocolError, lambda p: p.response_file(200, [('bad name', 'x')], __file__)),
    (OverflowError, lambda p: p.response_empty(65536)),
    (OverflowError, lambda p: p.response_stream(-1)),
    (OverflowError, lambda p: p.response_file_range(206, [], __file__, -1, 4)),
    (ValueError, lambda p: p.response_file_range(206, [], __file__, 4, 4)),
    (ValueError, lambda p: p.response_file_range(206, [], __file__, 4, 3)),
    (TypeError, lambda p: p.response_empty('200')),
    (TypeError, lambda p: p.response_empty(200.5)),
    (TypeError, lambda p: p.response_empty(200, None)),
    (TypeError, lambda p: p.response_empty(200, [b'x'])),
    (TypeError, lambda p: p.response_empty(200, ['ab'])),
    (TypeError, lambda p: p.response_empty(200, [('a', 'b', 'c')])),
    (TypeError, lambda p: p.response_empty(200, [(b'a', b'b')])),
    (TypeError, lambda p: p.response_empty(200, [('a', 1)])),
    (TypeError, lambda p: p.response_empty(200, [('a', [])])),
    (TypeError, lambda p: p.response_empty(200, {'a': 'b'})),
    (TypeError, lambda p: p.response_str(200, [], b'x')),
    (TypeError, lambda p: p.response_str(200, [], None)),
    (TypeError, lambda p: p.response_bytes(200, [], 'x')),
    (TypeError, lambda p: p.response_bytes(200, [], 3)),
    (TypeError, lambda p: p.response_file(200, [])),
    (TypeError, lambda p: p.response_file(200, [], 3)),
    (TypeError, lambda p: p.response_file_range(206, [], __file__)),
    (TypeError, lambda p: p.response_file_range(206, [], __file__, '0', '1')),
    (UnicodeEncodeError, lambda p: p.response_str(200, [], '\ud800')),
]


@pytest.mark.parametrize(('error', 'wrong'), WRONG)
async def test_wrong_use_is_an_error_after_which_a_response_can_still_be_given(serve_rsgi, error, wrong):
    def respond(protocol):
        with pytest.raises(error) as caught:
            wrong(protocol)
        if error is ProtocolError:
            assert str(caught.value) == 'RSGI protocol error'
        elif wrong.__code__.co_names[0] == 'response_file_range' and error is ValueError:
            assert str(caught.value) == 'Invalid range'
        protocol.response_str(body='after all')

    assert (await reply_of(serve_rsgi, respond)).body == b'after all'


@pytest.mark.parametrize('wrong', [wrong for _, wrong in WRONG])
async def test_wrong_use_that_nobody_catches_is_500(serve_rsgi, wrong):
    reply = await reply_of(serve_rsgi, wrong)
    assert (reply.status, reply.body) == (500, b'')


@one_loop
async def test_the_reason_of_a_protocol_error_is_its_cause_and_is_logged(serve_rsgi, caplog):
    def respond(protocol):
        with pytest.raises(ProtocolError) as caught:
            protocol.response_empty(200, [('bad name', 'x')])
        assert "bad field name b'bad name'" in str(caught.value.__cause__)
        protocol.response_empty()

    await reply_of(serve_rsgi, respond)
    assert caplog.messages == ["Application response refused: bad field name b'bad name'"]


@one_loop
async def test_a_response_to_a_client_that_is_gone_is_no_error(serve_rsgi, tmp_path):
    answered = []
    gone = asyncio.Event()
    waiting = asyncio.Event()

    async def app(scope, protocol):
        waiting.set()
        await protocol.client_disconnect()
        await gone.wait()
        if scope.path == '/stream':
            answered.append(protocol.response_stream())
        elif scope.path == '/file':
            protocol.response_file(200, [], __file__)
            answered.append(1)
        else:
            protocol.response_str(body='too late')
            answered.append(1)

    async with serve_rsgi(app) as server:
        for path in ('/', '/stream', '/file'):
            waiting.clear()
            gone.clear()
            answered.clear()
            client = await server.connect()
            await client.get(path)
            await asyncio.wait_for(waiting.wait(), 5)
            client.reset()
            await server.until(lambda: not server.shared.connections)
            gone.set()
            await server.until(lambda: answered)
            await server.until(lambda: not server.shared.tasks)


@one_loop
async def test_an_application_runs_in_a_task_of_its_own(serve_rsgi):
    tasks = []

    def respond(protocol):
        tasks.append(asyncio.current_task())
        protocol.response_empty()

    await reply_of(serve_rsgi, respond)
    assert tasks[0] is not None
    assert tasks[0] is not asyncio.current_task()
