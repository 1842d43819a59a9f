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

    __slots__ = ('_cancelled_max', 'cancels', 'work')

    def __init__(self, streams_max: int) -> None:
        # What is not paid for yet. Where it is nothing, `read`, `moved` and `answered` need not be called.
        self.work = self.cancels = 0
        self._cancelled_max = max(CANCELLED_MIN, 2 * streams_max)

    def read(self) -> None:
        """Something was read from the socket."""
        if self.work:
            self.work = max(0, self.work - IDLE_WORK_PER_READ)

    def moved(self, body_bytes: int) -> None:
        """Body bytes went either way."""
        if self.work:
            self.work = max(0, self.work - body_bytes // BODY_BYTES_PER_WORK)

    def answered(self) -> None:
        """A response has begun."""
        if self.cancels:
            self.cancels -= 1

    def spend(self, cost: int) -> None:
        self.work += cost
        if self.work > IDLE_WORK_MAX:
            raise ConnectionFault(ENHANCE_YOUR_CALM, 'too many frames that ask for nothing')

    def refused(self, status: int) -> None:
        """A request was answered so in the application's place: large heads cost much to find out."""
        if status == 431:
            self.cancelled()

    def cancelled(self) -> None:
        """A stream came to nothing before a response began."""
        self.cancels += 1
        if self.cancels > self._cancelled_max:
            raise ConnectionFault(ENHANCE_YOUR_CALM, 'too many cancelled streams')
