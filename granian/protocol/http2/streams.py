"""One stream: what the client still has to send, what we still have to, and the bytes that wait in between."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from granian.protocol.http2.states import HALF_LOCAL, HALF_REMOTE, OPEN

if TYPE_CHECKING:
    from granian.protocol.contract import Fields, RequestHead

# What the application still has to send of a response.
NOTHING, ALL, REST = 'nothing', 'all', 'rest'


class Stream:
    """An open or half-closed stream. Passive: `Inlet` and `Outlet` do the sums."""

    __slots__ = (
        'chunks', 'credit', 'declared', 'discarded', 'ended', 'ending', 'free', 'granted', 'head', 'id', 'left', 'offset', 'owed',
        'queued', 'received', 'receiving', 'refused', 'sent', 'silent', 'trailers', 'unread', 'waiting', 'wants_room', 'window',
        'window_size',
    )  # fmt: skip

    def __init__(self, stream: int, head: RequestHead, *, receiving: bool, granted: int, window_size: int) -> None:
        self.id = stream
        self.head = head
        # ── the request's body: whether more may come; bytes so far, and as declared
        self.receiving = receiving
        self.received = 0
        self.declared = head.content_length
        # Bytes the client may still send, and may at most; those taken that it was not told of; those not taken; those
        # thrown away.
        self.granted = granted
        self.window_size = window_size
        self.credit = 0
        self.unread = 0
        self.discarded = 0
        # Over to bytes both ways: no bound on the body.
        self.free = False
        # ── the response: what the application owes; the bytes declared that it has not written
        self.owed = ALL
        self.left: int | None = None
        self.silent = False
        # The engine answers in the application's place.
        self.refused = False
        # Written but not sent: pieces, the first from `offset` on.
        self.chunks: deque[bytes] = deque()
        self.offset = 0
        self.waiting = 0
        self.sent = 0
        # What the client grants beyond its SETTINGS_INITIAL_WINDOW_SIZE, less what was sent.
        self.window = 0
        # In the queue of those that can send.
        self.queued = False
        # Nothing follows what waits but, perhaps, trailers; `ended`: all of it was sent.
        self.ending = False
        self.ended = False
        self.trailers: Fields = []
        self.wants_room = False

    @property
    def state(self) -> str:
        if not self.receiving:
            return HALF_REMOTE
        return HALF_LOCAL if self.ended else OPEN

    def taken(self, count: int) -> list[bytes]:
        """Take `count` bytes, of those that wait, out."""
        pieces: list[bytes] = []
        chunks = self.chunks
        self.waiting -= count
        self.sent += count
        while count:
            chunk = chunks[0]
            start, end = self.offset, self.offset + count
            if end < len(chunk):
                pieces.append(chunk[start:end])
                self.offset = end
                return pieces
            pieces.append(chunk[start:] if start else chunk)
            count -= len(chunk) - start
            self.offset = 0
            chunks.popleft()
        return pieces
