"""What a worker is told: its sections of the configuration as plain frozen values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from granian.routing.table import Place

if TYPE_CHECKING:
    from granian.adapters.static.settings import StaticSettings
    from granian.protocol.contract import Field
    from granian.protocol.limits import Http1Limits, Http2Limits, WebSocketLimits
    from granian.server.tls.credentials import Credentials
    from granian.tls_terms import ContextTerms, Identity
    from granian.websocket import SessionTerms


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds a connection may spend in a phase."""

    head_s: float
    body_read_s: float
    keep_alive_s: float
    write_s: float
    # What each byte of a body adds to the time it may take in all, which begins with body_read_s; infinite: no such bound.
    body_byte_s: float = math.inf


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """The proxies in front of a listener."""

    # Addresses, networks, 'unix', '*'.
    trusted: tuple[str, ...]
    # The fields they set, in lower case: 'forwarded', or some of those that begin with 'x-forwarded-'.
    fields: tuple[str, ...]
    # Each connection begins with a header of the PROXY protocol.
    proxy_protocol: bool


@dataclass(frozen=True, slots=True)
class Http2Settings:
    """How HTTP/2 is spoken."""

    engine: Literal['fast', 'h2']
    limits: Http2Limits
    # A client that is silent for so long is asked for a sign of life; None: never.
    ping_after_s: float | None
    # Without one for so long: cut.
    ping_timeout_s: float


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How the connections of a listener are encrypted."""

    identity: Identity
    # For clients that name one of these hosts; '*.name': all that end in '.name'.
    named: tuple[tuple[tuple[str, ...], Identity], ...]
    terms: ContextTerms
    handshake_s: float
    handshakes_max: int
    reload_s: float


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """One bound socket as a worker sees it. `address` is what ASGI calls `server`: (host, port), or (path, None)."""

    address: tuple[str, int | None]
    # listen(2): connections the kernel holds until they are accepted.
    backlog: int
    http1_engine: Literal['fast', 'h11']
    http1: Http1Limits
    # Write each response of a pipelined batch by itself (False) or all that one read produced at once (True).
    pipeline_flush: bool
    http2: Http2Settings
    # 'auto': HTTP/1 and HTTP/2, whichever the client speaks.
    http: Literal['auto', '1', '2'] = 'auto'
    # None: nobody in front is believed.
    proxies: ProxySettings | None = None
    tls: TlsSettings | None = None
    # Loaded before workers were forked: only then they understand each other's session tickets.
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True)
class TermsSettings:
    """What a mount asks for beyond what its server does; None: as the server does."""

    body_bytes_max: int | None = None
    body_read_s: float | None = None
    write_s: float | None = None
    # (lower-case name, value), added to each response that has none of that name.
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class ThreadSettings:
    """The threads of an application that blocks."""

    threads_max: int
    # Surplus threads end after this time without work.
    idle_timeout_s: float


@dataclass(frozen=True, slots=True)
class WebSocketSettings:
    """How an application is given WebSocket sessions."""

    engine: Literal['fast', 'wsproto']
    limits: WebSocketLimits
    terms: SessionTerms
    # In lower case; none: every origin.
    origins: tuple[str, ...] = ()


AS_THE_SERVER = TermsSettings()
ROOT = Place('/')


@dataclass(frozen=True, slots=True)
class AppSettings:
    """One application: where it is, and how it is spoken to."""

    name: str
    target: str
    interface: Literal['asgi', 'rsgi', 'wsgi']
    lifespan: Literal['auto', 'on', 'off']
    factory: bool
    # ASGI and WSGI: what is part of every path, the mount's own included.
    root_path: str
    # Offer the ASGI extension `http.response.debug` and log what it is given.
    debug: bool
    place: Place = ROOT
    # RSGI: hand on paths without the mount's own.
    strip_prefix: bool = False
    # None: it is asked for none.
    websockets: WebSocketSettings | None = None
    # WSGI only.
    threads: ThreadSettings | None = None
    terms: TermsSettings = AS_THE_SERVER


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """A folder and where it is served."""

    place: Place
    files: StaticSettings
    terms: TermsSettings


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """What is answered without an application: a redirect where there is a target, else a fixed answer."""

    place: Place
    status: int
    body: bytes
    redirect: str
    keep_path: bool
    keep_query: bool
    terms: TermsSettings


@dataclass(frozen=True, slots=True)
class AccessLogSettings:
    # 'json', or an upstream format string with its atoms.
    format: str


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """Everything one worker needs besides its sockets."""

    # They are started in this order and stopped in the other.
    apps: tuple[AppSettings, ...]
    listeners: tuple[ListenerSettings, ...]
    timeouts: Timeouts
    # Exchanges in progress at once in this worker; further requests wait unread in their sockets.
    exchanges_max: int
    graceful_timeout_s: float
    access_log: AccessLogSettings | None
    folders: tuple[FolderSettings, ...] = ()
    answers: tuple[AnswerSettings, ...] = ()
    # Whether other workers serve the same.
    has_siblings: bool = False
    # After so many, and up to `requests_jitter` more by chance, the worker is to be replaced.
    requests_max: int | None = None
    requests_jitter: int = 0
    # Bytes of responses that wait for clients, all connections together. Over it those that take little are cut.
    unsent_bytes_max: int = 256 * 1024 * 1024
    # Fields of responses whose application gives none; b'': no Server.
    server_header: bytes = b'granian'
    date_header: bool = True
    # Who comes when so many are there is turned away; None: nobody is.
    connections_max: int | None = None
    # Somebody asks for numbers: what costs anything is counted, too.
    measured: bool = False
