"""Every listening socket of a server, bound before any worker exists and owned by the supervisor."""

from __future__ import annotations

import errno
import os
import socket
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from granian.errors import BindError
from granian.observe.logs import logger
from granian.process.listening import inherited, syn_filter, unix_socket
from granian.process.listening.words import in_words

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from granian.config.types.bind import Bind
    from granian.process.privileges import Identity

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
    # Whose a Unix socket is.
    owner: Identity | None = None
    # No worker's: metrics are served there.
    is_metrics: bool = False

    def words(self, number: int) -> str:
        """What it is called, being that one of the listeners."""
        return f'{"metrics" if self.is_metrics else f"listeners[{number}]"}.bind: {self.bind}'

    def sockets(self, slots: int) -> int:
        """How many there are of TCP: one for each worker, where it is theirs."""
        return 1 if self.is_metrics else slots


@dataclass(frozen=True, slots=True)
class Bound:
    """One address that is listened on. `sockets`: one for each worker slot, or a single one for all of them."""

    listener: int
    address: tuple[str, int | None]
    sockets: tuple[socket.socket, ...]
    # Ours to shut; one that we were given may go on after us.
    owned: bool = True
    # Another supervisor's until it leaves: nothing is done to it that would be felt there.
    borrowed: bool = False
    file: unix_socket.SocketFile | None = None

    def url(self, scheme: str) -> str:
        host, port = self.address
        if port is None:
            return f'unix:{host}'
        return f'{scheme}://{self.authority}'

    @property
    def authority(self) -> str:
        """Host and port, of TCP."""
        host, port = self.address
        return f'[{host}]:{port}' if ':' in host else f'{host}:{port}'

    def of_slot(self, slot: int, slots: int) -> list[socket.socket]:
        """What the worker in that slot, one of so many, accepts on. Each socket is somebody's; a single one is everybody's."""
        if len(self.sockets) == 1:
            return list(self.sockets)
        return [sock for number, sock in enumerate(self.sockets) if number % slots == slot]


@dataclass(frozen=True, slots=True)
class Part:
    """What one worker accepts on: `sockets[i]` belongs to `bound[i]`."""

    bound: tuple[Bound, ...]
    sockets: tuple[socket.socket, ...]


class Sockets:
    """All that is bound, in the order of the listeners; a host name may give several in a row."""

    def __init__(self, wanted: Sequence[Wanted] = ()) -> None:
        self.wanted = tuple(wanted)
        self.bound: list[Bound] = []

    def part(self, slot: int, slots: int) -> Part:
        """The part of the worker in that slot, one of so many."""
        return self._part(slot, slots, is_metrics=False)

    def metrics_part(self) -> Part:
        """Where metrics are served."""
        return self._part(0, 1, is_metrics=True)

    def is_of_metrics(self, bound: Bound) -> bool:
        return self.wanted[bound.listener].is_metrics

    def _part(self, slot: int, slots: int, *, is_metrics: bool) -> Part:
        concerned = [bound for bound in self.bound if self.is_of_metrics(bound) is is_metrics]
        pairs = [(bound, sock) for bound in concerned for sock in bound.of_slot(slot, slots)]
        return Part(tuple(bound for bound, _ in pairs), tuple(sock for _, sock in pairs))

    def every(self) -> list[socket.socket]:
        return [sock for bound in self.bound for sock in bound.sockets]

    def keep_only(self, kept: Sequence[socket.socket]) -> None:
        """In a forked worker: close what belongs to the others."""
        for sock in self.every():
            if sock not in kept:
                sock.close()

    def refuse_more(self) -> None:
        """Let the workers accept what is queued, and nobody else connect."""
        self.keep_out()
        self.close()

    def keep_out(self) -> None:
        """Let nobody else connect."""
        for bound in self.bound:
            if sys.platform == 'linux' and bound.owned and not bound.borrowed:
                for sock in bound.sockets:
                    _keep_out(sock)

    def close(self) -> None:
        """Stop listening, as far as this process is concerned. What the workers hold goes on."""
        for sock in self.every():
            sock.close()

    def let_go(self, held: Collection[int]) -> None:
        """Close, and forget, what is not `held` (by id)."""
        left = []
        for bound in self.bound:
            for sock in bound.sockets:
                if id(sock) not in held:
                    sock.close()
            sockets = tuple(sock for sock in bound.sockets if id(sock) in held)
            left += [replace(bound, sockets=sockets)] if sockets else []
        self.bound = left

    def remove_files(self) -> None:
        for bound in self.bound:
            if bound.file is not None and not bound.borrowed:
                bound.file.remove()

    def set_permissions(self) -> None:
        """Those that are wanted now, for files that were made with others."""
        for bound in self.bound:
            want = self.wanted[bound.listener]
            try:
                if bound.file is not None:
                    bound.file.set(want.permissions, want.owner)
            except OSError as exc:
                # It serves all the same.
                logger.error('The permissions of %s stay: %s', bound.address[0], (exc.strerror or str(exc)).lower())

    def without(self, *others: Sockets) -> Sockets:
        """What is bound here and not there."""
        kept = {id(sock) for each in others for sock in each.every()}
        left = Sockets(self.wanted)
        for bound in self.bound:
            sockets = tuple(sock for sock in bound.sockets if id(sock) not in kept)
            if sockets:
                # The file is that of the first socket, and stays where that one stays.
                left.bound.append(replace(bound, sockets=sockets))
        return left


def _keep_out(sock: socket.socket) -> None:
    if sock.family == socket.AF_UNIX:
        # A shut Unix socket refuses but still hands out its queue; TCP would reset the queue instead.
        sock.shutdown(socket.SHUT_RD)
    else:
        syn_filter.attach(sock)


def bind_all(wanted: Sequence[Wanted], slots: int, *before: Sockets) -> Sockets:
    """Bind and listen, all or nothing. Raises BindError for the first listener that cannot be served.

    What is bound `before` and still wanted is kept, and grows to so many slots; its further sockets are bound and do not
    listen before a worker does.
    """
    sockets = Sockets(wanted)
    kept = _Kept(before)
    taken = [kept.take(want) for want in wanted]
    descriptors = inherited.SystemdDescriptors.later() if before else inherited.SystemdDescriptors.from_environment()
    try:
        for number, want in inherited.first(wanted):
            if found := taken[number]:
                sockets.bound.extend(_grown(replace(bound, listener=number), want, slots) for bound in found)
            else:
                sockets.bound.extend(_bind(number, want, slots, descriptors, kept.left()))
    except BindError:
        fresh = sockets.without(*before)
        fresh.close()
        fresh.remove_files()
        raise
    inherited.forget_environment()
    sockets.bound.sort(key=lambda bound: bound.listener)
    return sockets


class _Kept:
    """What is bound already, to be taken by listeners that ask for the same."""

    def __init__(self, before: Sequence[Sockets]) -> None:
        self._left: list[tuple[Wanted, list[Bound]]] = [
            (want, [bound for bound in sockets.bound if bound.listener == number])
            for sockets in before
            for number, want in enumerate(sockets.wanted)
        ]

    def take(self, want: Wanted) -> list[Bound]:
        for each in self._left:
            had, bound = each
            # A socket whose file somebody has removed is reached by nobody.
            is_same = had.bind == want.bind and had.is_metrics is want.is_metrics
            if bound and is_same and all(one.file is None or one.file.is_ours() for one in bound):
                self._left.remove(each)
                return bound
        return []

    def left(self) -> list[socket.socket]:
        """Those of ours that nobody has asked for."""
        return [sock for _, bound in self._left for each in bound if each.owned for sock in each.sockets]


def _grown(bound: Bound, want: Wanted, slots: int) -> Bound:
    first = bound.sockets[0]
    missing = want.sockets(slots) - len(bound.sockets)
    if missing <= 0 or first.family == getattr(socket, 'AF_UNIX', None) or not (bound.owned and REUSEPORT_BALANCES):
        return bound
    with in_words(want.words(bound.listener)):
        return replace(bound, sockets=(*bound.sockets, *_joining(first, missing)))


def _joining(first: socket.socket, count: int) -> list[socket.socket]:
    """Further sockets on the address of one; they do not listen yet, so nobody waits in them."""
    # Only now may further sockets join it; the kernel makes one group of them.
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    joined: list[socket.socket] = []
    try:
        for _ in range(count):
            joined.append(socket.socket(first.family, socket.SOCK_STREAM))
            joined[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            _bind_one(joined[-1], first.getsockname())
    except OSError:
        for sock in joined:
            sock.close()
        raise
    return joined


def bind_faults(wanted: Sequence[Wanted], held: Collection[int] = ()) -> list[str]:
    """Try every listener but those numbered in `held`, and let it go again: what stands in the way, in words.

    Descriptors that only a service manager could hand over are not missed.
    """
    sockets, faults = Sockets(), list[str]()
    descriptors = inherited.SystemdDescriptors.from_environment()
    for number, want in inherited.first(wanted):
        if number in held or not inherited.expected_now(want.bind, descriptors):
            continue
        try:
            sockets.bound.extend(_bind(number, want, 1, descriptors, ()))
        except BindError as exc:
            faults.append(str(exc))
    sockets.close()
    sockets.remove_files()
    return faults


def _bind(
    number: int,
    want: Wanted,
    slots: int,
    descriptors: inherited.SystemdDescriptors,
    leaving: Sequence[socket.socket],
) -> list[Bound]:
    with in_words(want.words(number)):
        if want.bind.kind == 'tcp':
            return _bind_tcp(number, want, want.sockets(slots), leaving)
        if want.bind.kind == 'unix':
            sock, file = unix_socket.listen(str(want.bind.path), want.backlog, want.permissions, want.owner)
            return [Bound(number, (file.path, None), (sock,), file=file)]
        taken = descriptors.take(want.bind.name) if want.bind.kind == 'systemd' else [inherited.adopt(want.bind.fd)]
        return [Bound(number, inherited.address_of(sock), (sock,), owned=False) for sock in taken]


def _bind_tcp(
    number: int, want: Wanted, slots: int, leaving: Sequence[socket.socket], choices: int = PORT_CHOICES_MAX
) -> list[Bound]:
    try:
        return _bind_addresses(number, want, slots, leaving, _addresses(want.bind.host, want.bind.port))
    except OSError as exc:
        if want.bind.port != 0 or exc.errno != errno.EADDRINUSE or choices == 1:
            raise
    return _bind_tcp(number, want, slots, leaving, choices - 1)


def _addresses(host: str, port: int) -> list[FamilyAddress]:
    """Family and socket address of everything the host stands for. `*`: two sockets, so that peers keep plain addresses."""
    if host == '*':
        wildcards: list[FamilyAddress] = [(socket.AF_INET, ('0.0.0.0', port))]  # noqa: S104
        return [*wildcards, (socket.AF_INET6, ('::', port))] if socket.has_ipv6 else wildcards
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((int(family), cast('Address', address)) for family, _, _, _, address in found))


def _bind_addresses(
    number: int, want: Wanted, slots: int, leaving: Sequence[socket.socket], found: Sequence[FamilyAddress]
) -> list[Bound]:
    bound: list[Bound] = []
    missing: OSError | None = None
    port = want.bind.port
    try:
        for family, (host, _, *rest) in found:
            try:
                sockets = _listen(family, (host, port, *rest), want.backlog, slots, leaving)
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
    for sock in [sock for each in bound for sock in each.sockets]:
        sock.close()


def _listen(
    family: int, address: Address, backlog: int, slots: int, leaving: Sequence[socket.socket]
) -> list[socket.socket]:
    sockets = [socket.socket(family, socket.SOCK_STREAM)]
    try:
        _bind_first(sockets[0], address, leaving)
        sockets[0].listen(backlog)
        if slots > 1 and REUSEPORT_BALANCES:
            sockets += _joining(sockets[0], slots - 1)
            for sock in sockets[1:]:
                sock.listen(backlog)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _bind_first(sock: socket.socket, address: Address, leaving: Sequence[socket.socket]) -> None:
    try:
        # Bound without SO_REUSEPORT: proof that nobody else has the port, a server of our own included.
        _bind_one(sock, address)
    except OSError as exc:
        beside = [each for each in leaving if each.family == sock.family and each.getsockname()[1] == address[1]]
        if exc.errno != errno.EADDRINUSE or not (beside and REUSEPORT_BALANCES):
            raise
        # 0.0.0.0 in the place of 127.0.0.1, say: both are there until the old one goes.
        for each in (sock, *beside):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        _bind_one(sock, address)


def _bind_one(sock: socket.socket, address: Address) -> None:
    if os.name == 'nt':
        # There SO_REUSEADDR would let anybody steal the port.
        sock.setsockopt(socket.SOL_SOCKET, getattr(socket, 'SO_EXCLUSIVEADDRUSE'), 1)  # noqa: B009
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sock.family == socket.AF_INET6:
        # [::] is IPv6 only, so that 0.0.0.0 can stand beside it; `*` binds both.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(address)
    sock.setblocking(False)
