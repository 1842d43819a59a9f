"""Many reloads and many requests on one server, and what it holds now and then: descriptors, processes, threads, memory."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import psutil

from tests.operations.clients import Load
from tests.operations.project import Project, until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PARTS = 40


@dataclass(frozen=True)
class Sample:
    """Of the supervisor and its workers, while nobody asks."""

    reloads: int
    requests: int
    descriptors: int
    processes: int
    threads: int
    # Resident; and of all processes, what they share counted once.
    supervisor_mib: float
    all_mib: float


async def growth(
    folder: Path, count: int, loop: str = 'auto', *, requests: int = 0, programs: bool = False, steps: bool = False
) -> list[Sample]:
    """So many reloads, and at least so many requests, in parts; a sample before and after each. `steps`: each after a line of input."""
    parts = min(PARTS, count)
    asked = 0
    with Project(folder, loop=loop) as project:
        found = [await _sample(project, 0, 0)]
        for part in range(1, parts + 1):
            if steps:
                await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
            reloads = count * part // parts - found[-1].reloads
            asked += await _part(project, reloads, requests * part // parts - asked, programs=programs)
            found.append(await _sample(project, count * part // parts, asked))
            print(*row(found[-1]), sep='\t', flush=True)
    return found


async def _part(project: Project, reloads: int, requests: int, *, programs: bool) -> int:
    """How many were answered."""
    async with Load(project.http_port, project.https_port, pause_s=0.02) as load:
        for _ in range(reloads):
            status, message = await project.do('reload')
            assert status == 0, message
    async with Load(project.http_port, project.https_port, programs=programs) as more:
        while load.answered + more.answered < requests:
            await asyncio.sleep(0.05)
    failures = load.tally.failures + more.tally.failures
    assert not failures, failures
    return load.answered + more.answered


async def _sample(project: Project, reloads: int, requests: int) -> Sample:
    supervisor = psutil.Process(project.supervisor_pid)
    await until(lambda: _calm(supervisor))
    everyone = [supervisor, *supervisor.children(recursive=True)]
    return Sample(
        reloads,
        requests,
        sum(each.num_fds() for each in everyone),
        len(everyone),
        sum(each.num_threads() for each in everyone),
        round(supervisor.memory_info().rss / 1024**2, 1),
        round(sum(each.memory_full_info().pss for each in everyone) / 1024**2, 1),
    )


async def _calm(supervisor: psutil.Process) -> bool:
    """Whether only the workers are left that serve, without a connection."""
    children = supervisor.children(recursive=True)
    if len(children) != 2:
        return False
    return not any(each.raddr for child in children for each in child.net_connections(kind='tcp'))


def row(sample: Sample) -> list[str]:
    return [str(getattr(sample, field.name)) for field in fields(sample)]


def table(samples: Sequence[Sample]) -> str:
    rows = [[field.name for field in fields(Sample)], *map(row, samples)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return '\n'.join('  '.join(cell.rjust(width) for cell, width in zip(each, widths, strict=True)) for each in rows)


# ── the plot ─────────────────────────────────────────────────────────────────────────────────────────────────────────

WIDTH, HEIGHT, LEFT, TOP, PANEL, GAP = 640, 400, 60, 30, 90, 30
PANELS = (
    ('descriptors', ('descriptors',)),
    ('processes, threads', ('processes', 'threads')),
    ('MiB: all, supervisor', ('all_mib', 'supervisor_mib')),
)
COLOURS = ('#1f6feb', '#d1242f')


def svg(samples: Sequence[Sample]) -> str:
    """A panel for each thing that must not grow, over the number of reloads; every axis begins at 0."""
    last = samples[-1]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="16">{last.reloads} reloads, {last.requests} requests, 2 workers</text>',
    ]
    for number, (title, names) in enumerate(PANELS):
        parts += _panel(samples, title, names, TOP + number * (PANEL + GAP))
    return '\n'.join([*parts, '</svg>', ''])


def _panel(samples: Sequence[Sample], title: str, names: Sequence[str], top: int) -> list[str]:
    highest = max(getattr(sample, name) for sample in samples for name in names)
    bottom, right = top + PANEL, WIDTH - 20
    frame = f'<path d="M{LEFT} {top}V{bottom}H{right}" fill="none" stroke="#888"/>'
    labels = [
        _text(LEFT - 6, bottom, '0', 'end'),
        _text(LEFT - 6, top + 10, f'{highest:g}', 'end'),
        _text(LEFT, bottom + 14, '0', 'start'),
        _text(right, bottom + 14, f'{samples[-1].reloads} reloads', 'end'),
        _text((LEFT + right) // 2, bottom + 14, title, 'middle'),
    ]
    lines = []
    for name, colour in zip(names, COLOURS, strict=False):
        points = ' '.join(
            f'{LEFT + (right - LEFT) * sample.reloads / samples[-1].reloads:.1f},'
            f'{bottom - (PANEL - 10) * getattr(sample, name) / highest:.1f}'
            for sample in samples
        )
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    return [frame, *labels, *lines]


def _text(x: int, y: int, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'
