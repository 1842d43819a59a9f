"""What goes to the client: heads at once, bodies as flow control and the owner of the socket let them, streams by turns."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from granian.protocol.http2.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES_DEFAULT,
    HEADERS,
    UINT32,
    WINDOW_BYTES_DEFAULT,
    WINDOW_BYTES_LARGEST,
    block_frames,
    pack_head,
)
from granian.protocol.limits import HTTP2_WAITING_BODIES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from granian.protocol.contract import Fields
    from granian.protocol.http2.streams import Stream

# Bodies of whole responses go out with their heads as long as nothing else waits, up to this much between two calls
# of `produce`, and each up to that much.
ALLOWANCE_BYTES = 128 * 1024
DIRECT_BYTES_MAX = FRAME_BYTES_DEFAULT
# A body up to this is one piece with its head: copying it costs less than another piece does.
COPY_BYTES_MAX = 2048
# What a stream sends in its turn.
TURN_BYTES = FRAME_BYTES_DEFAULT


_number = UINT32.pack


class Outlet:
    """The sending side of a connection: `output`, the windows the client grants, and the queue of streams that can send."""

    __slots__ = (
        '_encode', '_on_ended', '_on_room', '_queue', 'allowance', 'bodies', 'direct_bytes_max', 'frame_bytes_max', 'full',
        'output', 'progress', 'room_bytes', 'waiting', 'window', 'window_size',
    )  # fmt: skip

    def __init__(
        self,
        room_bytes: int,
        *,
        encode: Callable[[Fields], bytes],
        on_room: Callable[[int], None],
        on_ended: Callable[[Stream], None],
    ) -> None:
        self.output: list[bytes] = []
        # Of the connection; what each stream begins with.
        self.window = WINDOW_BYTES_DEFAULT
        self.window_size = WINDOW_BYTES_DEFAULT
        self.frame_bytes_max = FRAME_BYTES_DEFAULT
        self.allowance = ALLOWANCE_BYTES
        self.direct_bytes_max = DIRECT_BYTES_MAX
        # Body bytes put out, and those that wait; streams with some that wait.
        self.progress = self.waiting = self.bodies = 0
        # A stream with so much waiting is blocked.
        self.room_bytes = room_bytes
        # So many bodies wait, and so much of them, that nothing more should be begun. Read for every request: no sum.
        self.full = False
        self._queue: deque[Stream] = deque()
        # A block has to be made just before it goes: the table is part of what it means.
        self._encode = encode
        self._on_room = on_room
        self._on_ended = on_ended

    @property
    def sendable(self) -> bool:
        return self.window > 0 and bool(self._queue)

    @property
    def stalled(self) -> bool:
        return self.waiting > 0 and not self.sendable

    def takes(self, size: int) -> bool:
        """Whether a whole body may go with its head, on a stream whose window is as at first."""
        return size <= self.direct_bytes_max and size <= self.allowance and size <= self.window and not self._queue

    def is_spent(self, size: int) -> bool:
        """Whether such a body would go with its head, had there not been so many of them."""
        return self.allowance < size <= self.direct_bytes_max and size <= self.window and not self._queue

    def whole(self, stream: int, block: bytes, body: bytes) -> None:
        """Send a whole response whose body it `takes`."""
        length, size = len(block), len(body)
        output = self.output
        if length > FRAME_BYTES_DEFAULT or not size:
            self.head(stream, block, end=not size)
            block = b''
        else:
            block = pack_head(0, length, HEADERS, END_HEADERS, stream) + block
        if not size:
            return
        block += pack_head(0, size, DATA, END_STREAM, stream)
        if size <= COPY_BYTES_MAX:
            output.append(block + body)
        else:
            output += (block, body)
        self.allowance -= size
        self.window -= size
        self.progress += size

    def like(self, known: tuple[bytes, bytes], stream: int, body: bytes) -> None:
        """As `whole`, where it is known what stands before the stream in both frames, and the block."""
        size = len(body)
        head, block = known
        number = _number(stream)
        if size <= COPY_BYTES_MAX:
            self.output.append(b''.join((head, number, block, number, body)))
        else:
            self.output += (b''.join((head, number, block, number)), body)
        self.allowance -= size
        self.window -= size
        self.progress += size

    def head(self, stream: int, block: bytes, *, end: bool) -> None:
        self.output.append(block_frames(stream, block, END_STREAM if end else 0, self.frame_bytes_max))

    def write(self, stream: Stream, data: bytes) -> None:
        if data and not stream.waiting:
            self.bodies += 1
        stream.chunks.append(data)
        stream.waiting += len(data)
        self.waiting += len(data)
        self._weigh()
        self._enqueue(stream)

    def end(self, stream: Stream, trailers: Fields) -> None:
        """Nothing more is written."""
        stream.ending = True
        stream.trailers = trailers
        if not stream.waiting:
            if not trailers:
                self.output.append(pack_head(0, 0, DATA, END_STREAM, stream.id))
            self.ended(stream)

    def drop(self, stream: Stream) -> None:
        """What waits on a stream is not sent any more."""
        if stream.waiting:
            self.bodies -= 1
            self.waiting -= stream.waiting
            self._weigh()
        stream.waiting = stream.offset = 0
        stream.chunks.clear()
        if stream.queued:
            stream.queued = False
            self._queue.remove(stream)

    def grow(self, count: int) -> bool:
        """The client grants more to the connection. False: that is too much (RFC 9113 6.9.1)."""
        self.window += count
        return self.window <= WINDOW_BYTES_LARGEST

    def grow_stream(self, stream: Stream, count: int) -> bool:
        stream.window += count
        self._enqueue(stream)
        return self.window_size + stream.window <= WINDOW_BYTES_LARGEST

    def resize(self, window_size: int, streams: list[Stream]) -> bool:
        """RFC 9113 6.9.2: the windows of all streams change with the size they begin with. False: one is too large."""
        self.window_size = window_size
        self.direct_bytes_max = min(DIRECT_BYTES_MAX, window_size)
        for stream in streams:
            self._enqueue(stream)
        return all(window_size + stream.window <= WINDOW_BYTES_LARGEST for stream in streams)

    def produce(self, count: int) -> None:
        queue = self._queue
        while queue and count > 0 and self.window > 0:
            stream = queue.popleft()
            stream.queued = False
            size = min(stream.waiting, self.window, self.window_size + stream.window, self.frame_bytes_max, TURN_BYTES)
            # A window may have shrunk below what was sent (RFC 9113 6.9.2).
            if size > 0:
                self._send(stream, size)
                count -= size
            self._enqueue(stream)
        self.allow(count)

    def allow(self, count: int) -> None:
        """Whole responses may put out so much before the next call of `produce`."""
        self.allowance = ALLOWANCE_BYTES if count > ALLOWANCE_BYTES else max(0, count)

    def _send(self, stream: Stream, size: int) -> None:
        pieces = stream.taken(size)
        self.waiting -= size
        self.window -= size
        self.progress += size
        stream.window -= size
        if not stream.waiting:
            self.bodies -= 1
        if self.full:
            self._weigh()
        last = stream.ending and not stream.waiting
        flags = END_STREAM if last and not stream.trailers else 0
        self.output.append(pack_head(size >> 16, size & 0xFFFF, DATA, flags, stream.id))
        self.output += pieces
        if last:
            self.ended(stream)
        elif stream.wants_room and stream.waiting <= self.room_bytes // 2:
            stream.wants_room = False
            self._on_room(stream.id)

    def ended(self, stream: Stream) -> None:
        """All of the response was sent, but for its trailers."""
        if stream.trailers:
            self.head(stream.id, self._encode(stream.trailers), end=True)
        stream.ended = True
        self._on_ended(stream)

    def _weigh(self) -> None:
        count = HTTP2_WAITING_BODIES_MAX
        self.full = self.bodies >= count and self.waiting >= count * self.room_bytes

    def _enqueue(self, stream: Stream) -> None:
        if not stream.queued and stream.waiting and self.window_size + stream.window > 0:
            stream.queued = True
            self._queue.append(stream)
