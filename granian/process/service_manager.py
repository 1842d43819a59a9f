"""What a service manager is told: sd_notify(3) over the socket in NOTIFY_SOCKET, and the watchdog it may want fed."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

from granian.observe.logs import logger

if TYPE_CHECKING:
    from collections.abc import MutableMapping

VARIABLES = ('NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID')


class ServiceManager:
    """Whoever started us, if it wants to know how we are. Without one, nothing happens."""

    def __init__(self, address: str = '', watchdog_s: float | None = None) -> None:
        # As systemd writes it: a path, or a name after '@'.
        self._address = '\0' + address[1:] if address.startswith('@') else address
        # How often a sign of life is to be given: twice in the time after which we pass for stuck.
        self.beat_every_s = None if watchdog_s is None else watchdog_s / 2
        # For a process that takes our place.
        self.variables: dict[str, str] = {}

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> ServiceManager:
        """Take the variables out of the environment: what applications start must not speak in our name."""
        found = {name: environment.pop(name) for name in VARIABLES if name in environment}
        manager = cls(_usable(found.get('NOTIFY_SOCKET', '')), _watchdog_s(found))
        manager.variables = found
        return manager

    def ready(self, status: str) -> None:
        """Everything that was asked for is there: after a start, and after each reload, whatever came of it."""
        self._tell('READY=1', f'MAINPID={os.getpid()}', f'STATUS={status}')

    def variables_of(self, pid: int) -> dict[str, str]:
        """What such a process is to find in its environment."""
        return {**self.variables, 'WATCHDOG_PID': str(pid)} if 'WATCHDOG_PID' in self.variables else self.variables

    def hand_over(self, pid: int) -> None:
        """It is the server from now on. Only we are listened to, until this is said."""
        self._tell('READY=1', f'MAINPID={pid}')

    def reloading(self) -> None:
        # Type=notify-reload wants to know which request this answers.
        self._tell('RELOADING=1', f'MONOTONIC_USEC={time.monotonic_ns() // 1000}', 'STATUS=Reloading')

    def stopping(self) -> None:
        self._tell('STOPPING=1', 'STATUS=Finishing requests in progress')

    def beat(self) -> None:
        self._tell('WATCHDOG=1')

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto('\n'.join(lines).encode(), self._address)
        except OSError as exc:
            logger.warning('The service manager cannot be told %s: %s', lines[0], (exc.strerror or str(exc)).lower())


def _usable(address: str) -> str:
    if not address or (address.startswith(('/', '@')) and hasattr(socket, 'AF_UNIX')):
        return address
    logger.warning('NOTIFY_SOCKET=%s is not a Unix socket: nothing is told', address)
    return ''


def _watchdog_s(variables: MutableMapping[str, str]) -> float | None:
    """The time without a sign of life that passes for a failure; None where nobody, or another process, is watched."""
    usec = variables.get('WATCHDOG_USEC', '')
    meant = variables.get('WATCHDOG_PID', str(os.getpid())) == str(os.getpid())
    return int(usec) / 1e6 if meant and usec.isdecimal() and int(usec) > 0 else None
