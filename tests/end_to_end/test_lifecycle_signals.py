"""Stop signals before there is a server, and after there was one."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

import pytest

from tests.helpers.server import Server, launch, running_server, server_environment

APP = """
async def app(scope, receive, send):
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b''})
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / 'main.py').write_text(APP)
    return tmp_path


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize('delay_s', [0.02, 0.06, 0.1, 0.15])
def test_a_second_signal_while_the_program_ends_changes_nothing(project, number, delay_s):
    path = project / 'granian.pid'
    with running_server('--interface', 'asginl', '--pid-file', str(path), 'main:app', cwd=project) as server:
        server.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)
        time.sleep(delay_s)
        with contextlib.suppress(ProcessLookupError):
            server.send_signal(number)
        assert server.wait_ended() == 0
    assert not path.exists()


def test_a_signal_after_the_last_line_of_the_log_changes_nothing(project):
    with running_server('--interface', 'asginl', 'main:app', cwd=project) as server:
        server.send_signal(signal.SIGTERM)
        server.wait_for('see ya')
        while server.process.poll() is None:
            server.send_signal(signal.SIGTERM)
        assert server.wait_ended() == 0


@contextlib.contextmanager
def launched(project, *arguments):
    """A server that says when our own code begins."""
    code = 'import granian.process.program as p; take = p.take_signals\n'
    code += 'def taken(**which): take(**which); print("taken", flush=True)\n'
    code += 'p.take_signals = taken\nfrom granian.cli import entrypoint; entrypoint()'
    server = Server([sys.executable, '-c', code, *arguments], cwd=project, env=server_environment())
    try:
        server.wait_for('taken')
        yield server
    finally:
        if not server.process.stdout.closed:
            server.kill_all()


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize('delay_s', [0.0, 0.1, 0.2, 0.3, 0.5])
def test_a_stop_during_the_start_is_quiet_and_clean(project, number, delay_s):
    path = project / 'granian.pid'
    arguments = ('--interface', 'asginl', '--port', '0', '--pid-file', str(path), 'main:app')
    with launched(project, *arguments) as server:
        time.sleep(delay_s)
        server.stop(number)
    assert 'Aborted' not in server.log
    assert not path.exists()


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_check_that_is_stopped_did_not_pass(project, number):
    (project / 'slow.py').write_text(
        f'import pathlib, time\npathlib.Path({str(project)!r}, "on").touch()\ntime.sleep(60)'
    )
    with launched(project, 'check', 'slow:app') as server:
        deadline = time.monotonic() + 20
        while not (project / 'on').exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        server.stop(number, status=128 + number)
    assert server.lines == ['taken']


INTERRUPTS = {
    'import': 'raise KeyboardInterrupt',
    'other': 'class Own(BaseException): pass\nraise Own("mine")',
    'lifespan': 'async def app(scope, receive, send):\n    raise KeyboardInterrupt',
    'exit in lifespan': 'import sys\nasync def app(scope, receive, send):\n    sys.exit(4)',
}


@pytest.mark.parametrize('code', INTERRUPTS.values(), ids=INTERRUPTS)
def test_an_application_that_interrupts_its_own_start_is_told_with_its_place(project, code):
    (project / 'own.py').write_text(code)
    server = launch('--interface', 'asgi', 'own:app', cwd=project)
    try:
        assert server.wait_ended() == 1
    finally:
        if not server.process.stdout.closed:
            server.kill_all()
    assert server.log.count('Traceback') == 1
    assert 'own.py", line' in server.log
    assert server.lines[-1].startswith(('the worker could not start: ', 'the application asked to exit: 4'))


def test_a_task_that_exits_is_told_with_its_place(project):
    (project / 'own.py').write_text(
        'import asyncio, sys\n'
        'async def leave():\n'
        '    sys.exit(3)\n'
        'async def app(scope, receive, send):\n'
        "    if scope['type'] == 'lifespan':\n"
        '        await receive()\n'
        "        await send({'type': 'lifespan.startup.complete'})\n"
        '        asyncio.get_running_loop().call_later(0.3, lambda: asyncio.ensure_future(leave()))\n'
        '        await receive()\n'
    )
    with running_server('--interface', 'asgi', 'own:app', cwd=project, status=1, stray_ok=True) as server:
        server.wait_for('The application ended worker-1 by SystemExit')
        server.wait_for('own.py", line 3, in leave')
        server.wait_for('Unexpected exit from worker-1: exited with status 3')


@pytest.mark.parametrize('loop', ['asyncio', 'uvloop'])
@pytest.mark.parametrize('killed', [False, True], ids=['stopped', 'orphaned'])
def test_the_longest_graceful_timeout_is_a_number_like_others(project, loop, killed):
    arguments = ('--interface', 'asginl', '--loop', loop, '--set', 'server.graceful_timeout=24d', 'main:app')
    status = -signal.SIGKILL if killed else 0
    with running_server(*arguments, cwd=project, status=status) as server:
        server.send_signal(signal.SIGKILL if killed else signal.SIGTERM)
        assert server.wait_ended() == status


# ── what a program inherits ──────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def started_by(project, *command, loop='auto'):
    """A server that another program became."""
    arguments = ('-m', 'granian', '--interface', 'asginl', '--port', '0', '--loop', loop, 'main:app')
    server = Server([*command, sys.executable, *arguments], cwd=project, env=server_environment())
    try:
        server.wait_ready()
        yield server
    finally:
        if not server.process.stdout.closed:
            server.kill_all()


def test_ends_of_children_that_whoever_started_it_ignores_do_not_matter(project):
    code = 'import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])'
    with started_by(project, sys.executable, '-c', code) as server:
        server.stop()


@pytest.mark.parametrize('loop', ['asyncio', 'uvloop'])
def test_a_standard_input_that_is_closed_does_not_matter(project, loop):
    """A socket must not get its number: uvloop would end the process where it closes that."""
    with started_by(project, 'sh', '-c', 'exec "$@" <&-', 'sh', loop=loop) as server:
        (worker,) = server.worker_pids()
        assert os.readlink(f'/proc/{worker}/fd/0') == os.devnull
        server.stop()
    assert 'Assertion' not in server.log
