"""wrk and h2load as further clients: run again and again, and what they say is added up."""

from __future__ import annotations

import asyncio
import re
import shutil
from typing import TYPE_CHECKING

from tests.operations.wire import Relay

if TYPE_CHECKING:
    from tests.operations.clients import Tally

NAMES = ('wrk', 'h2load')
WRK = ('-t', '1', '-c', '4', '-d', '2s', '--timeout', '30s')
H2LOAD = ('-n', '1000', '-c', '2', '-m', '4')
REST_S = 0.3


def missing() -> list[str]:
    return [name for name in NAMES if shutil.which(name) is None]


async def wrk(port: int, tally: Tally, ending: asyncio.Event) -> None:
    """Kept connections, as fast as they go."""
    while not ending.is_set():
        said = await _said('wrk', *WRK, f'http://127.0.0.1:{port}/')
        tally.counts['wrk answered'] += _number(r'(\d+) requests in', said)
        errors = [int(number) for number in re.findall(r'(?:connect|read|write|timeout) (\d+)', said)]
        _add_failures(tally, 'wrk', sum(errors) + _number(r'Non-2xx or 3xx responses: (\d+)', said), said)
        await asyncio.sleep(REST_S)


async def h2load(port: int, tally: Tally, ending: asyncio.Event) -> None:
    """Many streams at once, counted on the wire."""
    async with Relay(port) as relay:
        while not ending.is_set():
            relay.counts.clear()
            said = await _said('h2load', *H2LOAD, f'http://127.0.0.1:{relay.port}/')
            await relay.quiet()
            _add_streams(tally, relay, said)
            await asyncio.sleep(REST_S)


def _add_streams(tally: Tally, relay: Relay, said: str) -> None:
    seen = relay.counts
    tally.counts['h2load answered'] += seen['answered']
    tally.counts['h2load to be asked again'] += seen['to be asked again']
    faults = seen['lost'] + seen['reset'] + seen['not connected'] + seen['left by the client']
    faults += _number(r'(\d+) 4xx', said) + _number(r'(\d+) 5xx', said)
    _add_failures(tally, 'h2load', faults, f'{dict(seen)} {said}')
    # After a GOAWAY it begins nothing more (`started`), goes nowhere else, and calls all that is left failed.
    never_begun = _number(r'requests: (\d+) total', said) - _number(r'(\d+) started', said)
    tally.counts['h2load never begun, called failed by it'] += never_begun


def _add_failures(tally: Tally, kind: str, count: int, said: str) -> None:
    tally.counts[f'{kind} failed'] += count
    if count:
        tally.failures.append(f'{kind}: {said}')


async def _said(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return output.decode()


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found.group(1)) if found else 0
