"""What a worker holds of responses that their clients do not take: counted, bounded, and cut where it stays too much."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from granian.server.deadlines import NEVER

if TYPE_CHECKING:
    from granian.server.deadlines import DeadlineWheel

logger = logging.getLogger('_granian')

# So long it may be too much, and so long a connection is watched, before it is cut.
GRACE_S = 5.0
# Where it is twice too much there is less time, and the quick are no longer spared.
HASTE_S = 1.0
# Where it is too much, a connection has so many requests answered at once, and one more for each so many bytes that its
# client has taken before: it may be a proxy's.
UNANSWERED_LEAST = 4
TAKEN_BYTES_EACH = 64 * 1024


class Holder(Protocol):
    """A connection."""

    @property
    def held_bytes(self) -> int:
        """Bytes of responses that wait for the client."""

    @property
    def taken_bytes(self) -> int:
        """Grows as the client takes some."""

    def cut(self) -> None: ...


class Patient(Holder, Protocol):
    """One that may be held back."""

    def settle_soon(self) -> None:
        """It is held back no more."""


class _Mark:
    """What a connection held and had had taken at some time."""

    __slots__ = ('at_s', 'held', 'taken')

    def __init__(self, held: int, taken: int, at_s: float) -> None:
        self.held = held
        self.taken = taken
        self.at_s = at_s


class Unsent:
    """All connections of a worker that hold something. Watched by the wheel only while that is too much."""

    __slots__ = ('_bytes', '_held_back', '_marks', '_wheel', '_write_s', 'bytes_max', 'check_at', 'deadline', 'tight')

    def __init__(self, bytes_max: int, wheel: DeadlineWheel, write_s: float) -> None:
        self.bytes_max = bytes_max
        self._wheel = wheel
        # Who needs longer for what it holds is slow.
        self._write_s = write_s
        self._bytes = 0
        self._marks: dict[Holder, _Mark] = {}
        # Those that might not hear of it otherwise when it is enough.
        self._held_back: set[Patient] = set()
        # It is too much: who holds more than its share begins nothing, others begin little at once.
        self.tight = False
        self.deadline = self.check_at = NEVER

    @property
    def share_bytes(self) -> int:
        """What each connection may hold while it is too much."""
        return self.bytes_max // max(1, len(self._marks))

    def holds_back(self, holder: Patient, unanswered: int) -> bool:
        """Whether a connection with so many requests in progress should begin no other. To be asked where it is `tight`."""
        allowed = UNANSWERED_LEAST + max(0, holder.taken_bytes) // TAKEN_BYTES_EACH
        if holder.held_bytes <= self.share_bytes and unanswered < allowed:
            return False
        self._held_back.add(holder)
        return True

    def weigh(self, holder: Holder) -> None:
        """What a connection holds has changed."""
        held = holder.held_bytes
        mark = self._marks.get(holder)
        if mark is not None:
            self._bytes += held - mark.held
            mark.held = held
            if not held:
                del self._marks[holder]
        elif held:
            self._bytes += held
            self._marks[holder] = _Mark(held, holder.taken_bytes, self._wheel.now)
        self._look_whether_tight()

    def forget(self, holder: Holder) -> None:
        """A connection is over."""
        self._held_back.discard(holder)
        mark = self._marks.pop(holder, None)
        if mark is not None:
            self._bytes -= mark.held
            self._look_whether_tight()

    def _look_whether_tight(self) -> None:
        tight = self._bytes > self.bytes_max
        if tight is not self.tight:
            self.tight = tight
            self.deadline = NEVER
            if tight:
                logger.warning('Responses of %d MiB wait for clients that take too little of them', self._bytes >> 20)
                self._look_after(GRACE_S)
            else:
                self._let_go_on()
        if self._is_urgent and self.deadline > self._wheel.now + HASTE_S:
            self._look_after(HASTE_S)

    @property
    def _is_urgent(self) -> bool:
        return self._bytes > 2 * self.bytes_max

    def _let_go_on(self) -> None:
        held_back, self._held_back = self._held_back, set()
        for connection in held_back:
            connection.settle_soon()

    def _look_after(self, after_s: float) -> None:
        self.deadline = self._wheel.now + after_s
        self._wheel.watch(self)

    def expired(self) -> None:
        """It has been too much for a while."""
        for holder in tuple(self._marks):
            self.weigh(holder)
        if self.tight:
            self._cut_slow()
        if self.tight:
            self._look_after(HASTE_S if self._is_urgent else GRACE_S)

    def _cut_slow(self) -> None:
        """Cut those over their share who are slow, the slowest first, until it is not too much."""
        share, now, slow = self.share_bytes, self._wheel.now, []
        least_s = HASTE_S if self._is_urgent else GRACE_S
        for holder, mark in self._marks.items():
            age_s = now - mark.at_s
            if mark.held > share and age_s >= least_s:
                rate = max(1.0, (holder.taken_bytes - mark.taken) / age_s)
                slow.append((mark.held / rate, id(holder), holder))
                mark.taken, mark.at_s = holder.taken_bytes, now
        cut = 0
        for need_s, _, holder in sorted(slow, reverse=True):
            if not self.tight or (need_s <= self._write_s and not self._is_urgent):
                break
            holder.cut()
            self.forget(holder)
            cut += 1
        if cut:
            logger.warning('Cut %d connections whose clients take too little of their responses', cut)
