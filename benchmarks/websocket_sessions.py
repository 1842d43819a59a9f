"""WebSocket rows: sessions opened by a client of ours, and what of the server's time and memory they cost."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks import procfs, websocket_load
from benchmarks.peers import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.rows import Row
    from benchmarks.servers import Server


def _next(client: subprocess.Popen[str]) -> dict[str, Any]:
    assert client.stdout is not None
    line = client.stdout.readline()
    if not line:
        assert client.stderr is not None
        raise BenchmarkError(f'the WebSocket client ended: {client.stderr.read()[-2000:]}')
    figures: dict[str, Any] = json.loads(line)
    return figures


@contextmanager
def _client(server: Server, row: Row, kind: str, seconds: int) -> Iterator[subprocess.Popen[str]]:
    """A client whose sessions are open when the block begins, and closed after it."""
    numbers = (server.port, row.message_bytes, row.connections, row.in_flight, seconds)
    command = [sys.executable, websocket_load.__file__, kind, *map(str, numbers)]
    client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        _next(client)
        yield client
    finally:
        client.communicate()


def drive(server: Server, row: Row, seconds: int) -> dict[str, Any]:
    """Messages, seconds and the client's own seconds, and with them `server_s`: the CPU time of the server's tree."""
    with _client(server, row, row.driver.removeprefix('ws-'), seconds) as client:
        assert client.stdin is not None
        before_s = procfs.cpu_s(server.pid)
        client.stdin.write('\n')
        client.stdin.flush()
        figures = _next(client)
        return {**figures, 'server_s': procfs.cpu_s(server.pid) - before_s}


def idle_mib(server: Server, row: Row) -> float:
    """Memory that the server's tree takes for sessions that were opened and rest."""
    raise_limit(row.connections + 200)
    before_mib = procfs.pss_mib(server.pid)
    with _client(server, row, 'idle', 0):
        return procfs.pss_mib(server.pid) - before_mib


def raise_limit(descriptors: int) -> None:
    """Let this process, and those it starts, open so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < descriptors:
        if hard < descriptors:
            raise BenchmarkError(f'{descriptors} open files are wanted, and {hard} allowed (ulimit -n)')
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, hard))
