"""Every error condition of RFC 9113, over every engine, however its bytes arrive."""

from __future__ import annotations

import pytest

from granian.protocol.responses import response_head
from tests.conformance.http2.tables.errors import BEFORE_THE_START, ERRORS, LARGEST
from tests.conformance.http2.tables.heads import MALFORMED
from tests.helpers.http2 import (
    COMPRESSION_ERROR,
    FLOW_CONTROL_ERROR,
    GOAWAY,
    PING,
    PROTOCOL_ERROR,
    RST_STREAM,
    Talk,
    echo,
    frame,
    no_reply,
    window,
)

# Above this not every split is tried, but this many around both ends.
SPLIT_BYTES_MAX = 150
PROBE = frame(PING, 0, 0, b'are you?')

# In one read with the request: its response has not gone out yet, and the stream is half-closed.
H2_RESETS = {'DATA on a stream that is closed (5.1)': 1, 'HEADERS on a stream that is closed (5.1)': 1}
# What h2 takes for a frame that crossed the end of its stream.
H2_IGNORES = {'WINDOW_UPDATE after RST_STREAM (5.1)'}


def cases(table):
    return pytest.mark.parametrize('case', table.values(), ids=table)


def check(engine_name, talk, case):
    """The error, and that the connection goes on after it or does not."""
    if case.stream and (engine_name == 'fast' or talk.goaway is None):
        assert talk.goaway is None
        codes = {reset.code for reset in talk.sent(RST_STREAM, case.stream)}
        assert codes == {case.code}
        assert not talk.engine.closing
        talk.feed(PROBE)
        assert talk.sent(PING)
    else:
        # RFC 9113 5.4.2: an error of a stream may be taken for one of the connection.
        assert talk.engine.closing
        assert len([goaway for goaway in talk.sent(GOAWAY) if goaway.code]) == 1
        if engine_name == 'fast' or case.code == COMPRESSION_ERROR:
            assert talk.goaway == case.code
        sent = len(talk.frames)
        talk.feed(PROBE)
        assert len(talk.frames) == sent
    open_requests = [seen for seen in talk.requests.values() if not seen.gone and not seen.replied]
    assert not (talk.engine.closing and open_requests)


def conversation(engine, case, **options):
    return Talk(engine, reply=echo if case.answered else no_reply, takes=False, **options)


@pytest.mark.parametrize('name', ERRORS)
def test_error(engine_name, engine, name):
    case = ERRORS[name]
    if engine_name == 'h2':
        if name in H2_IGNORES:
            pytest.skip('h2 ignores it')
        case = case._replace(stream=H2_RESETS.get(name, case.stream))
    talk = conversation(engine, case)
    talk.feed(case.send(talk))
    check(engine_name, talk, case)


@pytest.mark.parametrize(
    ('raw', 'code'),
    [(window(1, 0), PROTOCOL_ERROR), (window(1, LARGEST) + window(1, LARGEST), FLOW_CONTROL_ERROR)],
    ids=['nothing', 'too much'],
)
def test_a_window_is_checked_though_the_response_is_whole(engine, raw, code):
    # RFC 9113 6.9, 6.9.1; the client has not ended its side.
    talk = Talk(engine, reply=no_reply)
    talk.feed(talk.headers(1, end=False))
    talk.engine.respond(1, response_head(200, []), b'early')
    talk.settle()
    talk.feed(raw, PROBE)
    assert (talk.responses[1].whole, talk.responses[1].code) == (True, code)
    assert talk.sent(PING)
    assert talk.engine.streams_open == 0


@cases(BEFORE_THE_START)
def test_error_at_the_start(engine_name, engine, case):
    talk = conversation(engine, case, start=False)
    talk.feed(case.send(talk))
    check(engine_name, talk, case)


@cases(ERRORS)
def test_error_at_any_split(engine_name, engine, case):
    if case.answered and engine_name == 'h2':
        pytest.skip('its responses end when they are produced, which depends on the reads')
    whole = conversation(engine, case)
    raw = case.send(whole)
    whole.feed(raw)
    places = [at for at in range(1, len(raw)) if min(at, len(raw) - at) <= SPLIT_BYTES_MAX // 2]
    for at in places:
        talk = conversation(engine, case)
        talk.feed(raw[:at], raw[at:])
        assert talk.outcome() == whole.outcome(), at
    talk = conversation(engine, case)
    if len(raw) < 2000:
        talk.feed(*[raw[at : at + 1] for at in range(len(raw))])
        assert talk.outcome() == whole.outcome()


@pytest.mark.parametrize('fields', MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize('end', [True, False])
def test_malformed_head_is_reset(engine, fields, end):
    if not end and any(name == b'content-length' and value == b'1' for name, value in fields):
        pytest.skip('well formed where a body follows')
    talk = Talk(engine)
    talk.feed(talk.headers(1, fields, end=end))
    assert not talk.requests
    assert [reset.code for reset in talk.sent(RST_STREAM, 1)] == [PROTOCOL_ERROR]
    assert [refusal.status for refusal, _ in talk.refusals] == [400]
    talk.feed(talk.headers(3))
    assert talk.responses[3].status == 200
