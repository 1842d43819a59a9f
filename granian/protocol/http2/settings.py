"""SETTINGS: ours, and what a peer may say in its own (RFC 9113 6.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.protocol.http2.frames import (
    ENABLE_CONNECT_PROTOCOL,
    ENABLE_PUSH,
    FLOW_CONTROL_ERROR,
    FRAME_BYTES_DEFAULT,
    FRAME_BYTES_LARGEST,
    FRAME_SIZE_ERROR,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    NO_RFC7540_PRIORITIES,
    PROTOCOL_ERROR,
    SETTING,
    WINDOW_BYTES_LARGEST,
    ConnectionFault,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from granian.protocol.limits import Http2Limits

_FLAGS = frozenset({ENABLE_PUSH, ENABLE_CONNECT_PROTOCOL, NO_RFC7540_PRIORITIES})


def own_settings(limits: Http2Limits) -> list[tuple[int, int]]:
    return [
        (MAX_CONCURRENT_STREAMS, limits.streams_max),
        (INITIAL_WINDOW_SIZE, limits.stream_window_bytes),
        (MAX_FRAME_SIZE, frame_bytes_max(limits)),
        (MAX_HEADER_LIST_SIZE, limits.head_bytes_max),
        (ENABLE_CONNECT_PROTOCOL, 1),
        (NO_RFC7540_PRIORITIES, 1),
    ]


def frame_bytes_max(limits: Http2Limits) -> int:
    """The largest frame we take: no less than every peer may send (RFC 9113 4.2)."""
    return min(max(limits.frame_bytes_max, FRAME_BYTES_DEFAULT), FRAME_BYTES_LARGEST)


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """The settings of a payload, in their order: of each the last holds (RFC 9113 6.5.3). Raises ConnectionFault."""
    if len(payload) % SETTING.size:
        raise ConnectionFault(FRAME_SIZE_ERROR, 'SETTINGS of a bad length')
    settings: list[tuple[int, int]] = []
    for key, value in SETTING.iter_unpack(payload):
        _check(key, value)
        settings.append((key, value))
    return settings


def table_sizes(settings: Iterable[tuple[int, int]]) -> list[int]:
    """All of HPACK's: not the last alone counts, but the smallest, too (RFC 7541 4.2)."""
    return [value for key, value in settings if key == HEADER_TABLE_SIZE]


def _check(key: int, value: int) -> None:
    """RFC 9113 6.5.2, RFC 8441 3, RFC 9218 2.1; what is unknown is ignored."""
    if key in _FLAGS and value > 1:
        raise ConnectionFault(PROTOCOL_ERROR, 'a setting that is neither 0 nor 1')
    if key == INITIAL_WINDOW_SIZE and value > WINDOW_BYTES_LARGEST:
        raise ConnectionFault(FLOW_CONTROL_ERROR, 'SETTINGS_INITIAL_WINDOW_SIZE too large')
    if key == MAX_FRAME_SIZE and not FRAME_BYTES_DEFAULT <= value <= FRAME_BYTES_LARGEST:
        raise ConnectionFault(PROTOCOL_ERROR, 'SETTINGS_MAX_FRAME_SIZE out of range')
