"""Requests as trusted proxies tell them: who asks, by which scheme, for which host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.protocol.contract import RequestHead
from granian.protocol.proxies.forwarded import DEFAULT_PORTS, ForwardedReader, split_authority
from granian.protocol.proxies.trusted import TrustedPeers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from granian.exchange import ConnectionInfo, Exchange
    from granian.protocol.proxies.forwarded import Claim
    from granian.routing.router import Answering, Handle
    from granian.server.settings import ProxySettings


def behind(proxies: ProxySettings | None, handle: Handle) -> Handle:
    """What answers where these proxies stand in front; `handle` itself where there are none."""
    return handle if proxies is None else Forwarding(TrustedPeers(proxies.trusted), proxies.fields, handle).handle


class Forwarding:
    """Stands before the router of a listener with proxies in front."""

    def __init__(self, trusted: TrustedPeers, names: Iterable[str], handle: Handle) -> None:
        self._trusts = trusted.holds
        self._read = ForwardedReader(trusted, names).read
        self._handle = handle

    def handle(self, exchange: Exchange) -> Answering:
        info = exchange.info
        if not info.is_relayed and self._trusts(None if info.client is None else info.client[0]):
            claim = self._read(exchange.head.fields)
            if claim is not None:
                exchange.info = _info(info, claim)
                if claim.authority is not None or claim.port is not None:
                    exchange.head = _head(exchange.head, claim, exchange.info.scheme)
        return self._handle(exchange)


def _info(peer: ConnectionInfo, claim: Claim) -> ConnectionInfo:
    # A proxy's connection often carries one client's requests in a row; and for equal ones, WSGI keeps what it made.
    if peer.derived is None or peer.derived[0] is not claim:
        scheme = claim.scheme or peer.scheme
        info = peer.seen_as(claim.client or peer.client, _server(peer, claim, scheme), scheme, claim.prefix)
        peer.derived = claim, info
    return peer.derived[1]


def _server(peer: ConnectionInfo, claim: Claim, scheme: str) -> tuple[str, int | None] | None:
    if claim.authority is not None:
        name, port = split_authority(claim.authority)
        return name.strip('[]'), port or claim.port or DEFAULT_PORTS[scheme]
    if claim.port is not None and peer.server is not None:
        return peer.server[0], claim.port
    return peer.server


def _head(head: RequestHead, claim: Claim, scheme: str) -> RequestHead:
    """The head with the host that the client asked for: in its `authority`, which routes it, and as its only Host."""
    authority = _authority(head, claim, scheme)
    if authority is None or authority == head.authority:
        return head
    told = RequestHead()
    for name in RequestHead.__slots__:
        setattr(told, name, getattr(head, name))
    # What is remembered of the head was made of the other host.
    told.kept = told.like = None
    told.authority = authority
    told.fields = [(b'host', authority), *[field for field in head.fields if field[0] != b'host']]
    return told


def _authority(head: RequestHead, claim: Claim, scheme: str) -> bytes | None:
    asked = claim.authority or (head.authority or b'').decode('latin-1')
    if claim.port is None or not asked or claim.port == DEFAULT_PORTS[scheme] or split_authority(asked)[1] is not None:
        return asked.encode('latin-1') or None
    return f'{asked}:{claim.port}'.encode('latin-1')
