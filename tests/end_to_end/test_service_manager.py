"""A server under a service manager, and as the first process of a container."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request

import psutil
import pytest

from tests.helpers.server import Server, launch, running_server, server_environment

APP = """
import os, subprocess

async def app(scope, receive, send):
    body = os.environ.get('NOTIFY_SOCKET', 'nobody')
    if scope['path'] == '/orphan':
        # Its parent ends at once, and it a little later.
        subprocess.run(['sh', '-c', 'sleep 0.1 &'], check=True)
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': body.encode()})
"""
ARGUMENTS = ('--interface', 'asginl', 'main:app')


class Manager:
    """The socket of a service manager, and what it was told."""

    def __init__(self, path):
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(path))
        self._sock.settimeout(30)

    def close(self):
        self._sock.close()

    def next(self):
        return dict(line.split('=', 1) for line in self._sock.recv(4096).decode().split('\n'))


@pytest.fixture
def manager(tmp_path):
    with contextlib.closing(Manager(tmp_path / 'notify')) as manager:
        yield manager


def get(port, path='/'):
    with urllib.request.urlopen(f'http://127.0.0.1:{port}{path}', timeout=20) as response:
        return response.read().decode()


def test_start_reload_and_stop_are_told(tmp_path, manager):
    (tmp_path / 'main.py').write_text(APP)
    env = {'NOTIFY_SOCKET': str(tmp_path / 'notify')}
    with running_server('--workers', '2', *ARGUMENTS, cwd=tmp_path, env=env) as server:
        told = manager.next()
        assert told == {'READY': '1', 'MAINPID': str(server.pid), 'STATUS': 'Generation 1 serves with 2 workers'}
        # What applications start does not speak in the server's name.
        assert get(server.port) == 'nobody'

        server.send_signal(signal.SIGHUP)
        assert manager.next()['RELOADING'] == '1'
        assert manager.next()['STATUS'] == 'Generation 2 serves with 2 workers'

        (tmp_path / 'main.py').write_text('broken(')
        server.send_signal(signal.SIGHUP)
        assert manager.next()['RELOADING'] == '1'
        assert manager.next() == {**told, 'STATUS': 'Generation 2 serves with 2 workers'}

        server.send_signal(signal.SIGTERM)
        assert manager.next()['STOPPING'] == '1'
        # The traceback of the application that was broken.
        server.stop(stray_ok=True)


def test_a_reload_that_is_refused_before_anything_serves_is_not_ready(tmp_path, manager):
    os.mkfifo(tmp_path / 'fifo')
    (tmp_path / 'main.py').write_text(f"with open('fifo') as fifo:\n    fifo.read()\n{APP}")
    config = tmp_path / 'granian.toml'
    text = '[[listeners]]\nbind = "127.0.0.1:0"\n[[apps]]\ntarget = "main:app"\ninterface = "asginl"\n'
    config.write_text(text)
    env = {'NOTIFY_SOCKET': str(tmp_path / 'notify')}
    server = launch('serve', '-c', 'granian.toml', cwd=tmp_path, env=env)
    try:
        server.wait_for('HTTP/1 engine')
        config.write_text('faulty')
        for count in (1, 2):
            server.send_signal(signal.SIGHUP)
            assert manager.next()['RELOADING'] == '1'
            server.wait_for('Not reloaded', count=count)
        (tmp_path / 'fifo').write_text('')
        assert manager.next()['READY'] == '1'
        server.wait_for('Started worker-1')
        server.stop()
    finally:
        if not server.process.stdout.closed:
            server.kill_all()


def test_an_upgrade_is_told_by_the_process_that_is_listened_to(tmp_path, manager):
    (tmp_path / 'main.py').write_text(APP)
    env = {'NOTIFY_SOCKET': str(tmp_path / 'notify')}
    server = launch(*ARGUMENTS, cwd=tmp_path, env=env)
    family = []
    try:
        server.wait_ready()
        assert manager.next()['MAINPID'] == str(server.pid)
        server.send_signal(signal.SIGUSR2)
        new = int(server.wait_for(r'Upgrading: process (\d+) starts').group(1))
        # Its predecessor's word, the only one that counts until it is said (NotifyAccess=main), and its own.
        named = {'READY': '1', 'MAINPID': str(new)}
        said = [manager.next() for _ in range(2)]
        assert sorted(said, key=len) == [named, {**named, 'STATUS': 'Generation 1 serves with 1 workers'}]
        assert server.process.wait(30) == 0
        family = [psutil.Process(new), *psutil.Process(new).children()]
        assert get(server.port) == 'nobody'
        os.kill(new, signal.SIGTERM)
        assert manager.next()['STOPPING'] == '1'
        server.wait_ended()
    finally:
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if not server.process.stdout.closed:
            server.kill_all()


def test_watchdog_is_fed(tmp_path, manager):
    (tmp_path / 'main.py').write_text(APP)
    env = {'NOTIFY_SOCKET': str(tmp_path / 'notify'), 'WATCHDOG_USEC': '200000'}
    with running_server(*ARGUMENTS, cwd=tmp_path, env=env):
        beats = [manager.next() for _ in range(5)]
        assert [beat for beat in beats if 'READY' not in beat] == [{'WATCHDOG': '1'}] * 4


@pytest.fixture
def first_process():
    """What makes a command the first process of a PID namespace."""
    command = [shutil.which('unshare') or 'unshare', '--pid', '--fork', '--kill-child', '--mount-proc']
    try:
        subprocess.run([*command, 'true'], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip('PID namespaces cannot be made here')
    return command


def test_as_first_process_orphans_are_reaped_and_a_stop_is_clean(tmp_path, first_process):
    (tmp_path / 'main.py').write_text(APP)
    command = [*first_process, sys.executable, '-m', 'granian', '--port', '0', *ARGUMENTS]
    server = Server(command, cwd=tmp_path, env=server_environment())
    try:
        server.wait_ready()
        server.wait_for(r'main PID: 1\)')
        (first,) = psutil.Process(server.pid).children()
        (worker,) = first.children()
        assert get(server.port, '/orphan') == 'nobody'
        # The orphan is handed to the first process, and is gone once that has taken its status.
        orphans = [process for process in first.children() if process.pid != worker.pid]
        _, alive = psutil.wait_procs(orphans, timeout=20)
        assert not alive
        first.send_signal(signal.SIGTERM)
        assert server.wait_ended() == 0
        assert 'see ya' in server.log
    finally:
        if not server.process.stdout.closed:
            server.kill_all()
