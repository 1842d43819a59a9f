"""What the kernel says of a process tree: CPU time and memory, read from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf('SC_CLK_TCK')
PROC = Path('/proc')


@dataclass(frozen=True, slots=True)
class Stat:
    """One process: `ticks` is its user and system time with all its threads and the children it has waited for."""

    pid: int
    parent: int
    ticks: int


def parse_stat(text: str) -> Stat:
    """Read one /proc/PID/stat line; the command name may itself hold blanks and brackets."""
    pid, _, rest = text.partition(' (')
    fields = rest[rest.rindex(')') + 2 :].split()
    return Stat(int(pid), int(fields[1]), sum(int(number) for number in fields[11:15]))


def _stat(folder: Path) -> Stat | None:
    try:
        return parse_stat((folder / 'stat').read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None  # ended between the listing and the reading


def _stats(proc: Path) -> dict[int, Stat]:
    found = (_stat(entry) for entry in proc.iterdir() if entry.name.isdigit())
    return {stat.pid: stat for stat in found if stat is not None}


def tree(root: int, proc: Path = PROC) -> list[Stat]:
    """`root` and all its descendants that are alive (nothing when `root` is gone)."""
    stats = _stats(proc)
    children: dict[int, list[int]] = {}
    for stat in stats.values():
        children.setdefault(stat.parent, []).append(stat.pid)
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        if pid in stats:
            found.append(stats[pid])
            todo += children.get(pid, ())
    return found


def cpu_s(root: int, proc: Path = PROC) -> float:
    """CPU time used so far by the tree of `root`, in seconds."""
    return sum(stat.ticks for stat in tree(root, proc)) / TICKS_PER_S


def parse_pss_kib(text: str) -> int:
    """The Pss line of a smaps_rollup file."""
    for line in text.splitlines():
        if line.startswith('Pss:'):
            return int(line.split()[1])
    raise ValueError('no Pss line in smaps_rollup')


def _pss_kib(folder: Path) -> int:
    try:
        return parse_pss_kib((folder / 'smaps_rollup').read_text())
    except (FileNotFoundError, ProcessLookupError):
        return 0  # ended meanwhile


def pss_mib(root: int, proc: Path = PROC) -> float:
    """Proportional set size of the tree of `root`, in MiB: pages shared by several processes are counted once."""
    return sum(_pss_kib(proc / str(stat.pid)) for stat in tree(root, proc)) / 1024
