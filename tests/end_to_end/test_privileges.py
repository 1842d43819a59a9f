"""Started as root, served as somebody else; and with next to nothing that may be written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.helpers.certificates import Authority
from tests.helpers.server import Server, running_server, server_environment

APP = """
import json, os, pathlib

async def app(scope, receive, send):
    told = [os.getresuid(), os.getresgid(), os.getgroups()]
    made = pathlib.Path('data/made')
    if made.parent.is_dir():
        made.unlink(missing_ok=True)
        made.touch()
        told.append(made.stat().st_mode & 0o777)
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': json.dumps(told).encode()})
"""
NOBODY = 65534


@pytest.fixture
def folder():
    """One that everybody may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix='granian-test-') as name:
        os.chmod(name, 0o755)
        Path(name, 'main.py').write_text(APP)
        yield Path(name)


def configured(folder, *listeners, server=''):
    binds = ''.join(f'[[listeners]]\nbind = "{bind}"\n' for bind in listeners)
    text = f'[server]\n{server}\n{binds}[[apps]]\ntarget = "main:app"\ninterface = "asgi"\nlifespan = "off"\n'
    (folder / 'granian.toml').write_text(text)
    return 'serve', '-c', 'granian.toml'


def get(port):
    with urllib.request.urlopen(f'http://127.0.0.1:{port}/', timeout=20) as response:
        return json.load(response)


def privileged_port():
    for port in range(700, 1000):
        with socket.socket() as sock:
            if sock.connect_ex(('127.0.0.1', port)):
                return port
    raise AssertionError('no port is free')


@pytest.mark.skipif(os.geteuid() != 0, reason='only root may become somebody else')
def test_workers_become_another_user_and_the_supervisor_still_reloads(folder):
    (folder / 'data').mkdir()
    (folder / 'data').chmod(0o777)
    (folder / 'run').mkdir(0o700)
    server_keys = 'user = "nobody"\numask = 0o027\npid_file = "run/pid"'
    path = folder / 'sock'
    arguments = configured(folder, '127.0.0.1:0', f'unix:{path}', server=server_keys)
    with running_server(*arguments, cwd=folder) as server:
        mine = [[NOBODY] * 3, [NOBODY] * 3, [NOBODY], 0o640]
        assert get(server.port) == mine
        found = path.stat()
        # Who is to connect belongs to that group; by the umask nobody else may.
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (NOBODY, NOBODY, 0o750)
        assert (folder / 'run' / 'pid').read_text().strip() == str(server.pid)

        # A port that only root can bind, and the user at a reload.
        port = privileged_port()
        configured(folder, f'127.0.0.1:{port}', server=server_keys.replace('nobody', 'www-data'))
        server.send_signal(signal.SIGHUP)
        server.wait_for('generation 2 serves')
        assert get(port)[0] != mine[0]
        server.send_signal(signal.SIGTERM)
        server.wait_ended()
    assert not (folder / 'run' / 'pid').exists()
    assert not path.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason='only root may become somebody else')
def test_whoever_serves_metrics_becomes_that_user_too_on_a_port_of_roots(folder):
    port = privileged_port()
    arguments = configured(folder, '127.0.0.1:0', server='user = "nobody"')
    config = folder / 'granian.toml'
    config.write_text(f'{config.read_text()}[metrics]\nenabled = true\nbind = "127.0.0.1:{port}"\n')
    with running_server(*arguments, cwd=folder) as server:
        with urllib.request.urlopen(f'http://127.0.0.1:{port}/', timeout=20) as response:
            assert response.status == 200
        users = [psutil.Process(pid).uids() for pid in server.worker_pids()]
        assert [tuple(each) for each in users] == [(NOBODY,) * 3] * 2


@pytest.mark.skipif(os.geteuid() != 0, reason='only root may become somebody else')
def test_a_key_of_roots_alone_serves_workers_of_another_user(folder):
    keys = folder / 'keys'
    keys.mkdir(0o700)
    certificate, key = Authority('root').issue('localhost').write(keys, 'site')
    key.chmod(0o600)
    arguments = configured(folder, '127.0.0.1:0', server='user = "nobody"')
    config = folder / 'granian.toml'
    tls = f'[listeners.tls]\ncertificate = "{certificate}"\nkey = "{key}"\n[[apps]]'
    config.write_text(config.read_text().replace('[[apps]]', tls))
    with running_server(*arguments, cwd=folder) as server:
        for generation in (1, 2):
            context = ssl._create_unverified_context()
            with urllib.request.urlopen(f'https://127.0.0.1:{server.port}/', timeout=20, context=context) as response:
                assert json.load(response)[0] == [NOBODY] * 3
            if generation == 1:
                server.send_signal(signal.SIGHUP)
                server.wait_for('generation 2 serves')
        assert 'ERROR' not in server.log


@pytest.mark.skipif(os.geteuid() != 0, reason='only root may become somebody else')
def test_a_renewed_key_of_roots_alone_is_told_and_taken_by_a_reload(folder):
    def renew():
        issued = Authority('root').issue('localhost')
        for new in issued.write(folder, 'new'):
            new.chmod(0o644 if new.suffix == '.pem' else 0o600)
            new.replace(folder / f'site{new.suffix}')
        return issued.pem

    def shown():
        return ssl.get_server_certificate(('127.0.0.1', server.port), timeout=20)

    first = renew()
    arguments = configured(folder, '127.0.0.1:0', server='user = "nobody"')
    config = folder / 'granian.toml'
    tls = '[listeners.tls]\ncertificate = "site.pem"\nkey = "site.key"\nreload_interval = "100ms"\n[[apps]]'
    config.write_text(config.read_text().replace('[[apps]]', tls))
    with running_server(*arguments, cwd=folder) as server:
        assert shown() == first
        second = renew()
        server.wait_for(
            "site.key' cannot be read: permission denied by this worker; a reload has the supervisor read it"
        )
        assert shown() == first
        server.send_signal(signal.SIGHUP)
        server.wait_for('generation 2 serves')
        assert shown() == second
        assert server.log.count('stay as they were') == 1


def test_a_user_that_is_not_there_is_told_with_its_place(folder):
    arguments = configured(folder, '127.0.0.1:0', server='user = "no-such-user"')
    command = [sys.executable, '-m', 'granian', *arguments]
    done = subprocess.run(
        command, cwd=folder, env=server_environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "granian.toml:2:8: server.user: there is no user 'no-such-user'" in done.stderr


def test_read_only_root_and_no_privileges_at_all(folder):
    """As in a hardened container: nothing can be written, not even a temporary file, and the user is nobody."""
    wrap = [
        shutil.which('unshare') or 'unshare',
        '--mount',
        'sh',
        '-c',
        'mount -o remount,ro,bind / && exec "$@"',
        'sh',
    ]
    nobody = [
        shutil.which('setpriv') or 'setpriv',
        '--reuid=65534',
        '--regid=65534',
        '--clear-groups',
        '--no-new-privs',
    ]
    try:
        # This Python may be in a folder of root's alone.
        subprocess.run([*wrap, *nobody, sys.executable, '-c', 'import granian'], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip('mount namespaces cannot be made here, or are no place for this Python')
    arguments = configured(folder, '127.0.0.1:0', server='workers = 2')
    command = [*wrap, *nobody, sys.executable, '-m', 'granian', *arguments]
    server = Server(command, cwd=folder, env=server_environment())
    try:
        server.wait_ready()
        assert get(server.port)[0] == [NOBODY] * 3
        server.send_signal(signal.SIGHUP)
        server.wait_for('generation 2 serves')
        server.stop()
        complaints = [line for line in server.lines if not line.startswith('[INFO]')]
        # There is no place for it, and a reload tries again; a signal does the same.
        assert len(set(complaints)) == 1
        assert complaints[0].startswith('[WARNING] No control socket, ')
    finally:
        if not server.process.stdout.closed:
            server.kill_all()
