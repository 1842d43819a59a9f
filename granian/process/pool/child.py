"""A worker process as its supervisor sees it."""

from __future__ import annotations

import contextlib
import math
import os
import signal
from typing import TYPE_CHECKING, Any, Literal

from granian.process.report import Lines, StartFailure, line_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from granian.observe.board import Row
    from granian.process.listening.sockets import Part
    from granian.process.pool.generation import Generation
    from granian.process.pool.health import Stacks
    from granian.process.timers import Timer

# What a worker reports, and then what it is told:
#   starting → ready → (accept) → opening → serving → (retire, or a signal) → leaving
Phase = Literal['starting', 'ready', 'opening', 'serving', 'leaving']
REPORT_BYTES = 65536


class Child:
    """`slot` and `generation` say what it is for; `part` what it accepts on."""

    def __init__(self, slot: int, generation: Generation, part: Part, *, respawned: bool = False) -> None:
        self.slot = slot
        self.generation = generation
        self.part = part
        # It took the place of one that died.
        self.respawned = respawned
        self.phase: Phase = 'starting'
        self.pid = 0
        self.started_s = 0.0
        # When its lifetime is over; when its loop was last known to turn; how often in a row it held too much memory.
        self.due_s = math.inf
        self.heard_s = 0.0
        self.samples_over = 0
        self.stacks: Stacks | None = None
        # What it puts its numbers in, where anybody asks for them.
        self.row: Row | None = None
        self.failure: StartFailure | None = None
        # Until it is gone, or somebody loses patience; until it is old.
        self.kill_timer: Timer | None = None
        self.due_timer: Timer | None = None
        self._channel: socket.socket | None = None
        self._lines = Lines()
        self.has_hung_up = False
        # It was told to accept; it accepts nothing more, and has closed what it listened on.
        self.has_accepted = False
        self.is_closed = False
        # Waited for.
        self.is_gone = False

    @property
    def name(self) -> str:
        return f'worker-{self.slot + 1}'

    @property
    def kill_after_s(self) -> float:
        """How long its end may take."""
        return self.generation.plan.supervisor.kill_after_s

    @property
    def has_started(self) -> bool:
        """Whether its applications have."""
        return self.phase != 'starting'

    def runs_as(self, pid: int, channel: socket.socket, started_s: float) -> None:
        channel.setblocking(False)
        self.pid, self._channel, self.started_s = pid, channel, started_s

    def reports(self) -> Iterator[dict[str, Any]]:
        """What it has said since the last call."""
        while self._channel is not None:
            try:
                data = self._channel.recv(REPORT_BYTES)
            except BlockingIOError:
                return
            except ConnectionResetError:
                data = b''
            if not data:
                # Whoever waits for it must stop that before it is closed.
                self.has_hung_up = True
                return
            yield from self._lines.take(data)

    def fileno(self) -> int:
        return -1 if self._channel is None else self._channel.fileno()

    def close(self) -> None:
        if self.stacks is not None:
            self.stacks.close()
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    # ── what it is told ──────────────────────────────────────────────────────────────────────────────────────────

    def accept(self) -> None:
        self.phase = 'opening'
        self.has_accepted = True
        self._order(do='accept')

    def retire(self, shared: set[int]) -> None:
        """End; the queues of sockets in `shared` (by id) are left to others, those of the rest are served first."""
        leave = [number for number, sock in enumerate(self.part.sockets) if id(sock) in shared]
        self.phase = 'leaving'
        if self.has_accepted:
            self._order(do='retire', leave=leave)
        else:
            self.signal(signal.SIGTERM)

    def stop(self) -> None:
        """End, and serve all that is queued first."""
        self.phase = 'leaving'
        self.signal(signal.SIGTERM)

    def reopen(self) -> None:
        self._order(do='reopen')

    def signal(self, number: int) -> None:
        # Until it is waited for its number is its own, and nobody else's afterwards.
        if not self.is_gone:
            os.kill(self.pid, number)

    def _order(self, **order: Any) -> None:
        # One that is gone, or has not listened for very long.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, BlockingIOError):
            if self._channel is not None:
                self._channel.send(line_of(**order))
