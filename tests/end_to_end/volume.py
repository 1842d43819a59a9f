"""Sessions of real clients with much in them: each engine, compressed and not.

python -m tests.end_to_end.volume 100      # MiB there, and as many back
python -m tests.end_to_end.volume 100 --clients websockets ws --engines fast
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import subprocess
import tempfile
import time
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

import psutil
from websockets.sync.client import connect

from tests.__main__ import ROOT
from tests.helpers.browser import reported
from tests.helpers.server import running_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.server import Server

HERE = Path(__file__).parent
MODULES = ROOT / '.venv-checks' / 'node' / 'node_modules'
MIB = 1024 * 1024
# The same as in apps/volume.js.
SIZES = (100, 1000, 16_384, 70_000, MIB)
ENGINES = ('fast', 'wsproto')
PATIENCE_S = 300


def held(client: str, size_bytes: int, *, engine: str = 'fast', compressed: bool = True) -> str:
    """Hold a session and say what it took; fails where not all came back as it was sent."""
    compression = f'websocket.compression={str(compressed).lower()}'
    options = ('--interface', 'asgi', '--set', f'websocket.engine={engine}', '--set', compression)
    with running_server(*options, 'browser_app:app', cwd=HERE / 'apps') as server:
        [worker] = psutil.Process(server.process.pid).children()
        before, began_s = worker.memory_info().rss, time.monotonic()
        seen = CLIENTS[client](server, size_bytes)
        took_s, used, grown = time.monotonic() - began_s, worker.cpu_times(), worker.memory_info().rss - before
    assert seen['size'] >= size_bytes, seen
    assert (seen['wrong'], seen['compressed'], seen['code']) == (0, compressed, 1000), seen
    return (
        f'{seen["messages"]} messages of {seen["size"] / MIB:.0f} MiB came back in {took_s:.1f} s,'
        f' {used.user + used.system:.1f} s of them the worker at work; it grew by {grown / MIB:.1f} MiB'
    )


def _websockets(server: Server, size_bytes: int) -> dict[str, Any]:
    """The package websockets: of each size text that compresses, then noise that does not."""
    lines = ''.join(f'{{"größe": {count * 7919}, "name": "zeile {count}"}}\n' for count in range(40_000))
    noise = random.Random(1).randbytes(MIB + 1000)
    messages = size = wrong = 0
    with connect(
        f'ws://127.0.0.1:{server.port}/echo', subprotocols=['two'], max_size=None, close_timeout=PATIENCE_S
    ) as peer:
        compressed = 'sec-websocket-extensions' in peer.response.headers
        while size < size_bytes:
            length, at = SIZES[messages // 2 % len(SIZES)], messages % 1000
            data = noise[at : at + length] if messages % 2 else lines[at : at + length]
            peer.send(data)
            wrong += peer.recv(PATIENCE_S) != data
            size += len(data)
            messages += 1
    return {'messages': messages, 'size': size, 'wrong': wrong, 'compressed': compressed, 'code': peer.close_code}


def _ws(server: Server, size_bytes: int) -> dict[str, Any]:
    """Node's package ws."""
    command = [which('node') or 'node', HERE / 'ws_client.cjs', MODULES, 'volume', f'ws://127.0.0.1:{server.port}']
    done = subprocess.run([*command, str(size_bytes)], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def _chromium(server: Server, size_bytes: int) -> dict[str, Any]:
    """Its own WebSocket, from a page."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        origin = f'http://127.0.0.1:{server.port}'
        return reported(origin, f'/volume?{size_bytes}', Path(profile), patience_s=PATIENCE_S)


CLIENTS: dict[str, Callable[[Server, int], dict[str, Any]]] = {
    'websockets': _websockets,
    'ws': _ws,
    'chromium': _chromium,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog='python -m tests.end_to_end.volume', description=__doc__)
    parser.add_argument('mebibytes', type=int, nargs='?', default=100, help='MiB of messages in each session')
    parser.add_argument('--clients', nargs='+', choices=CLIENTS, default=[*CLIENTS])
    parser.add_argument('--engines', nargs='+', choices=ENGINES, default=[*ENGINES])
    given = parser.parse_args()
    for engine, client in itertools.product(given.engines, given.clients):
        for compressed in (False, True):
            said = held(client, given.mebibytes * MIB, engine=engine, compressed=compressed)
            print(f'{engine}, {client}, {"compressed" if compressed else "plain"}: {said}', flush=True)


if __name__ == '__main__':
    main()
