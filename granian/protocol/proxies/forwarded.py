"""What proxies say of a request: the X-Forwarded fields, or Forwarded (RFC 7239). Only as far as a trusted one vouches.

Each proxy adds, on the right, where its request came from. Read from the right: what the peer added is its word, what
stands left of it is the word of the address named there, and so on up to the first address that is not trusted: the client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from granian.protocol.memory import Memory
from granian.protocol.proxies.trusted import address_of, plain_ipv4
from granian.protocol.requests import is_authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from granian.protocol.contract import Fields
    from granian.protocol.proxies.trusted import TrustedPeers

    Address = tuple[str, int]

FORWARDED = 'forwarded'
X_FORWARDED = ('x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-prefix')
# Further back nobody is believed: so many proxies stand behind each other nowhere.
HOPS_MAX = 100
SCHEMES = {'http': 'http', 'https': 'https', 'ws': 'http', 'wss': 'https'}
DEFAULT_PORTS = {'http': 80, 'https': 443}
_is_port = re.compile(r'[0-9]{1,5}').fullmatch
# `1.2.3.4`, `1.2.3.4:80`, `[::1]`, `[::1]:80`; an IPv6 address without brackets has no port.
_node = re.compile(r'(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)\])(?::([0-9]{1,5}))?').fullmatch
_prefix = re.compile(r"(?:/[A-Za-z0-9\-._~!$&'()*+;=:@%]+)+/?").fullmatch
# RFC 7239 4: name=value. Values that need quotes and have none are taken all the same.
_pair = re.compile(r'[ \t]*([A-Za-z0-9!#$%&\'*+\-.^_`|~]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;=]+))[ \t]*([;,]|$)').match
_separator = re.compile(r'[ \t]*([;,]|$)').match
_unescape = re.compile(r'\\(.)').sub


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """What is believed; None and '': nothing was said of it."""

    client: Address | None = None
    scheme: str | None = None
    # As in Host.
    authority: str | None = None
    port: int | None = None
    # Decoded, without a slash at its end.
    prefix: str = ''


class ForwardedReader:
    """Reads the fields of the wanted names; those that repeat are remembered."""

    __slots__ = ('_known', '_make', '_names', '_recent')

    def __init__(self, trusted: TrustedPeers, names: Iterable[str]) -> None:
        """`names`: FORWARDED, or some of X_FORWARDED."""
        self._names = frozenset(name.encode() for name in names)
        self._known: Memory[Claim] = Memory(entries_max=1024, key_bytes_max=512)
        self._recent = self._known.recent.get
        make = forwarded_claim if FORWARDED.encode() in self._names else x_forwarded_claim
        self._make: Callable[[Fields], Claim] = lambda said: make(said, trusted)

    def read(self, fields: Fields) -> Claim | None:
        """What the peer, which is trusted, claims; None where it claims nothing."""
        names = self._names
        said = tuple([field for field in fields if field[0] in names])
        if not said:
            return None
        claim = self._recent(said) or self._known.recall(said)
        if claim is None:
            claim = self._make(list(said))
            self._known.keep(said, claim, sum(len(value) for _, value in said))
        return claim


def x_forwarded_claim(said: Fields, trusted: TrustedPeers) -> Claim:
    words: dict[bytes, str] = {}
    for name, value in said:
        text = value.decode('latin-1')
        words[name] = f'{words[name]},{text}' if name in words else text
    hops = _parts(words.pop(b'x-forwarded-for', ''))
    client, depth = _walk(hops, trusted)
    # Of several words, one for each hop: that of the same proxy. Otherwise the peer's own.
    chosen = {name: _word(_parts(text), depth, len(hops)) for name, text in words.items()}
    return Claim(
        client,
        SCHEMES.get(chosen.get(b'x-forwarded-proto', '').lower()),
        _authority(chosen.get(b'x-forwarded-host', '')),
        _port(chosen.get(b'x-forwarded-port', '')),
        _decoded_prefix(chosen.get(b'x-forwarded-prefix', '')),
    )


def _parts(text: str) -> list[str]:
    """The elements of a list (RFC 9110 5.6.1): empty ones are none."""
    if ',' not in text:
        text = text.strip()
        return [text] if text else []
    return [part for part in map(str.strip, text.split(',')) if part]


def _word(words: list[str], depth: int, hops: int) -> str:
    return '' if not words else words[-1 - depth] if len(words) == hops else words[-1]


def forwarded_claim(said: Fields, trusted: TrustedPeers) -> Claim:
    elements: list[dict[str, str]] = []
    for _, value in reversed(said):
        line = _elements(value.decode('latin-1'))
        if line is None:
            # What is left of a broken line may have been meant to be a part of it.
            break
        elements[:0] = line
    client, depth = _walk([element.get('for', '') for element in elements], trusted)
    # The farthest word that is vouched for; a proxy may leave out what the one before it has said.
    vouched = elements[len(elements) - 1 - depth :] if elements else []
    scheme = next((element['proto'] for element in vouched if 'proto' in element), '')
    host = next((element['host'] for element in vouched if 'host' in element), '')
    return Claim(client, SCHEMES.get(scheme.lower()), _authority(host))


def _walk(hops: Sequence[str], trusted: TrustedPeers) -> tuple[Address | None, int]:
    """The right-most hop that is not trusted, or the left-most; and how many stand right of the last one looked at."""
    client: Address | None = None
    depth = 0
    for depth, text in enumerate(reversed(hops[-HOPS_MAX:])):  # noqa: B007
        hop = _hop(text)
        if hop is None:
            # Hidden (RFC 7239 6.3), or nonsense: the last address known is as near as one gets.
            break
        client = hop
        if not trusted.holds(hop[0]):
            break
    return client, depth


def _hop(text: str) -> Address | None:
    if plain_ipv4(text):
        return text, 0
    match = _node(text)
    host, port = (match[1] or match[2], int(match[3] or 0)) if match else (text, 0)
    address = None if '%' in host or port > 65535 else address_of(host)
    return None if address is None else (str(address), port)


def _authority(text: str) -> str | None:
    return text if text and is_authority(text.encode('latin-1')) else None


def _port(text: str) -> int | None:
    return int(text) if _is_port(text) and 0 < int(text) <= 65535 else None


def _decoded_prefix(text: str) -> str:
    if not text or _prefix(text) is None:
        return ''
    try:
        decoded = unquote_to_bytes(text).decode().rstrip('/')
    except UnicodeDecodeError:
        return ''
    return decoded if decoded.isprintable() and not {'.', '..', ''} & set(decoded.split('/')[1:]) else ''


def _elements(line: str) -> list[dict[str, str]] | None:
    """The elements of one line of Forwarded; None where it is broken."""
    elements: list[dict[str, str]] = [{}]
    at = 0
    while at < len(line):
        match = _separator(line, at)
        if match is None:
            match = _pair(line, at)
            if match is None or match[1].lower() in elements[-1]:
                return None
            elements[-1][match[1].lower()] = match[3] or _unescape(r'\1', match[2] or '')
        at = match.end()
        if match[match.lastindex or 1] == ',':
            elements.append({})
    return [element for element in elements if element]


def split_authority(authority: str) -> tuple[str, int | None]:
    """Name and port of what stands in Host."""
    name, colon, port = authority.rpartition(':')
    if not colon or authority.endswith(']'):
        return authority, None
    return name, _port(port)
