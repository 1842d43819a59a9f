"""The states of a stream, and what each makes of the frames of the client (RFC 9113 5.1)."""

from __future__ import annotations

from granian.protocol.http2.frames import (
    DATA,
    HEADERS,
    PRIORITY,
    PROTOCOL_ERROR,
    RST_STREAM,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    ConnectionFault,
    StreamFault,
)

# Nothing was sent yet · both sides may send · the client has ended its side · we have ended ours.
IDLE, OPEN, HALF_REMOTE, HALF_LOCAL = 'idle', 'open', 'half-closed (remote)', 'half-closed (local)'
# Closed: by both ends · by our RST_STREAM · by the client's · by a later stream, never having been used.
CLOSED, RESET, GONE, SKIPPED = 'closed', 'reset', 'gone', 'skipped'

TAKE, IGNORE = 'take', 'ignore'
# Errors: of the connection, or of the stream.
_Error = tuple[type[Exception], int]
_CONNECTION_PROTOCOL: _Error = (ConnectionFault, PROTOCOL_ERROR)
_CONNECTION_CLOSED: _Error = (ConnectionFault, STREAM_CLOSED)
_STREAM_CLOSED: _Error = (StreamFault, STREAM_CLOSED)

# PRIORITY may come at any time, and is ignored.
VERDICTS: dict[str, dict[int, str | _Error]] = {
    IDLE: {
        HEADERS: TAKE, DATA: _CONNECTION_PROTOCOL, RST_STREAM: _CONNECTION_PROTOCOL, WINDOW_UPDATE: _CONNECTION_PROTOCOL,
    },
    OPEN: {HEADERS: TAKE, DATA: TAKE, RST_STREAM: TAKE, WINDOW_UPDATE: TAKE},
    HALF_REMOTE: {HEADERS: _STREAM_CLOSED, DATA: _STREAM_CLOSED, RST_STREAM: TAKE, WINDOW_UPDATE: TAKE},
    HALF_LOCAL: {HEADERS: TAKE, DATA: TAKE, RST_STREAM: TAKE, WINDOW_UPDATE: TAKE},
    # The client may have sent these before it knew.
    CLOSED: {HEADERS: _CONNECTION_CLOSED, DATA: _CONNECTION_CLOSED, RST_STREAM: IGNORE, WINDOW_UPDATE: IGNORE},
    RESET: {HEADERS: IGNORE, DATA: IGNORE, RST_STREAM: IGNORE, WINDOW_UPDATE: IGNORE},
    GONE: {HEADERS: _STREAM_CLOSED, DATA: _STREAM_CLOSED, RST_STREAM: IGNORE, WINDOW_UPDATE: _STREAM_CLOSED},
    # RFC 9113 5.1.1
    SKIPPED: {
        HEADERS: _CONNECTION_PROTOCOL, DATA: _CONNECTION_CLOSED, RST_STREAM: _CONNECTION_CLOSED,
        WINDOW_UPDATE: _CONNECTION_CLOSED,
    },
}  # fmt: skip
_NAMES = {
    HEADERS: 'HEADERS',
    DATA: 'DATA',
    RST_STREAM: 'RST_STREAM',
    WINDOW_UPDATE: 'WINDOW_UPDATE',
    PRIORITY: 'PRIORITY',
}


def admits(state: str, kind: int, stream: int) -> bool:
    """Whether a frame is taken in this state; False: it is ignored. Raises ConnectionFault, StreamFault."""
    verdict = VERDICTS[state][kind]
    if isinstance(verdict, str):
        return verdict is TAKE
    scope, code = verdict
    reason = f'{_NAMES[kind]} on a stream that is {state}'
    if scope is StreamFault:
        raise StreamFault(stream, code, reason)
    raise ConnectionFault(code, reason)
