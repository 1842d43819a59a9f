"""Run the fuzzing client of the Autobahn test suite against the server: `python3 -m tests.autobahn [--quick]`.

Every case of its sections 1 to 13, on each engine and interface, has to be OK (three are INFORMATIONAL by themselves): NON-STRICT
fails too. The suite runs on Python 2.7 only; without one this says so and ends with status 3. Makes its own environment on first use.
The whole takes 20 minutes and more for each, `--quick` (all but the sections 9, 12 and 13, of large messages and of compression)
seconds. With `--keep` outcomes are kept in a folder, and what has passed is not run again: so it runs in parts, of `--seconds` each,
and ends with status 4 while cases are left. `--summary` only tells what is kept.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from itertools import product
from pathlib import Path

from tests.__main__ import ROOT, environment_path, prepare
from tests.autobahn import client
from tests.autobahn.results import Results, summary

ENGINES = ('fast', 'wsproto')
INTERFACES = ('asgi', 'rsgi')
EXIT_PASSED, EXIT_FAILED, EXIT_UNAVAILABLE, EXIT_LEFT = 0, 1, 3, 4


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python3 -m tests.autobahn', description=__doc__)
    parser.add_argument('--quick', action='store_true', help='leave out the sections 9, 12 and 13')
    parser.add_argument('--cases', nargs='+', metavar='GLOB', help='only these, as in 9.1.*')
    parser.add_argument('--engines', nargs='+', choices=ENGINES, default=ENGINES)
    parser.add_argument('--interfaces', nargs='+', choices=INTERFACES, default=INTERFACES)
    parser.add_argument(
        '--keep', type=Path, metavar='FOLDER', help='keep the outcomes here, and run what has not passed yet'
    )
    parser.add_argument('--seconds', type=float, default=math.inf, help='begin no case after so many')
    parser.add_argument('--summary', action='store_true', help='tell what is kept, and run nothing')
    parser.add_argument('--install', action='store_true', help='make the environment, and run nothing')
    return parser.parse_args()


def check(engine: str, interface: str, cases: list[str], results: Results, ends: float) -> None:
    """Run what has not passed of these cases, until that time."""
    from tests.helpers.server import running_server

    cases = results.left(cases)
    started = time.monotonic()
    if not cases or started >= ends:
        return
    target = f'tests.autobahn.apps:{interface}'
    environment = {'GRANIAN_WEBSOCKET__ENGINE': engine, 'GRANIAN_WEBSOCKET__MAX_MESSAGE_SIZE': '64MiB'}
    ran = passed = 0
    with running_server('--interface', interface, target, cwd=ROOT, env=environment) as server:
        for outcome in client.run(server.port, cases, ends - started):
            results.add(outcome)
            ran, passed = ran + 1, passed + outcome.passed
    print(f'{results.name}: {passed} of {ran} cases passed in {time.monotonic() - started:.0f} s', flush=True)


def chosen(options: argparse.Namespace) -> list[str]:
    """The cases asked for. Raises Unavailable where the suite has not as many as it should."""
    patterns, expected = ('*',), client.ALL_CASES
    if options.cases:
        patterns, expected = tuple(options.cases), 1
    elif options.quick:
        patterns, expected = client.QUICK, client.QUICK_CASES
    cases = client.cases_of(patterns)
    if len(cases) < expected:
        raise client.Unavailable(f'the suite has {len(cases)} such cases, not {expected}')
    return cases


def run(options: argparse.Namespace) -> int:
    """Run what is asked for, and tell what is known of it then."""
    ends = time.monotonic() + options.seconds
    cases = chosen(options)
    combinations = list(product(options.interfaces, options.engines))
    results = [Results(options.keep, f'{interface}-{engine}') for interface, engine in combinations]
    if not options.summary:
        for (interface, engine), each in zip(combinations, results, strict=True):
            check(engine, interface, cases, each, ends)
    print(summary(results, cases))
    if any(each.failed(cases) for each in results):
        return EXIT_FAILED
    return EXIT_LEFT if any(each.left(cases) for each in results) else EXIT_PASSED


def main() -> int:
    options = arguments()
    try:
        client.install()
        return EXIT_PASSED if options.install else run(options)
    except client.Unavailable as reason:
        print(f'Autobahn was not run: {reason}', file=sys.stderr)
        return EXIT_UNAVAILABLE


if __name__ == '__main__':
    if sys.prefix != str(environment_path()):
        # The server needs the project's environment.
        python = prepare(environment_path()) / 'python'
        os.chdir(ROOT)
        os.execv(python, [str(python), '-m', 'tests.autobahn', *sys.argv[1:]])
    sys.exit(main())
