"""Which streams there are, and what became of those that are no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.protocol.http2.states import CLOSED, HALF_REMOTE, IDLE, SKIPPED

if TYPE_CHECKING:
    from granian.protocol.contract import RequestHead
    from granian.protocol.http2.streams import Stream

# Streams that ended by a RST_STREAM are told from others for as long as there are no more than this after them.
RESETS_MAX = 512
SKIPS_MAX = 64


class Ledger:
    __slots__ = ('_resets', '_skips', 'last', 'streams', 'whole')

    def __init__(self) -> None:
        # Requests that came whole and that nothing was sent for yet; most are answered before they become a Stream.
        self.whole: dict[int, RequestHead] = {}
        self.streams: dict[int, Stream] = {}
        # The last one the client began.
        self.last = 0
        # Stream → RESET or GONE.
        self._resets: dict[int, str] = {}
        # (first, after the last) of the ids that were passed over.
        self._skips: list[tuple[int, int]] = []

    def begun(self, stream: int) -> None:
        """The client begins a stream."""
        if stream - self.last > 2:
            self.skipped(stream)
        self.last = stream

    def skipped(self, stream: int) -> None:
        """It closes those it passed over (RFC 9113 5.1.1)."""
        if len(self._skips) < SKIPS_MAX:
            self._skips.append((self.last + 1, stream))

    def reset(self, stream: int, state: str) -> None:
        """A stream ended by a RST_STREAM: RESET, ours, or GONE, the client's."""
        self._resets[stream] = state
        if len(self._resets) > RESETS_MAX:
            del self._resets[next(iter(self._resets))]

    def state(self, stream: int) -> str:
        if stream in self.whole:
            return HALF_REMOTE
        found = self.streams.get(stream)
        if found is not None:
            return found.state
        if stream > self.last or not stream & 1:
            return IDLE
        if any(first <= stream < after for first, after in self._skips):
            return SKIPPED
        return self._resets.get(stream, CLOSED)
