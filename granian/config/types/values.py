"""Text as a person gives it, read into values and written back: durations, sizes, modes. Raises ValueError to be shown."""

# ruff: noqa: TRY004  (a ValueError of these is what a person reads)

from __future__ import annotations

import math
import re
from pathlib import Path

_NUMBER = re.compile(r'\d{1,15}(\.\d+)?', re.ASCII)
_DURATION = re.compile(
    r'(?=.)(?:(\d{1,15})d)?(?:(\d{1,15})h)?(?:(\d{1,15})m(?!s))?(?:(\d{1,15})s)?(?:(\d{1,15})ms)?', re.ASCII
)
# What is more is no time at all; what a key takes at most is the model's to say.
_DURATION_READ_MAX_S = 1e15
_DURATION_UNITS_S = (86400, 3600, 60, 1, 0.001)
_SIZE = re.compile(r'(\d{1,30}) ?([kmgt]i?b|b|)', re.IGNORECASE | re.ASCII)
_SIZE_UNITS: dict[str, int] = {'': 1, 'b': 1} | {
    f'{letter}{suffix}': base**power
    for suffix, base in (('b', 1000), ('ib', 1024))
    for power, letter in enumerate('kmgt', start=1)
}
MODE_MAX = 0o777
_INDEX_DIGITS_MAX = 10

DURATION_PATTERN = r'^(?=.)(\d+(\.\d+)?|(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?)$'
SIZE_PATTERN = r'^\d+ ?([kKmMgGtT]?[iI]?[bB])?$'
MODE_PATTERN = r'^0[oO]?[0-7]{1,4}$'


class Given(str):
    """Text from a source. `base`: what its relative paths are relative to; `loose`: it stands for a value of any type."""

    __slots__ = ('base', 'loose')
    base: Path
    loose: bool

    def __new__(cls, text: str, *, base: Path, loose: bool) -> Given:
        given = super().__new__(cls, text)
        given.base, given.loose = base, loose
        return given


def index_of(part: str) -> int | None:
    """The number that a part of a key is, if it is one that a list could have."""
    return int(part) if part.isascii() and part.isdigit() and len(part) < _INDEX_DIGITS_MAX else None


def is_deeper(value: object, levels: int) -> bool:
    """Say whether parsed data has tables and lists inside each other beyond so many levels."""
    if not isinstance(value, (dict, list)):
        return False
    items = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(is_deeper(item, levels - 1) for item in items)


def is_loose(value: object) -> bool:
    """Say whether it came as bare text, from a variable or a flag."""
    return isinstance(value, Given) and value.loose


def show(value: object) -> str:
    """How a fault quotes what it was given."""
    if isinstance(value, bool) or value is None:
        return {True: 'true', False: 'false', None: 'null'}[value]
    if isinstance(value, (dict, list, tuple)):
        return 'a table' if isinstance(value, dict) else 'a list'
    return repr(str(value)) if isinstance(value, (str, Path)) else str(value)


def duration_s(value: object) -> float:
    """`90`, `'1m30s'`, `'250ms'` → seconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < 0 or value > _DURATION_READ_MAX_S or math.isnan(value):
            raise ValueError(f'{value} is not a valid duration')
        return float(value)
    if not isinstance(value, str):
        raise ValueError(f'{show(value)} is not a duration: give seconds, or text like "1m30s" or "250ms"')
    if _NUMBER.fullmatch(value):
        return float(value)
    if (match := _DURATION.fullmatch(value)) is None:
        raise ValueError(f'{show(value)} is not a valid duration; write it like 30s, 1m30s or 250ms')
    parts = zip(match.groups(), _DURATION_UNITS_S, strict=True)
    return float(round(sum(int(count) * unit for count, unit in parts if count), 3))


def duration_text(seconds: float) -> str | float:
    """Seconds → the shortest text that `duration_s` reads back; the bare number if it is no whole milliseconds."""
    milliseconds = round(seconds * 1000)
    if milliseconds / 1000 != seconds:
        return seconds
    if not milliseconds:
        return '0s'
    text = ''
    for letter, unit in (('d', 86_400_000), ('h', 3_600_000), ('m', 60_000), ('s', 1000), ('ms', 1)):
        count, milliseconds = divmod(milliseconds, unit)
        text += f'{count}{letter}' if count else ''
    return text


def size_bytes(value: object) -> int:
    """`65536`, `'64KiB'`, `'16MB'` → bytes."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and (match := _SIZE.fullmatch(value)):
        return int(match[1]) * _SIZE_UNITS[match[2].lower()]
    raise ValueError(f'{show(value)} is not a size; write bytes, or text like 64KiB or 16MB')


def size_text(size: int) -> int | str:
    """Bytes → text with the largest unit that divides them, or the bare number."""
    for unit, letters in ((1024**4, 'TiB'), (1024**3, 'GiB'), (1024**2, 'MiB'), (1024, 'KiB')):
        if size and size % unit == 0:
            return f'{size // unit}{letters}'
    return size


def mode(value: object) -> int:
    """`0o660`, `'0660'`, `'0o660'` → permission bits. Upstream's rule: text without a leading 0 is decimal."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _mode_in_range(value, str(value))
    if isinstance(value, str) and re.fullmatch(r'0[oO]?[0-7]+', value):
        return _mode_in_range(int(value.lower().replace('o', ''), 8), value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and not value.startswith('0'):
        return _mode_in_range(int(value), value)
    raise ValueError(f'{show(value)} is not a file mode; write it in octal, like 0o660')


def _mode_in_range(number: int, shown: str) -> int:
    if 0 <= number <= MODE_MAX:
        return number
    hint = f'; octal needs its prefix: 0o{shown}' if re.fullmatch(r'[0-7]{3}', shown) else ''
    raise ValueError(f'{shown} is not between 0o000 and 0o777{hint}')


def mode_text(bits: int) -> str:
    return f'0o{bits:03o}'
