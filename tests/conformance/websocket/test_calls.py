"""What a session may ask of an engine, and when (the contract's table of phases)."""

from __future__ import annotations

import pytest

from granian.errors import FlowError
from tests.helpers.websocket_engines import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    Session,
    close,
    echo,
    frame,
    limits,
    message,
    terms,
)


@pytest.mark.parametrize('size', [0, 1, 125, 126, 65535, 65536, 200_000])
def test_messages_of_any_size_are_sent_in_one_frame(engine, size):
    session = Session(engine)
    session.engine.send('é' * (size // 2) + 'x' * (size % 2))
    session.engine.send(b'\xff' * size)
    text = ('é' * (size // 2) + 'x' * (size % 2)).encode()
    assert session.frames == [Frame(TEXT, text), Frame(BINARY, b'\xff' * size)]


def test_text_that_is_no_text_is_not_sent(engine):
    session = Session(engine, agreed=terms())
    with pytest.raises(FlowError):
        session.engine.send('\ud800' * 100)
    session.engine.send('x')
    assert session.frames == [Frame(TEXT, b'x')]


def test_ping_and_pong(engine):
    session = Session(engine)
    session.engine.ping()
    session.engine.ping(b'x' * 125)
    with pytest.raises(FlowError):
        session.engine.ping(b'x' * 126)
    assert session.frames == [Frame(PING, b''), Frame(PING, b'x' * 125)]
    session.feed(frame(PONG, b'x'))
    assert session.told == [('pong', b'x')]


def test_close_handshake_begun_by_us(engine):
    session = Session(engine)
    assert session.engine.phase == 'open'
    session.engine.close(1001, 'gone')
    assert (session.engine.phase, session.engine.closing) == ('closing', False)
    assert session.frames == [Frame(CLOSE, b'\x03\xe9gone')]
    session.feed(close(1001))
    assert (session.engine.phase, session.engine.closing) == ('closed', True)
    assert session.recorder.closed == (1001, '')
    assert len(session.frames) == 1


def test_what_comes_after_our_close_is_read_and_not_told(engine):
    session = Session(engine)
    session.engine.close()
    session.feed(frame(TEXT, b'x'), message(BINARY, b'y' * 2000, b'z'), frame(PING), frame(PONG), close(4000, b'y'))
    assert session.told == []
    assert session.recorder.closed == (4000, 'y')
    assert [sent.opcode for sent in session.frames] == [CLOSE]


@pytest.mark.parametrize('raw', [frame(3), frame(TEXT, b'\xff'), frame(BINARY, b'x' * 70_001), close(999)])
def test_a_fault_after_our_close_ends_the_session_without_a_second_close_frame(engine, raw):
    session = Session(engine)
    session.engine.close()
    session.feed(raw)
    assert session.code in (1002, 1007, 1009)
    assert session.close_code == 1000
    assert session.engine.closing


def test_nothing_is_sent_once_closing(engine):
    session = Session(engine)
    session.engine.close()
    with pytest.raises(FlowError):
        session.engine.send('x')
    session.engine.ping()
    session.engine.close(1001)
    assert len(session.frames) == 1
    session.feed(close(1000))
    with pytest.raises(FlowError):
        session.engine.send(b'x')
    session.engine.ping()
    session.engine.close()
    assert len(session.frames) == 1


@pytest.mark.parametrize('code', [0, 999, 1004, 1006, 1015, 1016, 2999, 5000])
def test_codes_that_are_never_sent(engine, code):
    session = Session(engine)
    with pytest.raises(FlowError):
        session.engine.close(code)
    assert session.engine.phase == 'open'
    assert session.frames == []


def test_a_close_frame_may_say_nothing(engine):
    session = Session(engine)
    session.engine.close(1005)
    assert session.frames == [Frame(CLOSE, b'')]


@pytest.mark.parametrize(
    ('reason', 'sent'),
    [
        ('x' * 124, b'x' * 123),
        ('é' * 62, b'\xc3\xa9' * 61),
        ('x' + 'é' * 62, b'x' + b'\xc3\xa9' * 61),
        ('\ud800', b'?'),
    ],
)
def test_a_reason_is_cut_to_what_fits(engine, reason, sent):
    session = Session(engine)
    session.engine.close(1000, reason)
    assert session.frames == [Frame(CLOSE, b'\x03\xe8' + sent)]


def test_a_reason_is_told(engine):
    session = Session(engine).feed(close(3000, 'schön'.encode()))
    assert session.recorder.closed == (3000, 'schön')
    assert session.frames == [Frame(CLOSE, b'\x0b\xb8')]


@pytest.mark.parametrize('before', [b'', frame(TEXT, b'x')[:3], frame(TEXT, b'xyz')[:-1], frame(TEXT, b'x', fin=False)])
def test_an_end_without_a_close_frame_is_1006(engine, before):
    session = Session(engine).feed(before)
    session.engine.receive_eof()
    assert session.recorder.closed == (1006, '')
    assert session.engine.closing
    assert session.frames == []


def test_an_end_after_our_close_is_1006_too(engine):
    session = Session(engine)
    session.engine.close()
    session.engine.receive_eof()
    assert session.code == 1006


def hold(session):
    session.engine.held = True


def test_held_it_tells_no_more(engine):
    session = Session(engine, then=hold)
    session.feed(b''.join(frame(TEXT, b'%d' % n) for n in range(3)), frame(PING, b'p')[:3])
    assert session.messages == ['0']
    session.feed(frame(PING, b'p')[3:])
    for count in (2, 3):
        session.engine.held = False
        session.engine.receive(b'')
        assert len(session.told) == count
    session.engine.held = False
    session.engine.receive(b'')
    assert session.told[-1] == ('ping', b'p')
    session.engine.held = False
    session.engine.receive(b'')
    assert len(session.told) == 4


def test_held_inside_a_frame(engine):
    raw = frame(TEXT, b'first') + frame(BINARY, b'x' * 3000) + frame(TEXT, b'last')
    for at in range(1, len(raw), 7):
        session = Session(engine, then=hold).feed(raw[:at], raw[at:])
        while len(session.told) < 3:
            session.engine.held = False
            session.engine.receive(b'')
        assert session.messages == ['first', b'x' * 3000, 'last']


def test_held_it_waits_with_the_end(engine):
    session = Session(engine, then=hold).feed(frame(TEXT, b'1') + frame(TEXT, b'2'))
    session.engine.receive_eof()
    assert session.code is None
    session.engine.held = False
    session.engine.receive(b'')
    assert session.messages == ['1', '2']
    assert session.code is None
    session.engine.held = False
    session.engine.receive(b'')
    session.settle()
    assert session.code == 1006


@pytest.mark.parametrize('left', [b'', frame(TEXT, b'x')[:-1]])
def test_what_came_right_before_the_end_may_still_be_answered(engine, left):
    session = Session(engine)
    session.engine.receive(frame(TEXT, b'1') + left)
    session.engine.receive_eof()
    assert (session.engine.phase, session.engine.pending, session.code) == ('open', True, None)
    session.engine.send('one')
    session.engine.receive(b'')
    assert (session.engine.pending, session.code) == (False, 1006)
    assert session.frames == [Frame(TEXT, b'one')]


def test_an_application_may_close_before_it_knows_of_the_end(engine):
    session = Session(engine).feed(frame(TEXT, b'1'))
    session.engine.receive_eof()
    session.engine.close(1000)
    session.engine.receive(b'')
    assert (session.code, session.engine.closing) == (1006, True)
    assert session.close_code == 1000


def test_an_application_may_close_from_within(engine):
    session = Session(engine, then=lambda session: session.engine.close(1000, 'enough'))
    session.feed(frame(TEXT, b'1') + frame(TEXT, b'2') + close(1000))
    assert session.messages == ['1']
    assert session.recorder.closed == (1000, '')
    assert len(session.frames) == 1


def test_an_echo_goes_out_in_order(engine):
    session = Session(engine, then=echo)
    session.feed(b''.join(frame(BINARY, b'%d' % n * n) for n in range(200)))
    assert [sent.payload for sent in session.frames] == [b'%d' % n * n for n in range(200)]


@pytest.mark.parametrize('bytes_max', [0, 1, 10, 125, 126])
def test_limits_below_a_small_frame(engine, bytes_max):
    for bounds in (limits(frame_bytes_max=bytes_max), limits(message_bytes_max=bytes_max)):
        session = Session(engine, bounds).feed(frame(TEXT, b'x' * bytes_max))
        assert session.messages == ['x' * bytes_max]
        session.feed(frame(TEXT, b'x' * (bytes_max + 1)))
        assert session.close_code == 1009


@pytest.mark.parametrize('last', [close(1000), frame(3), frame(TEXT, b'\xff'), frame(BINARY, b'x' * 70_001)[:20]])
def test_what_came_before_an_end_can_still_be_answered(engine, last):
    """An application that answers later than within the event does so before the close frame."""
    session = Session(engine)
    session.engine.receive(frame(TEXT, b'1') + frame(TEXT, b'2') + last)
    assert session.messages == ['1', '2']
    assert (session.engine.pending, session.engine.phase, session.code) == (True, 'open', None)
    session.engine.send('answer')
    session.engine.receive_eof()
    session.engine.receive(frame(TEXT, b'late'))
    assert (session.engine.pending, session.engine.phase) == (False, 'closed')
    assert [sent.opcode for sent in session.frames] == [TEXT, CLOSE]
    assert session.code == session.close_code
    assert session.messages == ['1', '2']


@pytest.mark.parametrize('last', [close(1000, b'x'), frame(3)])
def test_an_end_that_was_waited_with_finds_the_session_closed_by_us(engine, last):
    session = Session(engine)
    session.engine.receive(frame(TEXT, b'1') + last)
    session.engine.close(1001)
    session.engine.receive(b'')
    assert session.close_code == 1001
    assert session.code in (1000, 1002)
    assert len(session.frames) == 1


def test_an_end_with_nothing_before_it_is_told_at_once(engine):
    session = Session(engine)
    session.engine.receive(frame(PING) + close(1000))
    assert (session.engine.pending, session.code) == (False, 1000)
