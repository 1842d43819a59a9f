"""Run the differential fuzzer for long: `python -m tests.conformance.fuzz --minutes 10 [--seed N]`."""

from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.conformance import differential
from tests.conformance.strategies import random_input

if TYPE_CHECKING:
    from collections.abc import Callable

    Disagreement = Callable[[Any], str | None]

REPORT_EVERY_S = 30.0


def run(
    minutes: float, seed: int, make: Callable[[random.Random], Any], disagreement: Disagreement
) -> tuple[int, Any | None]:
    """Inputs tried, and the first that engines disagree about."""
    source = random.Random(seed)
    now = started = time.monotonic()
    tried, reported = 0, now
    while now < started + minutes * 60:
        data = make(source)
        tried += 1
        if fails(data, disagreement):
            return tried, smallest(data, disagreement)
        now = time.monotonic()
        if now > reported + REPORT_EVERY_S:
            reported = now
            print(f'{now - started:.0f} s: {tried} inputs', flush=True)
    return tried, None


def fails(data: Any, disagreement: Disagreement) -> str | None:
    try:
        return disagreement(data)
    except Exception as error:  # an engine that raises is what is looked for
        return repr(error)


def smallest(data: Any, disagreement: Disagreement) -> Any:
    """The same failure with as few bytes and pieces as trying finds."""
    size = max(map(len, data.pieces), default=0)
    while size:
        shorter = next((other for other in shortened(data, size) if fails(other, disagreement)), None)
        if shorter is None:
            size //= 2
        else:
            data = shorter
    return data


def shortened(data: Any, size: int) -> list[Any]:
    pieces = data.pieces
    others = [(*pieces[:n], pieces[n] + pieces[n + 1], *pieces[n + 2 :]) for n in range(len(pieces) - 1)]
    for n, piece in enumerate(pieces):
        cuts = [piece[:at] + piece[at + size :] for at in range(0, len(piece), size)]
        others += [tuple(filter(None, (*pieces[:n], piece, *pieces[n + 1 :]))) for piece in cuts]
    return [replace(data, pieces=other) for other in others]


def main(description: str | None, make: Callable[[random.Random], Any], disagreement: Disagreement) -> None:
    """The command: look for an input that engines disagree about."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--minutes', type=float, default=10)
    parser.add_argument('--seed', type=int, default=random.randrange(2**32))
    arguments = parser.parse_args()
    print(f'seed {arguments.seed}', flush=True)
    tried, failure = run(arguments.minutes, arguments.seed, make, disagreement)
    if failure:
        sys.exit(f'{tried} inputs, then\n{failure}\n{fails(failure, disagreement)}')
    print(f'{tried} inputs, no disagreement')


if __name__ == '__main__':
    corpus = [raw for _, raw in differential.read_corpus()]
    main(__doc__, lambda source: random_input(source, corpus), differential.disagreement)
