"""TLS between a socket's transport and a connection, after the handshake: a protocol to the one, a transport to the other."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from typing import TYPE_CHECKING, Any

from granian.certificates import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from granian.server.tls.facts import TlsFacts

logger = logging.getLogger('_granian')

# The most that one record holds (RFC 8446 5.1).
RECORD_BYTES = 16 * 1024
# More than this is encrypted bit by bit, as the socket takes it: neither the loop nor memory is filled with it.
SLICE_BYTES = 256 * 1024
SLICES_PER_TURN = 4
# Pieces smaller than this on average are joined before they are encrypted: each would be a record of its own.
SMALL_BYTES = 4096
# RFC 8446 4.6.3 lets a peer update its keys as often as it likes; each time costs us far more than the 27 bytes it sends. So many
# bytes may come that hold nothing. A read pays for some of them, and each byte of what it does hold for a record of its own.
BARREN_BYTES_MAX = 64 * 1024
BARREN_BYTES_PER_READ = 1024
BARREN_BYTES_PER_BYTE = 23


class TlsPump(asyncio.Protocol, asyncio.Transport):
    """Whole once the handshake is done: `start`. What the peer sends ends by close_notify, or else is cut (RFC 8446 6.1).

    Other connections use the same buffers: whoever fills one empties it before anybody else is called.
    """

    __slots__ = (
        '_backlog', '_backlog_bytes', '_barren', '_blocked', '_broken_by', '_closing', '_connection', '_end_said', '_ended', '_half_closed', '_has_part', '_held_back',
        '_incoming', '_loop', '_outgoing', '_owed', '_paused', '_read', '_receive', '_said_blocked', '_tls', '_transport', '_write', 'facts',
    )  # fmt: skip

    def __init__(
        self,
        transport: asyncio.Transport,
        tls: ssl.SSLObject,
        buffers: tuple[ssl.MemoryBIO, ssl.MemoryBIO],
        facts: TlsFacts,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._transport = transport
        self._tls = tls
        self._incoming, self._outgoing = buffers
        # What TLS has to say by itself, and nobody waits for: it leaves with what is sent next.
        self._owed = b''
        self._loop = loop
        self.facts = facts
        self._read = tls.read
        self._write = self._encryption(tls)
        # Bytes that came and held nothing.
        self._barren = 0
        # A record has arrived in part.
        self._has_part = True
        # Not encrypted yet: the socket does not take what is.
        self._backlog: deque[memoryview] = deque()
        self._backlog_bytes = 0
        # The socket's transport takes no more; the connection was told so.
        self._blocked = self._said_blocked = False
        # The connection does not want to read; we do not, because our answers are not taken.
        self._paused = self._held_back = False
        # We were told to close; to send no more; the peer said that it sends no more.
        self._closing = self._half_closed = self._ended = False
        # What is told of the end, if the peer broke the protocol: TCP knows of nothing.
        self._broken_by: ConnectionError | None = None
        # We have sent close_notify.
        self._end_said = False

    def _encryption(self, tls: ssl.SSLObject) -> Callable[[bytes | bytearray | memoryview], int]:
        """What takes what is to be sent."""
        return tls.write

    def start(self, connection: asyncio.Protocol, data: bytes, owed: bytes) -> None:
        """Stand between the two from now on. `data` has come already, `owed` was not sent yet."""
        self._connection = connection
        self._receive = connection.data_received
        self._owed = owed
        self._transport.set_protocol(self)
        connection.connection_made(self)
        if data:
            self.data_received(data)

    # ── the socket's transport's calls ───────────────────────────────────────────────────────────────────────────

    def data_received(self, data: bytes) -> None:
        if self._ended or self._closing:
            return
        incoming = self._incoming
        incoming.write(data)
        try:
            # What a record holds is less than the record, unless a part of it came before.
            size = len(data)
            data = self._read(RECORD_BYTES if self._has_part or size > RECORD_BYTES else size)
        except ssl.SSLWantReadError:
            self._has_part = True
            self._send_own()
            self._weigh(size, 0)
            return
        except ssl.SSLError as exc:
            self._fail(exc)
            return
        self._has_part = False
        if not data:
            self._end()
        elif incoming.pending or self._outgoing.pending:
            self._read_on(data, size)
        elif (size > BARREN_BYTES_PER_READ or self._barren) and not self._weigh(size, len(data)):
            return
        else:
            self._receive(data)

    def _weigh(self, size: int, gained: int) -> bool:
        """Count what came against what it held; False: that is far too little, and the peer is cut."""
        pays = BARREN_BYTES_PER_READ + BARREN_BYTES_PER_BYTE * gained
        self._barren = max(0, self._barren + size - pays)
        if self._barren <= BARREN_BYTES_MAX:
            return True
        logger.debug(
            'TLS connection with %s was cut: it sends hardly any data', self._transport.get_extra_info('peername')
        )
        self._broken_by = ConnectionAbortedError('hardly any data')
        self.abort()
        return False

    def _read_on(self, first: bytes, size: int) -> None:
        """All the other records that have arrived: so that one read is one call, and one write."""
        pieces = [first]
        try:
            while self._incoming.pending and pieces[-1]:
                pieces.append(self._read(RECORD_BYTES))
        except ssl.SSLWantReadError:
            self._has_part = True
        except ssl.SSLError as exc:
            self._fail(exc)
            return
        data = b''.join(pieces)
        self._owed = self._output()
        ended = not pieces[-1]
        if ended:
            self._forget_input()
        if not self._weigh(size, len(data)):
            return
        self._receive(data)
        self._send_own()
        if ended:
            self._end()

    def _output(self) -> bytes:
        """All that is to be sent, in the order in which it was encrypted."""
        owed, self._owed = self._owed, b''
        return owed + self._outgoing.read()

    def _forget_input(self) -> None:
        """What stands behind the end, or behind what is no TLS."""
        self._incoming.read()

    def _end(self) -> None:
        """close_notify: the peer sends no more; it may still read."""
        self._ended = True
        self._forget_input()
        self._owed = self._output()
        if not (self._closing or self._connection.eof_received()):
            self.close()

    def _send_own(self) -> None:
        """What TLS answers by itself, if that cannot wait (RFC 8446 4.6.3: an update of keys can, for what is sent next).

        A peer that asks and never reads is not read either.
        """
        own = self._output()
        if not own or self._transport.is_closing():
            return
        self._transport.write(own)
        if self._blocked and not (self._paused or self._held_back):
            self._held_back = True
            self._transport.pause_reading()

    def _fail(self, exc: ssl.SSLError) -> None:
        """The peer broke the protocol, or answered our end by its own."""
        if isinstance(exc, ssl.SSLZeroReturnError):
            self._end()
            return
        logger.debug('TLS connection with %s failed: %s', self._transport.get_extra_info('peername'), in_words(exc))
        self._broken_by = ConnectionAbortedError('no TLS')
        self._forget_input()
        alert = self._output()
        if alert and not self._blocked:
            self._end_said = self._closing = True
            self._transport.write(alert)
            self._transport.close()
        else:
            self.abort()

    def eof_received(self) -> bool:
        if self._ended:
            return not self._closing
        if self._half_closed:
            # Many clients that were told of our end close without a word.
            return bool(self._connection.eof_received())
        # RFC 8446 6.1: cut off, perhaps by somebody else than the peer.
        logger.debug('TLS connection with %s was cut off', self._transport.get_extra_info('peername'))
        self.abort()
        return False

    def pause_writing(self) -> None:
        self._blocked = True
        self._say_blocked()

    def _say_blocked(self) -> None:
        if not self._said_blocked:
            self._said_blocked = True
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._blocked = False
        if self._held_back:
            self._held_back = False
            if not self._paused:
                self._transport.resume_reading()
        self._work_off()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = self._blocked = True
        self._backlog.clear()
        self._backlog_bytes = 0
        self._connection.connection_lost(exc or self._broken_by)
        # They hold each other, or us: nobody should have to look for them.
        del self._connection, self._receive, self._write

    # ── the connection's calls ───────────────────────────────────────────────────────────────────────────────────

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or self._half_closed or not data:
            return
        if self._backlog or self._blocked or len(data) > SLICE_BYTES:
            self._put(data)
            return
        self._write(data)
        self._transport.write(self._output() if self._owed else self._outgoing.read())

    def write_last(self, data: bytes) -> None:
        """As `write` and `close`, with the end in the same packet."""
        if self._backlog or self._blocked or len(data) > RECORD_BYTES:
            self.write(data)
        elif not (self._closing or self._half_closed):
            self._write(data)
            self._owed = self._output()
        self.close()

    def writelines(self, pieces: Iterable[bytes | bytearray | memoryview]) -> None:
        pieces = list(pieces)
        total = sum(map(len, pieces))
        if total < SMALL_BYTES * len(pieces):
            self.write(b''.join(pieces))
        elif self._closing or self._half_closed:
            return
        elif self._backlog or self._blocked or total > SLICE_BYTES:
            for piece in pieces:
                if piece:
                    self._put(piece)
        else:
            for piece in pieces:
                if piece:
                    self._write(piece)
            self._transport.write(self._output())

    def _put(self, data: bytes | bytearray | memoryview) -> None:
        self._backlog.append(memoryview(data))
        self._backlog_bytes += len(data)
        self._work_off()

    def _work_off(self) -> None:
        """Encrypt what waits, for as long as the socket takes it."""
        slices = SLICES_PER_TURN
        while self._backlog and not self._blocked and slices:
            slices -= 1
            self._write(self._next_slice())
            self._transport.write(self._output())
        if self._backlog:
            self._say_blocked()
            if not self._blocked:
                self._loop.call_soon(self._work_off)
        elif not self._blocked:
            self._worked_off()

    def _next_slice(self) -> memoryview:
        first = self._backlog.popleft()
        if len(first) > SLICE_BYTES:
            self._backlog.appendleft(first[SLICE_BYTES:])
        piece = first[:SLICE_BYTES]
        self._backlog_bytes -= len(piece)
        return piece

    def _worked_off(self) -> None:
        if self._half_closed and not self._end_said:
            self._end_socket()
        if self._closing:
            self._close_socket()
        if self._said_blocked:
            self._said_blocked = False
            self._connection.resume_writing()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if not self._backlog:
            self._close_socket()

    def _close_socket(self) -> None:
        self._say_end()
        self._transport.close()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Send no more, and go on reading."""
        if self._half_closed or self._closing:
            return
        self._half_closed = True
        if not self._backlog:
            self._end_socket()

    def _end_socket(self) -> None:
        self._say_end()
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def _say_end(self) -> None:
        """close_notify; what the peer answers to it comes by itself, or not at all (RFC 8446 6.1)."""
        if self._end_said:
            return
        self._end_said = True
        try:
            self._tls.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        except ssl.SSLError as exc:
            logger.debug('TLS connection could not be ended: %s', in_words(exc))
        own = self._output()
        if own:
            self._transport.write(own)

    def abort(self) -> None:
        self._closing = True
        self._backlog.clear()
        self._backlog_bytes = 0
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    def pause_reading(self) -> None:
        self._paused = True
        if not self._held_back:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._paused = False
        if not self._held_back:
            self._transport.resume_reading()

    def is_reading(self) -> bool:
        return not (self._paused or self._closing)

    def get_write_buffer_size(self) -> int:
        return self._backlog_bytes + self._transport.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == 'tls':
            return self.facts
        return self._tls if name == 'ssl_object' else self._transport.get_extra_info(name, default)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._connection

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._connection = protocol
        self._receive = protocol.data_received
