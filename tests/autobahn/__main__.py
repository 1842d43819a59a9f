"""Run the fuzzing client of the Autobahn test suite against the server: `python3 -m tests.autobahn [--quick]`.

Every case of its sections 1 to 13, on each engine and interface, has to be OK or INFORMATIONAL: NON-STRICT fails too. The suite runs
on Python 2.7 only; without one this says so and ends with status 3. Makes its own environment on first use. The whole takes long,
`--quick` (all but the sections 9, 12 and 13, of large messages and of compression) seconds.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from itertools import product

from tests.__main__ import ROOT, environment_path, prepare
from tests.autobahn import client

ENGINES = ('fast', 'wsproto')
INTERFACES = ('asgi', 'rsgi')
EXIT_PASSED, EXIT_FAILED, EXIT_UNAVAILABLE = 0, 1, 3


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python3 -m tests.autobahn', description=__doc__)
    parser.add_argument('--quick', action='store_true', help='leave out the sections 9, 12 and 13')
    parser.add_argument('--cases', nargs='+', metavar='GLOB', help='only these, as in 9.1.*')
    parser.add_argument('--engines', nargs='+', choices=ENGINES, default=ENGINES)
    parser.add_argument('--interfaces', nargs='+', choices=INTERFACES, default=INTERFACES)
    parser.add_argument('--install', action='store_true', help='make the environment, and run nothing')
    return parser.parse_args()


def check(engine: str, interface: str, cases: tuple[str, ...], expected: int) -> bool:
    """Whether every case passes."""
    from tests.helpers.server import running_server

    target = f'tests.autobahn.apps:{interface}'
    environment = {'GRANIAN_WEBSOCKET__ENGINE': engine, 'GRANIAN_WEBSOCKET__MAX_MESSAGE_SIZE': '64MiB'}
    started = time.monotonic()
    with running_server('--interface', interface, target, cwd=ROOT, env=environment) as server:
        outcomes = client.run(server.port, cases)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    print(
        f'{interface}, {engine}: {len(outcomes) - len(failed)} of {len(outcomes)} cases passed'
        f' in {time.monotonic() - started:.0f} s',
        flush=True,
    )
    for outcome in failed:
        print(f'  {outcome}')
    if len(outcomes) < expected:
        print(f'  of {expected} cases only {len(outcomes)} were run')
    return not failed and len(outcomes) >= expected


def main() -> int:
    options = arguments()
    try:
        client.install()
        if options.install:
            return EXIT_PASSED
        cases, expected = ('*',), client.ALL_CASES
        if options.cases:
            cases, expected = tuple(options.cases), 1
        elif options.quick:
            cases, expected = client.QUICK, client.QUICK_CASES
        passed = [check(engine, face, cases, expected) for face, engine in product(options.interfaces, options.engines)]
    except client.Unavailable as reason:
        print(f'Autobahn was not run: {reason}', file=sys.stderr)
        return EXIT_UNAVAILABLE
    return EXIT_PASSED if all(passed) else EXIT_FAILED


if __name__ == '__main__':
    if sys.prefix != str(environment_path()):
        # The server needs the project's environment.
        python = prepare(environment_path()) / 'python'
        os.chdir(ROOT)
        os.execv(python, [str(python), '-m', 'tests.autobahn', *sys.argv[1:]])
    sys.exit(main())
