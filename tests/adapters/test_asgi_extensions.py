from __future__ import annotations

import logging

import pytest

from tests.helpers.asgi_messages import BODY, HINT, MORE, START, TRAILERS, UNSUPPORTED, Stepper, raised_by
from tests.helpers.serving import answer, one_loop, start


async def test_early_hints_leave_at_once_before_the_final_head(serve):
    app = Stepper({**HINT, 'links': [b'</a.css>; rel=preload', b'</b.js>; rel=preload']}, HINT, START, BODY)
    async with serve(app) as server:
        client = await server.connect()
        await client.get()
        await app.step()
        assert await client.line() == b'HTTP/1.1 103 Early Hints'
        assert await client.line() == b'link: </a.css>; rel=preload'
        assert await client.line() == b'link: </b.js>; rel=preload'
        assert await client.line() == b''
        for _ in range(3):
            await app.step()
        reply = await client.reply()
        assert (reply.interim, reply.body) == ([(103, [])], b'ok')
        app.end()


@one_loop
async def test_early_hints_are_kept_from_http_1_0(serve):
    async def app(scope, receive, send):
        await send({**HINT, 'links': [b'</a.css>']})
        await answer(send, b'ok')

    async with serve(app) as server:
        client = await server.connect()
        await client.get(version='1.0')
        assert (await client.reply()).interim == []


@one_loop
@pytest.mark.parametrize('link', ['</a.css>', b'</a>\r\nx: y'])
async def test_an_early_hint_that_is_not_http_is_refused_and_answered_500(serve, link):
    told, reply, _ = await raised_by(serve, {**HINT, 'links': [link]})
    assert (told, reply.status, reply.interim) == (UNSUPPORTED, 500, [])


@one_loop
@pytest.mark.parametrize('first', [MORE, BODY])
async def test_trailers_are_sent_after_the_body(serve, first):
    async def app(scope, receive, send):
        await start(send, headers=[(b'trailer', b'x-sum')], trailers=True)
        await send(first)
        if first is MORE:
            await send(BODY)
        await send({**TRAILERS, 'headers': [(b'x-sum', b'1')], 'more_trailers': True})
        await send({**TRAILERS, 'headers': [[b'x-count', b'2']]})

    async with serve(app) as server:
        client = await server.connect()
        for _ in range(2):
            await client.get(fields := '/', 'TE: trailers')
            reply = await client.reply()
            assert reply.trailers == [(b'x-sum', b'1'), (b'x-count', b'2')], fields


@one_loop
async def test_trailers_have_no_place_in_a_body_of_declared_length_or_in_http_1_0(serve):
    async def app(scope, receive, send):
        await start(send, headers=[(b'content-length', b'2')] if scope['path'] == '/length' else [], trailers=True)
        await send(BODY)
        await send({**TRAILERS, 'headers': [(b'x-sum', b'1')]})

    async with serve(app) as server:
        client = await server.connect()
        await client.get('/length')
        assert (await client.reply()).body == b'ok'
        await client.get(version='1.0')
        assert (await client.reply()).body == b'ok'


@one_loop
@pytest.mark.parametrize('trailer', [(b'content-length', b'2'), (b'x', b'a\r\nb'), ('x', 'y')])
async def test_a_trailer_that_is_not_allowed_cuts_the_response(serve, trailer):
    told, reply, _ = await raised_by(serve, {**START, 'trailers': True}, BODY, {**TRAILERS, 'headers': [trailer]})
    assert (told, reply) == (UNSUPPORTED, None)


@one_loop
async def test_debug_info_is_logged_where_the_extension_is_on(serve, caplog):
    caplog.set_level(logging.DEBUG, logger='_granian')

    async def app(scope, receive, send):
        await send({'type': 'http.response.debug', 'info': {'template': 'a.html'}})
        await answer(send, b'ok')

    async with serve(app, debug=True) as server:
        assert (await server.get()).body == b'ok'
    assert "Application debug info: {'template': 'a.html'}" in caplog.messages
