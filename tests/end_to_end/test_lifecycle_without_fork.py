"""Platforms without fork (Windows) are served by one process; here fork is taken away from the interpreter."""

from __future__ import annotations

import contextlib
import signal
import sys
import urllib.request

import pytest

from tests.helpers.server import Server, server_environment

WITHOUT_FORK = 'import os, sys; del os.fork; from granian.cli import entrypoint; entrypoint()'
APP = """
import os

async def app(scope, receive, send):
    if scope['type'] == 'lifespan':
        for _ in range(2):
            message = await receive()
            print(message['type'], flush=True)
            await send({'type': message['type'] + '.complete'})
        return
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': str(os.getpid()).encode()})
"""


@contextlib.contextmanager
def launched(project, *arguments: str):
    command = [sys.executable, '-c', WITHOUT_FORK, '--interface', 'asgi', '--port', '0', *arguments]
    server = Server(command, cwd=project, env=server_environment())
    try:
        yield server
    finally:
        if not server.process.stdout.closed:
            server.kill_all()


@pytest.fixture
def project(tmp_path):
    (tmp_path / 'main.py').write_text(APP)
    return tmp_path


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_one_process_serves_and_stops(project, number):
    with launched(project, '--workers', '2', 'main:app') as server:
        server.wait_for('Started worker-1')
        with urllib.request.urlopen(f'http://127.0.0.1:{server.port}/') as response:
            assert response.read() == str(server.pid).encode()
        server.stop(number)
    assert '[WARNING] This platform has no fork: 1 worker instead of 2' in server.lines
    assert 'lifespan.shutdown' in server.lines
    assert server.lines[-1] == '[INFO] Granian shutdown completed, see ya!'


def test_an_application_that_cannot_be_loaded_is_told(project):
    with launched(project, 'absent:app') as server:
        assert server.wait_ended() == 1
    assert server.lines[-1] == "Could not import 'absent'."


@pytest.mark.parametrize(
    ('flag', 'said'),
    [
        ('--respawn-failed-workers', 'server.respawn_failed_workers: this platform cannot replace workers'),
        ('--metrics', 'metrics.enabled: this platform cannot share memory between workers'),
    ],
)
def test_what_needs_other_processes_is_refused(project, flag, said):
    with launched(project, flag, 'main:app') as server:
        assert server.wait_ended() == 2
    assert server.lines == [f'flag {flag}: {said}', '1 flag has faults; nothing was started']


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_stop_during_an_import_is_quiet_and_leaves_no_pid_file(project, number):
    (project / 'slow.py').write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)")
    path = project / 'granian.pid'
    with launched(project, '--pid-file', str(path), 'slow:app') as server:
        server.wait_for('importing')
        assert path.exists()
        server.stop(number)
    assert not path.exists()
