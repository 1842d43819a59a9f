"""The whole document, frozen. The one declaration of every option: key, type, range, default, help, flag, variable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from granian.config.reading.settings import MergedSources, is_reading
from granian.config.sections.http2 import Http2
from granian.config.sections.metrics import Metrics
from granian.config.sections.mounts import App, Rule, Static, with_own_names
from granian.config.sections.proxies import USUAL_FIELDS, ForwardedFields, ProxyProtocol, TrustedProxies
from granian.config.sections.reload import Reload
from granian.config.sections.section import COUNT_MAX, SIZE_MAX, WAIT_MAX_S, Section
from granian.config.sections.server import Server
from granian.config.sections.tls import Tls
from granian.config.sections.websocket import WebSocket
from granian.config.types.bind import Bind
from granian.config.types.checks import check_access_format, check_logging_file
from granian.config.types.fields import (
    CHOICE,
    Address,
    Duration,
    FilePath,
    Flag,
    Mode,
    Size,
    Switch,
    Text,
    Whole,
    checked_file,
    checked_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_settings import PydanticBaseSettingsSource

KIB, MIB = 1024, 1024 * 1024
MaybeTls = Annotated[Tls | None, Field(description='Encrypt the connections of this listener.')]


class Listener(Section):
    """One place where connections are accepted."""

    bind: Annotated[
        Address,
        Field(
            description='`host:port`, `[v6]:port`, `*:port` (every address, IPv4 and IPv6), `unix:/path`, `fd:N`, '
            '`systemd` or `systemd:name`. Port 0: the kernel picks one, and it is logged.',
            examples=['0.0.0.0:8000'],
        ),
        Flag('--host', 'Address or host name to listen on', part='host'),
        Flag('--port', 'Port to listen on; 0: the kernel picks one', part='port'),
        Flag('--uds', 'Unix socket to listen on, in place of host and port', part='uds'),
    ] = Bind('tcp', host='127.0.0.1', port=8000)
    backlog: Annotated[
        Whole,
        Field(ge=128, le=2**31 - 1, description='Connections that the kernel queues.', examples=[2048]),
        Flag('--backlog', 'Connections that the kernel queues'),
    ] = 1024
    http: Annotated[
        Literal['auto', '1', '2'],
        CHOICE,
        Field(
            description='HTTP version. `auto`: HTTP/1.0, 1.1 and 2, as the client wishes. `1`: no HTTP/2. `2`: nothing else.',
            examples=['1'],
        ),
        Flag('--http', 'HTTP version'),
    ] = 'auto'
    permissions: Annotated[
        Mode | None,
        Field(description='Mode of the Unix socket, in octal. Without it: 0o777 less the umask.', examples=['0o660']),
        Flag('--uds-permissions', 'Mode of the Unix socket, in octal with a leading 0'),
    ] = None
    trusted_proxies: TrustedProxies = ()
    forwarded_fields: ForwardedFields = USUAL_FIELDS
    proxy_protocol: ProxyProtocol = False
    tls: MaybeTls = None


class Http1(Section):
    """HTTP/1.0 and HTTP/1.1."""

    engine: Annotated[
        Literal['fast', 'h11'],
        CHOICE,
        Field(description='`fast`: the own parser. `h11`: the reference, slower.', examples=['h11']),
    ] = 'fast'
    keep_alive: Annotated[
        Switch,
        Field(description='Serve further requests on a connection.', examples=[False]),
        Flag('--http1-keep-alive', 'Serve further requests on a connection'),
    ] = True
    header_read_timeout: Annotated[
        Duration,
        Field(
            ge=0.001,
            le=60,
            description='Time for a request head to arrive. Flag and flat variable: bare numbers are milliseconds.',
            examples=['10s'],
        ),
        Flag('--http1-header-read-timeout', 'Time for a request head to arrive, in milliseconds', milliseconds=True),
    ] = 30.0
    buffer_size: Annotated[
        Size,
        Field(
            ge=8192,
            le=SIZE_MAX,
            description='Bytes of body and of pipelined requests held before reading from the socket stops.',
            examples=['256KiB'],
        ),
        Flag('--http1-buffer-size', 'Bytes held before reading from the socket stops'),
    ] = 417792
    pipeline_flush: Annotated[
        Switch,
        Field(description='Write the responses to pipelined requests together.', examples=[True]),
        Flag('--http1-pipeline-flush', 'Write the responses to pipelined requests together'),
    ] = False
    require_host: Annotated[
        Switch,
        Field(description='Refuse an HTTP/1.1 request without a Host field, as RFC 9112 wants.', examples=[False]),
    ] = True


class Limits(Section):
    """Bounds on what one request may hold."""

    head: Annotated[
        Size,
        Field(ge=KIB, le=SIZE_MAX, description='Request line and fields together. Over it: 431.', examples=['16KiB']),
    ] = 64 * KIB
    target: Annotated[
        Size,
        Field(ge=1, le=SIZE_MAX, description='The request target. Over it: 414.', examples=['8KiB']),
    ] = 60 * KIB
    fields: Annotated[
        Whole,
        Field(
            ge=1,
            le=COUNT_MAX,
            description='Number of header fields, and of trailer fields. Over it: 431.',
            examples=[64],
        ),
    ] = 100
    body: Annotated[
        Size | None,
        Field(le=SIZE_MAX, description='Body of one request. Over it: 413. Without it: no bound.', examples=['100MiB']),
    ] = None
    body_rate: Annotated[
        Size,
        Field(
            le=SIZE_MAX,
            description='Bytes a second that a request body has to come with on average, beyond `timeouts.body_read`. Slower: '
            '408. 0: no such bound. Time in which the application leaves it unread does not count.',
            examples=['2KiB'],
        ),
    ] = 500
    discard: Annotated[
        Size,
        Field(
            le=SIZE_MAX,
            description='Rest of a body nobody read that is thrown away to keep the connection. Over it: it is closed.',
            examples=['64KiB'],
        ),
    ] = MIB


class Timeouts(Section):
    """Time a connection may spend waiting for the client."""

    body_read: Annotated[
        Duration,
        Field(gt=0, le=WAIT_MAX_S, description='Between two pieces of a request body. Over it: 408.', examples=['30s']),
    ] = 60.0
    keep_alive: Annotated[
        Duration,
        Field(
            gt=0,
            le=WAIT_MAX_S,
            description='Between two requests of a connection. Over it: it is closed.',
            examples=['5s'],
        ),
    ] = 75.0
    write: Annotated[
        Duration,
        Field(
            gt=0,
            le=WAIT_MAX_S,
            description='For a client that does not read its response. Over it: it is cut.',
            examples=['30s'],
        ),
    ] = 60.0


class AccessLog(Section):
    """A line for each request."""

    enabled: Annotated[
        Switch,
        Field(description='Log each request.', examples=[True]),
        Flag('--access-log', 'Log each request', variable='GRANIAN_LOG_ACCESS_ENABLED'),
    ] = False
    format: Annotated[
        Text,
        checked_text(check_access_format),
        Field(
            description='`text`, `json`, or a format with %(addr)s, %(time)s, %(dt_ms).3f, %(status)d, %(path)s, '
            '%(query_string)s, %(method)s, %(scheme)s, %(protocol)s and %(header{Name})s.',
            examples=['json'],
        ),
        Flag('--access-log-fmt', 'Format of the access log: text, json or a format', variable='GRANIAN_LOG_ACCESS_FMT'),
    ] = 'text'


class Logging(Section):
    """The server's own log."""

    enabled: Annotated[
        Switch,
        Field(description="The server's own log.", examples=[False]),
        Flag('--log', "The server's own log", variable='GRANIAN_LOG_ENABLED'),
    ] = True
    level: Annotated[
        Literal['critical', 'error', 'warning', 'warn', 'info', 'debug', 'notset'],
        CHOICE,
        Field(description="Least level of the server's own log.", examples=['debug']),
        Flag('--log-level', "Least level of the server's own log"),
    ] = 'info'
    config: Annotated[
        FilePath | None,
        checked_file(check_logging_file),
        Field(
            description='A JSON file in the form of logging.config.dictConfig; its top-level keys replace the defaults.',
            examples=['logging.json'],
        ),
        Flag('--log-config', 'JSON file in the form of logging.config.dictConfig'),
    ] = None
    access: Annotated[AccessLog, Field(description='The access log.')] = AccessLog()


class Config(BaseSettings):
    """The document of a server."""

    model_config = SettingsConfigDict(frozen=True, extra='forbid', validate_default=False)

    server: Annotated[Server, Field(description='The server as a whole.')] = Server()
    listeners: Annotated[tuple[Listener, ...], Field(min_length=1, description='Where connections are accepted.')] = (
        Listener(),
    )
    apps: Annotated[
        tuple[App, ...], Field(description='The applications. Started in this order, stopped in the other.')
    ] = ()
    static: Annotated[
        tuple[Static, ...],
        Field(description='Folders of files. At the same place they come before rules and applications.'),
    ] = ()
    rules: Annotated[tuple[Rule, ...], Field(description='What is answered without an application.')] = ()
    http1: Annotated[Http1, Field(description='HTTP/1.0 and HTTP/1.1.')] = Http1()
    http2: Annotated[Http2, Field(description='HTTP/2.')] = Http2()
    websocket: Annotated[WebSocket, Field(description='WebSocket sessions.')] = WebSocket()
    limits: Annotated[Limits, Field(description='Bounds on what one request may hold.')] = Limits()
    timeouts: Annotated[Timeouts, Field(description='Time a connection may spend waiting for the client.')] = Timeouts()
    logging: Annotated[Logging, Field(description="The server's own log and the access log.")] = Logging()
    metrics: Annotated[Metrics, Field(description='Numbers for Prometheus.')] = Metrics()
    reload: Annotated[Reload, Field(description='Reload by itself when files change: for development.')] = Reload()

    # No part of the document: what sources said that has no effect, for the log.
    _unused: tuple[str, ...] = PrivateAttr(())

    @property
    def unused(self) -> tuple[str, ...]:
        return self._unused

    def noting(self, unused: Iterable[str]) -> Config:
        """The same, and lines about what sources said that has no effect."""
        noted = self.model_copy()
        noted._unused = tuple(unused)
        return noted

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Not the library's own sources: they know neither where a value came from nor items of lists."""
        return init_settings, MergedSources(settings_cls)

    @field_validator('apps')
    @classmethod
    def _names_differ(cls, apps: tuple[App, ...]) -> tuple[App, ...]:
        return with_own_names(apps)

    @model_validator(mode='after')
    def _rules_hold(self) -> Config:
        """No Config exists that breaks a rule between keys; loading collects those itself, to report all at once."""
        from granian.config.rules import broken_rules

        if is_reading():
            return self
        for breach in broken_rules(self):
            raise PydanticCustomError('granian', '{said}', {'said': f'{breach.key}: {breach.message}'})
        return self
