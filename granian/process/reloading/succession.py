"""One supervisor takes another's place: the sockets go from process to process, and only then does the old one leave.

The old one starts the new one as its child and tells it, in one variable, which descriptors are what. The new one serves,
says so on a pipe, and is the server from then on. If it ends before that, nothing has changed.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from granian.config.types.bind import parse_bind
from granian.process.listening.sockets import Bound, Sockets, Wanted
from granian.process.listening.unix_socket import SocketFile

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

# Not one of GRANIAN_'s: it is no option.
VARIABLE = '_GRANIAN_SUCCEEDS'


@dataclass(frozen=True, slots=True)
class HandedOver:
    """One address: `listener` is the number of its bind in the list of them."""

    listener: int
    address: tuple[str, int | None]
    fds: tuple[int, ...]
    owned: bool
    # As it was made: it may have been removed, or another one be in its place.
    file: SocketFile | None


def description(sockets: Sockets, control_fd: int, control_file: SocketFile | None, ready_fd: int) -> str:
    """What the new supervisor is told, by its own process before the program in it changes; descriptors stay what they are."""
    bound = [
        HandedOver(
            each.listener,
            each.address,
            tuple(sock.fileno() for sock in each.sockets),
            each.owned,
            each.file,
        )
        for each in sockets.bound
    ]
    return json.dumps({
        'pid': os.getppid(),
        'ready': ready_fd,
        'control': control_fd,
        'control_file': None if control_file is None else asdict(control_file),
        'wanted': [[str(want.bind), want.backlog, want.permissions, want.is_metrics] for want in sockets.wanted],
        'bound': [asdict(each) for each in bound],
    })  # fmt: skip


def become(environment: Mapping[str, str], fds: list[int]) -> None:
    """In a child: be the program that was started, as it is installed now, with these descriptors. Raises OSError."""
    for fd in fds:
        os.set_inheritable(fd, True)
    # The very words of the command line; the interpreter by its path, which the first of them need not be.
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], dict(environment))  # noqa: S606


class Predecessor:
    """The new supervisor's view of the one whose place it is to take."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.pid: int = told['pid']
        self.sockets = _sockets(told)
        self._control_file = _file(told['control_file'])
        self._ready_fd: int = told['ready']
        self._control_fd: int = told['control']
        for fd in (self._ready_fd, self._control_fd):
            if fd != -1:
                os.set_inheritable(fd, False)

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> Predecessor | None:
        """None: this is a start like any other."""
        told = json.loads(environment.pop(VARIABLE, 'null'))
        # Somebody else's child may have kept the variable.
        return cls(told) if told is not None and told['pid'] == os.getppid() else None

    def control(self) -> tuple[socket.socket, SocketFile] | None:
        """Its control socket, if it has one. It is ours now."""
        if self._control_fd == -1 or self._control_file is None:
            return None
        sock = socket.socket(fileno=self._control_fd)
        self._control_fd = -1
        return sock, self._control_file

    def relieve(self, kept: Sockets) -> None:
        """Tell it that we serve, and on which of its sockets."""
        ours = set(map(id, kept.every()))
        fds = [sock.fileno() for sock in self.sockets.every() if id(sock) in ours]
        # One that is gone in the meantime needs no relief.
        with contextlib.suppress(BrokenPipeError), os.fdopen(self._ready_fd, 'wb') as pipe:
            self._ready_fd = -1
            pipe.write(json.dumps({'kept': fds}).encode() + b'\n')

    def forget(self) -> None:
        """In a worker: what is between the supervisors is closed."""
        for fd in (self._ready_fd, self._control_fd):
            if fd != -1:
                os.close(fd)


def _sockets(told: dict[str, Any]) -> Sockets:
    wanted = [
        Wanted(parse_bind(bind), backlog, permissions, is_metrics=is_metrics)
        for bind, backlog, permissions, is_metrics in told['wanted']
    ]
    sockets = Sockets(wanted)
    sockets.bound = [_bound(HandedOver(**{**each, 'file': _file(each['file'])})) for each in told['bound']]
    return sockets


def _bound(given: HandedOver) -> Bound:
    adopted = tuple(socket.socket(fileno=fd) for fd in given.fds)
    for sock in adopted:
        sock.set_inheritable(False)
        sock.setblocking(False)
    host, port = given.address
    return Bound(given.listener, (host, port), adopted, given.owned, borrowed=True, file=given.file)


def _file(told: dict[str, Any] | None) -> SocketFile | None:
    return None if told is None else SocketFile(**told)


def owned(sockets: Sockets) -> None:
    """What was borrowed is ours now."""
    sockets.bound = [replace(each, borrowed=False) for each in sockets.bound]
