"""What a client sends, and what comes of it: by the sections of the Autobahn test suite, written from the RFCs.

A case is (name, bytes, messages and signs of life told, code the session ends with, code of our close frame); None where it goes
on. The application echoes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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


SIZES = (0, 1, 125, 126, 127, 128, 65535, 65536)
SECTION_1 = [
    *(served(f'1.1 text of {size}', frame(TEXT, b'*' * size), said('*' * size)) for size in SIZES),
    *(served(f'1.2 binary of {size}', frame(BINARY, b'\xfe' * size), said(b'\xfe' * size)) for size in SIZES),
]

TEN = range(10)
SECTION_2 = [
    served('2.1 ping without payload', frame(PING), ('ping', b'')),
    served('2.2 ping with text', frame(PING, b'Hello'), ('ping', b'Hello')),
    served('2.3 ping with binary', frame(PING, b'\x00\xff\xfe\xfd'), ('ping', b'\x00\xff\xfe\xfd')),
    served('2.4 ping of 125', frame(PING, b'\xfe' * 125), ('ping', b'\xfe' * 125)),
    failed('2.5 ping of 126', frame(PING, b'\xfe' * 126, form=2)),
    served('2.7 pong nobody asked for', frame(PONG), ('pong', b'')),
    served('2.8 such a pong with payload', frame(PONG, b'x'), ('pong', b'x')),
    served('2.9 pong, then ping', frame(PONG, b'x') + frame(PING, b'y'), ('pong', b'x'), ('ping', b'y')),
    served('2.10 ten pings', b''.join(frame(PING, b'%d' % n) for n in TEN), *(('ping', b'%d' % n) for n in TEN)),
]

SECTION_3 = [
    *(failed(f'3.{rsv} reserved bits {rsv:03b}', frame(TEXT, b'x', rsv=rsv)) for rsv in range(1, 8)),
    failed('3 after a good one', frame(TEXT, b'x') + frame(TEXT, b'y', rsv=4), said('x')),
    failed('3 in a control frame', frame(PING, rsv=4)),
    failed('3 in a close frame', frame(CLOSE, b'\x03\xe8', rsv=2)),
    failed('3 in a continuation', frame(TEXT, b'x', fin=False) + frame(CONTINUATION, b'y', rsv=1)),
]

SECTION_4 = [
    *(failed(f'4.{1 + (op > 7)} opcode {op}', frame(op, b'x')) for op in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    failed('4 after a good one', frame(BINARY, b'x') + frame(3), said(b'x')),
    failed('4 inside a message', frame(BINARY, b'x', fin=False) + frame(11)),
]

PARTS = (b'fragment1', b'fragment2')
BOTH = 'fragment1fragment2'
FIRST, LAST = frame(TEXT, PARTS[0], fin=False), frame(CONTINUATION, PARTS[1])
SECTION_5 = [
    failed('5.1 fragmented ping', frame(PING, PARTS[0], fin=False) + frame(CONTINUATION, PARTS[1])),
    failed('5.2 fragmented pong', frame(PONG, PARTS[0], fin=False) + frame(CONTINUATION, PARTS[1])),
    failed('5 fragmented close', frame(CLOSE, b'\x03\xe8', fin=False)),
    served('5.3 text in two', FIRST + LAST, said(BOTH)),
    served('5.6 text in two, a ping between', FIRST + frame(PING, b'p') + LAST, ('ping', b'p'), said(BOTH)),
    failed('5.9 continuation of nothing', LAST + frame(TEXT, b'x')),
    failed('5.10 first continuation of nothing, not the last', frame(CONTINUATION, b'x', fin=False) + LAST),
    failed('5.12 continuation after a whole message', frame(TEXT, b'x') + LAST, said('x')),
    failed('5.15 continuation after a fragmented message', FIRST + LAST + LAST, said(BOTH)),
    failed('5.18 text inside a text', FIRST + frame(TEXT, PARTS[1])),
    failed('5 binary inside a text', FIRST + frame(BINARY, PARTS[1])),
    served(
        '5.19 five fragments, pings between',
        frame(TEXT, b'a', fin=False) + frame(CONTINUATION, b'b', fin=False) + frame(PING, b'1')
        + frame(CONTINUATION, b'c', fin=False) + frame(CONTINUATION, b'd', fin=False) + frame(PING, b'2')
        + frame(CONTINUATION, b'e'),
        ('ping', b'1'), ('ping', b'2'), said('abcde'),
    ),
    served('5 fragments without payload', message(BINARY, b'', b'', b'x', b''), said(b'x')),
    served('5 nothing in three frames', message(TEXT, b'', b'', b''), said('')),
    served('5 a message after a fragmented one', FIRST + LAST + frame(BINARY, b'x'), said(BOTH), said(b'x')),
]  # fmt: skip

GREEK = 'Hello-µ@ßöäüàá-UTF-8!!'
KOSME = 'κόσμε'
# Unicode's own table of good and bad, and the edges of every form (RFC 3629 3, 4).
GOOD_TEXT = [
    '', GREEK, KOSME, '\x00', '\x7f', '\x80', '\u07ff', '\u0800', '\ud7ff', '\ue000', '\ufeff', '\ufffd', '\ufffe', '\uffff',
    '\U00010000', '\U0001fffe', '\U0010ffff', '\U00010000' * 40,
]  # fmt: skip
BAD_TEXT = [
    b'\x80', b'\xbf', b'\xc0\x80', b'\xc0\xaf', b'\xc1\xbf', b'\xc3', b'\xc3(', b'\xe0\x80\xaf', b'\xe0\x9f\xbf', b'\xe2\x82',
    b'\xe2(\xa1', b'\xe2\x82(', b'\xed\xa0\x80', b'\xed\xa0\x80edited', b'\xed\xaf\xbf\xed\xbf\xbf', b'\xed\xbf\xbf',
    b'\xf0\x80\x80\xaf', b'\xf0\x8f\xbf\xbf', b'\xf0\x90\x8d', b'\xf0(\x8c\xbc', b'\xf4\x90\x80\x80', b'\xf5\x80\x80\x80',
    b'\xf8\x88\x80\x80\x80', b'\xfc\x84\x80\x80\x80\x80', b'\xfe', b'\xff', 'κόσμε'.encode() + b'\xf4\x90\x80\x80edited',
]  # fmt: skip
SECTION_6 = [
    served('6.1 nothing', frame(TEXT), said('')),
    served('6.2.1 text', frame(TEXT, GREEK.encode()), said(GREEK)),
    served('6.2.2 in two', message(TEXT, GREEK.encode()[:7], GREEK.encode()[7:]), said(GREEK)),
    *(
        served(f'6.2.3 {text!a:.20} byte by byte', message(TEXT, *(bytes([b]) for b in text.encode())), said(text))
        for text in GOOD_TEXT if text
    ),
    *(served(f'6.5 {text!a:.20}', frame(TEXT, text.encode()), said(text)) for text in GOOD_TEXT),
    *(served(f'6.5 long {text!a:.20}', frame(TEXT, text.encode() * 300), said(text * 300)) for text in GOOD_TEXT[1:6]),
    *(failed(f'6.6 {bad!r}', frame(TEXT, bad), code=1007) for bad in BAD_TEXT),
    *(failed(f'6.6 long {bad!r}', frame(TEXT, b'x' * 900 + bad), code=1007) for bad in BAD_TEXT),
    *(failed(f'6.6 {bad!r} byte by byte', message(TEXT, *(bytes([b]) for b in bad)), code=1007) for bad in BAD_TEXT),
    failed('6 half a character, then another message', frame(TEXT, b'\xc3') + frame(TEXT, b'\xa9'), code=1007),
    served('6 any bytes in binary', frame(BINARY, b'\xff\xc0\x80'), said(b'\xff\xc0\x80')),
    served('6 any bytes in a ping', frame(PING, b'\xff'), ('ping', b'\xff')),
]  # fmt: skip

GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999)
BAD_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
AFTER = frame(TEXT, b'late') + frame(PING, b'late') + close(1001)
SECTION_7 = [
    Case('7.1.1 message, then close', frame(TEXT, b'x') + close(1000), (said('x'),), 1000, 1000),
    Case('7.1.2 nothing after the close is read', close(1000) + AFTER, (), 1000, 1000),
    Case('7.1.5 close inside a message', FIRST + close(1000) + LAST, (), 1000, 1000),
    Case('7.3.1 close without code', close(), (), 1005, 1005),
    failed('7.3.2 half a code', frame(CLOSE, b'x')),
    Case('7.3.3 close', close(1000), (), 1000, 1000),
    Case('7.3.4 with a reason', close(1000, b'Hello'), (), 1000, 1000),
    Case('7.3.5 with the longest', close(1000, b'x' * 123), (), 1000, 1000),
    failed('7.3.6 with a longer one', frame(CLOSE, b'\x03\xe8' + b'x' * 124, form=2)),
    failed('7.5.1 reason that is not UTF-8', close(1000, b'\xce\xba\xe1\xbd\xed\xa0\x80'), code=1007),
    failed('7.5 reason that ends inside a character', close(1000, b'\xc3'), code=1007),
    *(Case(f'7.7 code {code}', close(code), (), code, code) for code in GOOD_CODES),
    *(failed(f'7.9 code {code}', close(code)) for code in BAD_CODES),
]

# Not in the suite, yet in the RFC.
MORE = [
    failed('5.1 unmasked text', frame(TEXT, b'x', mask=None)),
    failed('5.1 unmasked ping', frame(PING, mask=None)),
    failed('5.1 unmasked close', frame(CLOSE, b'\x03\xe8', mask=None)),
    *(failed(f'5.2 {size} in two bytes', frame(TEXT, b'x' * size, form=2)) for size in (0, 1, 125)),
    *(failed(f'5.2 {size} in eight bytes', frame(BINARY, b'x' * size, form=8)) for size in (0, 125, 126, 65535)),
    failed('5.2 length with its highest bit', b'\x82\xff' + b'\x80' + b'\x00' * 7 + b'mask'),
    failed('5.2 longest length', b'\x82\xff' + b'\xff' * 8),
    failed('5.5 close of 126', b'\x88\xfe\x00\x7e'),
    served('5.3 a mask of zeros', frame(TEXT, b'x', mask=b'\x00' * 4), said('x')),
    *(
        served(f'5.3 {size} under a mask', frame(BINARY, bytes(range(256)) * 9 + b'x' * size), said(bytes(range(256)) * 9 + b'x' * size))
        for size in range(5)
    ),
    *(served(f'5.3 {size} under a mask', frame(BINARY, b'abcde'[:size]), said(b'abcde'[:size])) for size in range(6)),
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

CASES = [
    *SECTION_1, *SECTION_2, *SECTION_3, *SECTION_4, *SECTION_5, *SECTION_6, *SECTION_7, *MORE, *SIZED,
]  # fmt: skip
