"""How a row is driven: each driver turns a running server and a row into samples."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import h2load, handshakes, heads, procfs, websocket_sessions
from benchmarks.peers import BenchmarkError

if TYPE_CHECKING:
    from benchmarks.rows import Row
    from benchmarks.servers import Server

MARK = 'BENCHMARK '
SLICE_S = 1
SETTLE_S = 1.0

SCRIPT = """
local counter = @start@
local body = string.rep('x', @body_bytes@)
function request()
  counter = counter + 1
  local n = string.format('%010.0f', counter)
  return @request@
end
function done(summary, latency)
  local e = summary.errors
  print('@mark@' .. string.format(
    '{"requests": %d, "duration_us": %d, "bytes": %.0f, "p50_us": %d, "p99_us": %d, '
    .. '"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
"""
FIXED = """
local fixed = @request@
function request() return fixed end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """How hard and how long."""

    connections: int = 64
    slices: int = 3  # of SLICE_S each, in every round
    warmup_s: int = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement; `fault` says why it does not count. Fields a driver does not measure are None."""

    pss_mib: float
    cpu_us: float | None = None
    rps: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    requests: int = 0
    client_share: float = 0.0  # of one core; near 1 the client was the limit, and rps says nothing
    fault: str = ''


def _lua(text: str) -> str:
    return "'" + text.replace('\\', '\\\\').replace("'", "\\'").replace('\r', '\\r').replace('\n', '\\n') + "'"


def script(row: Row, host: str, start: int) -> str:
    """The Lua for wrk: a head with a counter is put together anew for each request, any other once."""
    parts = [_lua(part) for part in heads.template(row, host).split(heads.COUNTER)]
    request = ' .. n .. '.join(parts) + (' .. body' if row.body_bytes else '')
    text = SCRIPT
    if len(parts) == 1:
        text = text[: text.index('function request')] + FIXED + text[text.index('function done') :]
    fill = {'start': str(start), 'body_bytes': str(row.body_bytes), 'mark': MARK, 'request': request}
    for name, value in fill.items():
        text = text.replace(f'@{name}@', value)
    return text


def fault_of(result: dict[str, int], row: Row) -> str:
    """Why a wrk result does not count: answers that are errors, too short, or none at all."""
    faults = [f'{result[kind]} {kind} errors' for kind in ('connect', 'read', 'write', 'timeout') if result[kind]]
    if result['status']:
        faults.append(f'{result["status"]} answers were not 2xx')
    if not result['requests']:
        faults.append('no request was answered')
    elif result['bytes'] < result['requests'] * row.answer_bytes:
        faults.append('answers were shorter than the body asked for')
    return ', '.join(faults)


def find_wrk() -> str:
    """Where wrk is; a BenchmarkError says how to get it otherwise."""
    found = shutil.which('wrk')
    if found is None:
        raise BenchmarkError('wrk is not installed (Debian and Ubuntu: apt-get install wrk)')
    return found


def _wrk(server: Server, row: Row, connections: int, seconds: int) -> tuple[dict[str, int], float]:
    """Drive `server` once; wrk's own figures and the CPU seconds wrk itself used."""
    with tempfile.TemporaryDirectory() as folder:
        lua = Path(folder) / 'row.lua'
        lua.write_text(script(row, server.host, 10**9 + secrets.randbelow(8 * 10**9)))
        command = [find_wrk(), '-t1', f'-c{connections}', f'-d{seconds}s', '--latency', '-s', str(lua)]
        before = os.times()
        done = subprocess.run(
            [*command, f'{"https" if row.tls else "http"}://{server.host}/'],
            capture_output=True,
            text=True,
            check=False,
        )
        after = os.times()
    used_s = after.children_user + after.children_system - before.children_user - before.children_system
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            result: dict[str, int] = json.loads(line.removeprefix(MARK))
            return result, used_s
    raise BenchmarkError(f'wrk ended with {done.returncode} and no figures:\n{(done.stdout + done.stderr)[-2000:]}')


def _warm_wrk(server: Server, row: Row, load: Load) -> None:
    if load.warmup_s:
        _wrk(server, row, load.connections, load.warmup_s)


def _slice_wrk(server: Server, row: Row, load: Load) -> Sample:
    """CPU time of the server's tree over the requests that wrk saw answered."""
    before_s = procfs.cpu_s(server.pid)
    result, client_s = _wrk(server, row, load.connections, SLICE_S)
    used_s = procfs.cpu_s(server.pid) - before_s
    duration_s = result['duration_us'] / 1e6
    figures: dict[str, Any] = {}
    if result['requests']:
        figures = {'cpu_us': used_s / result['requests'] * 1e6, 'rps': result['requests'] / duration_s}
    return Sample(
        pss_mib=procfs.pss_mib(server.pid),
        p50_ms=result['p50_us'] / 1e3,
        p99_ms=result['p99_us'] / 1e3,
        requests=result['requests'],
        client_share=client_s / duration_s,
        fault=fault_of(result, row),
        **figures,
    )


def _warm_h2load(server: Server, row: Row, load: Load) -> None:
    if load.warmup_s:
        h2load.drive(server.url(row), row, row.connections or load.connections, load.warmup_s)


def _slice_h2load(server: Server, row: Row, load: Load) -> Sample:
    """As `_slice_wrk`; h2load says no percentiles."""
    before_s = procfs.cpu_s(server.pid)
    result, client_s = h2load.drive(server.url(row), row, row.connections or load.connections, SLICE_S)
    used_s = procfs.cpu_s(server.pid) - before_s
    requests = int(result['requests'])
    return Sample(
        pss_mib=procfs.pss_mib(server.pid),
        cpu_us=used_s / requests * 1e6 if requests else None,
        rps=result['rps'],
        requests=requests,
        client_share=client_s / SLICE_S,
        fault=h2load.fault_of(result, row),
    )


def _rest(_server: Server, _row: Row, _load: Load) -> None:
    time.sleep(SETTLE_S)


def _slice_idle(server: Server, _row: Row, _load: Load) -> Sample:
    """Memory of the tree once it has answered one request and come to rest."""
    return Sample(pss_mib=procfs.pss_mib(server.pid))


def _connect(server: Server, seconds: int, kind: str) -> tuple[dict[str, float], float]:
    """Make connections to `server`; the client's figures and the CPU seconds it used itself."""
    command = [sys.executable, handshakes.__file__, '127.0.0.1', str(server.port), str(seconds), kind]
    before = os.times()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = os.times()
    if done.returncode:
        raise BenchmarkError(f'the client ended with {done.returncode}:\n{done.stderr[-2000:]}')
    used_s = after.children_user + after.children_system - before.children_user - before.children_system
    return json.loads(done.stdout), used_s


def _warm_connections(server: Server, row: Row, load: Load) -> None:
    if load.warmup_s:
        _connect(server, load.warmup_s, row.driver)


def _slice_connections(server: Server, row: Row, _load: Load) -> Sample:
    """CPU time of the server's tree over connections, each with its handshake, if any, and one request."""
    before_s = procfs.cpu_s(server.pid)
    result, client_s = _connect(server, SLICE_S, row.driver)
    used_s = procfs.cpu_s(server.pid) - before_s
    requests = int(result['requests'])
    return Sample(
        pss_mib=procfs.pss_mib(server.pid),
        cpu_us=used_s / requests * 1e6 if requests else None,
        rps=requests / result['duration_s'],
        requests=requests,
        client_share=client_s / result['duration_s'],
        fault=f'{result["errors"]} errors' if result['errors'] or not requests else '',
    )


def _warm_websockets(server: Server, row: Row, load: Load) -> None:
    if load.warmup_s:
        websocket_sessions.drive(server, row, load.warmup_s)


def _slice_websockets(server: Server, row: Row, _load: Load) -> Sample:
    """CPU time of the server's tree over messages that came back."""
    result = websocket_sessions.drive(server, row, SLICE_S)
    messages = int(result['messages'])
    return Sample(
        pss_mib=procfs.pss_mib(server.pid),
        cpu_us=result['server_s'] / messages * 1e6 if messages else None,
        rps=messages / result['duration_s'],
        requests=messages,
        client_share=result['client_s'] / result['duration_s'],
        fault='' if messages else 'no message came back',
    )


def _slice_idle_sessions(server: Server, row: Row, _load: Load) -> Sample:
    """What all sessions together add to the memory of the tree."""
    return Sample(pss_mib=websocket_sessions.idle_mib(server, row))


@dataclass(frozen=True, slots=True)
class Driver:
    """`warm` once a round, then `slice` as often as the load says; `alone`: no other server may run meanwhile."""

    warm: Callable[[Server, Row, Load], None]
    slice: Callable[[Server, Row, Load], Sample]
    alone: bool = False


DRIVERS: dict[str, Driver] = {
    'wrk': Driver(_warm_wrk, _slice_wrk),
    'full': Driver(_warm_connections, _slice_connections),
    'resumed': Driver(_warm_connections, _slice_connections),
    'clear': Driver(_warm_connections, _slice_connections),
    'h2load': Driver(_warm_h2load, _slice_h2load),
    'ws-echo': Driver(_warm_websockets, _slice_websockets),
    'ws-broadcast': Driver(_warm_websockets, _slice_websockets),
    'ws-idle': Driver(_rest, _slice_idle_sessions, alone=True),
    'idle': Driver(_rest, _slice_idle, alone=True),  # a page shared with another server would count as half a page
}
