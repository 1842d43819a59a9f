"""What goes out: framing, the fields the server adds, trailers and interim responses."""

from __future__ import annotations

import pytest

from granian.errors import InvalidResponse
from granian.protocol.contract import ResponseDefaults
from granian.protocol.responses import response_head
from tests.conformance.tables.heads import head
from tests.helpers.engines import DATE, Conversation, limits, no_reply

GET = head()
HEAD = head(b'HEAD / HTTP/1.1')
OLD = head(b'GET / HTTP/1.0')
OLD_KEPT = head(b'GET / HTTP/1.0', b'Connection: keep-alive')
OLD_HEAD_KEPT = head(b'HEAD / HTTP/1.0', b'Connection: keep-alive')
CLOSING = head(b'GET / HTTP/1.1', b'Connection: close')
POST = head(b'POST / HTTP/1.1', b'Content-Length: 5')

LENGTH_3 = [(b'content-length', b'3')]


def asked(engine, request=GET, bounds=None, **options):
    """A conversation in which `request` waits for its response."""
    talk = Conversation(engine, bounds or limits(), reply=no_reply, **options)
    talk.feed(request)
    return talk


def only(talk):
    (response,) = talk.responses
    return response


# ── framing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ('request_', 'status', 'fields', 'body', 'framing', 'length'),
    [
        (GET, 200, [], b'abc', 'length', b'3'),
        (GET, 200, [], b'', 'length', b'0'),
        (GET, 200, LENGTH_3, b'abc', 'length', b'3'),
        (GET, 200, LENGTH_3 * 2, b'abc', 'length', b'3'),
        (GET, 404, [(b'Content-Length', b' 3 ')], b'abc', 'length', b'3'),
        (GET, 599, [], b'abc', 'length', b'3'),
        (GET, 999, [], b'abc', 'length', b'3'),
        (GET, 200, [(b'transfer-encoding', b'chunked')], b'abc', 'length', b'3'),
        (GET, 200, [], b'x' * 100_000, 'length', b'100000'),
        (HEAD, 200, [], b'', 'none', None),
        (HEAD, 200, [], b'abc', 'none', b'3'),
        (HEAD, 200, LENGTH_3, b'', 'none', b'3'),
        (HEAD, 200, LENGTH_3, b'abc', 'none', b'3'),
        (HEAD, 404, [(b'content-length', b'0')], b'', 'none', b'0'),
        (GET, 204, [], b'', 'none', None),
        (GET, 204, [], b'abc', 'none', None),
        (GET, 204, LENGTH_3, b'', 'none', None),
        (GET, 304, [], b'', 'none', None),
        (GET, 304, [], b'abc', 'none', None),
        (GET, 304, LENGTH_3, b'', 'none', b'3'),
        (OLD, 200, [], b'abc', 'length', b'3'),
        (OLD_KEPT, 200, [], b'abc', 'length', b'3'),
        (OLD_KEPT, 204, [], b'', 'none', None),
        (OLD_KEPT, 304, [], b'', 'none', None),
        (OLD_HEAD_KEPT, 200, LENGTH_3, b'', 'none', b'3'),
    ],
)
def test_a_whole_response_is_framed(engine, request_, status, fields, body, framing, length):
    talk = asked(engine, request_)
    talk.engine.respond(1, response_head(status, fields), body)
    response = only(talk)
    assert (response.status, response.framing) == (status, framing)
    assert response.values(b'content-length') == ([] if length is None else [length])
    assert response.body == (b'' if framing == 'none' else body)
    assert response.whole
    assert talk.engine.closing is (request_ is OLD)


@pytest.mark.parametrize(
    ('request_', 'status', 'fields', 'framing', 'closes'),
    [
        (GET, 200, [], 'chunked', False),
        (GET, 200, [(b'content-length', b'5')], 'length', False),
        (GET, 200, [(b'transfer-encoding', b'chunked')], 'chunked', False),
        (GET, 200, [(b'transfer-encoding', b'chunked'), (b'content-length', b'5')], 'length', False),
        (CLOSING, 200, [], 'chunked', True),
        (OLD, 200, [], 'close', True),
        (OLD_KEPT, 200, [], 'close', True),
        (OLD_KEPT, 200, [(b'content-length', b'5')], 'length', False),
        (HEAD, 200, [], 'none', False),
        (HEAD, 200, [(b'content-length', b'5')], 'none', False),
        (OLD_HEAD_KEPT, 200, [(b'content-length', b'5')], 'none', False),
        (GET, 204, [], 'none', False),
        (GET, 304, [], 'none', False),
    ],
)
def test_a_streamed_response_is_framed(engine, request_, status, fields, framing, closes):
    talk = asked(engine, request_)
    talk.engine.start(1, response_head(status, fields))
    talk.engine.write(1, b'ab')
    talk.engine.write(1, b'')
    talk.engine.write(1, b'cde')
    talk.engine.finish(1)
    response = only(talk)
    assert (response.status, response.framing) == (status, framing)
    assert response.body == (b'' if framing == 'none' else b'abcde')
    assert response.whole
    assert talk.engine.closing is closes
    assert not talk.engine.broken


def test_nothing_is_chunked_for_http10(engine):
    for request in (OLD, OLD_KEPT, OLD_HEAD_KEPT):
        talk = asked(engine, request)
        talk.engine.start(1, response_head(200, []))
        talk.engine.finish(1)
        assert b'chunked' not in talk.wire.lower()


def test_each_write_is_sent_at_once(engine):
    talk = asked(engine)
    talk.engine.start(1, response_head(200, []))
    assert only(talk).body == b''
    talk.engine.write(1, b'ab')
    assert only(talk).body == b'ab'
    assert not only(talk).whole
    talk.engine.finish(1)
    assert only(talk).whole


# ── fields ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_server_and_date_are_added(engine):
    talk = asked(engine)
    talk.engine.respond(1, response_head(200, [(b'x', b'y')]), b'')
    response = only(talk)
    assert response.values(b'server') == [b'granian']
    assert response.values(b'date') == [DATE]
    assert response.values(b'x') == [b'y']
    assert response.values(b'connection') == []


@pytest.mark.parametrize('streamed', [False, True])
def test_server_and_date_of_the_application_win(engine, streamed):
    talk = asked(engine)
    response = response_head(200, [(b'Server', b's'), (b'Date', b'd'), (b'content-length', b'0')])
    if streamed:
        talk.engine.start(1, response)
        talk.engine.finish(1)
    else:
        talk.engine.respond(1, response, b'')
    assert only(talk).values(b'server') == [b's']
    assert only(talk).values(b'date') == [b'd']


def test_no_server_field_if_none_is_wanted(engine):
    talk = asked(engine, defaults=ResponseDefaults(b'', b''))
    talk.engine.respond(1, response_head(200, []), b'')
    assert not {name for name, _ in only(talk).fields} & {b'server', b'date'}


def test_fields_keep_their_order_and_repeats(engine):
    fields = [(b'set-cookie', b'a'), (b'x-b', b'1'), (b'set-cookie', b'b'), (b'x-a', b'2')]
    talk = asked(engine)
    talk.engine.respond(1, response_head(200, fields), b'')
    assert [field for field in only(talk).fields if field in fields] == fields


@pytest.mark.parametrize('name', [b'connection', b'keep-alive', b'proxy-connection', b'upgrade', b'te', b'Upgrade'])
def test_fields_of_the_connection_are_not_the_applications_to_send(engine, name):
    talk = asked(engine)
    talk.engine.respond(1, response_head(200, [(name, b'x')]), b'')
    assert not only(talk).values(name.lower())
    assert not talk.engine.closing


@pytest.mark.parametrize('value', [b'close', b'Close', b'x, close'])
def test_the_application_may_close(engine, value):
    talk = asked(engine, GET + GET)
    talk.engine.respond(1, response_head(200, [(b'connection', value)]), b'')
    talk.settle()
    assert only(talk).values(b'connection') == [b'close']
    assert talk.engine.closing
    assert len(talk.requests) == 1


@pytest.mark.parametrize(
    ('request_', 'connection'),
    [(GET, []), (CLOSING, [b'close']), (OLD, [b'close']), (OLD_KEPT, [b'keep-alive'])],
)
def test_the_client_is_told_whether_the_connection_stays(engine, request_, connection):
    talk = asked(engine, request_)
    talk.engine.respond(1, response_head(200, []), b'')
    assert only(talk).values(b'connection') == connection


def test_without_keep_alive_every_response_closes(engine):
    talk = asked(engine, GET + GET, limits(keep_alive=False))
    talk.engine.respond(1, response_head(200, []), b'')
    talk.settle()
    assert talk.engine.closing
    assert only(talk).values(b'connection') == [b'close']


# ── trailers and interim responses ───────────────────────────────────────────────────────────────────────────────────


def test_trailers_are_sent_after_chunks(engine):
    talk = asked(engine)
    talk.engine.start(1, response_head(200, [(b'trailer', b'X-Sum')]))
    talk.engine.write(1, b'abc')
    talk.engine.finish(1, [(b'X-Sum', b'1'), (b'x-b', b' 2 ')])
    assert only(talk).trailers == [(b'x-sum', b'1'), (b'x-b', b'2')]
    assert not talk.engine.closing


@pytest.mark.parametrize(('request_', 'fields'), [(GET, LENGTH_3), (OLD, []), (HEAD, [])])
def test_trailers_are_left_out_where_they_cannot_go(engine, request_, fields):
    talk = asked(engine, request_)
    talk.engine.start(1, response_head(200, fields))
    talk.engine.write(1, b'abc')
    talk.engine.finish(1, [(b'x-sum', b'1')])
    assert b'x-sum' not in talk.wire.lower()
    assert only(talk).whole


@pytest.mark.parametrize(
    'field',
    [
        (b'content-length', b'1'), (b'Transfer-Encoding', b'chunked'), (b'host', b'a'), (b'trailer', b'x'),
        (b'set-cookie', b'a=b'), (b'content-type', b'a/b'), (b'connection', b'close'), (b'x y', b'z'), (b'', b'z'),
        (b'x', b'a\r\nb: c'), (b'x', b'a\nb'), (b'x', b'\x00'), ('x', 'y'),
    ],
)  # fmt: skip
def test_bad_trailers_raise_and_send_nothing(engine, field):
    talk = asked(engine)
    talk.engine.start(1, response_head(200, []))
    sent = talk.wire
    with pytest.raises(InvalidResponse):
        talk.engine.finish(1, [field])
    assert talk.wire == sent
    talk.engine.abort(1)
    assert talk.engine.closing
    assert not only(talk).whole


def test_early_hints_go_before_the_response(engine):
    talk = asked(engine)
    talk.engine.inform(1, 103, [(b'Link', b'</a>')])
    assert talk.wire.startswith(b'HTTP/1.1 103 Early Hints\r\n')
    talk.engine.inform(1, 103, [(b'link', b'</b>')])
    talk.engine.respond(1, response_head(200, []), b'abc')
    response = only(talk)
    assert response.interim == [(103, [(b'link', b'</a>')]), (103, [(b'link', b'</b>')])]
    assert response.body == b'abc'


def test_interim_responses_have_no_framing_fields(engine):
    talk = asked(engine)
    talk.engine.inform(
        1, 103, [(b'content-length', b'1'), (b'transfer-encoding', b'chunked'), (b'connection', b'close')]
    )
    assert talk.wire == b'HTTP/1.1 103 Early Hints\r\n\r\n'


def test_http10_gets_no_interim_response(engine):
    talk = asked(engine, OLD)
    talk.engine.inform(1, 103, [(b'link', b'</a>')])
    assert talk.wire == b''


@pytest.mark.parametrize('status', [99, 101, 200, 204, 500])
def test_no_other_status_is_interim(engine, status):
    for request in (GET, OLD):
        talk = asked(engine, request)
        with pytest.raises(InvalidResponse):
            talk.engine.inform(1, status)
        assert talk.wire == b''
        talk.engine.respond(1, response_head(200, []), b'')
        assert only(talk).whole


@pytest.mark.parametrize('field', [(b'x', b'a\r\nb'), (b'x y', b'a'), (b'x', b'\x00'), ('x', 'y')])
def test_bad_fields_of_an_interim_response_raise_and_send_nothing(engine, field):
    talk = asked(engine)
    with pytest.raises(InvalidResponse):
        talk.engine.inform(1, 103, [field])
    assert talk.wire == b''


# ── expectations ─────────────────────────────────────────────────────────────────────────────────────────────────────

EXPECTING = head(b'POST / HTTP/1.1', b'Content-Length: 5', b'Expect: 100-continue')


def test_a_client_that_was_told_to_go_on_keeps_its_connection(engine):
    talk = asked(engine, EXPECTING)
    assert talk.requests[0].expects_continue
    talk.engine.inform(1, 100)
    assert talk.wire == b'HTTP/1.1 100 Continue\r\n\r\n'
    talk.feed(b'hello')
    talk.engine.respond(1, response_head(200, []), b'')
    assert not talk.engine.closing
    assert talk.requests[0].body == b'hello'


@pytest.mark.parametrize('framing', [b'Content-Length: 5', b'Transfer-Encoding: chunked'])
def test_a_client_that_was_never_told_to_go_on_is_closed(engine, framing):
    talk = asked(engine, head(b'POST / HTTP/1.1', framing, b'Expect: 100-continue'))
    talk.engine.respond(1, response_head(403, []), b'')
    assert only(talk).values(b'connection') == [b'close']
    assert talk.engine.closing


@pytest.mark.parametrize(
    ('framing', 'start'),
    [(b'Content-Length: 5', b'h'), (b'Transfer-Encoding: chunked', b'5'), (b'Content-Length: 5', b'hello')],
)
@pytest.mark.parametrize('apart', [False, True])
def test_a_client_that_did_not_wait_keeps_its_connection(engine, framing, start, apart):
    talk = Conversation(engine, reply=no_reply)
    request = head(b'POST / HTTP/1.1', framing, b'Expect: 100-continue')
    talk.feed(*([request, start] if apart else [request + start]))
    talk.engine.respond(1, response_head(403, []), b'')
    assert not talk.engine.closing


def test_a_205_has_no_content_and_says_so(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    talk.engine.respond(1, response_head(205, [(b'content-length', b'4')]), b'body')
    (response,) = talk.responses
    assert (response.status, response.body, dict(response.fields)[b'content-length']) == (205, b'', b'0')
    assert not talk.engine.closing


def test_a_426_says_what_to_upgrade_to(engine):
    talk = Conversation(engine, reply=no_reply)
    talk.feed(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    talk.engine.respond(1, response_head(426, [(b'upgrade', b'HTTP/2.0')]), b'')
    (response,) = talk.responses
    fields = dict(response.fields)
    assert (fields[b'upgrade'], fields[b'connection']) == (b'HTTP/2.0', b'upgrade')
