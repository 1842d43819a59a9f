"""What a worker counts as it goes, and all that is known of it as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from granian.server.service import Shared
    from granian.server.websocket import Sessions

    class Pool(Protocol):
        """Threads of an application that blocks."""

        @property
        def count(self) -> int: ...

        @property
        def queued(self) -> int: ...

        def spent_s(self) -> tuple[float, float]:
            """Idle, and at work, all threads together; neither ever shrinks."""


class Tally:
    """Counters of connections, which are rare, and of files, which are counted where somebody asks for numbers."""

    __slots__ = ('broken', 'connections', 'files', 'files_failed', 'handshakes_failed')

    def __init__(self) -> None:
        self.connections = self.broken = self.handshakes_failed = self.files = self.files_failed = 0


class Measures:
    """The numbers of a worker that serves, in the order of `observe.metrics.OF_WORKER`."""

    def __init__(self, shared: Shared, sessions: Sessions, pools: Sequence[Pool]) -> None:
        self._shared = shared
        self._sessions = sessions
        self._pools = pools
        self._began_s = shared.loop.time()

    def numbers(self) -> list[int]:
        shared, tally = self._shared, self._shared.tally
        spent = [pool.spent_s() for pool in self._pools]
        return [
            int(shared.loop.time() - self._began_s),
            len(shared.connections),
            tally.connections,
            tally.broken + tally.handshakes_failed,
            shared.gate.busy,
            shared.gate.served,
            tally.files,
            tally.files_failed,
            len(self._sessions.open),
            tally.handshakes_failed,
            sum(pool.count for pool in self._pools),
            sum(pool.queued for pool in self._pools),
            _microseconds(sum(idle_s for idle_s, _ in spent)),
            _microseconds(sum(busy_s for _, busy_s in spent)),
            _microseconds(shared.wheel.late_s),
        ]


def _microseconds(seconds: float) -> int:
    return int(seconds * 1e6)
