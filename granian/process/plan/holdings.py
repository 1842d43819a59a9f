"""What a running server holds itself: its ports, files and process id are no faults of the configuration it may be told to read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from granian.errors import FatalError
from granian.process import control

if TYPE_CHECKING:
    from pathlib import Path

    from granian.config.types.bind import Bind
    from granian.process.listening.sockets import Sockets

# A supervisor answers at once, or is stuck.
PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Holdings:
    # 0: there is no such server.
    pid: int
    # As they are written.
    binds: frozenset[str]
    ports: frozenset[int]

    def hold(self, bind: Bind) -> bool:
        """Whether it listens there, or on another address of that port, which it can let go."""
        return str(bind) in self.binds or (bind.kind == 'tcp' and bind.port in self.ports)


NOTHING = Holdings(0, frozenset(), frozenset())


def told(pid: int, sockets: Sockets) -> str:
    """By the server, as a line."""
    binds = [str(want.bind) for want in sockets.wanted]
    ports = [each.address[1] for each in sockets.bound if each.address[1] is not None]
    return json.dumps({'pid': pid, 'binds': binds, 'ports': ports})


def asked(path: Path) -> Holdings:
    """By who would know, from the server whose control socket is there."""
    try:
        status, message = control.ask(path, 'holdings', PATIENCE_S)
    except FatalError:
        return NOTHING
    if status != 0:
        # One that is older than the command.
        return NOTHING
    found = json.loads(message)
    return Holdings(found['pid'], frozenset(found['binds']), frozenset(found['ports']))
