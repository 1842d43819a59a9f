"""Every case of the sections, over each engine, however its bytes arrive."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.websocket.cases import BAD_TEXT, CASES
from tests.helpers.engines import byte_by_byte, splits_in_two
from tests.helpers.websocket_engines import BINARY, LIMITS, PONG, TEXT, Session, echo, frame, terms

# Above this not every split is tried, but this many around both ends.
SPLIT_BYTES_MAX = 150
# Where compression was agreed on, that bit marks what is compressed.
MARKED = ('3 reserved bits 100', '3.4 reserved bits 100 after a good one')
each_case = pytest.mark.parametrize('case', CASES, ids=str)


def check(case, session):
    assert tuple(session.told) == case.told
    assert session.code == case.ends
    assert session.engine.closing is (case.ends is not None)
    assert session.close_code == case.answered
    # What was echoed and answered, in order.
    sent = [(f.opcode, f.payload) for f in session.frames if f.opcode in (TEXT, BINARY, PONG)]
    assert sent == [answer(*what) for what in case.told if what[0] != 'pong']


def answer(kind, data):
    if kind == 'ping':
        return PONG, data
    return (TEXT, data.encode()) if isinstance(data, str) else (BINARY, data)


@each_case
def test_in_one_read(engine, case):
    check(case, Session(engine, then=echo).feed(case.raw))


@each_case
def test_at_any_split(engine, case):
    for pieces in cuts(case.raw):
        check(case, Session(engine, then=echo).feed(*pieces))


@pytest.mark.parametrize('case', [case for case in CASES if case.name not in MARKED], ids=str)
def test_where_compression_was_agreed_on_and_is_not_used(engine, case):
    session = Session(engine, LIMITS, terms()).feed(case.raw)
    assert tuple(session.told) == case.told
    assert session.code == case.ends


@each_case
def test_a_session_that_goes_on_still_does(engine, case):
    session = Session(engine, then=echo).feed(case.raw)
    if case.ends is None:
        session.feed(frame(TEXT, b'again'), b'\x88\x80mask')
        assert session.told[-1] == ('message', 'again')
        assert session.code == session.close_code == 1005
    else:
        before = (list(session.told), session.frames)
        session.engine.receive(frame(TEXT, b'again'))
        session.engine.receive_eof()
        assert (session.told, session.frames) == before


def cuts(raw):
    """Byte by byte where that is little, and in two pieces at each place, of long ones only around both ends."""
    if len(raw) <= SPLIT_BYTES_MAX * 2:
        yield byte_by_byte(raw)
        yield from splits_in_two(raw)
    else:
        yield [raw[at : at + 997] for at in range(0, len(raw), 997)]
        for at in (*range(1, 20), *range(len(raw) - 12, len(raw))):
            yield [raw[:at], raw[at:]]


@pytest.mark.parametrize('bad', BAD_TEXT)
def test_text_that_is_no_utf8_is_refused_at_its_first_bad_byte(engine, bad):
    """Section 6.4: what cannot become text is refused before the frame, or the message, is whole."""
    first = b'x' + 'κόσμε'.encode()
    for raw in (
        frame(TEXT, first + bad + b'x' * 100),
        frame(TEXT, first, fin=False) + frame(0, bad + b'x' * 100, fin=False),
    ):
        session = Session(engine)
        start = len(raw) - 100
        at = start - len(bad)
        while session.code is None:
            session.feed(raw[:at] if at == start - len(bad) else raw[at - 1 : at])
            at += 1
        # The first byte after which nothing that may follow makes it text.
        known = next(n for n in range(1, len(bad) + 2) if not may_go_on((first + bad + b'x')[: len(first) + n]))
        if bad.startswith(b'\xed'):
            # Python's decoder waits for the end of half a surrogate pair: docs/explanation/websocket-decisions.md.
            known = 3
        assert at - 1 == start - len(bad) + known
        assert session.code == session.close_code == 1007


def may_go_on(data):
    """Whether this may be the start of UTF-8, by asking for each way to go on."""
    tails = [
        b'',
        b'\x80',
        b'\x80\x80',
        b'\x80\x80\x80',
        b'\xbf',
        b'\xbf\xbf',
        b'\xbf\xbf\xbf',
        b'\x90\x80\x80',
        b'\x8f\xbf\xbf',
    ]
    return any(is_text(data + tail) for tail in (*tails, b'\xa0\x80', b'\x9f\xbf'))


def is_text(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


GOING_ON = [case for case in CASES if case.ends is None and len(case.raw) < 2000]


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_many_in_a_row_however_they_are_split(engine, data):
    cases = data.draw(st.lists(st.sampled_from(GOING_ON), min_size=1, max_size=8))
    raw = b''.join(case.raw for case in cases)
    at = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=10)))
    session = Session(engine, then=echo)
    session.feed(*[raw[a:b] for a, b in zip([0, *at], [*at, len(raw)], strict=True)])
    assert session.told == [what for case in cases for what in case.told]
    assert session.code is None
