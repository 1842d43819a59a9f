"""Which responses are sent: the rules of a response head, once for all engines (RFC 9110, RFC 9112)."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from granian.errors import InvalidResponse
from granian.protocol.memory import Memory
from granian.protocol.requests import TOKEN, has_token

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from granian.protocol.contract import Field, Fields, Refusal, ResponseDefaults

_is_name = re.compile(TOKEN).fullmatch
# RFC 9110 5.5: line breaks and NUL are refused; the other controls are too. White space at the ends is dropped.
_is_value = re.compile(rb'[\t \x21-\x7e\x80-\xff]*').fullmatch
_only_digits = re.compile(rb'[0-9]{1,19}').fullmatch

# RFC 9110 7.6.1: these speak of one connection, so they are the server's to send.
CONNECTION_FIELDS = frozenset(
    {b'connection', b'keep-alive', b'proxy-connection', b'transfer-encoding', b'upgrade', b'te'}
)
# RFC 9110 6.5.1: fields that would change framing, routing or meaning after the fact.
_NOT_IN_TRAILERS = CONNECTION_FIELDS | {
    b'content-length', b'host', b'trailer', b'content-encoding', b'content-type', b'content-range',
    b'set-cookie', b'authorization', b'cache-control', b'date', b'expires', b'location', b'vary',
}  # fmt: skip
# Never remembered: they are, or may be, somebody's secret.
SECRET_FIELDS = frozenset({b'set-cookie', b'authorization', b'www-authenticate', b'proxy-authenticate'})

# RFC 9110 15 renamed these; which names Python knows depends on its version.
_RENAMED = {413: 'Content Too Large', 414: 'URI Too Long', 416: 'Range Not Satisfiable', 422: 'Unprocessable Content'}
STATUS_LINES = {
    status.value: b'HTTP/1.1 %d %b\r\n' % (status.value, _RENAMED.get(status.value, status.phrase).encode())
    for status in HTTPStatus
}


class ResponseHead:
    """A response head that may be sent: what the application said, checked, without what the engine adds."""

    __slots__ = (
        'bodiless',
        'close',
        'event_stream',
        'fields',
        'has_date',
        'has_server',
        'http2',
        'length',
        'lines',
        'plain',
        'reason',
        'status',
    )
    status: int
    # What stands after the status in HTTP/1.
    reason: bytes
    # RFC 9110 6.4.1: whatever the method, no body goes with this status.
    bodiless: bool
    # In order, connection fields and content-length taken out.
    fields: Fields
    # The same as bytes, a line each.
    lines: bytes
    # Declared content-length.
    length: int | None
    has_date: bool
    # A text/event-stream: its reader waits for the head, so it goes out before there is a body.
    event_stream: bool
    has_server: bool
    # The application asked for the connection to be closed.
    close: bool
    # What `http2.rules.response_fields` made of it, None at first.
    http2: Fields | None
    # Nothing above is out of the ordinary: the defaults are wanted, a body may follow, the connection stays.
    plain: bool


# A view is equal to the bytes it shows, so memory would take it for these in any case.
_BYTES = (bytes, bytearray, memoryview)
_remembered: Memory[ResponseHead] = Memory(entries_max=512, key_bytes_max=2048)
_recent = _remembered.recent.get


def response_head(status: int, fields: Sequence[Field], reason: bytes = b'') -> ResponseHead:
    """The checked head for what an application gave; no reason: the usual phrase. Raises InvalidResponse."""
    if reason:
        return _head_with_reason(status, fields, reason)
    try:
        key = (status, *fields)
        head = _recent(key)
    except (TypeError, ValueError):
        # Pairs given as lists, and views of bytes that may change, cannot be looked up.
        fields = [_pair(field) for field in fields]
        key = (status, *fields)
        head = _recent(key)
    if head is not None:
        return head
    return _remembered.recall(key) or _check(key, status, fields)


def upgrade_head(protocol: bytes, fields: Sequence[Field]) -> ResponseHead:
    """The checked head of a change to that protocol: 101 and its lines; HTTP/2 takes the fields alone. Raises InvalidResponse."""
    head = ResponseHead()
    head.status = 101
    head.reason = usual_reason(101)
    head.length = head.http2 = None
    head.bodiless = True
    head.close = head.event_stream = head.plain = False
    # RFC 9110 8.6: no Content-Length with 1xx.
    unwanted = CONNECTION_FIELDS | {b'content-length'}
    head.fields = [field for field in map(check_field, fields) if field[0].lower() not in unwanted]
    names = {name.lower() for name, _ in head.fields}
    head.has_date = b'date' in names
    head.has_server = b'server' in names
    # RFC 9110 7.8
    change = check_field((b'upgrade', protocol))
    lines = [b'%b: %b\r\n' % field for field in [(b'connection', b'upgrade'), change, *head.fields]]
    head.lines = status_line(101) + b''.join(lines)
    return head


def _head_with_reason(status: int, fields: Sequence[Field], reason: bytes) -> ResponseHead:
    if reason == usual_reason(status):
        return response_head(status, fields)
    if not _is_value(reason):
        raise InvalidResponse('bad byte in the reason phrase')
    fields = [_pair(field) for field in fields]
    # No field is a status and a reason, and no head without a reason begins with a pair.
    key = ((status, reason), *fields)
    return _recent(key) or _remembered.recall(key) or _check(key, status, fields, reason)


def is_bodiless(status: int) -> bool:
    """Whether a response of this status never has a body (RFC 9110 6.4.1)."""
    return status < 200 or status in (204, 205, 304)


def whole_length(response: ResponseHead, body: bytes, *, to_head: bool) -> int | None:
    """The Content-Length of a response that is whole; None: it states none. Raises InvalidResponse."""
    declared, size = response.length, len(body)
    # RFC 9110 8.6: in a 304 it would be that of the 200, and only the application knows that.
    if response.bodiless:
        return declared
    if to_head:
        # The length HEAD states is the one GET would; without a body to measure it is left out.
        return declared if declared is not None or not size else size
    if declared is not None and declared != size:
        raise InvalidResponse(f'content-length {declared} with a body of {size} bytes')
    return size


def is_length_free(status: int) -> bool:
    """Whether Content-Length must not be sent (RFC 9110 8.6)."""
    return status < 200 or status == 204


def refusal_response(refusal: Refusal, defaults: ResponseDefaults, *, to_head: bool) -> bytes:
    """The whole answer to a refused request, without its body if that was HEAD; the connection is closed after it."""
    body = f'{refusal.reason}\n'.encode()
    return b'%bcontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n%b%b' % (
        status_line(refusal.status), len(body), defaults.end, b'' if to_head else body,
    )  # fmt: skip


def status_line(status: int) -> bytes:
    return STATUS_LINES.get(status) or b'HTTP/1.1 %d \r\n' % status


def usual_reason(status: int) -> bytes:
    """The phrase HTTP knows for a status, b'' for none."""
    return status_line(status)[13:-2]


def field_lines(fields: Iterable[Field]) -> bytes:
    """Fields as lines. Raises InvalidResponse."""
    return b''.join([b'%b: %b\r\n' % check_field(field) for field in fields])


def trailer_fields(fields: Iterable[Field]) -> Fields:
    """The trailers that may be sent. Raises InvalidResponse."""
    trailers = [check_field(field) for field in fields]
    for name, _ in trailers:
        if name.lower() in _NOT_IN_TRAILERS:
            raise InvalidResponse(f'field {name.decode("latin-1")} is not allowed in trailers')
    return trailers


def interim_fields(status: int, fields: Iterable[Field]) -> Fields:
    """The fields of an interim response that may be sent. Raises InvalidResponse."""
    if not 100 <= status < 200 or status == 101:
        raise InvalidResponse(f'status {status} is not that of an interim response')
    checked = [check_field(field) for field in fields]
    # RFC 9110 8.6: no Content-Length with 1xx.
    unwanted = CONNECTION_FIELDS | {b'content-length'}
    return [field for field in checked if field[0].lower() not in unwanted]


def check_field(field: Field) -> Field:
    """The (name, value) pair, checked. Raises InvalidResponse."""
    name, value = _pair(field)
    if not _is_name(name):
        raise InvalidResponse(f'bad field name {name!r}')
    if not _is_value(value):
        raise InvalidResponse(f'bad byte in the value of field {name.decode("ascii")}')
    return name, value.strip(b' \t')


def _pair(field: object) -> Field:
    if not isinstance(field, (tuple, list)) or len(field) != 2:
        raise InvalidResponse('a field is not a pair')
    name, value = field
    if not isinstance(name, _BYTES) or not isinstance(value, _BYTES):
        raise InvalidResponse('a field is not a pair of bytes')
    return bytes(name), bytes(value)


def _check(key: object, status: int, fields: Sequence[Field], reason: bytes = b'') -> ResponseHead:
    if not 200 <= status <= 999:
        raise InvalidResponse(f'status {status} is not that of a final response')
    head = ResponseHead()
    head.status = status
    head.reason = reason or usual_reason(status)
    head.length = head.http2 = None
    head.fields = []
    head.close = head.event_stream = head.has_date = head.has_server = False
    keep = True
    for field in fields:
        name, value = check_field(field)
        low = name.lower()
        if low == b'content-length':
            _take_length(head, value)
        elif low == b'upgrade' and status == 426:
            # RFC 9110 15.5.22: it has to say what to; 7.8: and is named in Connection.
            head.fields += [(name, value), (b'connection', low)]
        elif low in CONNECTION_FIELDS:
            _take_connection_field(head, low, value.lower())
        else:
            head.event_stream = head.event_stream or (low == b'content-type' and value.startswith(b'text/event-stream'))
            head.has_date = head.has_date or low == b'date'
            head.has_server = head.has_server or low == b'server'
            keep = keep and low not in SECRET_FIELDS
            head.fields.append((name, value))
    if status == 205:
        # RFC 9110 15.3.6: no content, and a client is told so by the length.
        head.length = 0
    head.bodiless = is_bodiless(status)
    head.plain = not (head.bodiless or head.close or head.has_date or head.has_server)
    first = b'HTTP/1.1 %d %b\r\n' % (status, reason) if reason else status_line(status)
    head.lines = first + b''.join([b'%b: %b\r\n' % field for field in head.fields])
    if keep:
        _remembered.keep(key, head, len(reason) + sum([len(name) + len(value) for name, value in fields]))
    return head


def _take_length(head: ResponseHead, value: bytes) -> None:
    if not _only_digits(value):
        raise InvalidResponse('bad content-length')
    length = int(value)
    if head.length not in (None, length):
        raise InvalidResponse('conflicting content-length')
    head.length = length


def _take_connection_field(head: ResponseHead, name: bytes, value: bytes) -> None:
    if name == b'connection' and has_token(value, b'close'):
        head.close = True
    elif name == b'transfer-encoding' and value not in (b'chunked', b'identity', b''):
        # The body is framed here; a coding we do not know would make it unreadable.
        raise InvalidResponse('transfer-encoding is for the server to choose')
