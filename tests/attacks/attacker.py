"""Attacks by themselves: `python -m tests.attacks.attacker NAME,… PORT SECONDS`; says how often each was cut, and its streams."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time

from tests.attacks import tls_table
from tests.attacks.running import PATIENCE_S, connect
from tests.attacks.table import ATTACKS
from tests.attacks.tls_table import NEVER_CUT, TLS_ATTACKS
from tests.helpers import http2_client as h2
from tests.helpers.http2_client import Peer

CONNECTIONS = 4
MORE_CONNECTIONS = {'late_bodies': 64}
# They read for themselves what the server says, or nothing.
READING = frozenset({'zero_windows', 'late_bodies', 'tiny_steps', 'slow_reader', 'slow_bodies', 'half_preface'})


class Attacker:
    """One attack by a few connections."""

    def __init__(self, name, port):
        self.name = name
        self.port = port
        self.cut = self.resets = 0

    async def run(self, seconds, connections):
        attack = self._attack_tls if self.name in TLS_ATTACKS else self._attack
        tasks = [asyncio.ensure_future(attack()) for _ in range(connections)]
        await asyncio.sleep(seconds)
        # The first that is cut may have to wait for a timeout.
        until = time.monotonic() + PATIENCE_S
        while not (self.cut or self.resets or self.name in NEVER_CUT) and time.monotonic() < until:
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

    async def _attack_tls(self):
        while True:
            try:
                await tls_table.run(self.name, self.port)
            except (ConnectionError, EOFError):
                self.cut += 1
            await asyncio.sleep(0.02)

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


def connections_of(name, *, alone):
    if name in TLS_ATTACKS:
        return TLS_ATTACKS[name][1] if alone else 4
    return MORE_CONNECTIONS.get(name, CONNECTIONS) if alone else 1


async def main(names, port, seconds):
    alone = len(names) == 1
    attackers = [Attacker(name, port).run(seconds, connections_of(name, alone=alone)) for name in names]
    return dict(await asyncio.gather(*attackers))


if __name__ == '__main__':
    names, port, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(main(names.split(','), int(port), float(seconds)))))
