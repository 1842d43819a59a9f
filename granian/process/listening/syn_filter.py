"""A listening TCP socket that takes no new connections and still completes and hands out those that have begun (Linux).

Closing it resets whatever was queued since the last accept; without newcomers there is such a last accept.
"""

from __future__ import annotations

import array
import contextlib
import socket
import struct

# asm-generic/socket.h
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
SYN_ACK_MASK, SYN = 0x12, 0x02
# A classic BPF program on the TCP header, whose flags are byte 13: (code, jump if true, jump if false, constant).
PROGRAM = (
    (0x30, 0, 0, 13),  # load the flags
    (0x54, 0, 0, SYN_ACK_MASK),  # and
    (0x15, 0, 1, SYN),  # a SYN without ACK is a newcomer
    (0x06, 0, 0, 0),  # drop: the client tries again in a second, and is refused or finds our successor
    (0x06, 0, 0, 0xFFFFFFFF),  # pass all of it
)


def attach(sock: socket.socket) -> None:
    """Take no new connections on it from here on, in any process that shares it."""
    program = array.array('B', b''.join(struct.pack('HBBI', *step) for step in PROGRAM))
    address, _ = program.buffer_info()
    # Where a sandbox forbids it, newcomers of the last microseconds may be reset.
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack('HP', len(PROGRAM), address))


def detach(sock: socket.socket) -> None:
    """Take them again."""
    # There is none.
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
