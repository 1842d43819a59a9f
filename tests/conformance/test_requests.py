"""Every request of the tables, over every engine, however its bytes arrive."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.tables.bodies import REFUSED_BODIES, SERVED_BODIES
from tests.conformance.tables.heads import REFUSED_HEADS, SERVED_HEADS, head
from tests.conformance.tables.sizes import AT_LIMITS, OVER_LIMITS
from tests.helpers.engines import Conversation, byte_by_byte, splits_in_two

REFUSED = [*REFUSED_HEADS, *REFUSED_BODIES, *OVER_LIMITS]
SERVED = [*SERVED_HEADS, *SERVED_BODIES, *AT_LIMITS]
SMUGGLED = head(b'GET /smuggled HTTP/1.1')
NEXT = head(b'GET /next HTTP/1.1')
# Above this not every split is tried, but this many around both ends.
SPLIT_BYTES_MAX = 200

refused = pytest.mark.parametrize(('status', 'raw'), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
served = pytest.mark.parametrize(('raw', 'expected'), [case[1:] for case in SERVED], ids=[case[0] for case in SERVED])


def check_refused(talk, status):
    assert talk.statuses == [status]
    assert talk.engine.closing
    assert not [seen for seen in talk.requests if seen.replied or seen.raw_path == b'/smuggled']
    (response,) = talk.responses
    assert response.values(b'connection') == [b'close']
    assert response.whole
    refusals = [refusal.status for refusal, _ in talk.recorder.refusals]
    assert refusals == [status] or (not refusals and talk.requests[-1].gone)


@refused
def test_refused_and_closed_with_nothing_behind_it_served(engine, status, raw):
    talk = Conversation(engine)
    talk.feed(raw + SMUGGLED)
    check_refused(talk, status)


@refused
def test_refused_at_any_split(engine, status, raw):
    for pieces in cuts(raw + SMUGGLED):
        talk = Conversation(engine)
        talk.feed(*pieces)
        check_refused(talk, status)


@refused
def test_refused_behind_a_served_request(engine, status, raw):
    talk = Conversation(engine)
    talk.feed(head(b'GET /first HTTP/1.1') + raw + SMUGGLED)
    assert [seen.raw_path for seen in talk.requests if seen.replied] == [b'/first']
    assert talk.statuses == [200, status]
    assert talk.engine.closing


def check_served(talk, expected):
    seen = talk.requests[0]
    assert {name: getattr(seen, name) for name in expected} == expected
    assert seen.replied
    paths = [seen.raw_path for seen in talk.requests]
    assert paths == ([seen.raw_path, b'/next'] if seen.keep_alive else [seen.raw_path])
    assert talk.statuses == [200] * len(paths)
    assert talk.engine.closing is not seen.keep_alive
    assert not talk.engine.paused
    assert talk.engine.phase == 'idle'


@served
@pytest.mark.parametrize('at_once', [True, False], ids=['at-once', 'later'])
def test_served_and_the_next_one_too(engine, raw, expected, at_once):
    talk = Conversation(engine, at_once=at_once)
    talk.feed(raw + NEXT)
    check_served(talk, expected)


@served
def test_served_at_any_split(engine, raw, expected):
    for pieces in cuts(raw + NEXT):
        talk = Conversation(engine)
        talk.feed(*pieces)
        check_served(talk, expected)


@served
def test_served_alike_a_second_time(engine, raw, expected):
    """What was remembered of the first time changes nothing."""
    talk = Conversation(engine)
    talk.feed(raw, raw)
    summaries = [seen.summary() for seen in talk.requests]
    assert len(summaries) == 1 + talk.requests[0].keep_alive
    assert len(set(summaries)) == 1


def cuts(raw):
    """The whole byte by byte, and in two pieces at each place."""
    yield byte_by_byte(raw)
    if len(raw) <= SPLIT_BYTES_MAX * 2:
        yield from splits_in_two(raw)
    else:
        for at in (*range(1, SPLIT_BYTES_MAX), *range(len(raw) - SPLIT_BYTES_MAX, len(raw))):
            yield [raw[:at], raw[at:]]


PIPELINE = [case for case in (*SERVED_HEADS, *SERVED_BODIES) if case[2].get('keep_alive', True) and len(case[1]) < 500]
PIPELINE = [case for case in PIPELINE if b'HTTP/1.0' not in case[1]]


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_pipeline_is_served_in_order_however_it_is_split(engine, data):
    cases = data.draw(st.lists(st.sampled_from(PIPELINE), min_size=1, max_size=6))
    raw = b''.join(case[1] for case in cases)
    at = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=8)))
    talk = Conversation(engine, at_once=data.draw(st.booleans()))
    talk.feed(*[raw[a:b] for a, b in zip([0, *at], [*at, len(raw)], strict=True)])
    assert talk.statuses == [200] * len(cases)
    for seen, (_, _, expected) in zip(talk.requests, cases, strict=True):
        assert {name: getattr(seen, name) for name in expected} == expected
