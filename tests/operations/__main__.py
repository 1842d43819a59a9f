"""Operations under load: `python -m tests.operations reload --count 50`, `replace`, `age`, `stall`, `upgrade`, `kill`, `grow`.

Prints what the clients counted. The exit status is 1 where a request failed that must not fail.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.operations import runs

RUNS = {
    'reload': (runs.reloads, 50),
    'upgrade': (runs.upgrades, 5),
    'replace': (runs.replacements, 20),
    'age': (runs.ages, 2),
    'stall': (runs.stalls, 3),
    'kill': (runs.kills, 60),
    'grow': (runs.growth, 1000),
}
# Requests in flight in a worker that is killed, or hangs, are lost.
MAY_FAIL = {'kill', 'stall'}


def main() -> int:
    parser = argparse.ArgumentParser(prog='python -m tests.operations', description=__doc__)
    parser.add_argument('run', choices=RUNS)
    parser.add_argument('--count', type=int, help='how many of them; for `kill`: seconds')
    parser.add_argument('--loop', default='auto')
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix='granian-operations-') as folder:
        started_s = time.monotonic()
        run, count = RUNS[arguments.run]
        count = arguments.count or count
        found = asyncio.run(run(Path(folder), count, arguments.loop))
        print(f'{arguments.run}: {count} in {time.monotonic() - started_s:.0f} s')
    return _told(found) if arguments.run == 'grow' else _counted(found, may_fail=arguments.run in MAY_FAIL)


def _told(samples) -> int:
    print('reloads descriptors processes threads memory/MiB')
    top = max(sample[4] for sample in samples)
    for number, descriptors, processes, threads, memory in samples:
        bar = '#' * round(40 * memory / top)
        print(f'{number:7} {descriptors:11} {processes:9} {threads:7} {memory:10.1f} {bar}')
    return 0


def _counted(tally, *, may_fail: bool) -> int:
    for name, count in sorted(tally.counts.items()):
        print(f'{name:30} {count:8}')
    for failure in tally.failures[:20]:
        print(f'  {failure}')
    whole = tally.answered + tally.failed_in_all
    print(f'{tally.failed_in_all} of {whole} failed; availability {100 * tally.answered / max(1, whole):.3f} %')
    return 1 if tally.failed_in_all and not may_fail else 0


if __name__ == '__main__':
    sys.exit(main())
