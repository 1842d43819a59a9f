"""Every attack for so long against a worker of its own; a line each. Exit status 1 where one of them did harm."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ssl
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.attacks.key_updates import library
from tests.attacks.running import TIMEOUTS, TLS_TIMEOUTS, Outcome, run
from tests.attacks.table import ATTACKS
from tests.attacks.tls_table import TLS_ATTACKS
from tests.helpers.server import Server, running_server
from tests.helpers.tls import authority, site

if TYPE_CHECKING:
    from collections.abc import Iterator

APPS = Path(__file__).parents[1] / 'end_to_end' / 'apps'
# Buffers of a hundred connections that are being cut, and what the allocator keeps of them; late_bodies has 12 000 requests in
# progress (9 KiB each) before the first body shows what they come to.
GROWN_MIB_MAX = 288


def main() -> int:
    everything = [*ATTACKS, *TLS_ATTACKS]
    parser = argparse.ArgumentParser(prog='python -m tests.attacks', description=__doc__)
    parser.add_argument('names', nargs='*', metavar='NAME', help=f'of {", ".join(everything)} (default: all)')
    parser.add_argument('--seconds', type=float, default=30)
    parser.add_argument('--engine', choices=['fast', 'h2'], default='fast')
    parser.add_argument('--together', action='store_true', help='those on HTTP/2 at once, and those on TLS')
    options = parser.parse_args()
    harm = False
    names = [','.join(ATTACKS), ','.join(TLS_ATTACKS)] if options.together else options.names or everything
    for name in names:
        if name.startswith('key_updates') and library() is None:
            print(f'{name:24} left out: there is no libssl')
            continue
        with attacked_server(options.engine, over_tls=name.split(',')[0] in TLS_ATTACKS) as (server, tls):
            worker = psutil.Process(server.worker_pids()[0])
            outcome = asyncio.run(run(name, server.port, worker, options.seconds, tls))
            outcome.faults += [] if worker.is_running() else ['the worker died']
        verdict = faults(outcome)
        harm = harm or bool(verdict)
        print(line(outcome), ', '.join(verdict) or 'no harm', flush=True)
    return int(harm)


@contextlib.contextmanager
def attacked_server(engine: str, *, over_tls: bool) -> Iterator[tuple[Server, ssl.SSLContext | None]]:
    """A server with short deadlines, and what its clients trust."""
    arguments = ['--interface', 'asgi', '--set', f'http2.engine={engine}', *TIMEOUTS]
    with tempfile.TemporaryDirectory() as folder:
        context = None
        if over_tls:
            certificate, key = site().write(Path(folder), 'site')
            arguments += ['--ssl-certificate', str(certificate), '--ssl-keyfile', str(key), *TLS_TIMEOUTS]
            context = authority().client_context()
            context.set_alpn_protocols(['h2'])
        with running_server(*arguments, 'http2_app:app', cwd=APPS, stray_ok=True) as server:
            yield server, context


def faults(outcome: Outcome) -> list[str]:
    found = list(outcome.faults)
    if not outcome.served:
        found.append('nobody else was served')
    if outcome.grown_mib > GROWN_MIB_MAX:
        found.append('memory grew')
    return found


def line(outcome: Outcome) -> str:
    name = outcome.name if ',' not in outcome.name else f'{outcome.name.count(",") + 1} attacks at once'
    return (
        f'{name:24} {outcome.seconds:4.0f} s  cut {outcome.cut:5} times, {outcome.resets:6} streams reset; '
        f'+{outcome.grown_mib:5.1f} MiB; others: {outcome.served:5} served, slowest {outcome.slowest_s:5.2f} s:'
    )


if __name__ == '__main__':
    sys.exit(main())
