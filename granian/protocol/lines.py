"""Field lines of a head, parsed once and remembered: what repeats costs one look-up a line.

Three bounded memories are shared by all connections of a worker. They hold no field that may be a secret, a key is the
whole line, and a connection may add only so many lines, so that a hostile one can neither read nor flush them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from granian.protocol.memory import Memory
from granian.protocol.requests import FIELD_BYTES, SPECIAL_NAMES, field_name, field_value, is_token

if TYPE_CHECKING:
    from granian.protocol.contract import Field, Fields

SECRET_NAMES = frozenset(
    {b'cookie', b'authorization', b'proxy-authorization', b'x-api-key', b'x-csrf-token', b'x-xsrf-token'}
)
# Of no use to remember: a new value comes with nearly every request.
FLEETING_NAMES = frozenset(
    {
        b'x-request-id', b'x-correlation-id', b'traceparent', b'tracestate', b'x-amzn-trace-id', b'x-b3-traceid',
        b'x-b3-spanid', b'x-cloud-trace-context', b'cf-ray', b'x-forwarded-for', b'x-real-ip', b'forwarded',
        b'content-md5', b'digest', b'if-none-match', b'if-modified-since', b'if-match', b'if-range', b'range', b'date',
        b'idempotency-key', b'sec-websocket-key',
    }
)  # fmt: skip
# New lines that one connection may add at once, and per head whose lines are mostly known.
CREDIT_MAX = 32
CREDIT_PER_HEAD = 1
# With more unknown lines than this a head is parsed as a whole.
UNKNOWN_LINES_MAX = 4

_lines: Memory[Field] = Memory(entries_max=1024, key_bytes_max=512)
_special_lines: Memory[Field] = Memory(entries_max=256, key_bytes_max=128)
_names: Memory[bytes] = Memory(entries_max=512, key_bytes_max=64)
_recent_line = _lines.recent.get
_recent_special = _special_lines.recent.get
_recent_name = _names.recent.get

# Without the tab, which makes white space of more than one kind.
PLAIN_BYTES = FIELD_BYTES.replace(b'\t', b'')
TOKEN_BYTES = bytes(byte for byte in range(0x21, 0x7F) if is_token(bytes([byte])))


class LineReader:
    """Turns the field lines of one connection's heads into fields."""

    __slots__ = ('_credit', '_secret', '_secret_line', 'specials')

    def __init__(self) -> None:
        self._credit = CREDIT_MAX
        # Those of the last head that `requests.request_head` wants to see, in order.
        self.specials: Fields = []
        # The last line of this connection that may be a secret.
        self._secret_line = b''
        self._secret: Field = (b'', b'')

    def fields(self, lines: list[bytes]) -> Fields:
        """A field for each line. Raises Refusal."""
        self.specials = []
        fields: list[Any] = list(map(_recent_line, lines))
        unknown = fields.count(None)
        if unknown > UNKNOWN_LINES_MAX:
            return self._all_at_once(lines)
        if self._credit < CREDIT_MAX:
            self._credit += CREDIT_PER_HEAD
        at = -1
        for _ in range(unknown):
            at = fields.index(None, at + 1)
            fields[at] = self._unseen(lines[at])
        return fields

    def _all_at_once(self, lines: list[bytes]) -> Fields:
        """As `_unseen` for each line; where no more may be remembered, without a step for each."""
        fields = None
        if self._credit < len(lines) and not _lines.recall_all(lines):
            fields = _split_plain(lines)
        if fields is None:
            return [_recent_line(line) or self._unseen(line) for line in lines]
        self.specials = [field for field in fields if field[0] in SPECIAL_NAMES]
        return fields

    def field(self, line: bytes) -> Field:
        """The field of one line. Raises Refusal."""
        self.specials = []
        return _recent_line(line) or self._unseen(line)

    def _unseen(self, line: bytes) -> Field:
        field = _recent_special(line)
        if field is not None:
            self.specials.append(field)
            return field
        if line == self._secret_line:
            return self._secret
        field = _lines.recall(line)
        if field is not None:
            return field
        sent_name, colon, value = line.partition(b':')
        # Without a colon it is no field, however well its name is known.
        name = (colon and _recent_name(sent_name)) or _name(sent_name, colon)
        field = (name, field_value(value))
        if name not in FLEETING_NAMES:
            self._remember(line, field)
        return field

    def _remember(self, line: bytes, field: Field) -> None:
        name = field[0]
        if name in SPECIAL_NAMES:
            self.specials.append(field)
            _special_lines.keep(line, field, len(line))
        elif name in SECRET_NAMES:
            self._secret_line, self._secret = line, field
        elif self._credit > 0:
            self._credit -= 1
            _lines.keep(line, field, len(line))


def _split_plain(lines: list[bytes]) -> Fields | None:
    """The fields of lines that all read `Name: value`, proved for all of them at once. None if they do not."""
    if b''.join(lines).translate(None, PLAIN_BYTES):
        return None
    try:
        fields = [(name.lower(), value) for name, value in [line.split(b': ', 1) for line in lines]]
    except ValueError:
        return None
    names = [field[0] for field in fields]
    marked = b'\n'.join([field[1] for field in fields])
    # Left: a name that is none, and white space around a value.
    if b'' in names or b''.join(names).translate(None, TOKEN_BYTES) or marked.strip() != marked:
        return None
    return None if b'\n ' in marked or b' \n' in marked else fields


def _name(sent_name: bytes, colon: bytes) -> bytes:
    name = _names.recall(sent_name) if colon else None
    if name is None:
        name = field_name(sent_name, colon)
        _names.keep(sent_name, name, len(sent_name))
    return name
