"""Upstream's `granian.utils.proxies`: applications that believe X-Forwarded-For and -Proto of trusted peers by themselves.

A listener's `trusted_proxies` does the same for every application, more of it, and sooner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from granian.protocol.proxies.forwarded import SCHEMES, x_forwarded_claim
from granian.protocol.proxies.trusted import EVERYBODY, UNIX, TrustedPeers, network_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from granian.protocol.contract import Fields

    AsgiApplication = Callable[..., Awaitable[None]]
    WsgiApplication = Callable[[dict[str, Any], Any], Any]

_FOR, _PROTO = b'x-forwarded-for', b'x-forwarded-proto'


class _TrustedHosts(TrustedPeers):
    """Peers as upstream takes them: what is no address is compared as it is."""

    __slots__ = ('_literals',)

    def __init__(self, hosts: str | Iterable[str]) -> None:
        names = [name.strip() for name in (hosts.split(',') if isinstance(hosts, str) else hosts)]
        self._literals = {name for name in names if name not in {EVERYBODY, UNIX} and not _is_network(name)}
        super().__init__(name for name in names if name not in self._literals)

    def holds(self, host: str | None) -> bool:
        return (host or '') in self._literals or super().holds(host)

    def claim(self, peer: str | None, said: Fields) -> tuple[str | None, str]:
        """The client and the scheme that a peer may speak for; None and '' where it says nothing of it."""
        if not self.holds(peer):
            return None, ''
        client = x_forwarded_claim([field for field in said if field[0] == _FOR], self).client
        schemes = [value.decode('latin-1').strip().lower() for name, value in said if name == _PROTO]
        # Upstream: no scheme without a client.
        scheme = schemes[-1] if client and schemes and schemes[-1] in SCHEMES else ''
        return None if client is None else client[0], scheme


def wrap_asgi_with_proxy_headers(
    app: AsgiApplication, trusted_hosts: str | Iterable[str] = '127.0.0.1'
) -> AsgiApplication:
    """The application, told of the client where the peer is one of `trusted_hosts`."""
    trusted = _TrustedHosts(trusted_hosts)

    async def wrapped(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope['type'] in {'http', 'websocket'}:
            peer = scope.get('client')
            client, scheme = trusted.claim(peer[0] if peer else None, scope['headers'])
            if client is not None:
                scope = {**scope, 'client': (client, 0)}
            if scheme:
                scope['scheme'] = SCHEMES[scheme].replace('http', 'ws') if scope['type'] == 'websocket' else scheme
        await app(scope, receive, send)

    return wrapped


def wrap_wsgi_with_proxy_headers(
    app: WsgiApplication, trusted_hosts: str | Iterable[str] = '127.0.0.1'
) -> WsgiApplication:
    """As `wrap_asgi_with_proxy_headers`."""
    trusted = _TrustedHosts(trusted_hosts)

    def wrapped(environ: dict[str, Any], start_response: Any) -> Any:
        keys = {_FOR: 'HTTP_X_FORWARDED_FOR', _PROTO: 'HTTP_X_FORWARDED_PROTO'}
        said = [(name, environ[key].encode('latin-1')) for name, key in keys.items() if key in environ]
        client, scheme = trusted.claim(environ.get('REMOTE_ADDR') or None, said)
        if client is not None:
            environ['REMOTE_ADDR'] = client
        if scheme:
            environ['wsgi.url_scheme'] = scheme
        return app(environ, start_response)

    return wrapped


def _is_network(name: str) -> bool:
    try:
        network_of(name)
    except ValueError:
        return False
    return True
