"""What a client sends, and what comes of it: by the sections of the Autobahn test suite, written from the RFCs.

The number a name begins with is that of the suite's case, or of several (`5.3-5`: they differ in where the bytes are cut, as
every case here is); with fewer parts it is a section's, to which the case is ours. `test_sections.py` holds the two together.

A case is (name, bytes, messages and signs of life told, code the session ends with, code of our close frame); None where it goes
on. The application echoes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.conformance.websocket.utf8 import KOSME, TABLE
from tests.helpers.websocket_engines import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close, frame, message


@dataclass(frozen=True)
class Case:
    name: str
    raw: bytes
    told: tuple[tuple[str, Any], ...] = ()
    ends: int | None = None
    answered: int | None = None

    def __str__(self) -> str:
        return self.name


def served(name: str, raw: bytes, *told: tuple[str, Any]) -> Case:
    """The session goes on."""
    return Case(name, raw, told)


def failed(name: str, raw: bytes, *told: tuple[str, Any], code: int = 1002) -> Case:
    """The client broke the protocol: a close frame with that code, and the end."""
    return Case(name, raw, told, code, code)


def said(data: str | bytes) -> tuple[str, Any]:
    return 'message', data


SIZES = (0, 125, 126, 127, 128, 65535, 65536, 65536)
SECTION_1 = [
    *(served(f'1.1.{n} text of {size}', frame(TEXT, b'*' * size), said('*' * size)) for n, size in enumerate(SIZES, 1)),
    *(
        served(f'1.2.{n} binary of {size}', frame(BINARY, b'\xfe' * size), said(b'\xfe' * size))
        for n, size in enumerate(SIZES, 1)
    ),
]

TEN = range(10)
SECTION_2 = [
    served('2.1 ping without payload', frame(PING), ('ping', b'')),
    served('2.2 ping with text', frame(PING, b'Hello'), ('ping', b'Hello')),
    served('2.3 ping with binary', frame(PING, b'\x00\xff\xfe\xfd'), ('ping', b'\x00\xff\xfe\xfd')),
    served('2.4 ping of 125', frame(PING, b'\xfe' * 125), ('ping', b'\xfe' * 125)),
    failed('2.5 ping of 126', frame(PING, b'\xfe' * 126, form=2)),
    served('2.6 ping of 125 again', frame(PING, b'\xfe' * 125), ('ping', b'\xfe' * 125)),
    served('2.7 pong nobody asked for', frame(PONG), ('pong', b'')),
    served('2.8 such a pong with payload', frame(PONG, b'x'), ('pong', b'x')),
    served('2.9 pong, then ping', frame(PONG, b'x') + frame(PING, b'y'), ('pong', b'x'), ('ping', b'y')),
    served('2.10-11 ten pings', b''.join(frame(PING, b'%d' % n) for n in TEN), *(('ping', b'%d' % n) for n in TEN)),
]

GOOD = frame(TEXT, b'x')
SECTION_3 = [
    failed('3.1 reserved bits 001', frame(TEXT, b'x', rsv=1)),
    *(
        failed(
            f'3.{rsv} reserved bits {rsv:03b} after a good one',
            GOOD + frame(TEXT, b'y', rsv=rsv) + frame(PING),
            said('x'),
        )
        for rsv in (2, 3, 4)
    ),
    failed('3.5 reserved bits 101 in binary', frame(BINARY, b'x', rsv=5)),
    failed('3.6 reserved bits 110 in a ping', frame(PING, b'x', rsv=6)),
    failed('3.7 reserved bits 111 in a close frame', frame(CLOSE, b'\x03\xe8', rsv=7)),
    *(failed(f'3 reserved bits {rsv:03b}', frame(TEXT, b'x', rsv=rsv)) for rsv in range(2, 8)),
    failed('3 in a control frame', frame(PING, rsv=4)),
    failed('3 in a close frame', frame(CLOSE, b'\x03\xe8', rsv=2)),
    failed('3 in a continuation', frame(TEXT, b'x', fin=False) + frame(CONTINUATION, b'y', rsv=1)),
]

UNKNOWN = {
    '4.1.1': 3,
    '4.1.2': 4,
    '4.1.3': 5,
    '4.1.4': 6,
    '4.1.5': 7,
    '4.2.1': 11,
    '4.2.2': 12,
    '4.2.3': 13,
    '4.2.4': 14,
    '4.2.5': 15,
}
SECTION_4 = [
    *(failed(f'{number} opcode {op}', frame(op, b'x')) for number, op in UNKNOWN.items()),
    *(
        failed(f'{number} opcode {op} after a good one', GOOD + frame(op) + frame(PING), said('x'))
        for number, op in UNKNOWN.items()
    ),
    failed('4 inside a message', frame(BINARY, b'x', fin=False) + frame(11)),
]

PARTS = (b'fragment1', b'fragment2')
BOTH = 'fragment1fragment2'
FIRST, LAST = frame(TEXT, PARTS[0], fin=False), frame(CONTINUATION, PARTS[1])
SECTION_5 = [
    failed('5.1 fragmented ping', frame(PING, PARTS[0], fin=False) + frame(CONTINUATION, PARTS[1])),
    failed('5.2 fragmented pong', frame(PONG, PARTS[0], fin=False) + frame(CONTINUATION, PARTS[1])),
    failed('5 fragmented close', frame(CLOSE, b'\x03\xe8', fin=False)),
    served('5.3-5 text in two', FIRST + LAST, said(BOTH)),
    served('5.6-8 text in two, a ping between', FIRST + frame(PING, b'p') + LAST, ('ping', b'p'), said(BOTH)),
    failed('5.9-11 continuation of nothing', LAST + GOOD),
    failed('5.12-14 continuation of nothing, not the last', frame(CONTINUATION, b'x', fin=False) + GOOD),
    failed('5 continuation after a whole message', GOOD + LAST, said('x')),
    failed('5.15 continuation after a fragmented message', FIRST + LAST + frame(CONTINUATION, b'x', fin=False) + GOOD, said(BOTH)),
    failed('5.16 continuation of nothing, not the last, then text in two', (frame(CONTINUATION, b'x', fin=False) + FIRST + LAST) * 2),
    failed('5.17 continuation of nothing, then text in two', (LAST + FIRST + LAST) * 2),
    failed('5.18 text inside a text', FIRST + frame(TEXT, PARTS[1])),
    failed('5 binary inside a text', FIRST + frame(BINARY, PARTS[1])),
    served(
        '5.19-20 five fragments, pings between',
        frame(TEXT, b'a', fin=False) + frame(CONTINUATION, b'b', fin=False) + frame(PING, b'1')
        + frame(CONTINUATION, b'c', fin=False) + frame(CONTINUATION, b'd', fin=False) + frame(PING, b'2')
        + frame(CONTINUATION, b'e'),
        ('ping', b'1'), ('ping', b'2'), said('abcde'),
    ),
    served('5 fragments without payload', message(BINARY, b'', b'', b'x', b''), said(b'x')),
    served('5 a message after a fragmented one', FIRST + LAST + frame(BINARY, b'x'), said(BOTH), said(b'x')),
]  # fmt: skip

GREEK = 'Hello-µ@ßöäüàá-UTF-8!!'
SURROGATE, BEYOND = KOSME.encode() + b'\xed\xa0\x80edited', KOSME.encode() + b'\xf4\x90\x80\x80edited'
# Beside the table: the edges of every form.
GOOD_TEXT = [
    '', GREEK, KOSME, '\x00', '\x7f', '\x80', '\u07ff', '\u0800', '\ud7ff', '\ue000', '\ufeff', '\ufffd', '\ufffe', '\uffff',
    '\U00010000', '\U0001fffe', '\U0010ffff', '\U00010000' * 40,
]  # fmt: skip
BAD_TEXT = [
    b'\x80', b'\xbf', b'\xc0\x80', b'\xc0\xaf', b'\xc1\xbf', b'\xc3', b'\xc3(', b'\xe0\x80\xaf', b'\xe0\x9f\xbf', b'\xe2\x82',
    b'\xe2(\xa1', b'\xe2\x82(', b'\xed\xa0\x80', b'\xed\xa0\x80edited', b'\xed\xaf\xbf\xed\xbf\xbf', b'\xed\xbf\xbf',
    b'\xf0\x80\x80\xaf', b'\xf0\x8f\xbf\xbf', b'\xf0\x90\x8d', b'\xf0(\x8c\xbc', b'\xf4\x90\x80\x80', b'\xf5\x80\x80\x80',
    b'\xf8\x88\x80\x80\x80', b'\xfc\x84\x80\x80\x80\x80', b'\xfe', b'\xff', BEYOND,
]  # fmt: skip


def by_bytes(raw: bytes) -> bytes:
    """A text in frames of one byte."""
    return message(TEXT, *(bytes([byte]) for byte in raw))


SECTION_6 = [
    served('6.1.1 nothing', frame(TEXT), said('')),
    served('6.1.2 nothing in three frames', message(TEXT, b'', b'', b''), said('')),
    served('6.1.3 something between two nothings', message(TEXT, b'', b'middle', b''), said('middle')),
    served('6.2.1 text', frame(TEXT, GREEK.encode()), said(GREEK)),
    served('6.2.2 in two', message(TEXT, GREEK[:11].encode(), GREEK[11:].encode()), said(GREEK)),
    served('6.2.3 byte by byte', by_bytes(GREEK.encode()), said(GREEK)),
    served('6.2.4 byte by byte', by_bytes(KOSME.encode()), said(KOSME)),
    failed('6.3.1 half of a surrogate pair', frame(TEXT, SURROGATE), code=1007),
    failed('6.3.2 half of a surrogate pair byte by byte', by_bytes(SURROGATE), code=1007),
    failed('6.4.1 the message goes on', message(TEXT, BEYOND[:11], BEYOND[11:15], b'edited')[:-12], code=1007),
    failed('6.4.2 the message goes on', message(TEXT, BEYOND[:12], BEYOND[12:13], BEYOND[13:])[:-14], code=1007),
    failed('6.4.3-4 the frame goes on', frame(TEXT, BEYOND)[:-6], code=1007),
    *(
        (served if is_text else failed)(f'{section}.{n} {row!r:.30}', frame(TEXT, row), *([said(row.decode())] if is_text else []),
            **({} if is_text else {'code': 1007}))
        for section, rows in TABLE.items() for n, (row, is_text) in enumerate(rows, 1)
    ),
    *(served(f'6 {text!a:.20} byte by byte', by_bytes(text.encode()), said(text)) for text in GOOD_TEXT if text),
    *(served(f'6 {text!a:.20}', frame(TEXT, text.encode()), said(text)) for text in GOOD_TEXT),
    *(served(f'6 long {text!a:.20}', frame(TEXT, text.encode() * 300), said(text * 300)) for text in GOOD_TEXT[1:6]),
    *(failed(f'6 {bad!r:.30}', frame(TEXT, bad), code=1007) for bad in BAD_TEXT),
    *(failed(f'6 long {bad!r:.30}', frame(TEXT, b'x' * 900 + bad), code=1007) for bad in BAD_TEXT),
    *(failed(f'6 {bad!r:.30} byte by byte', by_bytes(bad), code=1007) for bad in BAD_TEXT),
    failed('6 half a character, then another message', frame(TEXT, b'\xc3') + frame(TEXT, b'\xa9'), code=1007),
    served('6 any bytes in binary', frame(BINARY, b'\xff\xc0\x80'), said(b'\xff\xc0\x80')),
    served('6 any bytes in a ping', frame(PING, b'\xff'), ('ping', b'\xff')),
]  # fmt: skip

# In the suite's order, then others.
GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999, 1012, 1013)
BAD_CODES = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 1, 1015)
SECTION_7 = [
    Case('7.1.1 message, then close', GOOD + close(1000), (said('x'),), 1000, 1000),
    Case('7.1.2 two closes', close(1000) + close(1001), (), 1000, 1000),
    Case('7.1.3 ping after the close', close(1000) + frame(PING, b'late'), (), 1000, 1000),
    Case('7.1.4 message after the close', close(1000) + frame(TEXT, b'late'), (), 1000, 1000),
    Case('7.1.5 close inside a message', FIRST + close(1000) + LAST, (), 1000, 1000),
    Case(
        '7.1.6 large message, small message, close, ping',
        frame(TEXT, b'*' * 65536) + GOOD + close(1000) + frame(PING, b'late'), (said('*' * 65536), said('x')), 1000, 1000,
    ),
    Case('7.3.1 close without code', close(), (), 1005, 1005),
    failed('7.3.2 half a code', frame(CLOSE, b'x')),
    Case('7.3.3 close', close(1000), (), 1000, 1000),
    Case('7.3.4 with a reason', close(1000, b'Hello'), (), 1000, 1000),
    Case('7.3.5 with the longest', close(1000, b'x' * 123), (), 1000, 1000),
    failed('7.3.6 with a longer one', frame(CLOSE, b'\x03\xe8' + b'x' * 124, form=2)),
    failed('7.5.1 reason that is not UTF-8', close(1000, SURROGATE), code=1007),
    failed('7 reason that ends inside a character', close(1000, b'\xc3'), code=1007),
    *(Case(f'7.7.{n} code {code}', close(code), (), code, code) for n, code in enumerate(GOOD_CODES, 1)),
    *(failed(f'7.9.{n} code {code}', close(code)) for n, code in enumerate(BAD_CODES, 1)),
    failed('7.13.1 code 5000', close(5000)),
    failed('7.13.2 code 65535', close(65535)),
]  # fmt: skip

# Not in the suite, yet in the RFC.
MORE = [
    failed('RFC 6455 5.1 unmasked text', frame(TEXT, b'x', mask=None)),
    failed('RFC 6455 5.1 unmasked ping', frame(PING, mask=None)),
    failed('RFC 6455 5.1 unmasked close', frame(CLOSE, b'\x03\xe8', mask=None)),
    *(failed(f'RFC 6455 5.2 {size} in two bytes', frame(TEXT, b'x' * size, form=2)) for size in (0, 1, 125)),
    *(failed(f'RFC 6455 5.2 {size} in eight bytes', frame(BINARY, b'x' * size, form=8)) for size in (0, 125, 126, 65535)),
    failed('RFC 6455 5.2 length with its highest bit', b'\x82\xff' + b'\x80' + b'\x00' * 7 + b'mask'),
    failed('RFC 6455 5.2 longest length', b'\x82\xff' + b'\xff' * 8),
    failed('RFC 6455 5.5 close of 126', b'\x88\xfe\x00\x7e'),
    served('RFC 6455 5.3 a mask of zeros', frame(TEXT, b'x', mask=b'\x00' * 4), said('x')),
    *(
        served(f'RFC 6455 5.3 {size} under a mask', frame(BINARY, bytes(range(256)) * 9 + b'x' * size), said(bytes(range(256)) * 9 + b'x' * size))
        for size in range(5)
    ),
    *(served(f'RFC 6455 5.3 {size} under a mask', frame(BINARY, b'abcde'[:size]), said(b'abcde'[:size])) for size in range(6)),
]  # fmt: skip

# By `LIMITS` of the helper: frames of 70,000, messages of 100,000.
LARGE = b'x' * 60_000
SIZED = [
    served('9 frame at its limit', frame(BINARY, b'x' * 70_000), said(b'x' * 70_000)),
    failed('9 frame over its limit', frame(BINARY, b'x' * 70_001), code=1009),
    failed('9 the head is enough', frame(BINARY, b'x' * 70_001)[:14], code=1009),
    failed('9 a head of a terabyte', b'\x82\xff' + (1 << 40).to_bytes(8, 'big'), code=1009),
    served('9 message at its limit', message(BINARY, LARGE, LARGE[:40_000]), said(b'x' * 100_000)),
    failed('9 message over its limit', message(TEXT, LARGE, LARGE[:40_001]), code=1009),
    failed('9 the head of its last frame is enough', message(TEXT, LARGE, b'')[:-6] + b'\x80\xfe\xff\xff', code=1009),
    served('9 two messages over the limit of one', frame(TEXT, LARGE) * 2, said('x' * 60_000), said('x' * 60_000)),
    served(
        '9 a thousand fragments', message(TEXT, *(b'%03d' % n for n in range(1000))), said(''.join(f'{n:03}' for n in range(1000)))
    ),
]  # fmt: skip

SECTION_10 = [
    served('10.1.1 text in fragments of 1300', message(TEXT, *(b'*' * 1300,) * 50, b'*' * 536), said('*' * 65536)),
]

CASES = [
    *SECTION_1, *SECTION_2, *SECTION_3, *SECTION_4, *SECTION_5, *SECTION_6, *SECTION_7, *SECTION_10, *MORE, *SIZED,
]  # fmt: skip
