"""What an engine may be told: bounds, as plain frozen values. Defaults live in `config/model.py`, not here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Http1Limits:
    """Bounds on one HTTP/1 connection. Sizes in bytes; None means no bound."""

    # Over this: 431, then close. Request line, fields and their line ends together. Apache allows 8 KiB a line.
    head_bytes_max: int
    # Over this: 414, then close. RFC 9112 3: at least 8000 are recommended.
    target_bytes_max: int
    # Over this: 431, then close. Also the bound on trailer fields.
    fields_max: int
    # Over this: 413, then close.
    body_bytes_max: int | None
    # Body and pipelined bytes held for the application before reading from the socket stops.
    read_ahead_bytes_max: int
    # What is left of a body nobody read is thrown away up to this, so that the connection can be kept; over it: close.
    discard_bytes_max: int
    keep_alive: bool
    # RFC 9112 3.2 wants exactly one Host on HTTP/1.1. False: none is accepted too (never two).
    require_host: bool


# RFC 9113 6.5.2 and 6.9.2: what every HTTP/2 connection has at least.
HTTP2_FRAME_BYTES_LEAST = 16384
HTTP2_WINDOW_BYTES_LEAST = 65535
# An HTTP/2 connection is full, and begins nothing more, where so many bodies of responses wait on it, together as many
# bytes as so many send buffers have.
HTTP2_WAITING_BODIES_MAX = 16


@dataclass(frozen=True, slots=True)
class Http2Limits:
    """Bounds on one HTTP/2 connection. Sizes in bytes; None means no bound."""

    # SETTINGS_MAX_HEADER_LIST_SIZE. Over this: 431; counted as RFC 9113 6.5.2 says, 32 more for each field.
    head_bytes_max: int
    # Over this: 414.
    target_bytes_max: int
    # Over this: 431. Also the bound on trailer fields.
    fields_max: int
    # Over this: 413, then RST_STREAM.
    body_bytes_max: int | None
    # What is left of a body nobody read is thrown away up to this; over it: RST_STREAM (NO_ERROR, RFC 9113 8.1).
    discard_bytes_max: int
    # SETTINGS_MAX_CONCURRENT_STREAMS. Over this: RST_STREAM (REFUSED_STREAM).
    streams_max: int
    # SETTINGS_MAX_FRAME_SIZE. Over this: connection error (FRAME_SIZE_ERROR).
    frame_bytes_max: int
    # SETTINGS_INITIAL_WINDOW_SIZE: body bytes a stream's client may send ahead of the application.
    stream_window_bytes: int
    # The same for all streams together.
    connection_window_bytes: int
    # Grow both windows where the application takes a body as fast as it comes.
    adaptive_window: bool
    # Body bytes of a response that wait for flow control before the application waits.
    send_buffer_bytes_max: int


@dataclass(frozen=True, slots=True)
class DeflateSettings:
    """How permessage-deflate is agreed on and done (RFC 7692). Windows are given as zlib's bits, 9 to 15."""

    # zlib's: 1 (fast) to 9 (small), and 1 to 9 for the memory it may take besides the window.
    level: int
    memory_level: int
    # At most: of what we send, and of what we let clients send where they can be told.
    server_window_bits: int
    client_window_bits: int
    # Whether a message may refer to those before it: smaller messages, but a window of memory held for each session.
    server_takeover: bool
    client_takeover: bool
    # Messages of fewer bytes are sent as they are.
    message_bytes_min: int


@dataclass(frozen=True, slots=True)
class WebSocketLimits:
    """Bounds on one WebSocket session. Sizes in bytes."""

    # Over this: 1009, then close.
    frame_bytes_max: int
    # The same, of all frames of a message together, and of what it inflates to.
    message_bytes_max: int
    # None: no compression.
    deflate: DeflateSettings | None
