"""WebSockets, as a section of the document."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from granian.config.sections.section import SIZE_MAX, WAIT_MAX_S, Section
from granian.config.types.fields import CHOICE, Duration, Flag, Size, Switch, Whole
from granian.config.types.web import Origins

MIB = 1024 * 1024
QUEUE_MAX = 1_000_000

FromOrigins = Annotated[
    Origins,
    Field(
        description='Web sites whose pages may open a session, as browsers send them in `Origin`. Any other: 403. '
        'Without it: all may. A client that sends none is no browser, and may too.',
        examples=[['https://shop.example']],
    ),
]


class WebSocket(Section):
    """WebSocket sessions, for ASGI and RSGI."""

    enabled: Annotated[
        Switch,
        Field(description='Serve WebSockets. Without: an opening is refused by 403.', examples=[False]),
        Flag('--ws', 'Serve WebSockets', variable='GRANIAN_WEBSOCKETS'),
    ] = True
    engine: Annotated[
        Literal['fast', 'wsproto'],
        CHOICE,
        Field(description='`fast`: the own engine. `wsproto`: the reference, slower.', examples=['wsproto']),
    ] = 'fast'
    origins: FromOrigins = ()
    max_message_size: Annotated[
        Size,
        Field(
            ge=1,
            le=SIZE_MAX,
            description='A message from a client, inflated, all its frames together. Over it: closed with code 1009.',
            examples=['1MiB'],
        ),
    ] = 16 * MIB
    max_frame_size: Annotated[
        Size | None,
        Field(
            ge=125,
            le=SIZE_MAX,
            description='A frame of such a message. Over it: closed with code 1009. Without it: as a message.',
            examples=['64KiB'],
        ),
    ] = None
    queue: Annotated[
        Whole,
        Field(
            ge=1,
            le=QUEUE_MAX,
            description='Messages of a session that wait for the application. Over it, its client is read no more.',
            examples=[16],
        ),
    ] = 256
    queue_size: Annotated[
        Size,
        Field(
            ge=1,
            le=SIZE_MAX,
            description='The same, in bytes (characters, of text): one message more may wait.',
            examples=['256KiB'],
        ),
    ] = MIB
    ping_interval: Annotated[
        Duration,
        Field(
            ge=0,
            le=WAIT_MAX_S,
            description='Time in which nothing came from a client, after which it is asked for a sign of life. 0: never.',
            examples=['30s'],
        ),
    ] = 20.0
    ping_timeout: Annotated[
        Duration,
        Field(
            gt=0,
            le=WAIT_MAX_S,
            description='Time for that sign of life. Over it: the connection is cut, code 1006 for the application.',
            examples=['10s'],
        ),
    ] = 20.0
    idle_timeout: Annotated[
        Duration,
        Field(
            ge=0,
            le=WAIT_MAX_S,
            description='Time without a message either way after which a session is closed with code 1001. 0: never.',
            examples=['1h'],
        ),
    ] = 0.0
    close_timeout: Annotated[
        Duration,
        Field(
            gt=0,
            le=WAIT_MAX_S,
            description='Time for a client to answer our close. Over it: the connection is cut.',
            examples=['5s'],
        ),
    ] = 10.0
    compression: Annotated[
        Switch,
        Field(description='Compress messages for clients that offer it (permessage-deflate).', examples=[False]),
    ] = True
    compression_level: Annotated[Whole, Field(ge=1, le=9, description='1: fast, to 9: small.', examples=[1])] = 6
    compression_memory: Annotated[
        Whole,
        Field(
            ge=1,
            le=9,
            description="zlib's memory level: it takes 2^(level + 9) bytes for a session besides the window.",
            examples=[8],
        ),
    ] = 5
    compression_window: Annotated[
        Whole,
        Field(
            ge=9,
            le=15,
            description='How far back a message may refer: 2^window bytes, which zlib keeps for each direction of a session '
            '(four times that for what is sent). Of what is sent; of what comes where the client can be told.',
            examples=[15],
        ),
    ] = 12
    compression_takeover: Annotated[
        Literal['both', 'server', 'client', 'none'],
        CHOICE,
        Field(
            description='Whose messages may refer to those before: smaller messages, but memory for as long as a session is open.',
            examples=['none'],
        ),
    ] = 'both'
    compression_min_size: Annotated[
        Size,
        Field(le=SIZE_MAX, description='Messages of fewer bytes are sent as they are.', examples=['1KiB']),
    ] = 128


class MountWebSocket(Section):
    """WebSocket sessions of this application, in place of what `[websocket]` says."""

    origins: Annotated[
        Origins | None,
        Field(
            description='Web sites whose pages may open a session. Empty: all may. Without it: `websocket.origins`.',
            examples=[['https://shop.example']],
        ),
    ] = None
    max_message_size: Annotated[
        Size | None,
        Field(
            ge=1,
            le=SIZE_MAX,
            description='A message from a client. Over it: closed with code 1009. Without it: `websocket.max_message_size`.',
            examples=['64KiB'],
        ),
    ] = None
    max_frame_size: Annotated[
        Size | None,
        Field(
            ge=125,
            le=SIZE_MAX,
            description='A frame of such a message. Over it: closed with code 1009. Without it: `websocket.max_frame_size`.',
            examples=['16KiB'],
        ),
    ] = None
    queue: Annotated[
        Whole | None,
        Field(
            ge=1,
            le=QUEUE_MAX,
            description='Messages of a session that wait for the application. Without it: `websocket.queue`.',
            examples=[16],
        ),
    ] = None
    queue_size: Annotated[
        Size | None,
        Field(
            ge=1, le=SIZE_MAX, description='The same, in bytes. Without it: `websocket.queue_size`.', examples=['1MiB']
        ),
    ] = None
    ping_interval: Annotated[
        Duration | None,
        Field(
            ge=0,
            le=WAIT_MAX_S,
            description='Silence after which a client is asked for a sign of life. 0: never. Without it: `websocket.ping_interval`.',
            examples=['30s'],
        ),
    ] = None
    ping_timeout: Annotated[
        Duration | None,
        Field(
            gt=0,
            le=WAIT_MAX_S,
            description='Time for that sign of life. Over it: cut. Without it: `websocket.ping_timeout`.',
            examples=['10s'],
        ),
    ] = None
    idle_timeout: Annotated[
        Duration | None,
        Field(
            ge=0,
            le=WAIT_MAX_S,
            description='Time without a message after which a session is closed. 0: never. Without it: `websocket.idle_timeout`.',
            examples=['1h'],
        ),
    ] = None
    close_timeout: Annotated[
        Duration | None,
        Field(
            gt=0,
            le=WAIT_MAX_S,
            description='Time for a client to answer our close. Over it: cut. Without it: `websocket.close_timeout`.',
            examples=['5s'],
        ),
    ] = None
    compression: Annotated[
        Switch | None,
        Field(
            description='Compress messages for clients that offer it, as `[websocket]` says how. Without it: `websocket.compression`.',
            examples=[False],
        ),
    ] = None

    def over(self, shared: WebSocket) -> WebSocket:
        """What `[websocket]` says, but for what is said here."""
        return shared.model_copy(update={name: value for name, value in self if value is not None})
