"""The section of HTTP/2."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from granian.config.sections.section import COUNT_MAX, WAIT_MAX_S, Section
from granian.config.types.fields import CHOICE, Duration, Flag, Size, Switch, Whole
from granian.protocol.limits import HTTP2_FRAME_BYTES_LEAST

KIB, MIB = 1024, 1024 * 1024
# RFC 9113 6.9.1
WINDOW_MAX = 2**31 - 1
# RFC 9113 6.5.2
FRAME_MAX = 2**24 - 1


class Http2(Section):
    """HTTP/2."""

    engine: Annotated[
        Literal['fast', 'h2'],
        CHOICE,
        Field(description='`fast`: the own engine. `h2`: the reference, slower.', examples=['h2']),
    ] = 'fast'
    max_concurrent_streams: Annotated[
        Whole,
        Field(
            ge=10,
            le=COUNT_MAX,
            description='Requests in progress at once on one connection. One more is refused, and its client may '
            'repeat it.',
            examples=[100],
        ),
        Flag('--http2-max-concurrent-streams', 'Requests in progress at once on one connection'),
    ] = 200
    initial_stream_window_size: Annotated[
        Size,
        Field(
            ge=KIB,
            le=WINDOW_MAX,
            description='Body bytes of one request that a client may send before the application takes them.',
            examples=['256KiB'],
        ),
        Flag('--http2-initial-stream-window-size', 'Body bytes of one request a client may send ahead'),
    ] = MIB
    initial_connection_window_size: Annotated[
        Size,
        Field(
            ge=KIB,
            le=WINDOW_MAX,
            description='The same for all requests of a connection together. HTTP/2 knows none below 64KiB - 1.',
            examples=['4MiB'],
        ),
        Flag('--http2-initial-connection-window-size', 'Body bytes of one connection a client may send ahead'),
    ] = MIB
    adaptive_window: Annotated[
        Switch,
        Field(
            description='Let both windows grow where the application takes a body as fast as it comes.', examples=[True]
        ),
        Flag('--http2-adaptive-window', 'Let windows grow where the application keeps up'),
    ] = False
    max_frame_size: Annotated[
        Size,
        Field(
            ge=KIB,
            le=FRAME_MAX,
            description='Payload of one frame that a client may send. HTTP/2 knows no bound below 16KiB: a lower one '
            'is served as 16KiB.',
            examples=['64KiB'],
        ),
        Flag('--http2-max-frame-size', 'Payload of one frame a client may send'),
    ] = HTTP2_FRAME_BYTES_LEAST
    max_headers_size: Annotated[
        Size,
        Field(
            ge=1,
            le=2**32 - 1,
            description='The fields of a request, 32 bytes more for each (RFC 9113 6.5.2). Over it: 431. '
            '`limits.head` bounds it too, whichever is less.',
            examples=['32KiB'],
        ),
        Flag('--http2-max-headers-size', 'The fields of a request together'),
    ] = 16 * MIB
    max_send_buffer_size: Annotated[
        Size,
        Field(
            ge=KIB,
            le=WINDOW_MAX,
            description='Bytes of one response that wait for its client before the application waits.',
            examples=['64KiB'],
        ),
        Flag('--http2-max-send-buffer-size', 'Bytes of one response that wait for its client'),
    ] = 400 * KIB
    keep_alive_interval: Annotated[
        Duration | None,
        Field(
            ge=0.001,
            le=60,
            description='After so long a silence a client is asked for a sign of life (PING). Without it: never. Flag '
            'and flat variable: bare numbers are milliseconds.',
            examples=['20s'],
        ),
        Flag(
            '--http2-keep-alive-interval', 'Silence before a client is asked for a sign of life, in milliseconds',
            milliseconds=True,
        ),
    ] = None  # fmt: skip
    keep_alive_timeout: Annotated[
        Duration,
        Field(
            ge=1,
            le=WAIT_MAX_S,
            description='How long that sign of life may take. Over it: the connection is cut.',
            examples=['5s'],
        ),
        Flag('--http2-keep-alive-timeout', 'How long the sign of life may take'),
    ] = 20.0
