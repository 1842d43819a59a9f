"""Operations under load: `python -m tests.operations reload --count 50`, `replace`, `age`, `stall`, `upgrade`, `kill`, `grow`.

Prints what the clients counted. The exit status is 1 where a request failed that must not fail.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import sys
import tempfile
import time
from pathlib import Path

from tests.operations import growth, programs, runs

RUNS = {
    'reload': (runs.reloads, 50),
    'upgrade': (runs.upgrades, 5),
    'replace': (runs.replacements, 20),
    'age': (runs.ages, 2),
    'stall': (runs.stalls, 3),
    'kill': (runs.kills, 60),
    'grow': (growth.growth, 1000),
}
# Whose failures are told apart by connections, which the programs do not tell.
ALONE = {'age', 'stall', 'kill'}


def main() -> int:
    parser = argparse.ArgumentParser(prog='python -m tests.operations', description=__doc__)
    parser.add_argument('run', choices=RUNS)
    parser.add_argument('--count', type=int, help='how many of them; for `kill`: seconds')
    parser.add_argument('--loop', default='auto')
    parser.add_argument(
        '--programs', action=argparse.BooleanOptionalAction, default=True, help='wrk and h2load ask, too'
    )
    parser.add_argument('--requests', type=int, default=1_000_000, help='for `grow`: how many at least')
    parser.add_argument('--steps', action='store_true', help='for `grow`: each part after a line of input')
    parser.add_argument('--plot', type=Path, help='for `grow`: the SVG to be written')
    arguments = parser.parse_args()
    if arguments.programs and programs.missing():
        parser.error(f'not installed: {", ".join(programs.missing())}; or --no-programs')
    started_s = time.monotonic()
    count = arguments.count or RUNS[arguments.run][1]
    found = asyncio.run(_found(arguments, count))
    print(f'{arguments.run}: {count} in {time.monotonic() - started_s:.0f} s')
    return _told(found, arguments.plot) if arguments.run == 'grow' else _counted(found)


async def _found(arguments, count):
    run = RUNS[arguments.run][0]
    if arguments.run not in ALONE:
        run = functools.partial(run, programs=arguments.programs)
    if arguments.run == 'grow':
        run = functools.partial(run, requests=arguments.requests, steps=arguments.steps)
    with tempfile.TemporaryDirectory(prefix='granian-operations-') as folder:
        return await run(Path(folder), count, arguments.loop)


def _told(samples, plot: Path | None) -> int:
    print(growth.table(samples))
    if plot is not None:
        plot.write_text(growth.svg(samples))
    return 0


def _counted(tally) -> int:
    for name, count in sorted(tally.counts.items()):
        print(f'{name:40} {count:8}')
    for failure in tally.worst[:20]:
        print(f'  {failure}')
    whole = tally.answered + tally.failed_in_all
    print(f'{tally.failed_in_all} of {whole} failed; availability {100 * tally.answered / max(1, whole):.3f} %')
    print(f'{tally.avoidable} of them in connections that no lost worker had accepted')
    return 1 if tally.avoidable else 0


if __name__ == '__main__':
    sys.exit(main())
