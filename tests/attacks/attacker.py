"""Attacks by themselves: `python -m tests.attacks.attacker NAME,… PORT SECONDS`; says how often each was cut, and its streams."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time

from tests.attacks.running import PATIENCE_S, connect
from tests.attacks.table import ATTACKS
from tests.helpers import http2_client as h2
from tests.helpers.http2_client import Peer

CONNECTIONS = 4
# They read for themselves what the server says, or nothing.
READING = frozenset({'zero_windows', 'tiny_steps', 'slow_reader', 'slow_bodies', 'half_preface'})


class Attacker:
    """One attack by a few connections."""

    def __init__(self, name, port):
        self.name = name
        self.port = port
        self.cut = self.resets = 0

    async def run(self, seconds, connections):
        tasks = [asyncio.ensure_future(self._attack()) for _ in range(connections)]
        await asyncio.sleep(seconds)
        # The first that is cut may have to wait for a timeout.
        until = time.monotonic() + PATIENCE_S
        while not (self.cut or self.resets) and time.monotonic() < until:
            await asyncio.sleep(0.05)
        while tasks:
            # Before Python 3.12 a wait that has just ended swallows a cancellation.
            for task in tasks:
                task.cancel()
            done, tasks = await asyncio.wait(tasks, timeout=0.1)
            for task in done:
                if not task.cancelled():
                    await task
        return self.name, (self.cut, self.resets)

    async def _attack(self):
        while True:
            peer = Peer(await connect(self.port), greedy=False)
            try:
                if self.name != 'half_preface':
                    await peer.send(h2.PREFACE + h2.settings())
                await self._until_cut(peer)
            except (ConnectionError, EOFError, asyncio.TimeoutError):
                self.cut += 1
            finally:
                self.resets += sum(answer.code is not None for answer in peer.answers.values())
                peer.client.close()
            await asyncio.sleep(0.02)

    async def _until_cut(self, peer):
        attacking = asyncio.ensure_future(ATTACKS[self.name](peer))
        try:
            if self.name in READING:
                await attacking
                return
            while await peer.client.more():
                pass
            raise ConnectionResetError
        finally:
            attacking.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError, asyncio.TimeoutError):
                await attacking


async def main(names, port, seconds):
    connections = CONNECTIONS if len(names) == 1 else 1
    attackers = [Attacker(name, port).run(seconds, connections) for name in names]
    return dict(await asyncio.gather(*attackers))


if __name__ == '__main__':
    names, port, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(main(names.split(','), int(port), float(seconds)))))
