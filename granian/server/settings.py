"""What a worker is told: its sections of the configuration as plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from granian.protocol.limits import Http1Limits


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds a connection may spend in a phase."""

    head_s: float
    body_read_s: float
    keep_alive_s: float
    write_s: float


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


@dataclass(frozen=True, slots=True)
class AppSettings:
    """One application: where it is, and how it is spoken to."""

    name: str
    target: str
    interface: Literal['asgi']
    lifespan: Literal['auto', 'on', 'off']
    factory: bool
    root_path: str
    # Offer the ASGI extension `http.response.debug` and log what it is given.
    debug: bool


@dataclass(frozen=True, slots=True)
class AccessLogSettings:
    # 'json', or an upstream format string with its atoms.
    format: str


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """Everything one worker needs besides its sockets."""

    app: AppSettings
    listeners: tuple[ListenerSettings, ...]
    timeouts: Timeouts
    # Exchanges in progress at once in this worker; further requests wait unread in their sockets.
    exchanges_max: int
    graceful_timeout_s: float
    access_log: AccessLogSettings | None
