"""The table people read and the document machines read, from the same results."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import figures
from benchmarks.peers import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.drivers import Load, Sample
    from benchmarks.figures import Spread, Verdict
    from benchmarks.peers import Environment
    from benchmarks.rows import Bound, Row

CLIENT_BOUND = 0.95
COLUMNS = (
    'row', 'peer', 'CPU µs/request', 'CPU ratio', 'req/s', 'req/s ratio', 'p50 ms', 'p99 ms', 'PSS MiB', 'bound',
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """One row against one peer: samples by round, `ours` being the subject of the run."""

    row: Row
    peer: str
    ours: list[Sample]
    theirs: list[Sample]
    bound: Bound | None  # bounds hold for our server only, not for two others compared

    @property
    def verdict(self) -> Verdict:
        return figures.judge(self.bound, self.ours, self.theirs)

    @property
    def client_bound(self) -> bool:
        """Whether wrk was at its own limit in the middle sample, so that throughput says nothing."""
        return any(_median(samples, 'client_share') >= CLIENT_BOUND for samples in (self.ours, self.theirs))


def _median(samples: Sequence[Sample], metric: str) -> float:
    found = figures.spread(getattr(sample, metric) for sample in samples)
    return found.median if found else 0.0


def _both(result: Result, metric: str, digits: int) -> str:
    values = [figures.spread(getattr(s, metric) for s in samples) for samples in (result.ours, result.theirs)]
    return ' / '.join('-' if value is None else f'{value.median:.{digits}f}' for value in values)


def _ratio(found: Spread | None) -> str:
    return '-' if found is None else f'{found.median:.2f} ({found.low:.2f}..{found.high:.2f})'


def line(result: Result) -> str:
    """One line of the markdown table; two figures are the subject's and the peer's, a range is that of the pairs."""
    cells = (
        result.row.name,
        result.peer,
        _both(result, 'cpu_us', 1),
        _ratio(figures.ratio(result.ours, result.theirs, 'cpu_us')),
        _both(result, 'rps', 0) + (' (client at its limit)' if result.client_bound else ''),
        _ratio(figures.ratio(result.ours, result.theirs, 'rps')),
        _both(result, 'p50_ms', 2),
        _both(result, 'p99_ms', 2),
        _both(result, 'pss_mib', 1),
        result.verdict.text,
    )
    return '| ' + ' | '.join(cells) + ' |'


def header() -> str:
    """The first two lines of the markdown table."""
    return '| ' + ' | '.join(COLUMNS) + ' |\n|' + ' --- |' * len(COLUMNS)


def _commit() -> str:
    done = subprocess.run(
        ['git', 'describe', '--always', '--dirty'], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def about(environments: Sequence[Environment], load: Load, pairs: int, python: str) -> dict[str, Any]:
    """What a reader needs to know of a run to judge its figures."""
    return {
        'python': python,
        'commit': _commit(),
        'machine': f'{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} cores',
        'servers': {found.peer.name: f'{found.peer.package} {found.version}' for found in environments},
        'pairs': pairs,
        'load': asdict(load),
    }


def document(results: Sequence[Result], run: dict[str, Any]) -> dict[str, Any]:
    """Everything that was measured, for --json."""
    return {'run': run, 'results': [_entry(result) for result in results]}


def _entry(result: Result) -> dict[str, Any]:
    ratios = {metric: figures.ratio(result.ours, result.theirs, metric) for metric in figures.METRICS}
    return {
        'row': asdict(result.row),
        'peer': result.peer,
        'verdict': asdict(result.verdict),
        'ratios': {metric: asdict(found) for metric, found in ratios.items() if found},
        'ours': [asdict(sample) for sample in result.ours],
        'theirs': [asdict(sample) for sample in result.theirs],
    }
