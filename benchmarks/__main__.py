"""The one command: install the servers, drive them in turn, print the table."""

from __future__ import annotations

import argparse
import fnmatch
import json
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if __package__ in (None, ''):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import report
from benchmarks.drivers import DRIVERS, Load, find_wrk
from benchmarks.figures import combine
from benchmarks.peers import PEERS, BenchmarkError, Environment, install, python_version
from benchmarks.rows import ROWS, Row
from benchmarks.servers import running

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.drivers import Sample

EXIT_MET, EXIT_NOT_MET, EXIT_FAULT = 0, 1, 2


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m benchmarks', description=__doc__)
    add = parser.add_argument
    add('--rows', default='*', metavar='GLOBS', help='rows by name, comma-separated globs (default: all)')
    add('--peers', default='', metavar='NAMES', help='compare with these (default: those the row has a bound for)')
    add('--subject', default='ours', metavar='NAME', help='the server that is compared with the peers (default: ours)')
    add('--pairs', type=_positive, default=5, metavar='N', help='rounds with A and B in turn (default: 5)')
    add(
        '--seconds',
        type=_positive,
        default=3,
        metavar='S',
        help='seconds each server is driven in a round (default: 3)',
    )
    add('--warmup', type=int, default=1, metavar='S', help='seconds of warm-up in a round (default: 1)')
    add('--connections', type=_positive, default=64, metavar='N', help='connections of the client (default: 64)')
    add('--python', default=sys.executable, metavar='EXE', help='the Python of all servers (default: the running one)')
    add('--fresh', action='store_true', help='make the environments of the servers anew')
    add('--json', type=Path, metavar='FILE', help='write every sample to FILE')
    add('--list', action='store_true', help='print rows and servers, and measure nothing')
    return parser.parse_args(given)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'must be at least 1, not {text}')
    return number


def select_rows(globs: str) -> list[Row]:
    """The rows whose name one of the comma-separated `globs` matches, in the table's order."""
    patterns = [part.strip() for part in globs.split(',') if part.strip()]
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(row.name, pattern) for row in ROWS):
            raise BenchmarkError(f'no row is called {pattern!r} (--list prints them)')
    return [row for row in ROWS if any(fnmatch.fnmatchcase(row.name, pattern) for pattern in patterns)]


def knows(name: str, row: Row) -> bool:
    """Whether the server `name` can be asked for `row`."""
    peer = PEERS[name]
    return row.interface in peer.interfaces and (not peer.only_rows or row.name in peer.only_rows)


def peers_of(row: Row, names: str) -> list[str]:
    """Whom `row` is compared with: `names` where given, else those it has a bound for; always those that know it."""
    chosen = [part.strip() for part in names.split(',') if part.strip()] or list(row.bounds)
    for name in chosen:
        _known(name)
    return [name for name in chosen if knows(name, row)]


def _known(name: str) -> str:
    if name not in PEERS:
        raise BenchmarkError(f'no server is called {name!r} (there are {", ".join(PEERS)})')
    return name


def turn(count: int, index: int) -> list[int]:
    """Positions of `count` servers in the order of turn `index`: forwards, then backwards, so that drift favours nobody."""
    order = list(range(count))
    return order[::-1] if index % 2 else order


def _round(row: Row, environments: Sequence[Environment], load: Load) -> list[Sample]:
    """Start all, warm all, then one slice of each in turn: close together, so that the machine's drift hits all alike."""
    driver = DRIVERS[row.driver]
    slices: list[list[Sample]] = [[] for _ in environments]
    with ExitStack() as stack:
        servers = [stack.enter_context(running(environment, row)) for environment in environments]
        for server in servers:
            driver.warm(server, row, load)
        for index in range(load.slices):
            for position in turn(len(servers), index):
                slices[position].append(driver.slice(servers[position], row, load))
    return [combine(parts) for parts in slices]


def measure(row: Row, environments: Sequence[Environment], load: Load, rounds: int) -> list[list[Sample]]:
    """For each environment its samples, one a round; every round has processes of its own."""
    groups = [[one] for one in environments] if DRIVERS[row.driver].alone else [environments]
    found = [[sample for group in groups for sample in _round(row, group, load)] for _ in range(rounds)]
    return [list(samples) for samples in zip(*found, strict=True)]


def _print_list() -> None:
    for row in ROWS:
        print(f'{row.name:28} {row.method} {row.path}, head {row.head}, against {", ".join(row.bounds)}')
    print('servers: ' + ', '.join(PEERS))


def _install_all(names: Sequence[str], options: argparse.Namespace) -> dict[str, Environment]:
    found = {}
    for name in dict.fromkeys(names):
        print(f'installing {name} …', file=sys.stderr, end=' ', flush=True)
        found[name] = install(PEERS[name], options.python, fresh=options.fresh)
        print(f'{found[name].peer.package} {found[name].version}', file=sys.stderr)
    return found


def _run(options: argparse.Namespace) -> list[report.Result]:
    subject = _known(options.subject)
    plan = [(row, peers_of(row, options.peers)) for row in select_rows(options.rows) if knows(subject, row)]
    if any(row.driver == 'wrk' for row, _ in plan):
        find_wrk()
    load = Load(options.connections, options.seconds, options.warmup)
    environments = _install_all([subject, *(name for _, names in plan for name in names)], options)
    about = report.about(list(environments.values()), load, options.pairs, python_version(options.python))
    print(', '.join(f'{name}: {value}' for name, value in about.items()) + '\n\n' + report.header(), flush=True)
    results = []
    for row, names in plan:
        ours, *theirs = measure(row, [environments[name] for name in (subject, *names)], load, options.pairs)
        for name, samples in zip(names, theirs, strict=True):
            results.append(report.Result(row, name, ours, samples, row.bounds.get(name) if subject == 'ours' else None))
            print(report.line(results[-1]), flush=True)
        if options.json:
            options.json.write_text(json.dumps(report.document(results, about), indent=1))
    return results


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main(given: Sequence[str] | None = None) -> int:
    """Exit code 0: every bound met; 1: one not met or a row invalid; 2: it could not be measured."""
    options = _arguments(given)
    signal.signal(signal.SIGTERM, _interrupt)  # so that servers are ended then too
    try:
        if options.list:
            _print_list()
            return EXIT_MET
        results = _run(options)
    except BenchmarkError as fault:
        print(f'benchmarks: {fault}', file=sys.stderr)
        return EXIT_FAULT
    except KeyboardInterrupt:
        return 130
    return EXIT_NOT_MET if any(result.verdict.state in ('not met', 'invalid') for result in results) else EXIT_MET


if __name__ == '__main__':
    sys.exit(main())
