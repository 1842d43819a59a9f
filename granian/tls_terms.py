"""What makes a TLS context, as plain values: without OpenSSL, which a server in clear does not load."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

# Forward secret and authenticated, nothing else: what RFC 9325 4.2 recommends and HTTP/2 allows (RFC 9113 A).
CIPHERS = 'ECDHE+AESGCM:ECDHE+CHACHA20'


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate chain and its key."""

    certificate: str
    key: str
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ClientTrust:
    """Whose certificates clients may show, and whether they must show one."""

    authorities: str
    revocations: tuple[str, ...]
    required: bool


@dataclass(frozen=True, slots=True)
class ContextTerms:
    """What is the same for every certificate of a listener."""

    min_version: Literal['1.2', '1.3']
    # OpenSSL's list for TLS 1.2.
    ciphers: str
    alpn: tuple[str, ...]
    tickets: bool
    clients: ClientTrust | None
