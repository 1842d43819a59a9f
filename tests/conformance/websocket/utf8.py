"""What is UTF-8 and what is not (RFC 3629 3, 4): Markus Kuhn's table, by the numbers the Autobahn test suite gives its rows."""

from __future__ import annotations


def good(*rows: bytes) -> list[tuple[bytes, bool]]:
    return [(row, True) for row in rows]


def bad(*rows: bytes) -> list[tuple[bytes, bool]]:
    return [(row, False) for row in rows]


KOSME = '\u03ba\u1f79\u03c3\u03bc\u03b5'
_kosme = KOSME.encode()
_ends = (2, 5, 7, 9, 11)
# Each lacks its last byte.
_cut = (
    b'\xc0', b'\xe0\x80', b'\xf0\x80\x80', b'\xf8\x80\x80\x80', b'\xfc\x80\x80\x80\x80',
    b'\xdf', b'\xef\xbf', b'\xf7\xbf\xbf', b'\xfb\xbf\xbf\xbf', b'\xfd\xbf\xbf\xbf\xbf',
)  # fmt: skip
_high = (b'\xed\xad\xbf', b'\xed\xae\x80', b'\xed\xaf\xbf')
_low = (b'\xed\xb0\x80', b'\xed\xbf\xbf')
# The last two code points of each plane but the first.
_no_characters = [chr(plane << 16 | last).encode() for plane in range(1, 17) for last in (0xFFFE, 0xFFFF)]

# Section of the suite → its rows.
TABLE: dict[str, list[tuple[bytes, bool]]] = {
    '6.5': good(b'hello$world', 'hello¢world'.encode(), 'hello€world'.encode(), 'hello\U00024b62world'.encode(), _kosme),
    '6.6': [(_kosme[:size], size in _ends) for size in range(1, len(_kosme) + 1)],
    '6.7': good(b'\x00', b'\xc2\x80', b'\xe0\xa0\x80', b'\xf0\x90\x80\x80'),
    '6.8': bad(b'\xf8\x88\x80\x80\x80', b'\xfc\x84\x80\x80\x80\x80'),
    '6.9': good(b'\x7f', b'\xdf\xbf', b'\xef\xbf\xbf', b'\xf4\x8f\xbf\xbf'),
    '6.10': bad(b'\xf7\xbf\xbf\xbf', b'\xfb\xbf\xbf\xbf\xbf', b'\xfd\xbf\xbf\xbf\xbf\xbf'),
    '6.11': good(b'\xed\x9f\xbf', b'\xee\x80\x80', b'\xef\xbf\xbd', b'\xf4\x8f\xbf\xbf') + bad(b'\xf4\x90\x80\x80'),
    '6.12': bad(b'\x80', b'\xbf', *(b'\x80\xbf\x80\xbf\x80\xbf'[:size] for size in range(2, 7)), bytes(range(0x80, 0xC0))),
    '6.13': bad(*(
        b''.join(bytes((first, 0x20)) for first in range(*firsts))
        for firsts in ((0xC0, 0xE0), (0xE0, 0xF0), (0xF0, 0xF8), (0xF8, 0xFC), (0xFC, 0xFE))
    )),
    '6.14': bad(*_cut),
    '6.15': bad(b''.join(_cut)),
    '6.16': bad(b'\xfe', b'\xff', b'\xfe\xfe\xff\xff'),
    '6.17': bad(b'\xc0\xaf', b'\xe0\x80\xaf', b'\xf0\x80\x80\xaf', b'\xf8\x80\x80\x80\xaf', b'\xfc\x80\x80\x80\x80\xaf'),
    '6.18': bad(b'\xc1\xbf', b'\xe0\x9f\xbf', b'\xf0\x8f\xbf\xbf', b'\xf8\x87\xbf\xbf\xbf', b'\xfc\x83\xbf\xbf\xbf\xbf'),
    '6.19': bad(b'\xc0\x80', b'\xe0\x80\x80', b'\xf0\x80\x80\x80', b'\xf8\x80\x80\x80\x80', b'\xfc\x80\x80\x80\x80\x80'),
    '6.20': bad(b'\xed\xa0\x80', *_high, b'\xed\xb0\x80', b'\xed\xbe\x80', b'\xed\xbf\xbf'),
    '6.21': bad(*(high + low for high in (b'\xed\xa0\x80', *_high) for low in _low)),
    '6.22': good(b'\xef\xbf\xbe', b'\xef\xbf\xbf', *_no_characters),
    '6.23': good(*(chr(code).encode() for code in range(0xFFF9, 0x10000))),
}  # fmt: skip
