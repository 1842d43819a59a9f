"""What bounds a peer that keeps the server busy for nothing, without a clock (RFC 9113 10.5)."""

from __future__ import annotations

from granian.protocol.http2.frames import ENHANCE_YOUR_CALM, ConnectionFault

# So much may be asked of us at once that leads to nothing. A read from the socket pays for some of it: who sends frames
# one by one costs no more than who sends requests. So do body bytes, since they bring WINDOW_UPDATEs.
IDLE_WORK_MAX = 1000
IDLE_WORK_PER_READ = 10
BODY_BYTES_PER_WORK = 256
# Costs. SETTINGS make us look at each stream.
FRAME_COST = 1
SETTINGS_COST = 10
# Streams that may be cancelled, by the client or for its faults, before anything was sent on them; each response pays
# for one. At least this many, or twice as many as may be open at a time.
CANCELLED_MIN = 200


class Patience:
    """Counts what leads to nothing. Raises ConnectionFault where it is too much."""

    __slots__ = ('_cancelled', '_cancelled_max', '_work')

    def __init__(self, streams_max: int) -> None:
        self._work = 0
        self._cancelled = 0
        self._cancelled_max = max(CANCELLED_MIN, 2 * streams_max)

    def read(self) -> None:
        """Something was read from the socket."""
        if self._work:
            self._work = max(0, self._work - IDLE_WORK_PER_READ)

    def moved(self, body_bytes: int) -> None:
        """Body bytes went either way."""
        if self._work:
            self._work = max(0, self._work - body_bytes // BODY_BYTES_PER_WORK)

    def answered(self) -> None:
        """A response has begun."""
        if self._cancelled:
            self._cancelled -= 1

    def spend(self, cost: int) -> None:
        self._work += cost
        if self._work > IDLE_WORK_MAX:
            raise ConnectionFault(ENHANCE_YOUR_CALM, 'too many frames that ask for nothing')

    def cancelled(self) -> None:
        """A stream came to nothing before a response began."""
        self._cancelled += 1
        if self._cancelled > self._cancelled_max:
            raise ConnectionFault(ENHANCE_YOUR_CALM, 'too many cancelled streams')
