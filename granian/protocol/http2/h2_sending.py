"""Bodies of responses that wait for flow control, sent by turns, for the engine on the h2 package."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from granian.protocol.limits import HTTP2_WAITING_BODIES_MAX

if TYPE_CHECKING:
    from h2.connection import H2Connection

    from granian.protocol.contract import Fields

# At most so much of one stream before it is another's turn.
TURN_BYTES = 16 * 1024


class _Body:
    __slots__ = ('ended', 'in_turn', 'pieces', 'sent', 'told_blocked', 'trailers', 'waiting')

    def __init__(self) -> None:
        self.pieces: deque[memoryview] = deque()
        self.waiting = self.sent = 0
        self.ended = self.in_turn = self.told_blocked = False
        self.trailers: Fields = []


class Sending:
    """What waits, for all streams of a connection. A body is done once its end was sent."""

    def __init__(self, connection: H2Connection, bytes_max: int) -> None:
        self._h2 = connection
        self._bytes_max = bytes_max
        self._bodies: dict[int, _Body] = {}
        # Streams with bytes and a window for them, each once.
        self._turns: deque[int] = deque()
        # Bytes that wait, streams with such, bytes sent.
        self.waiting = self.bodies = self.progress = 0

    @property
    def sendable(self) -> bool:
        return self._h2.outbound_flow_control_window > 0 and bool(self._turns)

    @property
    def full(self) -> bool:
        return self.bodies >= HTTP2_WAITING_BODIES_MAX and self.waiting >= HTTP2_WAITING_BODIES_MAX * self._bytes_max

    def write(self, number: int, data: bytes) -> None:
        body = self._bodies.get(number)
        if body is None:
            body = self._bodies[number] = _Body()
        if data and not body.waiting:
            self.bodies += 1
        body.pieces.append(memoryview(data))
        body.waiting += len(data)
        self.waiting += len(data)
        self._line_up(number, body)

    def finish(self, number: int, trailers: Fields = []) -> bool:  # noqa: B006
        """The body has no more. True: its end was sent at once."""
        body = self._bodies.get(number)
        if body is not None and body.waiting:
            body.ended = True
            body.trailers = trailers
            return False
        self._send_end(number, trailers)
        self._bodies.pop(number, None)
        return True

    def _send_end(self, number: int, trailers: Fields) -> None:
        if trailers:
            self._h2.send_headers(number, trailers, end_stream=True)
        else:
            self._h2.end_stream(number)

    def forget(self, number: int) -> None:
        body = self._bodies.pop(number, None)
        if body is not None:
            self.waiting -= body.waiting
            self.bodies -= body.waiting > 0
            if body.in_turn:
                self._turns.remove(number)

    def is_done(self, number: int) -> bool:
        return number not in self._bodies

    def is_blocked(self, number: int) -> bool:
        body = self._bodies.get(number)
        if body is None or (body.waiting < self._bytes_max and not (body.waiting and self.full)):
            return False
        body.told_blocked = True
        return True

    def flow(self, number: int) -> tuple[int, int]:
        body = self._bodies.get(number)
        return (0, 0) if body is None else (body.sent, body.waiting)

    def widened(self, number: int) -> None:
        """A stream's window has grown, or (0) perhaps all of them."""
        for each in (number,) if number else tuple(self._bodies):
            body = self._bodies.get(each)
            if body is not None:
                self._line_up(each, body)

    def _line_up(self, number: int, body: _Body) -> None:
        if not body.in_turn and body.waiting and self._h2.streams[number].outbound_flow_control_window > 0:
            body.in_turn = True
            self._turns.append(number)

    def produce(self, count: int) -> tuple[list[int], list[int]]:
        """Send about `count` bytes: the streams whose body is done by that, and those that take more again."""
        ended: list[int] = []
        roomy: list[int] = []
        while count > 0 and self.sendable:
            number = self._turns.popleft()
            body = self._bodies[number]
            body.in_turn = False
            count -= self._send_some(number, body)
            if body.ended and not body.waiting:
                del self._bodies[number]
                ended.append(number)
                continue
            self._line_up(number, body)
            if body.told_blocked and body.waiting <= self._bytes_max // 2:
                body.told_blocked = False
                roomy.append(number)
        return ended, roomy

    def _send_some(self, number: int, body: _Body) -> int:
        window = self._h2.local_flow_control_window(number)
        size = min(TURN_BYTES, self._h2.max_outbound_frame_size, window, body.waiting)
        if size <= 0:
            return 0
        last = body.ended and size == body.waiting
        self._h2.send_data(number, _take(body.pieces, size), end_stream=last and not body.trailers)
        if last and body.trailers:
            self._send_end(number, body.trailers)
        body.waiting -= size
        body.sent += size
        self.waiting -= size
        self.bodies -= not body.waiting
        self.progress += size
        return size


def _take(pieces: deque[memoryview], size: int) -> bytes:
    taken = []
    while size:
        piece = pieces.popleft()
        if len(piece) > size:
            pieces.appendleft(piece[size:])
            piece = piece[:size]
        taken.append(piece)
        size -= len(piece)
    return bytes(taken[0]) if len(taken) == 1 else b''.join(taken)
