"""One accepted transport, whatever is spoken on it: output, an orderly end, and how long the peer may take."""

from __future__ import annotations

import asyncio
import socket
import struct
from time import perf_counter
from typing import TYPE_CHECKING, cast

from granian.server.deadlines import NEVER
from granian.server.passage import is_at_rest, unsent_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from granian.exchange import ConnectionInfo, Exchange
    from granian.protocol.contract import Engine, Refusal
    from granian.server.service import Service
    from granian.server.tls.pump import TlsPump

# After an answer that leaves input unread: how long the rest is thrown away, so that a reset does not
# overtake the answer (RFC 9112 9.6).
LINGER_S = 2.0
# A last answer after which nobody lingers, with nothing before it on its way: it leaves in one piece.
LAST_BYTES_MAX = 16 * 1024
# Logged where a client left before it was answered, as nginx does.
NO_ANSWER = 499
_NO_LINGER = struct.pack('ii', 1, 0)


class Wire(asyncio.Protocol):
    """Moves bytes between a transport and an engine, and ends both. What the bytes mean is its heirs' business."""

    __slots__ = (
        '_ended', '_lingering', '_paused', '_transport', '_unsent', 'blocked', 'check_at', 'deadline', 'engine', 'info',
        'loop', 'service',
    )  # fmt: skip
    engine: Engine
    info: ConnectionInfo

    def __init__(self, service: Service) -> None:
        self.service = service
        self.loop = service.loop
        self.blocked = False
        self.deadline = self.check_at = NEVER
        self._paused = self._lingering = False
        # The peer has closed its side.
        self._ended = False
        self._unsent = 0

    def pause_writing(self) -> None:
        self.blocked = True
        self._unsent = unsent_bytes(self._transport)
        self._arm(self._write_s())
        self.service.unsent.weigh(self)

    @property
    def held_bytes(self) -> int:
        """Bytes of responses that wait for the client. Those of a transport that is not blocked are few."""
        return self._transport.get_write_buffer_size() if self.blocked else 0

    @property
    def taken_bytes(self) -> int:
        """Grows as the client takes some."""
        return -self.held_bytes

    def resume_writing(self) -> None:
        self.blocked = False
        self.service.unsent.weigh(self)
        if self._lingering:
            self._arm(LINGER_S)
        elif self._transport.is_closing():
            self._arm(self._write_s())
        else:
            self._writable_again()

    def eof_received(self) -> bool:
        self._ended = True
        if self._lingering:
            return False
        self.engine.receive_eof()
        self._settle()
        return not self._transport.is_closing()

    def drain(self) -> None:
        """Finish what has begun, refuse what is new."""
        raise NotImplementedError

    def expired(self) -> None:
        """The deadline has passed: of what is being waited for."""
        raise NotImplementedError

    def _settle(self) -> None:
        """Bring the transport in line with what the engine came to."""
        raise NotImplementedError

    def _writable_again(self) -> None:
        """The socket takes more again."""
        raise NotImplementedError

    def _meet(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast('asyncio.Transport', transport)
        self.info = self.service.info_of(transport)
        self.service.connections.add(self)
        self._arm(self.service.timeouts.head_s)

    def _part(self) -> None:
        self.service.connections.discard(self)
        self.service.unsent.forget(self)
        self.deadline = NEVER
        self.service.wheel.forget(self)

    def _have_answered(self, exchange: Exchange) -> None:
        """Let whoever is responsible answer, and begin at once."""
        service = self.service
        answering = service.handle(exchange)
        if answering is None:
            return
        task = service.start(answering)
        if not task.done():
            service.keep(task)

    def _log_access(self, exchange: Exchange) -> None:
        log = self.service.access_log
        assert log is not None
        info = exchange.info
        peer = info.client[0] if info.client else ''
        duration_s = perf_counter() - exchange.started_at_s
        log.request(peer, info.scheme, exchange.head, exchange.status or NO_ANSWER, duration_s)

    def _log_refused(self, refusal: Refusal, request_line: bytes) -> None:
        if self.service.access_log is not None:
            peer = self.info.client[0] if self.info.client else ''
            self.service.access_log.refused(peer, self.info.scheme, request_line, refusal.status, refusal.reason)

    def _write_output(self) -> None:
        output = self.engine.output
        if not output:
            return
        if len(output) == 1:
            self._transport.write(output[0])
        elif sum(map(len, output)) <= self.service.join_bytes_max:
            self._transport.write(b''.join(output))
        else:
            self._transport.writelines(output)
        output.clear()

    def _pause(self, pause: bool) -> None:
        self._paused = pause
        if self._transport.is_closing():
            return
        if pause:
            self._transport.pause_reading()
        else:
            # An application may have got us here, and asyncio reads on in the context that resumes it.
            self.service.context.copy().run(self._transport.resume_reading)

    def _later(self, callback: Callable[[], None]) -> None:
        # Not in the context of the application that got us here: the next request is none of its business.
        self.loop.call_soon(callback, context=self.service.context.copy())

    def _write_last(self) -> None:
        """Write what the engine still has, and close."""
        output = self.engine.output
        if not (self.engine.heard_out and self._may_leave_at_once()):
            self._write_output()
            self._close()
        elif self.info.tls is not None and output:
            cast('TlsPump', self._transport).write_last(b''.join(output))
            output.clear()
            self._time_closing()
        else:
            self._write_output()
            self._close_transport()

    def _may_leave_at_once(self) -> bool:
        """Whether closing destroys nothing, even if the client sends more against its word, but what is small and sent last."""
        if self.engine.broken or self._lingering or self._transport.is_closing():
            return False
        return sum(map(len, self.engine.output)) <= LAST_BYTES_MAX and is_at_rest(self._transport)

    def _close(self) -> None:
        transport = self._transport
        if transport.is_closing() or self._lingering:
            return
        if self.engine.broken:
            self.cut()
        elif transport.can_write_eof() and not self._ended:
            self._linger()
        else:
            self._close_transport()

    def _linger(self) -> None:
        """Throw away what still comes, for a while."""
        self._lingering = True
        if self._paused:
            self._pause(False)
        try:
            self._transport.write_eof()
        except OSError:
            # The peer has reset the connection, and asyncio has not noticed: it does not read after an end of file.
            self._transport.abort()
        else:
            self._arm(self._write_s() if self.blocked else LINGER_S)

    def _linger_on(self) -> None:
        """A client that is still reading answers with WINDOW_UPDATEs: on a socket that is closed they would cost it the rest."""
        unsent = unsent_bytes(self._transport)
        if unsent and unsent != self._unsent:
            self._unsent = unsent
            self._arm(LINGER_S)
        else:
            self._close_transport()

    def _close_transport(self) -> None:
        """Close once all is sent, for as long as the peer takes it."""
        self._transport.close()
        self._time_closing()

    def _time_closing(self) -> None:
        # Nothing left: we are told of the end in the next turn of the loop.
        if self._transport.get_write_buffer_size():
            self._unsent = unsent_bytes(self._transport)
            self._arm(self._write_s())

    def cut(self) -> None:
        """Close by a reset: the client can tell that what it has is not whole."""
        self.service.tally.broken += 1
        sock = self._transport.get_extra_info('socket')
        if sock is not None and sock.family != getattr(socket, 'AF_UNIX', None):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def _arm(self, after_s: float) -> None:
        self.deadline = deadline = self.service.wheel.now + after_s
        if deadline < self.check_at:
            self.service.wheel.watch(self)

    def _write_s(self) -> float:
        """How long the peer may take nothing."""
        return self.service.timeouts.write_s

    def _check_write_progress(self) -> None:
        unsent = unsent_bytes(self._transport)
        if unsent < self._unsent:
            self._unsent = unsent
            self._arm(self._write_s())
        elif self.blocked or self._transport.get_write_buffer_size():
            # What is not sent is lost: a body that ends by closing would look whole.
            self.cut()
        else:
            self._transport.abort()
