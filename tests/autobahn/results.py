"""Outcomes kept in a folder, to run the suite in parts: a file for each combination, a line for each case; its last one counts."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import TYPE_CHECKING

from tests.autobahn.client import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Results:
    """What became of the cases of one combination so far."""

    def __init__(self, folder: Path | None, name: str) -> None:
        self.name = name
        self.outcomes: dict[str, Outcome] = {}
        self._path = folder / f'{name}.jsonl' if folder else None
        if self._path and self._path.exists():
            for line in self._path.read_text().splitlines():
                self._take(Outcome(**json.loads(line)))

    def _take(self, outcome: Outcome) -> None:
        self.outcomes[outcome.case] = outcome

    def add(self, outcome: Outcome) -> None:
        self._take(outcome)
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open('a') as file:
                file.write(json.dumps(dataclasses.asdict(outcome)) + '\n')

    def left(self, cases: Iterable[str]) -> list[str]:
        """Those that have not passed, in their order."""
        return [case for case in cases if case not in self.outcomes or not self.outcomes[case].passed]

    def failed(self, cases: Iterable[str]) -> list[Outcome]:
        return [self.outcomes[case] for case in cases if case in self.outcomes and not self.outcomes[case].passed]


def summary(results: list[Results], cases: list[str]) -> str:
    """A table: how each section fares in each combination, then what failed."""
    sections = list(dict.fromkeys(case.split('.')[0] for case in cases))
    heads = ['section', 'cases', *(each.name for each in results)]
    rows = [
        row(f'{section}.*', [case for case in cases if case.split('.')[0] == section], results) for section in sections
    ]
    lines = [heads, *rows, row('all', cases, results)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(heads))]
    table = ['  '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    failed = [f'{each.name}: {outcome}' for each in results for outcome in each.failed(cases)]
    return '\n'.join([*table, *failed])


def row(name: str, cases: list[str], results: list[Results]) -> list[str]:
    return [name, str(len(cases)), *(tally(each, cases) for each in results)]


def tally(results: Results, cases: list[str]) -> str:
    """As in `12 OK, 3 INFORMATIONAL, 1 NON-STRICT, 5 missing`."""
    counted = Counter(worst(results.outcomes[case]) if case in results.outcomes else 'missing' for case in cases)
    order = sorted(counted, key=lambda what: (what != 'OK', what == 'missing', what))
    return ', '.join(f'{counted[what]} {what}' for what in order)


def worst(outcome: Outcome) -> str:
    """What a case counts as: how it closed may be worse than how it went."""
    return outcome.closing if outcome.behavior == 'OK' else outcome.behavior
