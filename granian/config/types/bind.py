"""Where a listener listens: one frozen value, read from text."""

# ruff: noqa: TRY004  (a ValueError of these is what a person reads)

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from granian.config.types.values import Given, show

_HOST_NAME = re.compile(r'(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?')
_PORT_MAX = 65535
_HOST_AND_PORT = re.compile(r'([^:]+|\[.*\]):(\d+)', re.ASCII)
_SERVICE_LINK = re.compile(r'(tcp|udp|sctp)://', re.ASCII)
# A descriptor is a C int, a port less.
_DIGITS_MAX = 10


@dataclass(frozen=True, slots=True)
class Bind:
    """`kind` says which of the other fields mean something. Host `*`: every address, IPv4 and IPv6."""

    kind: Literal['tcp', 'unix', 'fd', 'systemd']
    host: str = ''
    port: int = 0
    path: Path = Path()
    fd: int = -1
    # Only the descriptors of this name (FileDescriptorName=); '': all of them.
    name: str = ''

    @property
    def is_chosen_by_kernel(self) -> bool:
        """Whether the port is."""
        return self.kind == 'tcp' and self.port == 0

    def __str__(self) -> str:
        if self.kind == 'tcp':
            return f'[{self.host}]:{self.port}' if ':' in self.host else f'{self.host}:{self.port}'
        if self.kind == 'unix':
            return f'unix:{self.path}'
        if self.kind == 'fd':
            return f'fd:{self.fd}'
        return f'systemd:{self.name}' if self.name else 'systemd'


def parse_bind(value: object) -> Bind:
    """Read `host:port`, `[v6]:port`, `*:port`, `unix:/path`, `fd:N`, `systemd[:name]`; ValueError says what is wrong."""
    if isinstance(value, Bind):
        return value
    if not isinstance(value, str):
        raise ValueError(f'{show(value)} is not an address; write it like "127.0.0.1:8000"')
    head, colon, rest = value.partition(':')
    if head == 'unix' and colon:
        return _unix(rest, value.base if isinstance(value, Given) else Path.cwd())
    if head == 'systemd' and (rest or not colon):
        return Bind('systemd', name=rest)
    if head == 'fd' and colon:
        if not (rest.isascii() and rest.isdigit() and len(rest) < _DIGITS_MAX):
            raise ValueError(f"{show(value)} names no descriptor; write its number, like 'fd:3'")
        return Bind('fd', fd=int(rest))
    return _tcp(str(value))


@dataclass(frozen=True, slots=True)
class AddressFlags:
    """By what an address is given in parts, for whoever mixes them up."""

    host: str
    port: str
    # What a socket path follows.
    path: str
    # What Kubernetes would call so by itself.
    service: str

    @property
    def host_names(self) -> str:
        return f'{self.host} (GRANIAN_{self.host[2:].replace("-", "_").upper()})'


LISTENER_FLAGS = AddressFlags('--host', '--port', '--uds ', 'granian')
METRICS_FLAGS = AddressFlags('--metrics-address', '--metrics-port', '--set metrics.bind=unix:', 'granian-metrics')


def tcp_bind(host: str, port: str | int, flags: AddressFlags = LISTENER_FLAGS) -> Bind:
    """A host and a port given apart; the host may be an IPv6 address without brackets."""
    if host.startswith('unix:'):
        path = host.removeprefix('unix:')
        raise ValueError(f'{host!r}: {flags.host_names} takes no socket path; give {flags.path}{path}'.rstrip())
    if match := _HOST_AND_PORT.fullmatch(host):
        right = f'{flags.host} {match[1]} {flags.port} {match[2]}'
        raise ValueError(f'{host!r}: {flags.host_names} takes no port; give {right}')
    if _SERVICE_LINK.match(str(port)):
        raise ValueError(
            f'{str(port)!r} is not a port number but what Kubernetes sets for a service named {flags.service} (service '
            "links); write enableServiceLinks: false in the pod's spec, or name the service otherwise"
        )
    bare = host[1:-1] if host.startswith('[') and host.endswith(']') else host
    return Bind('tcp', host=_host(bare, bracketed=':' in bare), port=_port(str(port)))


def _unix(path: str, base: Path) -> Bind:
    if not path:
        raise ValueError("'unix:' names no path; write it like 'unix:/run/granian.sock'")
    return Bind('unix', path=Path(os.path.normpath(base / path)))


def _tcp(text: str) -> Bind:
    host, colon, port = text.rpartition(':')
    if text.startswith('[') and (not colon or text.endswith(']')):
        raise ValueError(f'{text!r} is not a host and a port; write it like {text + ":8000"!r}')
    if not colon:
        example = f'127.0.0.1:{text}' if text.isdigit() else f'{text or "127.0.0.1"}:8000'
        raise ValueError(f'{text!r} is not a host and a port; write it like {example!r}')
    if not host:
        raise ValueError(f'{text!r} has no host; write {"*:" + port!r} to listen on every address')
    bracketed = host.startswith('[') and host.endswith(']')
    if ':' in host and not bracketed and '//' not in host:
        raise ValueError(f'{text!r}: an IPv6 address stands in brackets, like [::1]:8000')
    return Bind('tcp', host=_host(host[1:-1] if bracketed else host, bracketed=bracketed), port=_port(port))


def _host(host: str, *, bracketed: bool) -> str:
    if bracketed:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError:
            raise ValueError(f'{host!r} is not an IPv6 address') from None
    if host == '*':
        return host
    if re.fullmatch(r'[\d.]+', host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise ValueError(f'{host!r} is not an IPv4 address') from None
    if _HOST_NAME.fullmatch(host) is None:
        raise ValueError(f'{host!r} is not a host name or an address')
    return host


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f'{text!r} is not a port number')
    if len(text) > _DIGITS_MAX or int(text) > _PORT_MAX:
        raise ValueError(f'port {text} is over {_PORT_MAX}')
    return int(text)
