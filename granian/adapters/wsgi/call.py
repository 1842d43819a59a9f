"""One call of a WSGI application, on a pool thread: `start_response`, `write`, and what the application returns."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from granian.adapters.wsgi.bridge import Bridge, refuse_cut_off, respond
from granian.adapters.wsgi.files import FileWrapper, Region, region
from granian.errors import ClientDisconnected, FlowError, InvalidResponse
from granian.protocol.memory import Memory
from granian.protocol.responses import SECRET_FIELDS, ResponseHead, response_head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from granian.adapters.wsgi.threads import Threads
    from granian.exchange import Exchange

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

logger = logging.getLogger('_granian')

# Up to this a file is read by the thread and leaves in one piece with its head.
SMALL_FILE_BYTES_MAX = 64 * 1024

_heads: Memory[ResponseHead] = Memory(entries_max=512, key_bytes_max=2048)
_recent = _heads.recent.get


class Call:
    """What one request's application is given, and what becomes of what it gives."""

    __slots__ = ('_bridge', '_exchange', '_pool', '_response', '_silent', '_started', '_whole')

    def __init__(self, pool: Threads, exchange: Exchange) -> None:
        self._pool = pool
        self._exchange = exchange
        self._response: ResponseHead | None = None
        # Something was sent · all that was announced was sent.
        self._started = self._whole = False
        # No body goes with the response that was sent, whatever the application says.
        self._silent = False
        # For all but whole answers.
        self._bridge: Bridge | None = None

    def run(self, application: Any, environ: dict[str, Any]) -> None:
        """Let the application answer. Raises nothing."""
        try:
            result = application(environ, self.start_response)
            if type(result) is list and not self._started:
                self._answer_whole(result)
                return
            try:
                self._answer(result)
            finally:
                if hasattr(result, 'close'):
                    result.close()
        except BaseException as exc:
            # One request ends no thread, and no worker.
            self._fail(exc)

    def bridge(self) -> Bridge:
        if self._bridge is None:
            self._bridge = Bridge(self._pool, self._exchange)
        return self._bridge

    def start_response(
        self, status: str, headers: Sequence[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        if exc_info is not None:
            if self._started:
                try:
                    raise exc_info[1].with_traceback(exc_info[2])
                finally:
                    exc_info = None
        elif self._response is not None:
            raise FlowError('start_response was already called')
        # From here on only this is looked at: perhaps `headers` can be read only once.
        given: tuple[Any, ...] = (status, *headers)
        try:
            response = _recent(given)
        except TypeError:
            # Pairs given as lists cannot be looked up.
            response = None
        self._response = response or _checked(*given)
        return self.write

    def write(self, data: bytes) -> None:
        """Send some of the body at once: for what was written before there were iterables."""
        if type(data) is not bytes:
            data = _as_bytes(data)
        if data:
            self._send(data)

    # ── what the application returns ─────────────────────────────────────────────────────────────────────────────

    def _answer(self, result: Iterable[bytes]) -> None:
        if type(result) is tuple and not self._started:
            self._answer_whole(result)
        elif type(result) is FileWrapper and not self._started and (part := region(result.filelike)):
            self._answer_file(result.filelike, part)
        else:
            self._answer_piecewise(result)

    def _answer_whole(self, pieces: Sequence[bytes]) -> None:
        body = pieces[0] if len(pieces) == 1 else b''.join([_as_bytes(piece) for piece in pieces])
        if type(body) is not bytes:
            body = _as_bytes(body)
        self._respond(self._head(), body)

    def _answer_piecewise(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            if type(piece) is not bytes:
                piece = _as_bytes(piece)
            if piece:
                if self._silent:
                    # Nor would anything that follows be sent.
                    break
                self._send(piece)
        if not self._started:
            self._respond(self._head(), b'')
        elif not self._whole:
            self.bridge().finish()

    def _send(self, data: bytes) -> None:
        if self._silent:
            return
        if self._whole:
            raise InvalidResponse('body longer than its content-length')
        if self._started:
            self.bridge().write(data)
            return
        response = self._head()
        if response.bodiless or self._exchange.head.method == 'HEAD':
            self._silent = True
            self._respond(response, b'')
        elif response.length is None:
            self._started = True
            self.bridge().start(response, data)
        else:
            self._send_first(response, data, response.length)

    def _send_first(self, response: ResponseHead, data: bytes, length: int) -> None:
        if len(data) > length:
            raise InvalidResponse('body longer than its content-length')
        if len(data) == length:
            # Whatever the application does after this, the client has it all.
            self._respond(response, data)
        else:
            self._started = True
            self.bridge().start(response, data)

    def _answer_file(self, file: Any, part: Region) -> None:
        response = self._head()
        count = part.count if response.length is None else min(part.count, response.length)
        if response.length is None:
            response = _with_length(response, count)
        if self._exchange.head.method == 'HEAD' or response.bodiless:
            self._respond(response, b'')
        elif count <= SMALL_FILE_BYTES_MAX:
            self._respond(response, file.read(count))
        else:
            self._started = self._whole = True
            self.bridge().send_file(response, part.descriptor, part.offset, count)

    def _respond(self, response: ResponseHead, body: bytes) -> None:
        self._started = self._whole = True
        self._pool.post(respond, self._exchange, response, body)

    def _head(self) -> ResponseHead:
        if self._response is None:
            raise FlowError('start_response was not called')
        return self._response

    def _fail(self, exc: BaseException) -> None:
        if isinstance(exc, ClientDisconnected) and self._exchange.gone:
            logger.debug('Application stopped: the client is gone')
            if not self._started:
                self._pool.post(refuse_cut_off, self._exchange)
                return
        elif self._bridge is None or exc is not self._bridge.error:
            logger.error('Application callable raised an exception', exc_info=exc)
        self._pool.post(self._exchange.fail)


def _checked(status: str, *headers: object) -> ResponseHead:
    """The head of what an application gave; remembered, but for secrets. Raises InvalidResponse."""
    code, reason = _split_status(status)
    pairs = [_pair(header) for header in headers]
    # Of plain strings: whatever the application's own are equal to, others find only what they gave themselves.
    key = (_plain(status), *pairs)
    kept = _heads.recall(key)
    if kept is not None:
        return kept
    fields = [(_as_latin1(name, 'a header'), _as_latin1(value, 'a header')) for name, value in pairs]
    response = response_head(code, fields, reason)
    if not any(name.lower() in SECRET_FIELDS for name, _ in fields):
        _heads.keep(key, response, len(key[0]) + sum([len(name) + len(value) for name, value in fields]))
    return response


def _split_status(status: str) -> tuple[int, bytes]:
    if not isinstance(status, str):
        raise InvalidResponse('status is not a str')
    code, _, reason = status.partition(' ')
    if len(code) != 3 or not (code.isascii() and code.isdigit()):
        raise InvalidResponse(f'status {status!r} does not begin with three digits')
    return int(code), _as_latin1(reason, 'the reason phrase')


def _pair(header: object) -> tuple[str, str]:
    if not isinstance(header, (tuple, list)) or len(header) != 2:
        raise InvalidResponse('a header is not a pair')
    name, value = header
    if not isinstance(name, str) or not isinstance(value, str):
        raise InvalidResponse('a header is not a pair of str')
    return _plain(name), _plain(value)


def _plain(text: str) -> str:
    return text if type(text) is str else str.__str__(text)


def _as_latin1(text: str, what: str) -> bytes:
    try:
        return text.encode('latin-1')
    except UnicodeEncodeError as exc:
        raise InvalidResponse(f'{what} has a character beyond U+00FF') from exc


def _as_bytes(data: object) -> bytes:
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise InvalidResponse(f'{type(data).__name__} where bytes are wanted')


def _with_length(response: ResponseHead, length: int) -> ResponseHead:
    close = [(b'connection', b'close')] if response.close else []
    fields = [*response.fields, *close, (b'content-length', b'%d' % length)]
    return response_head(response.status, fields, response.reason)
