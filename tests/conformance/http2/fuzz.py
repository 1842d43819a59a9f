"""Run the differential fuzzer of HTTP/2 for long: `python -m tests.conformance.http2.fuzz --minutes 10 [--seed N]`."""

from __future__ import annotations

import argparse
import random
import sys
import time

from tests.conformance.http2.differential import disagreement

REPORT_EVERY_S = 30.0


def run(minutes: float, seed: int) -> tuple[int, int | None]:
    """Conversations tried, and the seed of the first that engines disagree about."""
    now = started = time.monotonic()
    reported, first = now, seed
    while now < started + minutes * 60:
        if fails(seed):
            return seed - first, seed
        seed += 1
        now = time.monotonic()
        if now > reported + REPORT_EVERY_S:
            reported = now
            print(f'{now - started:.0f} s: {seed - first} conversations', flush=True)
    return seed - first, None


def fails(seed: int) -> str | None:
    try:
        return disagreement(seed)
    except Exception as error:  # an engine that raises is what is looked for
        return repr(error)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--minutes', type=float, default=10)
    parser.add_argument('--seed', type=int, default=random.randrange(2**32))
    arguments = parser.parse_args()
    print(f'seed {arguments.seed}', flush=True)
    tried, failure = run(arguments.minutes, arguments.seed)
    if failure is not None:
        sys.exit(f'{tried} conversations, then seed {failure}\n{fails(failure)}')
    print(f'{tried} conversations, no disagreement')


if __name__ == '__main__':
    main()
