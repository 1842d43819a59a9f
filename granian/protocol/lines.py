"""Field lines of a head, parsed once and remembered: what repeats costs one look-up a line.

Three bounded memories are shared by all connections of a worker. They hold no field that may be a secret, a key is the
whole line, and a connection may add only so many lines, so that a hostile one can neither read nor flush them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.protocol.memory import Memory
from granian.protocol.requests import SPECIAL_NAMES, field_name, field_value

if TYPE_CHECKING:
    from granian.protocol.contract import Field, Fields

SECRET_NAMES = frozenset(
    {b'cookie', b'authorization', b'proxy-authorization', b'x-api-key', b'x-csrf-token', b'x-xsrf-token'}
)
# New lines that one connection may add at once, and per head.
CREDIT_MAX = 32
CREDIT_PER_HEAD = 2

_lines: Memory[Field] = Memory(entries_max=1024, key_bytes_max=512)
_special_lines: Memory[Field] = Memory(entries_max=256, key_bytes_max=128)
_names: Memory[bytes] = Memory(entries_max=512, key_bytes_max=64)
_recent_line = _lines.recent.get
_recent_special = _special_lines.recent.get
_recent_name = _names.recent.get


class LineReader:
    """Turns the field lines of one connection's heads into fields."""

    __slots__ = ('_credit', 'specials')

    def __init__(self) -> None:
        self._credit = CREDIT_MAX
        # Those of the last head that `requests.request_head` wants to see, in order.
        self.specials: Fields = []

    def fields(self, lines: list[bytes]) -> Fields:
        """A field for each line. Raises Refusal."""
        self.specials = []
        if self._credit < CREDIT_MAX:
            self._credit += CREDIT_PER_HEAD
        unseen = self._unseen
        return [_recent_line(line) or unseen(line) for line in lines]

    def _unseen(self, line: bytes) -> Field:
        field = _recent_special(line)
        if field is not None:
            self.specials.append(field)
            return field
        field = _lines.recall(line)
        if field is not None:
            return field
        sent_name, colon, value = line.partition(b':')
        # Without a colon it is no field, however well its name is known.
        name = (colon and _recent_name(sent_name)) or _name(sent_name, colon)
        field = (name, field_value(value))
        if name in SPECIAL_NAMES:
            self.specials.append(field)
            _special_lines.keep(line, field, len(line))
        elif self._credit > 0 and name not in SECRET_NAMES:
            self._credit -= 1
            _lines.keep(line, field, len(line))
        return field


def _name(sent_name: bytes, colon: bytes) -> bytes:
    name = _names.recall(sent_name) if colon else None
    if name is None:
        name = field_name(sent_name, colon)
        _names.keep(sent_name, name, len(sent_name))
    return name
