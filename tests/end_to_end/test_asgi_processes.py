from __future__ import annotations

import http.client
from pathlib import Path

import pytest

from tests.helpers.server import running_server

APPS = Path(__file__).parent / 'apps'


def get(port, path):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
    try:
        connection.request('GET', path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize('engine', ['fast', 'h11'])
@pytest.mark.parametrize('loop', ['asyncio', 'uvloop'])
def test_no_request_ends_its_worker(engine, loop):
    arguments = ('--interface', 'asgi', '--loop', loop, '--set', f'http1.engine={engine}', 'plain_app:app')
    with running_server(*arguments, cwd=APPS, stray_ok=True) as server:
        worker = get(server.port, '/pid')
        for path in ('/system_exit', '/interrupt', '/cancelled', '/none', '/unknown'):
            assert get(server.port, path) == (500, b'Internal server error')
        with pytest.raises(http.client.IncompleteRead):
            get(server.port, '/broken')
        assert get(server.port, '/pid') == worker
    assert sum('Application callable raised an exception' in line for line in server.lines) == 5
    assert sum('Application callable returned without' in line for line in server.lines) == 1


def test_asginl_never_sees_lifespan():
    with running_server('--interface', 'asginl', 'plain_app:app', cwd=APPS) as server:
        assert get(server.port, '/pid')[0] == 200
    assert not [line for line in server.lines if line.startswith(('startup', 'shutdown'))]


def test_lifespan_comes_once_to_each_worker():
    with running_server('--interface', 'asgi', '--workers', '2', 'plain_app:app', cwd=APPS) as server:
        workers = server.worker_pids()
    for kind in ('startup', 'shutdown'):
        assert sorted(line for line in server.lines if line.startswith(kind)) == sorted(
            f'{kind} {pid}' for pid in workers
        )


def test_a_shutdown_that_hangs_is_killed():
    with running_server(
        '--interface', 'asgi', '--workers-kill-timeout', '1', 'plain_app:hanging', cwd=APPS, stray_ok=True
    ) as server:
        assert get(server.port, '/')[0] == 200
        server.stop(stray_ok=True)
    assert 'shutting down' in server.lines
    assert '[WARNING] Killing worker-1 after it refused to gracefully stop' in server.lines
