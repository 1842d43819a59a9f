"""How much a worker grows when an application sends much to a client that reads nothing.

python -m tests.end_to_end.slow_reader 1024     # MiB; each interface, each HTTP version
"""

from __future__ import annotations

import itertools
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RemoteSettingsChanged, StreamEnded
from h2.settings import SettingCodes

from tests.helpers.server import running_server
from tests.helpers.websocket import OPENING

if TYPE_CHECKING:
    from collections.abc import Callable

    from h2.events import Event

APPS = Path(__file__).parent / 'apps'
MIB = 1024 * 1024
PIECE_BYTES = 65536
# A frame's head before each piece, and the close frame after the last.
FRAME_HEAD_BYTES, CLOSE_BYTES = 10, 4
READ_BYTES = 256 * 1024
PATIENCE_S = 60
# As long as this it must have stood still.
STILL_S = 1.0
INTERFACES, VERSIONS = ('asgi', 'rsgi'), ('1', '2')
# All that HTTP/2 can allow: what holds the server up is that nothing is read.
WINDOW_BYTES = 2**31 - 1


def growth_bytes(size_bytes: int, interface: str = 'asgi', version: str = '1') -> int:
    """Bytes of memory the worker took at most while nothing was read; then all of it is."""
    pieces = size_bytes // PIECE_BYTES
    options = ('--interface', interface, f'flood:{interface}')
    with running_server(*options, cwd=APPS) as server, _opened(server.port) as sock:
        [worker] = psutil.Process(server.process.pid).children()
        before = worker.memory_info().rss
        read = _ask_by_http2(sock, pieces) if version == '2' else _ask(sock, pieces)
        most = _settled(worker)
        wanted, arrived = pieces * (FRAME_HEAD_BYTES + PIECE_BYTES) + CLOSE_BYTES, 0
        while arrived < wanted:
            arrived += read()
        assert arrived == wanted
        most = max(most, worker.memory_info().rss)
    return most - before


def _opened(port: int) -> socket.socket:
    return socket.create_connection(('127.0.0.1', port), timeout=PATIENCE_S)


def _ask(sock: socket.socket, pieces: int) -> Callable[[], int]:
    """Open a session; what is given reads on: how many of its bytes came."""
    sock.sendall('\r\n'.join([f'GET /?{pieces} HTTP/1.1', 'Host: x', *OPENING, '', '']).encode())
    head = b''
    while not head.endswith(b'\r\n\r\n'):
        head += sock.recv(1)
    assert head.startswith(b'HTTP/1.1 101'), head
    return lambda: len(_received(sock))


def _ask_by_http2(sock: socket.socket, pieces: int) -> Callable[[], int]:
    """The same on a stream of HTTP/2 (RFC 8441)."""
    connection = H2Connection(H2Configuration(client_side=True, header_encoding=None))
    connection.initiate_connection()
    connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: WINDOW_BYTES})
    connection.increment_flow_control_window(WINDOW_BYTES - 65535)
    sock.sendall(connection.data_to_send())
    told: list[Event] = []
    while not any(isinstance(event, RemoteSettingsChanged) for event in told):
        told = connection.receive_data(_received(sock))
    fields = {
        ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': f'/?{pieces}', ':authority': 'x',
        'sec-websocket-version': '13',
    }  # fmt: skip
    connection.send_headers(1, list(fields.items()))
    sock.sendall(connection.data_to_send())

    def read() -> int:
        events = connection.receive_data(_received(sock))
        assert not any(isinstance(event, StreamEnded) for event in events), 'the session ended early'
        return sum(len(event.data) for event in events if isinstance(event, DataReceived))

    return read


def _received(sock: socket.socket) -> bytes:
    data = sock.recv(READ_BYTES)
    assert data, 'the connection ended early'
    return data


def _settled(worker: psutil.Process) -> int:
    """The memory of a worker that has stopped working for a while."""
    most, used, since = 0, -1.0, time.monotonic()
    while time.monotonic() - since < STILL_S:
        times = worker.cpu_times()
        most = max(most, worker.memory_info().rss)
        if times.user + times.system > used + 0.05:
            used, since = times.user + times.system, time.monotonic()
        time.sleep(0.02)
    return most


if __name__ == '__main__':
    mebibytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    for face, http in itertools.product(INTERFACES, VERSIONS):
        grown = growth_bytes(mebibytes * MIB, face, http)
        print(
            f'{face}, HTTP/{http}: {mebibytes} MiB sent to a client that read nothing for a while:'
            f' the worker grew by {grown / MIB:.1f} MiB',
            flush=True,
        )
