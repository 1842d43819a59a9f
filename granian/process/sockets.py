"""Every listening socket of a server, bound before any worker exists and owned by the supervisor."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from granian.errors import BindError
from granian.process import inherited, syn_filter, unix_socket

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from granian.config.bind import Bind

    # host, port and for IPv6 also flow and scope
    Address = tuple[str | int, ...]
    FamilyAddress = tuple[int, Address]

# Linux shares connections among SO_REUSEPORT sockets; BSD gives them all to the newest, so one socket is shared there.
REUSEPORT_BALANCES = sys.platform == 'linux' and hasattr(socket, 'SO_REUSEPORT')
# A port the kernel chose on the first address of a name may be taken on the second: choose again this often.
PORT_CHOICES_MAX = 16
NOT_HERE_ERRNOS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


@dataclass(frozen=True, slots=True)
class Wanted:
    """One listener of the configuration."""

    bind: Bind
    backlog: int
    permissions: int | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """One address that is listened on. `sockets`: one for each worker slot, or a single one for all of them."""

    listener: int
    address: tuple[str, int | None]
    sockets: tuple[socket.socket, ...]
    # Ours to shut; one that we were given may go on after us.
    owned: bool = True
    file: unix_socket.SocketFile | None = None

    @property
    def url(self) -> str:
        host, port = self.address
        if port is None:
            return f'unix:{host}'
        return f'http://{self.authority}'

    @property
    def authority(self) -> str:
        """Host and port, of TCP."""
        host, port = self.address
        return f'[{host}]:{port}' if ':' in host else f'{host}:{port}'

    def of_slot(self, slot: int) -> socket.socket:
        return self.sockets[slot if len(self.sockets) > 1 else 0]


class Sockets:
    """All that is bound, in the order of the listeners; a host name may give several in a row."""

    def __init__(self) -> None:
        self.bound: list[Bound] = []

    def of_slot(self, slot: int) -> list[socket.socket]:
        """What the worker in that slot accepts on, one for each of `bound`."""
        return [bound.of_slot(slot) for bound in self.bound]

    def keep_only(self, slot: int) -> None:
        """In a forked worker: close what belongs to the others."""
        for bound in self.bound:
            mine = bound.of_slot(slot)
            for sock in bound.sockets:
                if sock is not mine:
                    sock.close()

    def refuse_more(self) -> None:
        """Let the workers accept what is queued, and nobody else connect."""
        for bound in self.bound:
            if sys.platform == 'linux' and bound.owned:
                for sock in bound.sockets:
                    if sock.family == socket.AF_UNIX:
                        # A shut Unix socket refuses but still hands out its queue; TCP would reset the queue instead.
                        sock.shutdown(socket.SHUT_RD)
                    else:
                        syn_filter.attach(sock)
        self.close()

    def close(self) -> None:
        """Stop listening, as far as this process is concerned. What the workers hold goes on."""
        for bound in self.bound:
            for sock in bound.sockets:
                sock.close()

    def remove_files(self) -> None:
        for bound in self.bound:
            if bound.file is not None:
                bound.file.remove()


def bind_all(wanted: Sequence[Wanted], slots: int) -> Sockets:
    """Bind and listen, all or nothing. Raises BindError for the first listener that cannot be served."""
    sockets = Sockets()
    descriptors = inherited.SystemdDescriptors.from_environment()
    try:
        for number, want in enumerate(wanted):
            sockets.bound.extend(_bind(number, want, slots, descriptors))
    except BindError:
        sockets.close()
        sockets.remove_files()
        raise
    inherited.forget_environment()
    return sockets


def bind_faults(wanted: Sequence[Wanted]) -> list[str]:
    """Try every listener and let it go again: what stands in the way, in words.

    Descriptors that only a service manager could hand over are not missed.
    """
    sockets = Sockets()
    faults = []
    descriptors = inherited.SystemdDescriptors.from_environment()
    for number, want in enumerate(wanted):
        if not inherited.expected_now(want.bind, descriptors):
            continue
        try:
            sockets.bound.extend(_bind(number, want, 1, descriptors))
        except BindError as exc:
            faults.append(str(exc))
    sockets.close()
    sockets.remove_files()
    return faults


def _bind(number: int, want: Wanted, slots: int, descriptors: inherited.SystemdDescriptors) -> list[Bound]:
    with _in_words(f'listeners[{number}].bind: {want.bind}'):
        if want.bind.kind == 'tcp':
            return _bind_tcp(number, want, slots)
        if want.bind.kind == 'unix':
            sock, file = unix_socket.listen(str(want.bind.path), want.backlog, want.permissions)
            return [Bound(number, (file.path, None), (sock,), file=file)]
        taken = descriptors.take(want.bind.name) if want.bind.kind == 'systemd' else [inherited.adopt(want.bind.fd)]
        return [Bound(number, inherited.address_of(sock), (sock,), owned=False) for sock in taken]


@contextlib.contextmanager
def _in_words(what: str) -> Iterator[None]:
    try:
        yield
    except socket.gaierror as exc:
        raise BindError(f'{what}: the name cannot be resolved: {(exc.strerror or str(exc)).lower()}') from exc
    except OSError as exc:
        reason = _WORDS.get(exc.errno or 0) or (exc.strerror or str(exc)).lower()
        raise BindError(f'{what}: {reason}') from exc
    except (BindError, UnicodeError) as exc:
        raise BindError(f'{what}: {exc}') from exc


_WORDS = {
    errno.EADDRINUSE: 'already in use by another process',
    errno.EACCES: 'permission denied',
    errno.EPERM: 'permission denied',
    errno.EADDRNOTAVAIL: 'not an address of this machine',
    errno.EAFNOSUPPORT: 'this machine does not speak that kind of address',
    errno.ENOENT: 'no such directory',
    errno.EROFS: 'the file system is read-only',
}


def _bind_tcp(number: int, want: Wanted, slots: int, choices: int = PORT_CHOICES_MAX) -> list[Bound]:
    try:
        return _bind_addresses(number, want, slots, _addresses(want.bind.host, want.bind.port))
    except OSError as exc:
        if want.bind.port != 0 or exc.errno != errno.EADDRINUSE or choices == 1:
            raise
    return _bind_tcp(number, want, slots, choices - 1)


def _addresses(host: str, port: int) -> list[FamilyAddress]:
    """Family and socket address of everything the host stands for. `*`: two sockets, so that peers keep plain addresses."""
    if host == '*':
        wildcards: list[FamilyAddress] = [(socket.AF_INET, ('0.0.0.0', port))]  # noqa: S104
        return [*wildcards, (socket.AF_INET6, ('::', port))] if socket.has_ipv6 else wildcards
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((int(family), cast('Address', address)) for family, _, _, _, address in found))


def _bind_addresses(number: int, want: Wanted, slots: int, found: Sequence[FamilyAddress]) -> list[Bound]:
    bound: list[Bound] = []
    missing: OSError | None = None
    port = want.bind.port
    try:
        for family, (host, _, *rest) in found:
            try:
                sockets = _listen(family, (host, port, *rest), want.backlog, slots)
            except OSError as exc:
                # Of a name or `*`, what this machine has is enough: ::1 may be missing where 127.0.0.1 is there.
                if exc.errno not in NOT_HERE_ERRNOS:
                    raise
                missing = exc
                continue
            address = sockets[0].getsockname()
            port = address[1]
            bound.append(Bound(number, (address[0], port), tuple(sockets)))
    except OSError:
        _close(bound)
        raise
    if missing is not None and not bound:
        raise missing
    return bound


def _close(bound: Sequence[Bound]) -> None:
    for each in bound:
        for sock in each.sockets:
            sock.close()


def _listen(family: int, address: Address, backlog: int, slots: int) -> list[socket.socket]:
    sockets = [socket.socket(family, socket.SOCK_STREAM)]
    try:
        # Bound and listening without SO_REUSEPORT: proof that nobody else has the port, a server of our own included.
        _open(sockets[0], address, backlog)
        if slots > 1 and REUSEPORT_BALANCES:
            # Only now may further sockets join it; the kernel makes one group of them.
            sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            address = sockets[0].getsockname()
            for _ in range(slots - 1):
                sockets.append(socket.socket(family, socket.SOCK_STREAM))
                sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                _open(sockets[-1], address, backlog)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _open(sock: socket.socket, address: Address, backlog: int) -> None:
    if os.name == 'nt':
        # There SO_REUSEADDR would let anybody steal the port.
        sock.setsockopt(socket.SOL_SOCKET, getattr(socket, 'SO_EXCLUSIVEADDRUSE'), 1)  # noqa: B009
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sock.family == socket.AF_INET6:
        # [::] is IPv6 only, so that 0.0.0.0 can stand beside it; `*` binds both.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(address)
    sock.listen(backlog)
    sock.setblocking(False)
