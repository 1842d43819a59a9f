"""One attack against one server: what it does to the server's memory, to other clients, and to the attacker."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.attacks.tls_table import NEVER_CUT
from tests.helpers import http2_client as h2
from tests.helpers.http2_client import Peer
from tests.helpers.serving import Client
from tests.helpers.tls import client_class

ROOT = Path(__file__).parents[2]
# Under attack a machine is busy; a client that waits longer than this was not served.
PATIENCE_S = 20.0
# Short, so that what waits is cut within the time of an attack.
TIMEOUTS = (
    '--set', 'timeouts.write=1s', '--set', 'timeouts.body_read=1s', '--set', 'timeouts.keep_alive=10s',
    '--set', 'http1.header_read_timeout=1s', '--set', 'server.unsent_max=32MiB',
)  # fmt: skip
TLS_TIMEOUTS = ('--set', 'listeners[0].tls.handshake_timeout=1s')


@dataclass
class Outcome:
    name: str
    seconds: float
    # Connections of the attacker that the server ended, and streams that it reset.
    cut: int = 0
    resets: int = 0
    # Requests of a client that does no harm.
    served: int = 0
    slowest_s: float = 0.0
    faults: list[str] = field(default_factory=list)
    grown_mib: float = 0.0


async def connect(port: int, tls: ssl.SSLContext | None = None) -> Client:
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    await loop.sock_connect(sock, ('127.0.0.1', port))
    if tls is None:
        return Client(sock, loop)
    return await client_class(Client)(sock, loop).handshake(tls)


async def run(
    names: str, port: int, worker: psutil.Process, seconds: float, tls: ssl.SSLContext | None = None
) -> Outcome:
    """Attack for so many seconds, from another process: this one is a client that does no harm."""
    outcome = Outcome(names, seconds)
    before = worker.memory_info().rss
    command = (sys.executable, '-m', 'tests.attacks.attacker', names, str(port), str(seconds))
    attacker = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    asking = asyncio.ensure_future(_ask(port, outcome, tls))
    watching = asyncio.ensure_future(_watch(worker, before, outcome))
    said, _ = await attacker.communicate()
    if attacker.returncode:
        outcome.faults.append(f'the attacker ended with {attacker.returncode}')
    else:
        for name, (cut, resets) in json.loads(said).items():
            outcome.cut += cut
            outcome.resets += resets
            if not (cut or resets or name in NEVER_CUT):
                outcome.faults.append(f'{name} was never cut')
    for task in (asking, watching):
        if task.done():
            outcome.faults.append(repr(task.exception()))
    going = {asking, watching}
    while going:
        # Before Python 3.12 a wait that has just ended swallows a cancellation.
        for task in going:
            task.cancel()
        _, going = await asyncio.wait(going, timeout=0.1)
    return outcome


async def _ask(port: int, outcome: Outcome, tls: ssl.SSLContext | None) -> None:
    """A client that does no harm; over TLS it comes anew each time, for it is handshakes that are attacked."""
    while True:
        await _ask_on(Peer(await connect(port, tls)), outcome, 10 if tls else sys.maxsize)


async def _ask_on(peer: Peer, outcome: Outcome, count: int) -> None:
    try:
        await peer.send(h2.PREFACE + h2.settings())
        for _ in range(count):
            began = time.monotonic()
            reply = await asyncio.wait_for(peer.ask('/bytes/100'), PATIENCE_S)
            outcome.slowest_s = max(outcome.slowest_s, time.monotonic() - began)
            if (reply.status, len(reply.body)) != (200, 100):
                outcome.faults.append(f'a harmless client was answered {reply.status}')
            outcome.served += 1
            await asyncio.sleep(0.01)
    finally:
        peer.client.close()


async def _watch(worker: psutil.Process, before: int, outcome: Outcome) -> None:
    while True:
        outcome.grown_mib = max(outcome.grown_mib, (worker.memory_info().rss - before) / 2**20)
        await asyncio.sleep(0.05)
