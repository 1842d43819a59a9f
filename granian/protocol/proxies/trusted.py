"""Which peers are proxies whose word counts: addresses, networks, Unix sockets, everybody."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from granian.protocol.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Iterable

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network
    IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

EVERYBODY, UNIX = '*', 'unix'
_OCTET = '(0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])'
# As nearly all are written, and as `str` of one is.
plain_ipv4 = re.compile(r'\.'.join([_OCTET] * 4)).fullmatch


class TrustedPeers:
    """A set of peers. A peer is its address, or None on a Unix socket."""

    __slots__ = ('_everybody', '_ipv4', '_known', '_networks', '_unix')

    def __init__(self, peers: Iterable[str]) -> None:
        """`peers`: addresses, networks (`10.0.0.0/8`), `unix`, `*`. ValueError for what is none of these."""
        peers = tuple(peers)
        self._everybody = EVERYBODY in peers
        self._unix = self._everybody or UNIX in peers
        self._networks = [network_of(peer) for peer in peers if peer not in {EVERYBODY, UNIX}]
        # (network, mask) of IPv4 as numbers.
        self._ipv4 = [(int(each.network_address), int(each.netmask)) for each in self._networks if each.version == 4]
        self._known: Memory[tuple[bool]] = Memory(entries_max=1024, key_bytes_max=64)

    def holds(self, host: str | None) -> bool:
        if host is None:
            return self._unix
        known = self._known.recent.get(host) or self._known.recall(host)
        if known is None:
            known = (self._everybody or self._found(host),)
            self._known.keep(host, known, len(host))
        return known[0]

    def _found(self, host: str) -> bool:
        match = plain_ipv4(host)
        if match is not None:
            one, two, three, four = map(int, match.groups())
            number = one << 24 | two << 16 | three << 8 | four
            return any(number & mask == network for network, mask in self._ipv4)
        address = address_of(host)
        return address is not None and any(address in network for network in self._networks)


def network_of(text: str) -> Network:
    """An address or network, which may have bits beyond its mask. Raises ValueError."""
    network = ipaddress.ip_network(text, strict=False)
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.ip_network(f'{mapped}/{network.prefixlen - 96}')
    return network


def address_of(text: str) -> IPAddress | None:
    """The address that `text` is, None where it is not one. Of IPv4 in IPv6 (RFC 4291 2.5.5.2) the IPv4 address."""
    try:
        return _unmapped(ipaddress.ip_address(text))
    except ValueError:
        return None


def plain(address: IPAddress) -> str:
    """As it is written, IPv4 in IPv6 as IPv4."""
    return str(_unmapped(address))


def _unmapped(address: IPAddress) -> IPAddress:
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address
