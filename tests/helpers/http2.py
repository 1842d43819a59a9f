"""What the tests of HTTP/2 engines have in common."""

from __future__ import annotations

from granian.protocol.limits import Http2Limits

LIMITS = Http2Limits(
    head_bytes_max=8192,
    target_bytes_max=1024,
    fields_max=32,
    body_bytes_max=1024 * 1024,
    discard_bytes_max=65536,
    streams_max=16,
    frame_bytes_max=16384,
    stream_window_bytes=65535,
    connection_window_bytes=131072,
    adaptive_window=False,
    send_buffer_bytes_max=65536,
)
