"""How much a worker grows when an application sends much to a client that reads nothing.

python -m tests.end_to_end.slow_reader 1024     # MiB
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
from websockets.sync.client import connect

from tests.helpers.server import running_server

APPS = Path(__file__).parent / 'apps'
PIECE_BYTES = 65536
# As long as this it must have stood still.
STILL_S = 1.0


def growth_bytes(size_bytes: int) -> int:
    """Bytes of memory the worker took at most while nothing was read; then all of it is."""
    pieces = size_bytes // PIECE_BYTES
    with running_server('--interface', 'asgi', 'starlette_websockets:app', cwd=APPS, stray_ok=True) as server:
        [worker] = psutil.Process(server.process.pid).children()
        before = worker.memory_info().rss
        # `max_queue`: the client's own reading ahead.
        options = {'compression': None, 'max_size': None, 'max_queue': 1, 'ping_interval': None}
        with connect(f'ws://127.0.0.1:{server.port}/flood?pieces={pieces}', **options) as peer:
            most = _settled(worker)
            for _ in range(pieces):
                assert len(peer.recv(30)) == PIECE_BYTES
        return max(most, worker.memory_info().rss) - before


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
    grown = growth_bytes(mebibytes * 1024 * 1024)
    print(
        f'{mebibytes} MiB sent to a client that read nothing for a while: the worker grew by {grown / 1024 / 1024:.1f} MiB'
    )
