"""One server process tree: started, proved to answer rightly, measured from outside, ended by pid."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import certificates, handshakes, heads, procfs
from benchmarks.answer_files import path_of
from benchmarks.apps import BODIES
from benchmarks.peers import HERE, BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from benchmarks.peers import Environment
    from benchmarks.rows import Row

START_S = 20.0
STOP_S = 10.0
# The same applications in each interface.
TARGETS = {'asgi': 'apps:app', 'rsgi': 'apps_rsgi:app', 'wsgi': 'apps_wsgi:app'}
# Whatever would reconfigure one server behind the table's back.
FOREIGN = ('GRANIAN_', 'UVICORN_', 'GUNICORN_', 'PYTHON', 'WEB_CONCURRENCY', 'VIRTUAL_ENV')


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: `pid` is the root of its tree."""

    name: str
    pid: int
    port: int

    @property
    def host(self) -> str:
        return f'127.0.0.1:{self.port}'

    def url(self, row: Row) -> str:
        return f'{"https" if row.tls else "http"}://{self.host}'


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return int(probe.getsockname()[1])


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}


def expected(row: Row) -> bytes:
    """The body a right answer to `row` has; what stands before the last part of its path says only how it comes."""
    return b'x' * row.body_bytes if row.body_bytes else BODIES['/' + row.path.rpartition('/')[2]]


def _ask(server: Server, row: Row) -> tuple[int, bytes]:
    head = heads.template(row, server.host).replace(heads.COUNTER, '1' * heads.COUNTER_DIGITS)
    with socket.create_connection(('127.0.0.1', server.port), timeout=5) as plain:
        connection = handshakes.context().wrap_socket(plain) if row.tls else plain
        connection.sendall(head.encode() + b'x' * row.body_bytes)
        answer = http.client.HTTPResponse(connection, method=row.method)
        answer.begin()
        return answer.status, answer.read(row.answer_bytes)


def _await_right_answer(server: Server, row: Row, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            status, body = _ask(server, row)
            break
        except (OSError, http.client.HTTPException) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                raise BenchmarkError(
                    f'{server.name} does not answer ({error!r}):\n{log.read()[-2000:].decode()}'
                ) from error
            time.sleep(0.02)
    if (status, body) != (200, expected(row)):
        raise BenchmarkError(f'{server.name} answers {row.name} with {status} and {body[:80]!r}')


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the root; what is left of the tree after STOP_S is killed, each by its pid."""
    pids = [stat.pid for stat in procfs.tree(process.pid)]
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in pids:
        if pid != process.pid and any(stat.pid == pid for stat in procfs.tree(pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def options(row: Row) -> str:
    """What the command has beyond what every row has."""
    return row.options + (f' {certificates.OPTIONS.format(kind=row.tls)}' if row.tls else '')


@contextmanager
def running(environment: Environment, row: Row) -> Iterator[Server]:
    """`environment`'s server on a free loopback port, answering `row` rightly; gone when the block is left."""
    port = _free_port()
    for path, body in BODIES.items():
        path_of(path[1:], body)
    arguments = environment.peer.command.format(
        port=port, target=TARGETS[row.interface], interface=row.interface, options=options(row)
    )
    if row.tls:
        certificates.make()
    command = [str(environment.python), *arguments.split()]
    with tempfile.TemporaryFile() as log:
        # A session of its own: Ctrl-C reaches the harness alone, which then ends the server.
        process = subprocess.Popen(
            command, cwd=HERE, env=_environment(), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            server = Server(environment.peer.name, process.pid, port)
            _await_right_answer(server, row, process, log)
            yield server
        finally:
            _end(process)
