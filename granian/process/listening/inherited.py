"""Listening sockets that another program opened: `fd:N`, and systemd's socket activation (sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

from granian.errors import BindError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from granian.config.types.bind import Bind
    from granian.process.listening.sockets import Wanted

# SD_LISTEN_FDS_START
FIRST_SYSTEMD_FD = 3
AT_START = 'systemd handed over no sockets (LISTEN_FDS is not set for this process)'
ENVIRONMENT = ('LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES')


def first(wanted: Sequence[Wanted]) -> list[tuple[int, Wanted]]:
    """Numbered, and in the order in which to take them: no socket of ours may have the number of one that we were not given."""
    return sorted(enumerate(wanted), key=lambda each: each[1].bind.kind != 'fd')


def adopt(fd: int) -> socket.socket:
    """The listening stream socket with that number. It belongs to us from here on. Raises BindError."""
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        raise BindError('no such descriptor was inherited') from None
    if not stat.S_ISSOCK(mode):
        raise BindError('the descriptor is not a socket')
    sock = socket.socket(fileno=fd)
    fault = _fault(sock)
    if fault:
        sock.detach()
        raise BindError(fault)
    sock.set_inheritable(False)
    sock.setblocking(False)
    return sock


def _fault(sock: socket.socket) -> str | None:
    if sock.family not in {socket.AF_INET, socket.AF_INET6, getattr(socket, 'AF_UNIX', None)}:
        return 'the socket is neither TCP nor a Unix socket'
    if sock.type != socket.SOCK_STREAM:
        return 'the socket is not a stream socket'
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return 'the socket does not listen'
    return None


def address_of(sock: socket.socket) -> tuple[str, int | None]:
    """(host, port), or (path, None)."""
    name = sock.getsockname()
    if isinstance(name, tuple):
        return name[0], name[1]
    return os.fsdecode(name), None


class SystemdDescriptors:
    """What systemd handed over, by name; each descriptor can be taken once."""

    def __init__(self, names: list[str], why_none: str = AT_START) -> None:
        self._why_none = why_none
        self._left = dict(enumerate(names, FIRST_SYSTEMD_FD))
        self.given = bool(names)

    @classmethod
    def from_environment(cls) -> SystemdDescriptors:
        count = os.environ.get('LISTEN_FDS', '')
        # Another LISTEN_PID: meant for a parent of ours that did not clear the variables.
        if os.environ.get('LISTEN_PID') != str(os.getpid()) or not count.isdecimal():
            return cls([])
        names = os.environ.get('LISTEN_FDNAMES', '').split(':')
        # sd_listen_fds_with_names(3): a descriptor without a name is called 'unknown'.
        return cls([names[i] if i < len(names) and names[i] else 'unknown' for i in range(int(count))])

    @classmethod
    def later(cls) -> SystemdDescriptors:
        """For a listener that a reload or an upgrade adds."""
        return cls([], 'systemd hands over sockets at a start only; restart the service')

    def take(self, name: str) -> list[socket.socket]:
        """Adopt every descriptor of that name that is left; '': of any name. Raises BindError if there is none."""
        if not self.given:
            raise BindError(self._why_none)
        numbers = [fd for fd, its_name in self._left.items() if name in {'', its_name}]
        if not numbers:
            raise BindError(f'systemd handed over no {"further socket" if not name else f"socket named {name!r}"}')
        for fd in numbers:
            del self._left[fd]
        return [adopt(fd) for fd in numbers]


def forget_environment() -> None:
    """Keep processes that applications start from believing that the descriptors are for them."""
    for name in ENVIRONMENT:
        os.environ.pop(name, None)


def expected_now(bind: Bind, descriptors: SystemdDescriptors) -> bool:
    """Whether this process can have been given what `bind` names: a check from a shell cannot."""
    if bind.kind == 'systemd':
        return descriptors.given
    if bind.kind == 'fd':
        try:
            os.fstat(bind.fd)
        except OSError:
            return False
    return True
