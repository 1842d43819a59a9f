"""Drives a server over HTTP/2 with h2load (nghttp2), and reads what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import heads
from benchmarks.peers import BenchmarkError

if TYPE_CHECKING:
    from benchmarks.rows import Row

# Paths of a changing head, asked for one after the other.
PATHS = 20000
_requests = re.compile(r'requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored')
_rate = re.compile(r'finished in [^,]+, ([0-9.]+) req/s')
_bytes = re.compile(r'space savings [^)]*\) headers \([^)]*\), \S+ \((\d+)\) data|, \S+ \((\d+)\) data')


def find() -> str:
    """Where h2load is; a BenchmarkError says how to get it otherwise."""
    found = shutil.which('h2load')
    if found is None:
        raise BenchmarkError('h2load is not installed (Debian and Ubuntu: apt-get install nghttp2-client)')
    return found


def targets(row: Row) -> list[str]:
    """The paths to ask for: one, or with a changing head one after the other."""
    target = heads.KINDS[row.head](row, '')[0]
    if heads.COUNTER not in target:
        return [target]
    return [target.replace(heads.COUNTER, f'{number:010}') for number in range(10**9, 10**9 + PATHS)]


def fields(row: Row) -> list[str]:
    """The fields of the row's head as h2load takes them; it cannot change any, but for the path."""
    pairs = heads.KINDS[row.head](row, '')[1]
    kept = [(name, value.replace(heads.COUNTER, '1' * heads.COUNTER_DIGITS)) for name, value in pairs if name != 'Host']
    return [part for name, value in kept for part in ('-H', f'{name}: {value}')]


def drive(url: str, row: Row, connections: int, seconds: int) -> tuple[dict[str, float], float]:
    """Drive a server once; h2load's figures and the CPU seconds it used itself."""
    with tempfile.TemporaryDirectory() as folder:
        uris, body = Path(folder) / 'uris', Path(folder) / 'body'
        uris.write_text(''.join(f'{url}{target}\n' for target in targets(row)))
        command = [find(), '-t1', f'-c{connections}', f'-m{row.streams}', f'-D{seconds}', f'-i{uris}', *fields(row)]
        if row.body_bytes:
            body.write_bytes(b'x' * row.body_bytes)
            command.append(f'-d{body}')
        before = os.times()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        after = os.times()
    used_s = after.children_user + after.children_system - before.children_user - before.children_system
    return read(done.stdout + done.stderr), used_s


def read(said: str) -> dict[str, float]:
    """Its figures: requests, faults, requests per second, body bytes."""
    counts, rate, size = _requests.search(said), _rate.search(said), _bytes.search(said)
    if counts is None or rate is None or size is None:
        raise BenchmarkError(f'h2load gave no figures:\n{said[-2000:]}')
    succeeded, failed, errored = map(int, counts.groups())
    return {
        'requests': succeeded,
        'faults': failed + errored,
        'rps': float(rate.group(1)),
        'bytes': int(size.group(1) or size.group(2)),
    }


def fault_of(result: dict[str, float], row: Row) -> str:
    """Why a result does not count: answers that are errors, too short, or none at all."""
    if not result['requests']:
        return 'no request was answered'
    if result['faults']:
        return f'{result["faults"]:.0f} requests failed'
    if result['bytes'] < result['requests'] * row.answer_bytes:
        return 'answers were shorter than the body asked for'
    return ''
