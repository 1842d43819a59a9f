"""Every attack for so long against a worker of its own; a line each. Exit status 1 where one of them did harm."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import psutil

from tests.attacks.running import TIMEOUTS, Outcome, run
from tests.attacks.table import ATTACKS
from tests.helpers.server import running_server

APPS = Path(__file__).parents[1] / 'end_to_end' / 'apps'
# Buffers of a hundred connections that are being cut, and what the allocator keeps of them.
GROWN_MIB_MAX = 192


def main() -> int:
    parser = argparse.ArgumentParser(prog='python -m tests.attacks', description=__doc__)
    parser.add_argument('names', nargs='*', metavar='NAME', help=f'of {", ".join(ATTACKS)} (default: all)')
    parser.add_argument('--seconds', type=float, default=30)
    parser.add_argument('--engine', choices=['fast', 'h2'], default='fast')
    options = parser.parse_args()
    arguments = ('--interface', 'asgi', '--set', f'http2.engine={options.engine}', *TIMEOUTS, 'http2_app:app')
    harm = False
    for name in options.names or ATTACKS:
        with running_server(*arguments, cwd=APPS, stray_ok=True) as server:
            worker = psutil.Process(server.worker_pids()[0])
            outcome = asyncio.run(run(name, server.port, worker, options.seconds))
            outcome.faults += [] if worker.is_running() else ['the worker died']
        verdict = faults(outcome)
        harm = harm or bool(verdict)
        print(line(outcome), ', '.join(verdict) or 'no harm', flush=True)
    return int(harm)


def faults(outcome: Outcome) -> list[str]:
    found = list(outcome.faults)
    if not outcome.served:
        found.append('nobody else was served')
    if outcome.grown_mib > GROWN_MIB_MAX:
        found.append('memory grew')
    return found


def line(outcome: Outcome) -> str:
    return (
        f'{outcome.name:20} {outcome.seconds:4.0f} s  cut {outcome.cut:5} times, {outcome.resets:6} streams reset; '
        f'+{outcome.grown_mib:5.1f} MiB; others: {outcome.served:5} served, slowest {outcome.slowest_s:5.2f} s:'
    )


if __name__ == '__main__':
    sys.exit(main())
