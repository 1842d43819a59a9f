"""One line for each request, in upstream's format or as JSON. Compiled once; computes only what its format names."""

from __future__ import annotations

import json
import logging
import re
import time
from typing import TYPE_CHECKING, Any

from granian.observe.logs import access_logger
from granian.protocol.contract import RequestHead

if TYPE_CHECKING:
    from collections.abc import Callable

    from granian.websocket import WebSocketSession

    # peer, scheme, head, status, seconds, why it was refused
    Entry = tuple[str, str, RequestHead, int, float, str]
    Getter = Callable[[Entry], Any]

TEXT_FORMAT = '[%(time)s] %(addr)s - "%(method)s %(path)s %(protocol)s" %(status)d %(dt_ms).3f'
# Upstream's names of the versions.
PROTOCOLS = {'1.0': 'HTTP/1', '1.1': 'HTTP/1.1', '2': 'HTTP/2'}
# Of a request that is not one, no more than this is logged.
REFUSED_CHARS_MAX = 2048
_ATOM = re.compile(r'%%|%\(([^)]*)\)')
_HEADER_ATOM = re.compile(r'header\{([^{}]+)\}')


class AccessLog:
    """Writes to the logger `granian.access`. What a client sent can neither end a line nor close a quote in it."""

    __slots__ = ('_line', '_session_line')

    def __init__(self, line: Callable[[Entry], str], session_line: Callable[[Entry, WebSocketSession], str]) -> None:
        self._line = line
        self._session_line = session_line

    def request(self, peer: str, scheme: str, head: RequestHead, status: int, duration_s: float) -> None:
        """A request that was answered. `peer`: the address without a port, '' for a Unix socket."""
        if access_logger.isEnabledFor(logging.INFO):
            _emit(self._line((peer, scheme, head, status, duration_s, '')))

    def refused(self, peer: str, scheme: str, request_line: bytes, status: int, reason: str) -> None:
        """A request that the server refused by itself."""
        if access_logger.isEnabledFor(logging.INFO):
            _emit(self._line((peer, scheme, _refused_head(request_line), status, 0.0, reason)))

    def session(self, session: WebSocketSession, duration_s: float) -> None:
        """A WebSocket session that is over."""
        if access_logger.isEnabledFor(logging.INFO):
            exchange = session.exchange
            peer = exchange.info.client[0] if exchange.info.client else ''
            entry = (peer, exchange.info.scheme, exchange.head, session.code or 0, duration_s, '')
            _emit(self._session_line(entry, session))


def build(format: str) -> AccessLog:  # noqa: A002
    """`text` (upstream's default), `json`, or a format with upstream's atoms."""
    if format == 'json':
        values = _json_values()
        return AccessLog(lambda entry: _encoded(values(entry)), _json_session_line(values))
    line = _text_line(TEXT_FORMAT if format == 'text' else format)
    return AccessLog(line, _text_session_line(line))


def _emit(line: str) -> None:
    # Logger.info would walk the stack for a file and line number that nobody wants.
    access_logger.handle(access_logger.makeRecord(access_logger.name, logging.INFO, '', 0, line, (), None))


def _refused_head(request_line: bytes) -> RequestHead:
    method, _, rest = request_line.decode('latin-1').partition(' ')
    target, _, version = rest.rpartition(' ')
    head = RequestHead()
    head.fields = []
    if target and version.startswith('HTTP/'):
        head.method, head.version = method, version[5:]
    else:
        head.method, target, head.version = '-', request_line.decode('latin-1') or '-', '-'
    head.path, _, query = target[:REFUSED_CHARS_MAX].partition('?')
    head.query = query.encode('latin-1')
    return head


def escaped(text: str) -> str:
    r"""Text in which every quote, backslash and unprintable character is written as a `\` escape."""
    if text.isprintable() and '"' not in text and '\\' not in text:
        return text
    return ''.join(_escape(char) for char in text)


def _escape(char: str) -> str:
    if char in '"\\':
        return '\\' + char
    return char if char.isprintable() else char.encode('unicode_escape').decode('ascii')


def _clock(layout: Callable[[float], str]) -> Callable[[], str]:
    """The time of now in that layout, laid out once a second."""
    second, text = -1, ''

    def now() -> str:
        nonlocal second, text
        current = int(time.time())
        if current != second:
            second, text = current, layout(current)
        return text

    return now


def _local_time(seconds: float) -> str:
    return time.strftime('%Y-%m-%d %H:%M:%S %z', time.localtime(seconds))


def _iso_time(seconds: float) -> str:
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(seconds))


def _protocol(version: str) -> str:
    return PROTOCOLS.get(version) or ('-' if version == '-' else f'HTTP/{version}')


def _field(head: RequestHead, name: bytes) -> str | None:
    # Upstream: of repeated fields the last.
    for field, value in reversed(head.fields):
        if field == name:
            return value.decode('latin-1')
    return None


def _getters() -> dict[str, Getter]:
    now = _clock(_local_time)
    return {
        'addr': lambda entry: entry[0],
        'time': lambda _: now(),
        'dt_ms': lambda entry: entry[4] * 1000,
        'status': lambda entry: entry[3],
        'path': lambda entry: escaped(entry[2].path),
        'query_string': lambda entry: escaped(entry[2].query.decode('latin-1')),
        'method': lambda entry: escaped(entry[2].method),
        'scheme': lambda entry: entry[1],
        'protocol': lambda entry: escaped(_protocol(entry[2].version)),
    }


def _header_getter(name: bytes) -> Getter:
    def get(entry: Entry) -> str:
        value = _field(entry[2], name)
        return '-' if value is None else escaped(value)

    return get


def _text_line(format: str) -> Callable[[Entry], str]:  # noqa: A002
    known = _getters()
    getters: list[Getter] = []

    def positional(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return '%%'
        header = _HEADER_ATOM.fullmatch(name)
        getters.append(_header_getter(header.group(1).lower().encode('latin-1')) if header else known[name])
        return '%'

    layout = _ATOM.sub(positional, format)
    return lambda entry: layout % tuple([get(entry) for get in getters])


def _text_session_line(line: Callable[[Entry], str]) -> Callable[[Entry, WebSocketSession], str]:
    """The line of a request, the close code as its status; then what came and what went."""

    def session_line(entry: Entry, session: WebSocketSession) -> str:
        return (
            f'{line(entry)} received {session.messages_received} messages {session.bytes_received} bytes, '
            f'sent {session.messages_sent} messages {session.bytes_sent} bytes'
        )

    return session_line


def _json_session_line(values: Callable[[Entry], dict[str, Any]]) -> Callable[[Entry, WebSocketSession], str]:
    def session_line(entry: Entry, session: WebSocketSession) -> str:
        counts = {
            'status': session.exchange.status,
            'close_code': session.code,
            'messages_received': session.messages_received,
            'bytes_received': session.bytes_received,
            'messages_sent': session.messages_sent,
            'bytes_sent': session.bytes_sent,
        }
        return _encoded(values(entry) | counts)

    return session_line


_encode = json.JSONEncoder(separators=(',', ':')).encode


def _encoded(values: dict[str, Any]) -> str:
    # JSON leaves DEL as it is; everything else outside printable ASCII is escaped by the encoder.
    return _encode(values).replace('\x7f', '\\u007f')


def _json_values() -> Callable[[Entry], dict[str, Any]]:
    now = _clock(_iso_time)

    def line(entry: Entry) -> dict[str, Any]:
        peer, scheme, head, status, duration_s, reason = entry
        values: dict[str, Any] = {
            'time': now(),
            'addr': peer,
            'scheme': scheme,
            'method': head.method,
            'path': head.path,
            'query': head.query.decode('latin-1'),
            'protocol': _protocol(head.version),
            'status': status,
            'duration_ms': round(duration_s * 1000, 3),
            'host': _field(head, b'host'),
            'user_agent': _field(head, b'user-agent'),
            'referer': _field(head, b'referer'),
        }
        if reason:
            values['reason'] = reason
        return values

    return line
