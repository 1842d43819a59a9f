"""Bytes of files, handed to a socket past the transport that owns it: the kernel moves them (sendfile(2))."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import sys
from typing import TYPE_CHECKING

from granian.errors import ClientDisconnected

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

# Elsewhere sendfile(2) is another call, or there is none.
AVAILABLE = sys.platform == 'linux'
# Files that cannot be mapped: those of some network and user-space file systems.
UNMAPPED_ERRNOS = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
COPY_BYTES = 256 * 1024
# tcp(7): the kernel holds no more than this of what it has not sent, so that a small response overtakes a large one.
NOT_SENT_BYTES_MAX = 128 * 1024
_TCP_NOTSENT_LOWAT = 25 if sys.platform == 'linux' else None

if sys.platform == 'linux':
    import fcntl
    import termios

    def unsent_bytes(transport: asyncio.WriteTransport) -> int:
        """What the transport holds, and what the kernel holds of it: that is said to have room only in large steps."""
        sock = transport.get_extra_info('socket')
        if sock is None or sock.fileno() < 0:
            return transport.get_write_buffer_size()
        return transport.get_write_buffer_size() + _queued_bytes(sock, termios.TIOCOUTQ)

    def is_at_rest(transport: asyncio.WriteTransport) -> bool:
        """Whether all that was sent has arrived, and all that came was read."""
        sock = transport.get_extra_info('socket')
        if sock is None or sock.fileno() < 0 or transport.get_write_buffer_size():
            return False
        return not (_queued_bytes(sock, termios.TIOCOUTQ) or _queued_bytes(sock, termios.FIONREAD))

    def _queued_bytes(sock: socket.socket, queue: int) -> int:
        try:
            (queued,) = struct.unpack('i', fcntl.ioctl(sock.fileno(), queue, b'\0\0\0\0'))
        except OSError:
            # Closed under our hands.
            return 0
        return int(queued)

    _poll = select.poll

    def is_reset(transport: asyncio.BaseTransport) -> bool:
        """Whether the peer has reset the connection; to be seen even while nothing is read."""
        sock = transport.get_extra_info('socket')
        if sock is None or sock.fileno() < 0:
            return False
        poller = _poll()
        # POLLERR and POLLHUP are told unasked.
        poller.register(sock.fileno(), 0)
        return bool(poller.poll(0))

else:

    def is_reset(transport: asyncio.BaseTransport) -> bool:  # noqa: ARG001
        """It shows when something is read."""
        return False

    def is_at_rest(transport: asyncio.WriteTransport) -> bool:  # noqa: ARG001
        """Nobody says."""
        return False

    def unsent_bytes(transport: asyncio.WriteTransport) -> int:
        """What the transport holds."""
        return transport.get_write_buffer_size()


def hold_little(transport: asyncio.BaseTransport) -> None:
    """Have the kernel hold little of what it has not sent."""
    sock = transport.get_extra_info('socket')
    if sock is not None and _TCP_NOTSENT_LOWAT is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, NOT_SENT_BYTES_MAX)


class Passage:
    """One file's way to a socket. What the transport was given before goes first; while this is open it gets nothing.

    `pause` and `resume` are told what a transport would tell: that the socket takes no more, and that it does again.
    """

    __slots__ = ('_loop', '_own', '_pause', '_resume', '_socket', '_strict', '_transport', '_waiting', 'may_map')

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        pause: Callable[[], None],
        resume: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._pause = pause
        self._resume = resume
        self._socket: int = transport.get_extra_info('socket').fileno()
        # A descriptor of our own: loops refuse to watch one that belongs to a transport.
        self._own = -1
        self._waiting = self._strict = False
        self.may_map = True

    def put(self, pieces: Sequence[bytes]) -> None:
        """Write what goes before the file: at once, so that the transport has nothing left."""
        data = pieces[0] if len(pieces) == 1 else b''.join(pieces)
        sent = 0
        if not self._transport.get_write_buffer_size() and not self._transport.is_closing():
            try:
                sent = os.write(self._socket, data)
            except OSError:
                # Full, or broken: the transport finds out, and deals with it.
                sent = 0
        if sent < len(data):
            self._transport.write(data[sent:])

    def send(self, descriptor: int, offset: int, count: int) -> int:
        """Hand over bytes of a file: how many were taken; 0 with `pause` called, or where the file has ended.

        Raises ClientDisconnected.
        """
        transport = self._transport
        if transport.is_closing():
            raise ClientDisconnected('the client is gone')
        if transport.get_write_buffer_size():
            self._wait_for_transport()
            return 0
        try:
            if self.may_map:
                return os.sendfile(self._socket, descriptor, offset, count)
            return self._copy(descriptor, offset, count)
        except BlockingIOError:
            self._wait()
            return 0
        except (ConnectionError, TimeoutError) as exc:
            transport.abort()
            raise ClientDisconnected('the client is gone') from exc
        except OSError as exc:
            if exc.errno not in UNMAPPED_ERRNOS or not self.may_map:
                raise
            self.may_map = False
            return self._copy(descriptor, offset, count)

    def _copy(self, descriptor: int, offset: int, count: int) -> int:
        data = os.pread(descriptor, min(count, COPY_BYTES), offset)
        self._transport.write(data)
        return len(data)

    def _wait_for_transport(self) -> None:
        if not self._strict:
            # It says so when it has nothing left, rather than when it has little.
            self._strict = True
            self._transport.set_write_buffer_limits(0)

    def _wait(self) -> None:
        if self._own < 0:
            self._own = os.dup(self._socket)
        self._waiting = True
        self._pause()
        self._loop.add_writer(self._own, self._ready)

    def _ready(self) -> None:
        self._loop.remove_writer(self._own)
        self._waiting = False
        self._resume()

    def close(self) -> None:
        """Leave the socket to its transport."""
        if self._waiting:
            self._ready()
        if self._own >= 0:
            os.close(self._own)
        if self._strict and not self._transport.is_closing():
            self._transport.set_write_buffer_limits()
