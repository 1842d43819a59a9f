"""A real `python -m granian …` process for end-to-end tests: started, waited for by its log, stopped, checked for leaks.

    with running_server('--interface', 'asgi', 'main:app', cwd=tmp_path) as server:
        socket.create_connection(('127.0.0.1', server.port))

`--port 0` is given for you unless the arguments name a port, a Unix socket or a file.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0
# What a healthy server never prints.
STRAY = re.compile(
    r'Traceback \(most recent call last\)|ResourceWarning|was never awaited|Task was destroyed|Exception ignored'
    r'|never retrieved|Fatal Python error'
)


def wait_gone(pids: Sequence[int]) -> None:
    """Until none of these processes is there any more."""
    there = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            there.append(psutil.Process(pid))
    _, alive = psutil.wait_procs(there, timeout=STOP_TIMEOUT_S)
    assert not alive


class Server:
    """One server process. `lines` is all it has printed so far, standard output and error together."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path | str | None,
        env: Mapping[str, str],
        pass_fds: Sequence[int] = (),
        own_group: bool = False,
    ) -> None:
        self.lines: list[str] = []
        self._grown = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            pass_fds=pass_fds,
            start_new_session=own_group,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._grown:
                self.lines.append(line.rstrip('\n'))
                self._grown.notify_all()
        with self._grown:
            self._ended = True
            self._grown.notify_all()

    @property
    def log(self) -> str:
        return '\n'.join(self.lines)

    def wait_for(self, pattern: str, *, count: int = 1, timeout_s: float = START_TIMEOUT_S) -> re.Match[str]:
        """The `count`-th line that matches; fails with the log when it does not come or the server ends before."""
        deadline = time.monotonic() + timeout_s
        compiled = re.compile(pattern)
        with self._grown:
            while True:
                found = [match for line in list(self.lines) if (match := compiled.search(line))]
                if len(found) >= count:
                    return found[count - 1]
                if self._ended or not self._grown.wait(max(0.0, deadline - time.monotonic())):
                    why = 'the server ended' if self._ended else f'not within {timeout_s} s'
                    raise AssertionError(f'no line {pattern!r} ({why}); the log:\n{self.log}')

    def wait_ready(self) -> None:
        """Every worker has started its application and accepts."""
        for number in range(1, self.workers + 1):
            self.wait_for(rf'Started worker-{number}$')

    @property
    def workers(self) -> int:
        return int(self.wait_for(r'\bworkers: (\d+)').group(1))

    @property
    def port(self) -> int:
        """The port of the first TCP listener."""
        return int(self.wait_for(r'Listening at: \w+://.*:(\d+)$').group(1))

    @property
    def pid(self) -> int:
        return self.process.pid

    def worker_pids(self) -> list[int]:
        return [child.pid for child in psutil.Process(self.pid).children()]

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait_ended(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """The exit status, once the process is gone and its output is read to the end."""
        status = self.process.wait(timeout_s)
        self._reader.join(timeout_s)
        assert not self._reader.is_alive(), f'something still holds the output of the server; the log:\n{self.log}'
        self.process.stdout.close()
        return status

    def stop(self, number: int = signal.SIGTERM, *, status: int = 0, stray_ok: bool = False) -> None:
        """End it by `number` and assert: that exit status, no process left behind, nothing stray in the output."""
        family = self._family()
        if self.process.poll() is None:
            self.send_signal(number)
        ended = self.wait_ended()
        _, alive = psutil.wait_procs(family, timeout=5)
        assert ended == status, f'exit status {ended}, not {status}; the log:\n{self.log}'
        assert not alive, f'left behind: {alive}; the log:\n{self.log}'
        if not stray_ok:
            assert not STRAY.search(self.log), f'stray output; the log:\n{self.log}'

    def _family(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid).children(recursive=True)
        return []

    def kill_all(self) -> None:
        """For a test that failed: nothing survives it."""
        family = self._family()
        for process in [self.process, *family]:
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                process.kill()
        self.process.wait(STOP_TIMEOUT_S)
        self._reader.join(STOP_TIMEOUT_S)
        self.process.stdout.close()


def server_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the tests without any GRANIAN_ or LISTEN_ variable, unbuffered, telling of every leaked resource."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(('GRANIAN_', 'LISTEN_'))}
    env['PYTHONUNBUFFERED'] = '1'
    env['PYTHONWARNINGS'] = 'always::ResourceWarning'
    env.update(extra or {})
    return env


def launch(*arguments: str, cwd: Path | str | None = None, env: Mapping[str, str] | None = None) -> Server:
    """Start without waiting. End it with `stop()` (or `wait_ended()`)."""
    if not any(argument in {'--port', '--uds', '-c', 'check'} for argument in arguments):
        arguments = ('--port', '0', *arguments) if arguments[0] != 'serve' else ('serve', '--port', '0', *arguments[1:])
    return Server([sys.executable, '-m', 'granian', *arguments], cwd=cwd, env=server_environment(env))


@contextlib.contextmanager
def running_server(
    *arguments: str,
    cwd: Path | str | None = None,
    env: Mapping[str, str] | None = None,
    status: int = 0,
    stray_ok: bool = False,
) -> Iterator[Server]:
    """A server whose workers are all ready; stopped at the end and checked as `Server.stop` does.

    `stray_ok`: the test makes the application fail, so tracebacks are expected.
    """
    server = launch(*arguments, cwd=cwd, env=env)
    try:
        server.wait_ready()
        yield server
        server.stop(status=status, stray_ok=stray_ok)
    finally:
        if not server.process.stdout.closed:
            server.kill_all()


def run_to_end(*arguments: str, cwd: Path | str | None = None, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit status and output of a server that ends by itself (it refuses to start, say)."""
    server = launch(*arguments, cwd=cwd, env=env)
    try:
        return server.wait_ended(), server.log
    finally:
        if not server.process.stdout.closed:
            server.kill_all()
